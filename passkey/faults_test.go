package passkey_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

var errStore = errors.New("the store is away")

// A deed is a request that changes or proves something, with what it changes.
type deed struct {
	name string

	// prepare returns the request, for a world in which everything works.
	prepare func(t *testing.T, w *world, b *browser, d *device) func() *answer

	// done reports whether the deed is done.
	done func(w *world, b *browser, u string) bool
}

func deeds() []deed {
	second := func(w *world, _ *browser, u string) bool { return w.head(u).Ways.Passkeys == 2 }
	return []deed{
		{"sign-in", func(t *testing.T, w *world, b *browser, d *device) func() *answer {
			b.Cookies = map[string]string{}
			page := b.get("/passkey/authorize")
			credential := d.show(t, page.form("").Data)
			return func() *answer { return b.fill(page, credential) }
		}, func(_ *world, b *browser, _ string) bool { return b.session() != nil }},
		{"sign-up", func(t *testing.T, w *world, b *browser, _ *device) func() *answer {
			b.Cookies = map[string]string{}
			page := b.post("/passkey/sign-up", "state", b.apply("grace"))
			credential := newDevice().make(t, page.form("").Data)
			return func() *answer { return b.fill(page, credential) }
		}, func(_ *world, b *browser, _ string) bool { return b.session() != nil }},
		{"enroll", func(t *testing.T, w *world, b *browser, _ *device) func() *answer {
			page := b.get("/passkey/enroll")
			credential := newDevice().make(t, page.form("").Data)
			return func() *answer { return b.fill(page, credential) }
		}, second},
		{"remove", func(t *testing.T, w *world, b *browser, _ *device) func() *answer {
			list := b.enroll(newDevice()).want(200, "passkey.added")
			_, id, _ := strings.Cut(list.page.Lines[1].Link.URL, "id=")
			return func() *answer { return b.post("/passkey/remove", "id", id) }
		}, func(w *world, _ *browser, u string) bool { return w.head(u).Ways.Passkeys == 1 }},
		{"rename", func(t *testing.T, w *world, b *browser, _ *device) func() *answer {
			_, id, _ := strings.Cut(b.get("/passkey/list").page.Lines[0].Link.URL, "id=")
			return func() *answer { return b.post("/passkey/rename", "id", id, "name", "blue") }
		}, func(w *world, b *browser, _ string) bool { return b.get("/passkey/list").page.Lines[0].Label == "blue" }},
		{"ask", func(t *testing.T, w *world, b *browser, d *device) func() *answer {
			page := b.post("/passkey/ask", "ask", "on")
			credential := d.show(t, page.form("").Data)
			return func() *answer { return b.fill(page, credential) }
		}, func(w *world, _ *browser, u string) bool { return w.head(u).Due() }},
		{"verify", func(t *testing.T, w *world, b *browser, d *device) func() *answer {
			page := b.post("/passkey/ask", "ask", "on")
			b.fill(page, d.show(t, page.form("").Data)).want(200, "passkey.set")
			b.post("/password/set", "new_password", phrase)
			b.Cookies = map[string]string{}
			page = b.signInPassword("ada").want(200, "passkey.verify")
			credential := d.show(t, page.form("").Data)
			return func() *answer { return b.fill(page, credential) }
		}, func(_ *world, b *browser, _ string) bool { return b.session() != nil }},
	}
}

// TestFaults_EachCall: a store that fails at one call makes a request fail with 503, or after the deed, best effort. Of
// a deed that failed before its write nothing is done, and rows always agree with the counts of the head.
func TestFaults_EachCall(t *testing.T) {
	for _, x := range deeds() {
		t.Run(x.name, func(t *testing.T) {
			for n, calls := 1, 100; n <= calls; n++ {
				for _, after := range []bool{false, true} {
					w := newWorld(t)
					b, d := w.browser(), newDevice()
					u := b.signUp("ada", d)
					run := x.prepare(t, w, b, d)
					w.store.taken()
					w.store.failing(func(i int, _ byte) (error, error) {
						switch {
						case i != n:
							return nil, nil
						case after:
							return nil, errStore
						}
						return errStore, nil
					})
					a := run()
					w.store.failing(nil)
					calls = len(w.store.taken())
					consistent(t, w, u)
					done := x.done(w, b, u)
					switch {
					case a.Code == http.StatusOK:
						if !done {
							t.Errorf("call %d, after %t: 200, and not done", n, after)
						}
					case a.Code != http.StatusServiceUnavailable && a.Code != http.StatusConflict && a.Code != http.StatusBadRequest && a.Code != http.StatusUnauthorized:
						t.Errorf("call %d, after %t: %d %s", n, after, a.Code, a.Body)
					}
					if strings.Contains(a.Body.String(), errStore.Error()) {
						t.Errorf("call %d: the answer has the fault of the store", n)
					}
				}
			}
		})
	}
}

// consistent checks that the rows of a user's passkeys, their claims and the count of the head agree.
func consistent(t *testing.T, w *world, u string) {
	t.Helper()
	items, _, err := w.store.Store.List(t.Context(), head.Part(w.sessions.Issuer(), u), "passkey:", 100)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, item := range items {
		hash, ok := strings.CutPrefix(item.Key.ID, "passkey:")
		if !ok {
			break
		}
		rows++
		claim, err := w.store.Store.Get(t.Context(), store.Key{Part: "passkey:" + hash, ID: "owner"})
		if err != nil || len(claim) != 1 || string(claim[0].Value) != fmt.Sprintf(`{"user":%q}`, u) {
			t.Errorf("claim %v, %v", claim, err)
		}
	}
	if h := w.head(u); h.Ways.Passkeys != rows {
		t.Errorf("%d rows, and the head counts %d", rows, h.Ways.Passkeys)
	}
}

// TestCost: how often a request asks the store. A sign-in reads the owner of the credential, and then the user.
func TestCost(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	b.signUp("ada", d)
	w.store.taken()
	page := b.get("/passkey/authorize")
	if got := w.store.taken(); got != "" {
		t.Errorf("the page of a sign-in: %q", got)
	}
	b.fill(page, d.show(t, page.form("").Data)).want(200, "https://app.example.com/")
	// By chance the history is tidied too, which lists it once.
	if got := strings.TrimSuffix(w.store.taken(), "l"); !strings.HasPrefix(got, "rrrww") || len(got) > 14 {
		t.Errorf("a sign-in: %q", got)
	}
	b.get("/passkey/list")
	if got := w.store.taken(); strings.Count(got, "l") != 1 || strings.Contains(got, "w") {
		t.Errorf("the list: %q", got)
	}
}

// TestStolenStore: who has a copy of the store signs in nowhere with it: it has public keys, and no challenge.
func TestStolenStore(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	u := b.signUp("ada@example.com", d)
	page := w.browser().get("/passkey/authorize")
	var dump strings.Builder
	for _, part := range []string{head.Part(w.sessions.Issuer(), u)} {
		items, _, err := w.store.Store.List(t.Context(), part, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			dump.WriteString(item.Key.ID + " " + string(item.Value) + "\n")
		}
	}
	if !strings.Contains(dump.String(), "passkey-handle") {
		t.Fatal("the dump lacks the rows")
	}
	for _, secret := range []string{page.form("").Hidden["ceremony"], page.form("").Hidden["state"]} {
		if strings.Contains(dump.String(), secret) {
			t.Error("the store has what a browser must prove")
		}
	}
	// With the id, the handle and the counter of the store, and another key.
	thief := newDevice()
	thief.make(t, b.get("/passkey/enroll").form("").Data)
	thief.Credentials[0].ID, thief.Options.UserHandle = d.Credentials[0].ID, d.Options.UserHandle
	w.browser().signIn(thief).want(400, "invalid_passkey")
}

// TestW1_CounterGoesBack: a counter that goes back is reported, once a day by mail, and the passkey still works.
func TestW1_CounterGoesBack(t *testing.T) {
	w := newWorld(t)
	d := newDevice()
	u := w.browser().signUp("ada@example.com", d)
	w.browser().signIn(d).want(200, "https://app.example.com/")
	w.browser().signIn(d).want(200, "https://app.example.com/")
	w.Events.Take()
	for range 3 {
		d.Credentials[0].Counter = 0
		w.browser().signIn(d).want(200, "https://app.example.com/")
	}
	events, mails := 0, 0
	for _, e := range w.Events.Take() {
		if e.Name == "passkey cloned" && e.UserID == u {
			events++
		}
	}
	for _, name := range w.notices("ada@example.com") {
		if name == "passkey.cloned" {
			mails++
		}
	}
	if events != 3 || mails != 1 {
		t.Errorf("%d events, %d mails", events, mails)
	}
	d.Credentials[0].Counter = 100
	w.browser().signIn(d).want(200, "https://app.example.com/")
	if names := w.events(); strings.Contains(strings.Join(names, " "), "cloned") {
		t.Error("a counter that goes up was reported")
	}
}

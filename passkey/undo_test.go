package passkey_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/users"
)

// JSON sends a JSON request of a page of the issuer.
func (b *browser) asJSON(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, issuer+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.Do(r)
}

// The notice about a passkey of a thief refuses it and what came later, and the passkey from before signs in. The
// notice about one that may exist twice refuses that one alone.
func TestNotMe_Passkeys(t *testing.T) {
	stop := func(t *testing.T, w *world, name string) {
		t.Helper()
		for _, m := range w.mails.All() {
			if m.Name != name {
				continue
			}
			to, err := url.Parse(m.Arg("link"))
			if err != nil || m.Arg("link") == "" || !strings.Contains(m.Text, "It happened on ") {
				t.Fatalf("%v, no link or no time:\n%s", err, m.Text)
			}
			w.browser().post("/account/undo", "user", to.Query().Get("user"), "token", to.Query().Get("token")).want(200, "postern.stopped")
			return
		}
		t.Fatalf("no mail %s", name)
	}
	enters := func(t *testing.T, w *world, d *device, ok bool) {
		t.Helper()
		b := w.browser()
		if a := b.signIn(d); (b.session() != nil) != ok || !ok && a.page.Error != "account_frozen" {
			t.Errorf("signed in: %v: %d %s", b.session() != nil, a.Code, a.Body)
		}
	}
	for name, deed := range map[string]func(w *world, b *browser, own, stolen *device){
		"passkey.added": func(*world, *browser, *device, *device) {},
		"passkey.removed": func(_ *world, b *browser, _, _ *device) {
			_, id, _ := strings.Cut(b.get("/passkey/list").page.Lines[0].Link.URL, "id=")
			b.post("/passkey/remove", "id", id).want(200, "passkey.removed")
		},
		"passkey.cloned": func(w *world, _ *browser, _, stolen *device) {
			for _, counter := range []uint32{9, 0} {
				stolen.Credentials[0].Counter = counter
				w.browser().signIn(stolen).want(200, "https://app.example.com/")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b, own, stolen := w.browser(), newDevice(), newDevice()
			b.signUp("ada@example.com", own)
			b.enroll(stolen).want(200, "passkey.added")
			deed(w, b, own, stolen)
			stop(t, w, name)
			if b.session() != nil {
				t.Error("the session lives")
			}
			if name != "passkey.removed" { // one of the two is left
				enters(t, w, own, true)
				enters(t, w, stolen, false)
			}
		})
	}
}

// A change of the address is undone: the passkey from before it signs in, one that came with it does not, and one that
// is made afterwards does.
func TestA14_UndoAndPasskeys(t *testing.T) {
	w := newWorld(t)
	b, own, stolen := w.browser(), newDevice(), newDevice()
	u := b.signUp("ada@example.com", own)
	p, err := w.dir.Get(t.Context(), u)
	if err != nil || len(p.Addresses) != 1 {
		t.Fatal(p, err)
	}
	id := head.Hash("address", u, "email", "ada@example.com")[:22]
	if a := b.asJSON("POST", "/account/addresses", `{"address":"thief@example.com","replace":"`+id+`"}`); a.Code != http.StatusAccepted {
		t.Fatal(a.Code, a.Body)
	}
	code, link := "", ""
	for _, m := range w.mails.All() {
		if m.Name == "postern.new-address" {
			code = m.Arg("code")
		}
	}
	if a := b.asJSON("POST", "/account/addresses/confirm", `{"code":"`+code+`"}`); a.Code != http.StatusNoContent {
		t.Fatal(a.Code, a.Body)
	}
	b.enroll(stolen).want(200, "passkey.added")
	for _, m := range w.mails.All() {
		if m.Name == "postern.address-undo" {
			link = m.Arg("link")
		}
	}
	to, err := url.Parse(link)
	if err != nil || link == "" {
		t.Fatal(err, "no link")
	}
	w.browser().post("/account/undo", "user", to.Query().Get("user"), "token", to.Query().Get("token")).want(200, "postern.change-undone")
	if b.session() != nil {
		t.Error("the session lives")
	}
	thief := w.browser()
	if a := thief.signIn(stolen); a.Code != http.StatusForbidden || a.page.Error != "account_frozen" || thief.session() != nil {
		t.Errorf("the passkey of the thief: %d %s", a.Code, a.Body)
	}
	owner := w.browser()
	owner.signIn(own).want(200, "https://app.example.com/")
	if s := owner.session(); s == nil || s.Subject != u {
		t.Fatalf("the owner: %+v", s)
	}
	later := newDevice()
	owner.enroll(later).want(200, "passkey.added")
	again := w.browser()
	again.signIn(later).want(200, "https://app.example.com/")
	if a := thief.signIn(stolen); a.Code != http.StatusForbidden {
		t.Errorf("the passkey of the thief, later: %d %s", a.Code, a.Body)
	}
	// An administrator ends the freeze, with everything that is in the account.
	if err := w.dir.Enable(t.Context(), u, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	thief.signIn(stolen).want(200, "https://app.example.com/")
}

package password_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

func TestSignUpAndSignIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	st := b.apply("ada@example.com")
	want(t, b.post("/password/sign-up", "state", st, "password", "short"), http.StatusBadRequest, "password_too_short")
	want(t, b.post("/password/sign-up", "state", st, "password", "ada@example.comada"), http.StatusBadRequest, "password_contains_name")
	want(t, b.post("/password/sign-up", "state", st, "password", "example example example"), http.StatusBadRequest, "password_contains_name")
	want(t, b.post("/password/sign-up", "state", st, "password", good), http.StatusSeeOther, "/continue")
	user := w.user("ada@example.com")
	if s := b.session(); s == nil || s.Subject != user || !slices.Equal(s.Authentication.Methods, []string{"pwd"}) {
		t.Fatalf("after the sign-up: %+v", s)
	}
	if h := w.head(user); h.Ways.Passwords != 1 || h.Ways.Addresses != 1 {
		t.Errorf("head %+v", h)
	}
	want(t, b.post("/password/sign-up", "state", st, "password", better), http.StatusBadRequest, "invalid_state")

	b = w.browser()
	want(t, b.signIn("ada@example.com", better), http.StatusBadRequest, "wrong_password")
	if b.session() != nil {
		t.Fatal("a session with a wrong password")
	}
	want(t, b.signIn(" Ada@Example.COM ", good), http.StatusSeeOther, "/continue")
	if s := b.session(); s == nil || s.Subject != user {
		t.Fatalf("session %+v", s)
	}
	if strings.Contains(w.Log.String(), good) || strings.Contains(w.World.Log.String(), better) {
		t.Error("the log has a password")
	}
}

func TestSignIn_Form(t *testing.T) {
	w := newWorld(t)
	w.browser().signUp("ada@example.com", good)
	b := w.browser()
	st := state(t, b.get("/password/authorize"))
	for _, form := range [][]string{
		{"identifier", "ada@example.com", "password", good},
		{"state", "x", "identifier", "ada@example.com", "password", good},
	} {
		want(t, b.post("/password/callback", form...), http.StatusBadRequest, "invalid_state")
	}
	want(t, b.post("/password/callback", "state", st, "identifier", "ada@example.com,eve@example.com", "password", good), http.StatusBadRequest, "invalid_address")
	want(t, b.post("/password/callback", "state", st, "identifier", "x!", "password", good), http.StatusBadRequest, "invalid_username")
	for _, wrong := range []string{"", strings.Repeat("x", 1025), strings.Repeat("\ufb2c", 400)} {
		want(t, b.post("/password/callback", "state", st, "identifier", "ada@example.com", "password", wrong), http.StatusBadRequest, "wrong_password")
	}
	replay := &browser{b.Clone(), w}
	want(t, b.post("/password/callback", "state", st, "identifier", "ada@example.com", "password", good), http.StatusSeeOther, "/continue")
	want(t, replay.post("/password/callback", "state", st, "identifier", "ada@example.com", "password", good), http.StatusBadRequest, "used_state")
}

func TestSignIn_Username(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	st := state(t, b.post("/sign-up", "username", "ada"))
	want(t, b.post("/password/sign-up", "state", st, "password", good), http.StatusSeeOther, "/continue")
	want(t, w.browser().signIn("Ada", good), http.StatusSeeOther, "/continue")
	want(t, w.browser().signIn("eve", good), http.StatusBadRequest, "wrong_password")
}

// Passwords that differ in their last bytes are different, and form NFC is the same from every keyboard.
func TestP2_P3_WholeAndNormalised(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("lang ist die nacht ", 12)
	w.browser().signUp("ada@example.com", long+"a")
	w.browser().signUp("bea@example.com", "die cafe\u0301s am fluss")
	w.browser().signUp("eva@example.com", "\U0001f600 drei \u200d ecken \u05e9\u05dc\u05d5\u05dd hier")
	want(t, w.browser().signIn("ada@example.com", long+"b"), http.StatusBadRequest, "wrong_password")
	want(t, w.browser().signIn("ada@example.com", long[:72]), http.StatusBadRequest, "wrong_password")
	want(t, w.browser().signIn("ada@example.com", long+"a"), http.StatusSeeOther, "/continue")
	want(t, w.browser().signIn("bea@example.com", "die caf\u00e9s am fluss"), http.StatusSeeOther, "/continue")
	want(t, w.browser().signIn("eva@example.com", "\U0001f600 drei \u200d ecken \u05e9\u05dc\u05d5\u05dd hier"), http.StatusSeeOther, "/continue")
	want(t, w.browser().signIn("eva@example.com", "\U0001f600 drei ecken \u05e9\u05dc\u05d5\u05dd hier"), http.StatusBadRequest, "wrong_password")
}

// Known and unknown names have equal answers, at equal calls of the store, also at the limit.
func TestA8_SignInAnswersAlike(t *testing.T) {
	w := newWorld(t)
	w.browser().signUp("ada@example.com", good)
	w.who.Addresses = []postern.Address{{Type: "email", Value: "idp@example.com", Verified: true}}
	want(t, w.browser().get("/door/authorize"), http.StatusSeeOther, "app.example.com") // a user without a password
	series := map[string][]string{}
	for _, name := range []string{"ada@example.com", "noa@example.com", "idp@example.com"} {
		for i := range 12 {
			b := w.browser()
			st := state(t, b.get("/password/authorize"))
			w.store.taken()
			a := b.post("/password/callback", "state", st, "identifier", name, "password", better)
			calls := w.store.taken()
			series[name] = append(series[name], calls+" "+plain(a, st, name))
			if (a.Code == http.StatusTooManyRequests) != (i >= 10) {
				t.Fatalf("%s, guess %d: %d", name, i, a.Code)
			}
		}
	}
	for _, name := range []string{"noa@example.com", "idp@example.com"} {
		for i := range series[name] {
			if series[name][i] != series["ada@example.com"][i] {
				t.Errorf("%s, guess %d differs:\n%s\n%s", name, i, series["ada@example.com"][i], series[name][i])
			}
		}
	}
}

var cookieValue = regexp.MustCompile(`=[^;]*`)

// plain is an answer without what differs by nature.
func plain(a *httptest.ResponseRecorder, state, name string) string {
	var b strings.Builder
	b.WriteString(a.Body.String() + "\n")
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k, v := range a.Header() {
			for _, one := range v {
				if k == "Set-Cookie" {
					one = cookieValue.ReplaceAllString(one, "=")
				}
				if !yield(k + ": " + one) {
					return
				}
			}
		}
	}) {
		b.WriteString(k + "\n")
	}
	return strings.NewReplacer(state, "STATE", name, "NAME").Replace(b.String())
}

// guessed makes the store count n wrong passwords in a row for a user.
func (w *world) guessed(user string, n int) {
	w.t.Helper()
	key := store.Key{Part: head.Part(w.sessions.Issuer(), user), ID: "password tries"}
	items, err := w.store.Store.Get(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	item := store.Item{Key: key}
	if len(items) > 0 {
		item = items[0]
	}
	item.Value = fmt.Appendf(nil, `{"n":%d,"at":"0001-01-01T00:00:00Z"}`, n)
	if err := w.store.Store.Write(w.t.Context(), store.Put(item)); err != nil {
		w.t.Fatal(err)
	}
}

// Guesses from many clients and two processes: as many are compared as the limits allow. The owner still signs in with
// the browser that did before. POSTERN_TEST_LONG=1 makes 100,000 of them.
func TestP5_ManyGuesses(t *testing.T) {
	first := newWorld(t)
	second := newWorld(t, first.twin())
	first.browser().signUp("ada@example.com", good)
	owner := first.browser()
	want(t, owner.signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
	guesses := 1500
	if os.Getenv("POSTERN_TEST_LONG") != "" {
		guesses = 100_000
	}
	compared, b := 0, []*browser{first.browser(), second.browser()}
	states := []string{state(t, b[0].get("/password/authorize")), state(t, b[1].get("/password/authorize"))}
	for i := range guesses {
		p := b[i%2]
		p.Addr = fmt.Sprintf("198.%d.%d.%d:99", 18+i%2, i/250%250, i%250)
		if i > 0 && i%(guesses/7) == 0 {
			first.Advance(time.Minute)
		}
		switch a := p.post("/password/callback", "state", states[i%2], "identifier", "ada@example.com", "password", better); a.Code {
		case http.StatusBadRequest:
			compared++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("guess %d: %d\n%s", i, a.Code, a.Body)
		}
	}
	if compared != 10 {
		t.Errorf("%d of %d guesses were compared in 15 minutes, want 10", compared, guesses)
	}
	want(t, owner.signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
}

// twin is the option for a second process with the store, the keys and the clock of w.
func (w *world) twin() func(*options) {
	return func(o *options) { o.store, o.ring, o.clock = w.store.Store, w.ring, w.World }
}

// A sealed cookie of an account of one's own does not help against the limit of a client: one password at many names.
func TestP5_Spraying(t *testing.T) {
	w := newWorld(t)
	eve := w.browser()
	eve.signUp("eve@example.com", better)
	want(t, eve.signIn("eve@example.com", better), http.StatusSeeOther, "/continue")
	signedIn := eve.Clone()
	compared := 0
	for i := range 130 {
		if i%40 == 0 { // a new cookie
			fresh := w.browser()
			fresh.Addr = "203.0.113.9:9"
			want(t, fresh.signIn("eve@example.com", better), http.StatusSeeOther, "/continue")
			signedIn = fresh.Clone()
		}
		b := &browser{signedIn.Clone(), w}
		b.Addr = "192.0.2.77:9"
		if i == 120 {
			b.Addr = "198.51.100.7:9" // another client is not held up
		}
		switch c := b.signIn(fmt.Sprintf("user-%d@example.com", i), good).Code; {
		case c == http.StatusBadRequest:
			compared++
		case c != http.StatusTooManyRequests || i == 120:
			t.Fatalf("guess %d: %d", i, c)
		}
	}
	if compared < 90 || compared > 101 {
		t.Errorf("%d guesses of one client were compared, want 100", compared)
	}
}

// Where too many passwords are hashed at once the answer is 503, and the guess does not count: an overload locks nobody
// out.
func TestP8_BusyCountsNothing(t *testing.T) {
	h, err := hash.New(hash.Config{Parallel: 1, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *options) { o.password.Hasher = h })
	user := w.browser().signUp("ada@example.com", good)
	for range 4 {
		var done sync.WaitGroup
		codes := make([]int, 6)
		for i := range codes {
			b := w.browser()
			b.Addr = "198.51.100.7:9"
			st := state(t, b.get("/password/authorize"))
			done.Go(func() {
				codes[i] = b.post("/password/callback", "state", st, "identifier", "ada@example.com", "password", better).Code
			})
		}
		done.Wait()
		wrong, busy := 0, 0
		for _, c := range codes {
			switch c {
			case http.StatusBadRequest:
				wrong++
			case http.StatusServiceUnavailable:
				busy++
			default:
				t.Errorf("status %d", c)
			}
		}
		if n := w.tries(user); n != wrong {
			t.Errorf("%d counted, %d were wrong and %d turned away", n, wrong, busy)
		}
		w.guessed(user, 0)
		w.Advance(time.Hour)
	}
}

// tries is how many wrong passwords in a row the store counts for a user.
func (w *world) tries(user string) int {
	w.t.Helper()
	items, err := w.store.Store.Get(w.t.Context(), store.Key{Part: head.Part(w.sessions.Issuer(), user), ID: "password tries"})
	var row struct{ N int }
	if err != nil || len(items) == 1 && json.Unmarshal(items[0].Value, &row) != nil {
		w.t.Fatal(err)
	}
	return row.N
}

// The links of the form lead on with the parameters of the application, also after a wrong password.
func TestSignIn_LinksKeepTheWay(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.get("/password/authorize?redirect_uri=%2Fwelcome&state=s1&login_hint=ada%40example.com")
	for _, a := range []*httptest.ResponseRecorder{page, b.post("/password/callback", "state", state(t, page), "identifier", "ada@example.com", "password", good)} {
		for _, link := range []string{`/auth/sign-up?redirect_uri=%2Fwelcome&amp;state=s1`, `/auth/authorize?redirect_uri=%2Fwelcome&amp;state=s1`, `value="ada@example.com"`} {
			if !strings.Contains(a.Body.String(), link) {
				t.Errorf("%s is not in\n%s", link, a.Body)
			}
		}
	}
	want(t, b.get("/password/authorize?redirect_uri=%2Fwelcome&state="+strings.Repeat("x", 500)), http.StatusOK, "sign-up")
}

// TestP5_Locked: after 100 wrong ones in a row no more is compared, except in a browser that signed in before. The lock
// ends by a sign-in in another way.
func TestP5_Locked(t *testing.T) {
	w := newWorld(t)
	signedUp := w.browser()
	user := signedUp.signUp("ada@example.com", good)
	owner := w.browser()
	want(t, owner.signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
	w.guessed(user, 99)
	want(t, w.browser().signIn("ada@example.com", good), http.StatusSeeOther, "/continue") // begins a new row
	w.guessed(user, 98)
	want(t, w.browser().signIn("ada@example.com", better), http.StatusBadRequest, "wrong_password")
	if w.head(user).Lock != "" {
		t.Fatal("locked after 99")
	}
	want(t, w.browser().signIn("ada@example.com", better), http.StatusBadRequest, "wrong_password")
	if w.head(user).Lock != head.LockPassword {
		t.Fatal("not locked after 100")
	}
	w.Advance(25 * time.Hour)
	want(t, w.browser().signIn("ada@example.com", good), http.StatusBadRequest, "wrong_password")
	want(t, owner.signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
	want(t, signedUp.signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
	if w.head(user).Lock != head.LockPassword {
		t.Error("a known browser lifted the lock")
	}
	// A stranger with an account has a sealed cookie, which is worth nothing here.
	eve := w.browser()
	eve.signUp("eve@example.com", better)
	want(t, eve.signIn("eve@example.com", better), http.StatusSeeOther, "/continue")
	want(t, eve.signIn("ada@example.com", good), http.StatusBadRequest, "wrong_password")

	if err := w.dir.Link(t.Context(), user, w.who); err != nil {
		t.Fatal(err)
	}
	want(t, w.browser().get("/door/authorize"), http.StatusSeeOther, "app.example.com")
	if w.head(user).Lock != "" {
		t.Fatal("the lock survives a sign-in in another way")
	}
	want(t, w.browser().signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
}

// A username without a mailbox has no other way: it can be tried again after a day.
func TestP5_LockedUsername(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	st := state(t, b.post("/sign-up", "username", "ada"))
	want(t, b.post("/password/sign-up", "state", st, "password", good), http.StatusSeeOther, "/continue")
	user := b.session().Subject
	w.guessed(user, 99)
	want(t, w.browser().signIn("ada", better), http.StatusBadRequest, "wrong_password")
	want(t, w.browser().signIn("ada", good), http.StatusBadRequest, "wrong_password")
	w.Advance(23 * time.Hour)
	want(t, w.browser().signIn("ada", good), http.StatusBadRequest, "wrong_password")
	w.Advance(2 * time.Hour)
	want(t, w.browser().signIn("ada", good), http.StatusSeeOther, "/continue")
	if w.head(user).Lock != "" {
		t.Error("still locked")
	}
}

func TestS11_StepUpByPassword(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	user := b.signUp("ada@example.com", good)
	w.browser().signUp("eve@example.com", better)
	before := b.session()
	page := b.get("/step-up/password")
	want(t, page, http.StatusOK, "Confirm that it is you")
	if strings.Contains(page.Body.String(), `name="identifier"`) {
		t.Error("the form asks who the person is")
	}
	st := state(t, page)
	want(t, b.post("/password/callback", "state", st, "identifier", "eve@example.com", "password", better), http.StatusBadRequest, "wrong_password")
	want(t, b.post("/password/callback", "state", st, "password", better), http.StatusBadRequest, "wrong_password")
	want(t, b.post("/password/callback", "state", st, "password", good), http.StatusSeeOther, "/continue")
	after := b.session()
	if after == nil || after.Subject != user || after.ID == before.ID || !slices.Contains(after.Authentication.Methods, postern.MethodStepUp) {
		t.Errorf("after: %+v", after)
	}
}

func TestSignIn_Disabled(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	user := b.signUp("ada@example.com", good)
	if err := w.dir.Disable(t.Context(), user, "spam", time.Time{}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	want(t, w.browser().signIn("ada@example.com", better), http.StatusBadRequest, "wrong_password")
	want(t, w.browser().signIn("ada@example.com", good), http.StatusForbidden, "account_disabled")
}

func TestConfig(t *testing.T) {
	w := newWorld(t)
	_, err := postern.New(postern.Config{
		Sessions: w.sessions, Redirects: []string{"/"}, OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
		Providers: map[string]postern.Provider{"password": password.New(password.Config{})},
	})
	if err == nil || !strings.Contains(err.Error(), "Config.Session") {
		t.Errorf("without Config.Session: %v", err)
	}
}

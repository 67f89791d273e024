package password_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/users"
)

// forgot asks for a link, and returns its token; empty without one.
func (b *browser) forgot(name string) string {
	b.w.t.Helper()
	b.w.mails.Take()
	want(b.w.t, b.post("/password/forgot", "identifier", name), http.StatusOK, "a mail is on its way")
	for _, m := range b.w.mails.All() {
		if link := m.Arg("link"); link != "" {
			u, err := url.Parse(link)
			if err != nil || !strings.HasPrefix(link, issuer+"/password/reset?token=") || !strings.Contains(m.Text, link) {
				b.w.t.Fatalf("link %s", link)
			}
			return u.Query().Get("token")
		}
	}
	return ""
}

func (w *world) mailNames() (all []string) {
	for _, m := range w.mails.Take() {
		all = append(all, m.To+" "+m.Name)
	}
	return all
}

func TestReset(t *testing.T) {
	w := newWorld(t)
	old := w.browser()
	user := old.signUp("ada@example.com", good)
	b := w.browser()
	want(t, b.get("/password/forgot"), http.StatusOK, "Send me a link")
	token := b.forgot(" Ada@example.com")
	for range 3 { // programs that scan mail
		page := w.browser().get("/password/reset?token=" + token)
		want(t, page, http.StatusOK, token)
		if len(page.Result().Cookies()) != 0 {
			t.Error("the page sets a cookie")
		}
	}
	b = w.browser()
	want(t, b.post("/password/reset", "token", token, "password", "short"), http.StatusBadRequest, "password_too_short")
	want(t, b.post("/password/reset", "token", token, "password", "ada@example.com"), http.StatusBadRequest, "password_contains_name")
	a := b.post("/password/reset", "token", token, "password", better)
	want(t, a, http.StatusSeeOther, "/auth/password/authorize?done=reset")
	want(t, b.get("/password/authorize?done=reset"), http.StatusOK, "Your password was set.")
	for _, other := range []*browser{b, w.browser()} { // once, and to nobody else
		if page := other.get("/password/authorize?done=reset").Body.String(); strings.Contains(page, "was set") {
			t.Error("the page says again that a password was set")
		}
	}
	if b.session() != nil || old.session() != nil {
		t.Error("there is a session after the reset")
	}
	for _, k := range a.Result().Cookies() {
		if k.Value != "reset" { // lets this browser say so
			t.Errorf("the reset sets the cookie %s", k.Name)
		}
	}
	if got := w.mailNames(); !slices.Equal(got, []string{"ada@example.com password.reset", "ada@example.com password.was-reset"}) {
		t.Errorf("mails %v", got)
	}
	want(t, w.browser().signIn("ada@example.com", good), http.StatusBadRequest, "wrong_password")
	want(t, w.browser().signIn("ada@example.com", better), http.StatusSeeOther, "/continue")
	want(t, w.browser().post("/password/reset", "token", token, "password", better), http.StatusBadRequest, "expired_reset")
	want(t, w.browser().post("/password/reset", "token", token, "password", good), http.StatusBadRequest, "expired_reset")
	for _, dead := range []string{token, token + "x", "x", ""} { // before anybody chooses a password
		want(t, w.browser().get("/password/reset?token="+dead), http.StatusBadRequest, "expired_reset")
	}
	if h := w.head(user); h.Ways.Passwords != 1 {
		t.Errorf("head %+v", h)
	}
}

func TestReset_LinksDie(t *testing.T) {
	w := newWorld(t)
	user := w.browser().signUp("ada@example.com", good)
	eve := w.browser().signUp("eve@example.com", better)
	dead := func(token string) {
		t.Helper()
		want(t, w.browser().post("/password/reset", "token", token, "password", better), http.StatusBadRequest, "expired_reset")
	}
	var tokens []string
	for range 4 {
		tokens = append(tokens, w.browser().forgot("ada@example.com"))
		w.Advance(time.Second)
	}
	dead(tokens[0]) // three are alive at most
	mutant := []byte(tokens[3])
	for i := range mutant {
		if i%7 == 0 {
			c := slices.Clone(mutant)
			c[i] ^= 1
			if s := string(c); strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == "" {
				dead(s)
			}
		}
	}
	w.Advance(16 * time.Minute)
	dead(tokens[3])

	w.Advance(time.Hour)
	one, two := w.browser().forgot("ada@example.com"), w.browser().forgot("ada@example.com")
	want(t, w.browser().post("/password/reset", "token", one, "password", "neun neue nelken im garten"), http.StatusSeeOther, "authorize")
	dead(two) // the security of the user has moved

	// The address belongs to somebody else by now.
	three := w.browser().forgot("eve@example.com")
	if err := w.dir.ReplaceAddress(t.Context(), eve, "eve@example.com", "new@example.com", users.Extra{}); err != nil {
		t.Fatal(err)
	}
	dead(three)
	four := w.browser().forgot("ada@example.com")
	if err := w.dir.Disable(t.Context(), user, "spam", time.Time{}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	dead(four)
	if w.browser().forgot("ada@example.com") != "" {
		t.Error("a disabled user got a link")
	}
}

// Known and unknown names have equal answers and calls. The mail says which it is, to the owner of the mailbox alone.
func TestA8_ForgotAnswersAlike(t *testing.T) {
	w := newWorld(t)
	w.browser().signUp("ada@example.com", good)
	w.who.Addresses = []postern.Address{{Type: "email", Value: "idp@example.com", Verified: true}}
	want(t, w.browser().get("/door/authorize"), http.StatusSeeOther, "app.example.com")
	w.mails.Take()
	var first []string
	for _, name := range []string{"ada@example.com", "noa@example.com", "idp@example.com"} {
		for i := range 7 {
			w.store.taken()
			b := w.browser()
			b.Addr = map[string]string{"ada": "192.0.2.1:9", "noa": "198.51.100.1:9", "idp": "203.0.113.1:9"}[name[:3]]
			a := b.post("/password/forgot", "identifier", name)
			got := plain(a, "none", name) + w.store.taken()
			if name == "ada@example.com" {
				first = append(first, got)
			} else if got != first[i] {
				t.Errorf("%s, request %d:\n%s\nand\n%s", name, i, first[i], got)
			}
		}
	}
	for _, m := range w.mails.Take() {
		if wants := map[string]string{"ada@example.com": "password.reset", "noa@example.com": "password.no-account", "idp@example.com": "password.no-password"}; m.Name != wants[m.To] {
			t.Errorf("to %s: %s", m.To, m.Name)
		}
	}
}

// TestA18_ForgotAddsNoWay: an account without a password gets a mail without a link. One with no way in gets a link.
func TestA18_ForgotAddsNoWay(t *testing.T) {
	w := newWorld(t)
	w.who.Addresses = []postern.Address{{Type: "email", Value: "ada@example.com", Verified: true}}
	want(t, w.browser().get("/door/authorize"), http.StatusSeeOther, "app.example.com")
	if w.browser().forgot("ada@example.com") != "" {
		t.Error("an account without a password got a link")
	}
	mails := w.mails.All()
	if len(mails) != 1 || mails[0].Name != "password.no-password" || !strings.Contains(mails[0].Text, "Door") {
		t.Errorf("mails %+v", mails)
	}
	// The provider is not configured any more: the account still has a way that a mailbox must not replace.
	other := newWorld(t, w.twin(), func(o *options) {
		o.config = func(c *postern.Config) { delete(c.Providers, "door") }
	})
	if other.browser().forgot("ada@example.com") != "" {
		t.Error("an account of a provider that is gone got a link")
	}
	// Imported without a password, and with no other way.
	if _, err := w.dir.Create(t.Context(), postern.SignUp{ID: strings.Repeat("x", 32), Identity: postern.Identity{Issuer: postern.MailIssuer, Subject: "bea@example.com"}}); err != nil {
		t.Fatal(err)
	}
	token := w.browser().forgot("bea@example.com")
	want(t, w.browser().post("/password/reset", "token", token, "password", good), http.StatusSeeOther, "authorize")
	want(t, w.browser().signIn("bea@example.com", good), http.StatusSeeOther, "/continue")
}

// A lock by wrong passwords ends with the reset.
func TestReset_Unlocks(t *testing.T) {
	w := newWorld(t)
	user := w.browser().signUp("ada@example.com", good)
	w.guessed(user, 99)
	want(t, w.browser().signIn("ada@example.com", better), http.StatusBadRequest, "wrong_password")
	if w.head(user).Lock != head.LockPassword {
		t.Fatal("not locked")
	}
	token := w.browser().forgot("ada@example.com")
	want(t, w.browser().post("/password/reset", "token", token, "password", better), http.StatusSeeOther, "authorize")
	want(t, w.browser().signIn("ada@example.com", better), http.StatusSeeOther, "/continue")
}

// TestP6_StoreFailsAtEachCall: whatever call of the store fails, before or after it was applied, the user has the old
// password and the old session, or the new password and none. The same link finishes what was cut off.
func TestP6_StoreFailsAtEachCall(t *testing.T) {
	away := errors.New("away")
	step := 1
	if raced {
		step = 5
	}
	for _, applied := range []bool{false, true} {
		for n := 1; ; n += step {
			w := newWorld(t)
			old := w.browser()
			old.signUp("ada@example.com", good)
			token := w.browser().forgot("ada@example.com")
			reached := false
			w.store.failing(func(i int, write bool) (before, after error) {
				if i < n || i == n && applied && !write {
					return nil, nil
				}
				reached = true
				if i == n && applied {
					return nil, away
				}
				return away, nil // and nothing works from then on: the process is as good as killed
			})
			a := w.browser().post("/password/reset", "token", token, "password", better)
			w.store.failing(nil)
			if a.Code != http.StatusSeeOther && a.Code != http.StatusServiceUnavailable {
				t.Fatalf("call %d: %d\n%s", n, a.Code, a.Body)
			}
			isNew := w.browser().signIn("ada@example.com", better).Code == http.StatusSeeOther
			isOld := w.browser().signIn("ada@example.com", good).Code == http.StatusSeeOther
			alive := old.session() != nil
			if isNew == isOld || isOld != alive || a.Code == http.StatusSeeOther && !isNew {
				t.Fatalf("call %d, applied %t: %d, new password %t, old password %t, old session %t", n, applied, a.Code, isNew, isOld, alive)
			}
			if again := w.browser().post("/password/reset", "token", token, "password", better).Code; a.Code != http.StatusSeeOther && again != http.StatusSeeOther {
				t.Fatalf("call %d, applied %t: again %d", n, applied, again)
			}
			if old.session() != nil || w.browser().signIn("ada@example.com", better).Code != http.StatusSeeOther {
				t.Fatalf("call %d, applied %t: not finished", n, applied)
			}
			noticed := slices.ContainsFunc(w.mails.All(), func(m postern.Mail) bool { return m.Name == "password.was-reset" })
			if events := w.events("password reset"); !noticed || events == 0 {
				t.Fatalf("call %d, applied %t: %d events, notice %t", n, applied, events, noticed)
			}
			if !reached {
				if n < 8 {
					t.Fatalf("only %d calls", n)
				}
				break
			}
		}
	}
}

package postern_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

// apply sends an address to the sign-up page, and opens the page to which that leads.
func apply(b *browser, address string) *httptest.ResponseRecorder {
	return b.onward(b.post(issuer+"/sign-up", url.Values{"email": {address}}))
}

// onward opens the page to which the answer to a form leads directly, if it leads to one.
func (b *browser) onward(w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	b.v.t.Helper()
	to := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.Contains(to, "?state=") {
		return w
	}
	if w.Body.Len() > 0 {
		b.v.t.Errorf("a redirect with a page:\n%s", w.Body)
	}
	return b.get(to)
}

func TestSignUp_ByAMailedCode(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	want(t, b.get(issuer+"/sign-up"), http.StatusOK, `autocomplete="email"`)
	w := apply(b, " Ada@Example.com ")
	want(t, w, http.StatusOK, "one-time-code")
	if got := h.names(); !slices.Equal(got, []string{"ada@example.com verify-address"}) || h.table.count() != 0 {
		t.Fatalf("mails %v, %d users", got, h.table.count())
	}
	st, code := state(t, w), h.code("ada@example.com")
	want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {"0000"}}), http.StatusBadRequest, "wrong_code")
	elsewhere := h.browser() // the code works in the browser that asked for it alone
	want(t, elsewhere.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {code}}), http.StatusBadRequest, "invalid_state")
	w = b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {code[:4] + " " + code[4:]}})
	if to := b.landing(w); to != "https://app.example.com/" {
		t.Errorf("leads to %s", to)
	}
	s, ok := h.session(b)
	if !ok || s.Subject != "user-1" {
		t.Fatalf("session %+v", s)
	}
	if p, _ := h.table.Get(t.Context(), "user-1"); len(p.Addresses) != 1 || p.Addresses[0].Value != "ada@example.com" || !p.Addresses[0].Verified {
		t.Errorf("user %+v", p)
	}
	want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {code}}), http.StatusBadRequest, "invalid_state")
}

// A known address gets the same answer, the same cost, and another mail. No code opens anything there.
func TestA8_SignUpAnswersAlike(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.browser(), h.who) // ada@example.com
	var bodies, costs []string
	for _, address := range []string{"ada@example.com", "new@example.com"} {
		b := h.browser()
		reads, writes := h.store.gets, h.store.writes
		w := apply(b, address)
		want(t, w, http.StatusOK, "one-time-code")
		body := strings.ReplaceAll(strings.ReplaceAll(w.Body.String(), state(t, w), "STATE"), address, "ADDRESS")
		bodies = append(bodies, body)
		costs = append(costs, strings.Repeat("r", h.store.gets-reads)+strings.Repeat("w", h.store.writes-writes))
	}
	if bodies[0] != bodies[1] || costs[0] != costs[1] {
		t.Errorf("known and unknown differ: %s and %s\n%s\n%s", costs[0], costs[1], bodies[0], bodies[1])
	}
	if got := h.names(); !slices.Equal(got, []string{"ada@example.com have-account", "new@example.com verify-address"}) {
		t.Errorf("mails %v", got)
	}
	b := h.browser()
	w := apply(b, "ada@example.com")
	st := state(t, w)
	for i := range 5 {
		want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {"1234567" + string(rune('0'+i))}}), http.StatusBadRequest, "wrong_code")
	}
	want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {"12345678"}}), http.StatusBadRequest, "expired_code")
}

func TestSignUp_CodesDie(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	w := apply(b, "ada@example.com")
	st, code := state(t, w), h.code("ada@example.com")
	wrong := []byte(code)
	wrong[0] = '0' + (wrong[0]-'0'+1)%10
	for range 5 {
		want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {string(wrong)}}), http.StatusBadRequest, "wrong_code")
	}
	want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {code}}), http.StatusBadRequest, "expired_code")

	w = apply(b, "ada@example.com")
	st, code = state(t, w), h.code("ada@example.com")
	h.Advance(15 * time.Minute)
	want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {code}}), http.StatusBadRequest, "expired_state")
	if h.table.count() != 0 {
		t.Errorf("%d users", h.table.count())
	}
}

func TestSignUp_LimitsBeforeLookUp(t *testing.T) {
	h := newHouse(t)
	for i := range 6 {
		w := apply(h.browser(), "ada@example.com")
		if i < 5 {
			want(t, w, http.StatusOK, "one-time-code")
		} else {
			want(t, w, http.StatusTooManyRequests, "rate_limited")
		}
	}
	if n := len(h.mails.All()); n != 5 {
		t.Errorf("%d mails", n)
	}
}

func TestA5_SignUpTakesOneAddress(t *testing.T) {
	h := newHouse(t)
	for _, address := range []string{"", "a@b.example,c@d.example", "a@b@c.example", `"a b"@c.example`, "a@c.example\r\nBcc: x@y.example", "a\x00@c.example",
		strings.Repeat("a", 250) + "@c.example", "a\uff20c.example", "@c.example", "a@", "a@localhost"} {
		if w := apply(h.browser(), address); w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d", address, w.Code)
		}
	}
	if n := len(h.mails.All()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// Nothing that one browser typed survives a proof in another: only the browser that has the code goes on.
func TestA9_NothingTypedBeforeProofSurvives(t *testing.T) {
	terms := func(_ *house, c *postern.Config) { c.SignUpFields = []postern.Field{{Name: "team", Label: "Team"}} }
	h := newHouse(t, terms)
	mallory, victim := h.browser(), h.browser()
	w := mallory.post(issuer+"/sign-up?redirect_uri=%2Fwelcome", url.Values{"email": {"v@example.com"}, "team": {"mallory's"}})
	stolen := state(t, w)
	first := h.code("v@example.com")
	// The victim has no use for the code of another browser's sign-up.
	want(t, victim.post(issuer+"/sign-up/code", url.Values{"state": {stolen}, "code": {first}}), http.StatusBadRequest, "invalid_state")
	w = victim.post(issuer+"/sign-up", url.Values{"email": {"v@example.com"}})
	own := state(t, w)
	code := h.code("v@example.com")
	want(t, mallory.post(issuer+"/sign-up/code", url.Values{"state": {stolen}, "code": {code}}), http.StatusBadRequest, "wrong_code")
	if to := victim.landing(victim.post(issuer+"/sign-up/code", url.Values{"state": {own}, "code": {code}})); to != "https://app.example.com/" {
		t.Errorf("leads to %s, which is not where the victim began", to)
	}
	if got := h.table.made; len(got) != 1 {
		t.Errorf("%d users", len(got))
	}
	if _, ok := h.session(mallory); ok {
		t.Error("mallory is signed in")
	}
}

func TestSignUp_ClosedForForms(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) { c.Admit = nil })
	want(t, apply(h.browser(), "new@example.com"), http.StatusForbidden, "sign_up_closed")
	h.signIn(h.browser(), h.who)
	want(t, apply(h.browser(), "ada@example.com"), http.StatusForbidden, "sign_up_closed")
	if n := len(h.mails.All()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

func TestSignUp_Usernames(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) { c.Usernames = true; c.Providers["enrol"] = enrolls{} })
	b := h.browser()
	w := b.post(issuer+"/sign-up", url.Values{"username": {"Ada.L"}})
	if _, ok := h.session(b); ok || h.table.count() != 0 {
		t.Error("a username without a credential is a user")
	}
	if to := b.landing(b.post(issuer+"/enrol/sign-up", url.Values{"state": {state(t, w)}})); to != "https://app.example.com/" {
		t.Errorf("leads to %s", to)
	}
	if u, err := h.table.Find(t.Context(), postern.Identity{Issuer: postern.NameIssuer, Subject: "ada.l"}); err != nil || u != "user-1" {
		t.Errorf("%q %v", u, err)
	}
	want(t, h.browser().post(issuer+"/sign-up", url.Values{"username": {"ada.l"}}), http.StatusConflict, "username_taken")
	for _, name := range []string{"ab", strings.Repeat("a", 33), "a@example.com", "аda", "a b c"} {
		want(t, h.browser().post(issuer+"/sign-up", url.Values{"username": {name}}), http.StatusBadRequest, "invalid_username")
	}
}

// With usernames, and nothing that proves more than a name, an account would have no way in.
func TestNew_UsernamesNeedACredential(t *testing.T) {
	h := newHouse(t)
	_, err := postern.New(postern.Config{Sessions: h.sessions, Session: h.kind, Usernames: true, Redirects: []string{"https://app.example.com/"},
		Providers: map[string]postern.Provider{"door": door{}}})
	if err == nil || !strings.Contains(err.Error(), "Config.Usernames") {
		t.Errorf("%v", err)
	}
}

func TestInvitation(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) { c.Admit = postern.Invited })
	link, err := h.auth.Invite(t.Context(), postern.Invitation{Address: "Ada@example.com", Roles: []string{"editor"}})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil || !slices.Equal(h.names(), []string{"ada@example.com invitation"}) {
		t.Fatalf("%v %v", err, h.names())
	}
	token := u.Query().Get("invitation")
	// Of another address, changed in one byte, or without the address verified: refused.
	for _, tc := range []struct {
		who   postern.Identity
		token string
	}{
		{at("eve", "eve@example.com", true), token},
		{at("eve", "ada@example.com", false), token},
		{at("ada", "ada@example.com", true), token[:20] + "A" + token[21:] + ""},
	} {
		if tc.token == token && tc.who.Subject == "ada" {
			continue
		}
		want(t, h.signIn(h.browser(), tc.who, "invitation", tc.token), http.StatusBadRequest, "invalid_invitation")
	}
	b := h.browser()
	want(t, h.signIn(b, at("ada", "ada@example.com", true), "invitation", token), http.StatusSeeOther, "https://app.example.com/")
	if s, ok := h.session(b); !ok || !slices.Equal(s.Roles, []string{"editor"}) {
		t.Errorf("session %+v", s)
	}
	want(t, h.signIn(h.browser(), at("ada-2", "ada-2@example.com", true), "invitation", token), http.StatusBadRequest, "invalid_invitation")

	// By form, and late.
	link, err = h.auth.Invite(t.Context(), postern.Invitation{Address: "bob@example.com", Roles: []string{"reader"}})
	if err != nil {
		t.Fatal(err)
	}
	u, _ = url.Parse(link)
	b = h.browser()
	want(t, b.post(issuer+"/sign-up?"+u.RawQuery, url.Values{"email": {"eve@example.com"}}), http.StatusBadRequest, "invalid_invitation")
	w := b.post(issuer+"/sign-up?"+u.RawQuery, url.Values{"email": {"bob@example.com"}})
	b.landing(b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {h.code("bob@example.com")}}))
	if s, ok := h.session(b); !ok || !slices.Equal(s.Roles, []string{"reader"}) {
		t.Errorf("session %+v", s)
	}
	link, err = h.auth.Invite(t.Context(), postern.Invitation{Address: "late@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	u, _ = url.Parse(link)
	h.Advance(8 * 24 * time.Hour)
	want(t, h.signIn(h.browser(), at("late", "late@example.com", true), "invitation", u.Query().Get("invitation")), http.StatusBadRequest, "invalid_invitation")
}

// A store that fails, at each of its calls in turn: 503, and nothing half done. Tried again, it works.
func TestSignUp_StoreFails(t *testing.T) {
	for n := range 12 {
		h := newHouse(t)
		b := h.browser()
		w := apply(b, "ada@example.com")
		st, code := state(t, w), h.code("ada@example.com")
		h.store.Store = &failsOnce{Store: h.store.Store, at: n}
		w = b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {code}})
		if w.Code == http.StatusSeeOther {
			if n < 4 {
				t.Errorf("call %d did not fail", n)
			}
			continue
		}
		if w.Code != http.StatusServiceUnavailable && w.Code != http.StatusBadRequest {
			t.Errorf("call %d: %d %s", n, w.Code, w.Body)
		}
		if _, ok := h.session(b); ok {
			t.Errorf("call %d: a session beside the error", n)
		}
		w = apply(b, "ada@example.com")
		if h.table.count() == 1 { // the user was made: the address can sign in, and its mail says so
			if got := h.names(); got[len(got)-1] != "ada@example.com have-account" {
				t.Errorf("call %d: %v", n, got)
			}
			continue
		}
		b.landing(b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {h.code("ada@example.com")}}))
		if _, ok := h.session(b); !ok || h.table.count() != 1 {
			t.Errorf("call %d, tried again: %d users", n, h.table.count())
		}
	}
}

// failsOnce fails one call, the one after at others.
type failsOnce struct {
	store.Store
	at int
}

func (s *failsOnce) fails() bool { s.at--; return s.at == -1 }

func (s *failsOnce) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if s.fails() {
		return nil, errAway
	}
	return s.Store.Get(ctx, keys...)
}

func (s *failsOnce) Write(ctx context.Context, changes ...store.Change) error {
	if s.fails() {
		return errAway
	}
	return s.Store.Write(ctx, changes...)
}

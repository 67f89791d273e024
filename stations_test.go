package postern_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

type requestOf = *http.Request

func handlerFunc(f func(*http.Request)) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r) })
}

// knows is a door that knows the identity that the house names.
type knows struct{ h *house }

func (k knows) Handler(f *postern.Flow) http.Handler {
	inner := door{identity: func(*http.Request) postern.Identity { return k.h.who }}.Handler(f)
	return stepUpper{inner}
}

// stepUpper is the handler of a provider whose identities have auth_time.
type stepUpper struct{ http.Handler }

func (stepUpper) StepUp() string { return "provider" }

func want(t testing.TB, w *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), text) && !strings.Contains(w.Header().Get("Location"), text) {
		t.Fatalf("%d to %q, want %d with %q\n%s", w.Code, w.Header().Get("Location"), status, text, w.Body)
	}
}

func TestStations_FirstSignInMakesTheUser(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	want(t, h.signIn(b, h.who), http.StatusSeeOther, "https://app.example.com/")
	s, ok := h.session(b)
	if !ok || s.Subject != "user-1" || s.Properties.Name != "ada" || !slices.Equal(s.Authentication.Methods, []string{"oauth"}) {
		t.Fatalf("session %+v", s)
	}
	again := h.browser()
	want(t, h.signIn(again, h.who), http.StatusSeeOther, "https://app.example.com/")
	if s, _ := h.session(again); s.Subject != "user-1" || h.table.count() != 1 {
		t.Errorf("the second sign-in is that of %q, %d users", s.Subject, h.table.count())
	}
	var events []string
	for _, e := range h.Events.All() {
		if e.UserID != "" {
			events = append(events, e.Name+" "+e.UserID)
		}
	}
	if got := strings.Join(events, ", "); got != "user created user-1, sign-in user-1, sign-in user-1" {
		t.Errorf("events %s", got)
	}
}

// Same subject at another issuer, and same address without proof: two people.
func TestA1_IdentityIsIssuerAndSubject(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.browser(), at("ada", "ada@example.com", true))
	other := at("ada", "ada@example.com", false)
	other.Issuer = "https://elsewhere.example"
	b := h.browser()
	h.signIn(b, other)
	if s, ok := h.session(b); !ok || s.Subject == "user-1" {
		t.Errorf("session of %+v", s)
	}
}

func TestStations_WhoMayNotComeIn(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.browser(), h.who)
	h.table.edit("user-1", func(p *postern.Person) { p.Disabled = true })
	b := h.browser()
	want(t, h.signIn(b, h.who), http.StatusForbidden, "account_disabled")
	if _, ok := h.session(b); ok {
		t.Error("a disabled user has a session")
	}
	h.table.edit("user-1", func(p *postern.Person) { p.Disabled = false })
	want(t, h.signIn(b, h.who), http.StatusSeeOther, "https://app.example.com/")
	h.table.fail = errAway
	want(t, h.signIn(h.browser(), h.who), http.StatusServiceUnavailable, "temporarily_unavailable")
	if strings.Contains(h.Log.String(), "c0de") {
		t.Error("the log has the code")
	}
}

func TestA7_DisabledSessionsEnd(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	h.signIn(b, h.who)
	h.table.edit("user-1", func(p *postern.Person) { p.Roles = []string{"editor"} })
	h.Advance(10 * time.Minute)
	if s, ok := h.session(b); !ok || !slices.Contains(s.Roles, "editor") {
		t.Fatalf("after a refresh: %+v", s)
	}
	h.table.edit("user-1", func(p *postern.Person) { p.Disabled = true })
	h.Advance(10 * time.Minute)
	if s, ok := h.session(b); ok {
		t.Errorf("the session of a disabled user: %+v", s)
	}
}

func TestStations_Admit(t *testing.T) {
	for name, tc := range map[string]struct {
		admit postern.Admit
		who   postern.Identity
		ok    bool
	}{
		"default, a provider": {nil, at("a", "", false), true},
		"open":                {postern.Open, at("a", "", false), true},
		"closed":              {postern.Closed, at("a", "a@example.com", true), false},
		"invited":             {postern.Invited, at("a", "a@example.com", true), false},
		"the domain":          {postern.Domains("example.com"), at("a", "a@example.com", true), true},
		"not verified":        {postern.Domains("example.com"), at("a", "a@example.com", false), false},
		"a subdomain":         {postern.Domains("example.com"), at("a", "a@sub.example.com", true), false},
		"a longer domain":     {postern.Domains("example.com"), at("a", "a@evilexample.com", true), false},
		"no address":          {postern.Domains("example.com"), at("a", "", false), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(_ *house, c *postern.Config) { c.Admit = tc.admit })
			w := h.signIn(h.browser(), tc.who)
			if tc.ok {
				want(t, w, http.StatusSeeOther, "https://app.example.com/")
			} else {
				want(t, w, http.StatusForbidden, "sign_up_closed")
			}
			if n := h.table.count(); n != map[bool]int{true: 1}[tc.ok] {
				t.Errorf("%d users", n)
			}
		})
	}
	h := newHouse(t, func(_ *house, c *postern.Config) {
		c.Admit = func(context.Context, postern.Applicant) error { return errAway }
	})
	want(t, h.signIn(h.browser(), h.who), http.StatusServiceUnavailable, "temporarily_unavailable")
}

// Delivery is the configuration's: a challenge gets a code, a client of TokenClients gets tokens, others get cookies.
func TestStations_Delivery(t *testing.T) {
	h := newHouse(t)
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	w := h.signIn(h.browser(), h.who, "code_challenge", challenge, "code_challenge_method", "S256")
	if to := w.Header().Get("Location"); !strings.Contains(to, "code=") || len(w.Result().Cookies()) != 4 { // the attempt, the provider, and the session at the issuer
		t.Errorf("by code: %s, %v", to, w.Result().Cookies())
	}
	w = h.signIn(h.browser(), h.who, "client_id", "tool")
	if len(w.Result().Cookies()) > 1 {
		t.Errorf("tokens: %v", w.Result().Cookies())
	}
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Type    string `json:"token_type"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &tokens); err != nil || w.Code != http.StatusOK || tokens.Type != "Bearer" || tokens.Refresh == "" {
		t.Fatalf("tokens: %d %v %s", w.Code, err, w.Body)
	}
	if s, err := h.kind.Verify(t.Context(), tokens.Access, session.CheckStore); err != nil || s.Subject != "user-1" {
		t.Errorf("the access token: %v", err)
	}
	for client, status := range map[string]int{"tool": http.StatusBadRequest, "api": http.StatusOK, "": http.StatusOK} {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}}
		if client != "" {
			form.Set("client_id", client)
		}
		if w := h.browser().post(issuer+"/token", form); w.Code != status {
			t.Errorf("refresh as %q: %d %s", client, w.Code, w.Body)
		}
	}
	want(t, h.signIn(h.browser(), h.who, "client_id", "other"), http.StatusBadRequest, "invalid_client")
}

// A new identity whose verified address belongs to a user makes no user. The owner signs in, sees what will be added,
// and adds it.
func TestA3_JoinAfterSignInOnBothSides(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.browser(), h.who)
	ada, second := h.who, at("ada-2", "ada@example.com", true)
	b := h.browser()
	want(t, h.signIn(b, second), http.StatusConflict, "account_exists")
	if _, ok := h.session(b); ok || h.table.count() != 1 {
		t.Fatal("the new identity signed somebody in")
	}
	// Another person signs in in that browser: nothing is offered.
	other := h.browser()
	other.Cookies = b.Clone().Cookies
	want(t, h.signIn(other, at("eve", "", false)), http.StatusSeeOther, "https://app.example.com/")

	w := h.signIn(b, ada)
	want(t, w, http.StatusOK, "a…@example.com")
	if _, ok := h.session(b); ok {
		t.Error("there is a session before the answer")
	}
	st := state(t, w)
	replay := b.Clone()
	w = b.post(issuer+"/join", url.Values{"state": {st}, "choice": {"add"}})
	if to := b.landing(w); to != "https://app.example.com/" {
		t.Errorf("leads to %s", to)
	}
	if s, ok := h.session(b); !ok || s.Subject != "user-1" || !slices.Equal(s.Authentication.Methods, []string{"oauth"}) {
		t.Errorf("session %+v", s)
	}
	if u, err := h.table.Find(t.Context(), second); err != nil || u != "user-1" {
		t.Errorf("the second identity: %q %v", u, err)
	}
	if !slices.Equal(h.names(), []string{"ada@example.com identity-linked"}) {
		t.Errorf("mails %v", h.names())
	}
	re := &browser{Browser: replay, v: b.v, secure: true}
	want(t, re.post(issuer+"/join", url.Values{"state": {st}, "choice": {"add"}}), http.StatusBadRequest, "used_state")
}

func TestA12_APurposeIsSealed(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	h.signIn(b, h.who)
	// A step-up with a stranger's identity makes no user, and leaves the session as it was.
	before, _ := h.session(b)
	id := at("stranger", "s@example.com", true)
	id.AuthTime = h.Now()
	want(t, h.through(b, id, issuer+"/step-up/door"), http.StatusForbidden, "other_person")
	if after, _ := h.session(b); h.table.count() != 1 || after.ID != before.ID {
		t.Errorf("%d users, session %s before and %s after", h.table.count(), before.ID, after.ID)
	}
}

func TestS11_StepUpByAProvider(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	want(t, b.get(issuer+"/step-up"), http.StatusUnauthorized, "not_signed_in")
	h.signIn(b, h.who)
	before, _ := h.session(b)
	old := b.Clone()
	want(t, b.get(issuer+"/step-up"), http.StatusOK, "/step-up/door")
	want(t, h.through(b, h.who, issuer+"/step-up/door"), http.StatusForbidden, "no_auth_time")
	stale := h.who
	stale.AuthTime = h.Now().Add(-time.Hour)
	want(t, h.through(b, stale, issuer+"/step-up/door"), http.StatusForbidden, "too_old")
	fresh := h.who
	fresh.AuthTime = h.Now()
	want(t, h.through(b, fresh, issuer+"/step-up/door", "redirect_uri", "/welcome"), http.StatusSeeOther, "https://api.example.com/welcome")
	after, ok := h.session(b)
	if !ok || after.ID == before.ID || !slices.Contains(after.Authentication.Methods, postern.MethodStepUp) {
		t.Errorf("after: %+v", after)
	}
	if err := h.sessions.Revoke(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	r := &browser{Browser: old, v: b.v, secure: true}
	want(t, r.post(issuer+"/refresh", url.Values{}), http.StatusUnauthorized, "session_ended")
}

// TestStations_AStepUpIsNoSignIn: in the audit log and in the history of the account.
func TestStations_AStepUpIsNoSignIn(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	id := at("ada", "ada@example.com", true)
	h.signIn(b, id)
	h.Events.Take()
	id.AuthTime = h.Now()
	want(t, h.through(b, id, issuer+"/step-up/door"), http.StatusSeeOther, "https://app.example.com/")
	var names []string
	for _, e := range h.Events.All() {
		names = append(names, e.Name)
	}
	if slices.Contains(names, "sign-in") || !slices.Contains(names, "step-up") {
		t.Errorf("events %v", names)
	}
}

// Strangers who type the address of a person into the form of a sign-up, and wrong codes after it, do not keep that
// person from a step-up by a mailed code.
func TestStepUp_StrangersDoNotBlockIt(t *testing.T) {
	h := newHouse(t, func(h *house, c *postern.Config) {
		c.Providers = map[string]postern.Provider{"door": door{identity: func(*http.Request) postern.Identity { return h.who }}}
	})
	b := h.browser()
	h.signIn(b, h.who)
	for range 6 {
		for range 6 { // the limit of mails to the address
			stranger := h.browser()
			w := apply(stranger, "ada@example.com")
			for range 5 {
				if w.Code == http.StatusOK {
					stranger.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {"00000000"}})
				}
			}
		}
		w := b.onward(b.get(issuer + "/step-up/code"))
		want(t, w, http.StatusOK, "one-time-code")
		b.landing(b.post(issuer+"/step-up/code", url.Values{"state": {state(t, w)}, "code": {h.code("ada@example.com")}}))
		if s, ok := h.session(b); !ok || !slices.Contains(s.Authentication.Methods, postern.MethodStepUp) {
			t.Fatalf("session %+v", s)
		}
		h.Advance(90 * time.Minute)
		b.post(issuer+"/refresh", nil)
	}
}

// TestS11_ACodeDoesNotReplaceAStrongerProof: a code that was mailed before the person added a stronger way counts no
// more.
func TestS11_ACodeDoesNotReplaceAStrongerProof(t *testing.T) {
	for _, stronger := range []bool{false, true} {
		h := newHouse(t, func(h *house, c *postern.Config) {
			c.Providers["door"] = door{identity: func(*http.Request) postern.Identity { return h.who }}
		})
		b := h.browser()
		h.signIn(b, h.who)
		st := state(t, b.get(issuer+"/step-up/code"))
		if stronger {
			if err := h.table.Link(t.Context(), "user-1", postern.Identity{Issuer: "https://other.example", Subject: "1", Provider: "other"}); err != nil {
				t.Fatal(err)
			}
		}
		w := b.post(issuer+"/step-up/code", url.Values{"state": {st}, "code": {h.code("ada@example.com")}})
		if stronger {
			want(t, w, http.StatusBadRequest, "expired_state")
		} else {
			b.landing(w)
		}
		if s, ok := h.session(b); !ok || slices.Contains(s.Authentication.Methods, postern.MethodStepUp) == stronger {
			t.Errorf("stronger %t: session %+v", stronger, s)
		}
	}
}

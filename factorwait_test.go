package postern_test

import (
	"context"
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/session"
)

// TestM12_FirstEnrolmentWhileWaiting: where a factor is required of people who have none, a password or a provider
// alone does not enrol one.
func TestM12_FirstEnrolmentWhileWaiting(t *testing.T) {
	h := newFort(t, func(_ *home, c *postern.Config) { c.RequireFactor = always })
	// The sign-in that ends a sign-up enrols at once.
	b := h.browser()
	w := h.signIn(b, h.who)
	want(t, w, http.StatusSeeOther, issuer+"/factors?state=")
	state := w.Header().Get("Location")[len(issuer+"/factors?state="):]
	want(t, b.get(w.Header().Get("Location")), http.StatusOK, "/factors/chip/enroll?state="+state)
	if page := b.get(w.Header().Get("Location")).Body.String(); strings.Contains(page, "/factors/spare/enroll") {
		t.Error("a backup is offered as the factor")
	}
	// Not everybody comes back. The next sign-in is that of a user whose first proof is a provider alone.
	c := h.browser()
	w = h.signIn(c, h.who)
	want(t, w, http.StatusSeeOther, issuer+"/factors?state=")
	state = w.Header().Get("Location")[len(issuer+"/factors?state="):]
	for _, r := range []*httptest.ResponseRecorder{
		c.get(issuer + "/factors/chip/enroll?state=" + state),
		c.post(issuer+"/factors/chip/enroll", url.Values{"state": {state}, "word": {"thief"}}),
	} {
		want(t, r, http.StatusForbidden, "factor_required")
	}
	want(t, c.post(issuer+"/factors/continue", url.Values{"state": {state}}), http.StatusOK, "Mail me a code")
	want(t, c.get(issuer+"/factors?state="+state), http.StatusOK, "Mail me a code")
	h.mails.Take()
	want(t, c.onward(c.post(issuer+"/factors/code", url.Values{"state": {state}})), http.StatusOK, "Check your mail")
	want(t, c.post(issuer+"/factors/code", url.Values{"state": {state}, "code": {"00000000"}}), http.StatusBadRequest, "wrong_code")
	want(t, c.get(issuer+"/factors/chip/enroll?state="+state), http.StatusForbidden, "factor_required")
	if to := c.landing(c.post(issuer+"/factors/code", url.Values{"state": {state}, "code": {h.code("ada@example.com")}})); !strings.HasPrefix(to, issuer+"/factors?state="+state) {
		t.Errorf("after the code to %s", to)
	}
	want(t, c.get(issuer+"/factors/chip/enroll?state="+state), http.StatusOK, "Choose a word")
	// No other page of the account takes the waiting sign-in for a session.
	want(t, c.json("GET", "/account?state="+state, ""), http.StatusUnauthorized, "not_signed_in")
	w = c.post(issuer+"/factors/chip/enroll", url.Values{"state": {state}, "word": {"sesame"}})
	want(t, w, http.StatusOK, "/factors/continue")
	if _, ok := h.session(c); ok {
		t.Error("a session before the person went on")
	}
	want(t, c.post(issuer+"/factors/continue", url.Values{"state": {state}}), http.StatusSeeOther, "")
	if s, ok := h.session(c); !ok || !slices.Equal(s.Authentication.Methods, []string{"oauth", "chip", "mfa"}) {
		t.Errorf("session %+v %v", s, ok)
	}
	// The waiting sign-in of the first browser enrols nothing any more on top of it.
	want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"state": {state}, "word": {"second"}}), http.StatusUnauthorized, "not_signed_in")
}

// TestM12_NoMailboxNoEnrolment: a provider without a verified address.
func TestM12_NoMailboxNoEnrolment(t *testing.T) {
	var need postern.Requirement
	h := newFort(t, func(_ *home, c *postern.Config) {
		c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
			return need, nil
		}
	})
	who := at("eve", "", false)
	h.signIn(h.browser(), who)
	need.Factor = true
	want(t, h.signIn(h.browser(), who), http.StatusForbidden, "factor_required")
}

func always(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
	return postern.Requirement{Factor: true}, nil
}

// TestM14_FactorPostsAreThoseOfTheWait: no field names the user; other steps' fields, other browsers and other states
// are refused.
func TestM14_FactorPostsAreThoseOfTheWait(t *testing.T) {
	h := newFort(t)
	ada, bob := h.who, at("bob", "bob@example.com", true)
	h.enrolled(ada, "chip", "sesame")
	bobID := h.idOf(h.enrolled(bob, "chip", "open"))
	b := h.browser()
	state := h.waiting(b, ada)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"nothing":         b.post(issuer+"/factors/chip/verify", url.Values{}),
		"another browser": h.browser().answer("chip", state, "sesame"),
		"not enrolled":    b.answer("spare", state, ""),
		"a join":          b.post(issuer+"/join", url.Values{"state": {state}, "choice": {"add"}}),
		"an enrolment":    b.post(issuer+"/factors/chip/enroll", url.Values{"state": {state}, "word": {"thief"}}),
		"continue":        b.post(issuer+"/factors/continue", url.Values{"state": {state}}),
		"a code":          b.post(issuer+"/factors/code", url.Values{"state": {state}, "code": {"12345678"}}),
		"bob's word":      b.answer("chip", state, "open", "user_id", bobID, "user", bobID, "sub", bobID),
	} {
		if w.Code < 400 || w.Code > 403 {
			t.Errorf("%s: %d to %q", name, w.Code, w.Header().Get("Location"))
		}
	}
	if _, ok := h.session(b); ok {
		t.Fatal("a session")
	}
	want(t, b.answer("chip", state, "sesame"), http.StatusSeeOther, "")
	if s, _ := h.session(b); s == nil || s.Subject == bobID {
		t.Error("the session of somebody else")
	}
}

// TestM13_TriesOfOneWait: five, then the sign-in begins anew; and five in fifteen minutes over all of them.
func TestM13_TriesOfOneWait(t *testing.T) {
	h := newFort(t)
	h.enrolled(h.who, "chip", "sesame")
	b := h.browser()
	state := h.waiting(b, h.who)
	for range 5 {
		want(t, b.answer("chip", state, "wrong"), http.StatusBadRequest, "wrong_code")
	}
	want(t, b.answer("chip", state, "sesame"), http.StatusTooManyRequests, "rate_limited")
	c := h.browser()
	want(t, c.answer("chip", h.waiting(c, h.who), "sesame"), http.StatusTooManyRequests, "rate_limited")
	if !slices.Contains(h.names(), "ada@example.com factor-guessed") {
		t.Errorf("no notice: %q", h.names())
	}
	h.Advance(16 * time.Minute)
	d := h.browser()
	want(t, d.answer("chip", h.waiting(d, h.who), "sesame"), http.StatusSeeOther, "")
}

// TestS11_StepUpByTheFactor: where a person has one, nothing else proves them again.
func TestS11_StepUpByTheFactor(t *testing.T) {
	h := newFort(t)
	b := h.enrolled(h.who, "chip", "sesame")
	h.Advance(time.Hour)
	want(t, b.get(issuer+"/step-up/door?redirect_uri=/welcome"), http.StatusNotFound, "not_found")
	want(t, b.get(issuer+"/step-up/code?redirect_uri=/welcome"), http.StatusNotFound, "not_found")
	page := b.get(issuer + "/step-up?redirect_uri=/welcome").Body.String()
	if !strings.Contains(page, "/step-up/chip?") || strings.Contains(page, "/step-up/door") || strings.Contains(page, "spare") {
		t.Errorf("ways: %s", page)
	}
	w := b.get(issuer + "/step-up/chip?redirect_uri=/welcome")
	want(t, w, http.StatusSeeOther, "/factors/chip/verify?state=")
	state := w.Header().Get("Location")[len(issuer+"/factors/chip/verify?state="):]
	before, _ := h.session(b)
	thief := h.browser()
	thief.Cookies = maps.Clone(b.Cookies)
	want(t, b.answer("chip", state, "sesame"), http.StatusSeeOther, "")
	s, ok := h.session(b)
	if !ok || s.ID == before.ID || !slices.Equal(s.Authentication.Methods, []string{"chip", "stepup", "mfa"}) || !s.Authentication.Time.Equal(h.Now().Truncate(time.Second)) {
		t.Errorf("session %+v %v", s, ok)
	}
	want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"word": {""}}), http.StatusOK, "Done") // fresh enough to remove it
	answered(t, thief.json("GET", "/account/sessions", ""), http.StatusUnauthorized, "not_signed_in")
	// Without it, the provider proves again.
	h.stepUp(b, h.who)
}

// TestS12_FreshnessNamesTheProof: a young first proof of a person who has a factor opens no change.
func TestS12_FreshnessNamesTheProof(t *testing.T) {
	h := newFort(t)
	b := h.enrolled(h.who, "chip", "sesame")
	want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"word": {"x"}}), http.StatusOK, "Done")
	h.Advance(11 * time.Minute)
	for _, word := range []string{"", "other"} {
		want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"word": {word}}), http.StatusUnauthorized, "insufficient_user_authentication")
	}
	answered(t, b.json("PATCH", "/account", `{"name":"x"}`), http.StatusUnauthorized, "insufficient_user_authentication")
}

// TestFactor_JSON: a program gets the form of the factor in answer to the sign-in, and no id of the user.
func TestFactor_JSON(t *testing.T) {
	h := newFort(t)
	id := h.idOf(h.enrolled(h.who, "chip", "sesame"))
	b := h.browser()
	to, err := url.Parse(b.get(issuer + "/door/authorize").Header().Get("Location"))
	h.must(err)
	b.Header = http.Header{"Accept": {"application/json"}}
	w := b.get(issuer + "/door/callback?" + url.Values{"state": {to.Query().Get("state")}, "code": {"c0de"}}.Encode())
	page := decoded[struct {
		Step  string
		Forms []struct {
			URL    string
			Hidden map[string]string
		}
	}](t, w)
	if w.Code != http.StatusOK || page.Step != "chip.verify" || len(page.Forms) != 1 || strings.Contains(w.Body.String(), id) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	body, _ := json.Marshal(map[string]string{"state": page.Forms[0].Hidden["state"], "word": "sesame"})
	w = b.json("POST", strings.TrimPrefix(page.Forms[0].URL, issuer), string(body))
	if got := decoded[map[string]string](t, w); w.Code != http.StatusOK || got["redirect_uri"] == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if _, ok := h.session(b); !ok {
		t.Error("no session")
	}
}

// TestS12_StepUpOfAClass: acr_values leaves the proofs that give the class, and says so if there is none.
func TestS12_StepUpOfAClass(t *testing.T) {
	h := newFort(t)
	b := h.fresh(h.who)
	want(t, b.get(issuer+"/step-up?redirect_uri=/welcome&acr_values=mfa"), http.StatusForbidden, "no_proof")
	want(t, b.get(issuer+"/step-up/door?redirect_uri=/welcome&acr_values=mfa"), http.StatusForbidden, "no_proof")
	want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"word": {"sesame"}}), http.StatusOK, "Done")
	want(t, b.get(issuer+"/step-up?redirect_uri=/welcome&acr_values=mfa&max_age=60"), http.StatusOK, "acr_values=mfa&amp;max_age=60")
	for _, class := range []string{"phr", "phrh", "gold"} {
		want(t, b.get(issuer+"/step-up?redirect_uri=/welcome&acr_values="+class), http.StatusForbidden, "no_proof")
	}
	want(t, b.get(issuer+"/step-up/chip?redirect_uri=/welcome&acr_values=phr+mfa"), http.StatusSeeOther, "/factors/chip/verify")
}

// TestS11_TheGuardLeadsToTheStepUp: a route refuses an older or weaker sign-in and names the page; after it, the same
// request passes.
func TestS11_TheGuardLeadsToTheStepUp(t *testing.T) {
	h := newFort(t)
	b := h.enrolled(h.who, "chip", "sesame")
	h.Advance(time.Hour)
	call := func() *httptest.ResponseRecorder {
		guarded := testworld.NewBrowser(h.kind.Require(handlerFunc(func(requestOf) {}), session.Fresh(5*time.Minute), session.ACR(session.ACRMultiFactor)))
		guarded.Cookies = b.Cookies
		return guarded.Do(guarded.Request("GET", "https://api.example.com/pay", nil))
	}
	w := call()
	refusal := decoded[struct {
		Error  string
		StepUp string `json:"step_up"`
	}](t, w)
	if w.Code != http.StatusUnauthorized || refusal.Error != "insufficient_user_authentication" || refusal.StepUp != issuer+"/step-up?max_age=300" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page := b.get(refusal.StepUp + "&redirect_uri=/welcome").Body.String()
	link := regexp.MustCompile(issuer + `/step-up/chip[^"]+`).FindString(page)
	to := b.get(html.UnescapeString(link)).Header().Get("Location")
	_, state, _ := strings.Cut(to, "?state=")
	want(t, b.answer("chip", state, "sesame"), http.StatusSeeOther, "")
	if w := call(); w.Code != http.StatusOK {
		t.Errorf("after the step-up: %d %s", w.Code, w.Body)
	}
}

// TestM10_ByCode: the factors of a session that is delivered by code are kept with it.
func TestM10_ByCode(t *testing.T) {
	h := newFort(t, func(_ *home, c *postern.Config) { c.RequireFactor = always })
	b := h.browser()
	challenge := "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B
	w := h.signIn(b, h.who, "code_challenge", challenge, "code_challenge_method", "S256")
	want(t, w, http.StatusSeeOther, "/factors?state=")
	_, state, _ := strings.Cut(w.Header().Get("Location"), "?state=")
	want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"state": {state}, "word": {"sesame"}}), http.StatusOK, "Done")
	to, err := url.Parse(b.landing(b.post(issuer+"/factors/continue", url.Values{"state": {state}})))
	h.must(err)
	w = b.post(issuer+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "client_id": {"api"},
		"redirect_uri": {"https://app.example.com/"}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}})
	for range 2 {
		tokens := decoded[struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}](t, w)
		if w.Code != http.StatusOK || tokens.Refresh == "" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		h.Advance(10 * time.Minute)
		w = b.post(issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}, "client_id": {"api"}})
	}
}

// TestM12_AnAdditionEndsWhatWaits: a sign-in that waits to set up a first factor sets up none once the owner has one.
func TestM12_AnAdditionEndsWhatWaits(t *testing.T) {
	var need postern.Requirement
	h := newFort(t, func(_ *home, c *postern.Config) {
		c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
			return need, nil
		}
	})
	owner := h.fresh(h.who)
	need.Factor = true
	thief := h.browser() // has a session at the other site, and the mailbox
	w := h.signIn(thief, h.who)
	want(t, w, http.StatusSeeOther, "/factors?state=")
	_, state, _ := strings.Cut(w.Header().Get("Location"), "?state=")
	want(t, thief.onward(thief.post(issuer+"/factors/code", url.Values{"state": {state}})), http.StatusOK, "Check your mail")
	want(t, thief.post(issuer+"/factors/code", url.Values{"state": {state}, "code": {h.code("ada@example.com")}}), http.StatusSeeOther, "")
	want(t, owner.post(issuer+"/factors/chip/enroll", url.Values{"word": {"sesame"}}), http.StatusOK, "Done")
	for _, step := range []string{"chip/enroll", "spare/enroll", "continue"} {
		want(t, thief.post(issuer+"/factors/"+step, url.Values{"state": {state}, "word": {"thief"}}), http.StatusBadRequest, "expired_state")
	}
	want(t, thief.get(issuer+"/factors?state="+state), http.StatusBadRequest, "expired_state")
	b := h.browser()
	want(t, b.answer("chip", h.waiting(b, h.who), "sesame"), http.StatusSeeOther, "")
}

// TestM14_JoinNeedsAnAnswer: a form that names neither button adds nothing, and ends neither the sign-in nor the wait.
func TestM14_JoinNeedsAnAnswer(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.browser(), h.who)
	ada, b, second := h.who, h.browser(), at("ada-2", "ada@example.com", true)
	h.signIn(b, second)
	st := state(t, h.signIn(b, ada))
	for _, form := range []url.Values{{"state": {st}}, {"state": {st}, "choice": {""}}, {"state": {st}, "choice": {"ADD"}}, {"state": {st}, "choice": {"x"}}, {"choice": {"add"}}, {}} {
		for _, path := range []string{"/join", "/link"} {
			if w := b.post(issuer+path, form); w.Code != http.StatusBadRequest {
				t.Errorf("%s with %v: %d", path, form, w.Code)
			}
		}
	}
	if _, ok := h.session(b); ok {
		t.Fatal("signed in")
	}
	want(t, b.post(issuer+"/join", url.Values{"state": {st}, "choice": {"add"}}), http.StatusSeeOther, "")
	if id, err := h.table.Find(t.Context(), second); err != nil || id != "user-1" {
		t.Errorf("%q %v", id, err)
	}
}

// TestEnrolCode_Twice: the button that mails a code can be pressed again. The code of the newest mail counts, five
// tries each, and the mails are limited.
func TestEnrolCode_Twice(t *testing.T) {
	h := newFort(t, func(_ *home, c *postern.Config) { c.RequireFactor = always })
	h.signIn(h.browser(), h.who)
	b := h.browser()
	_, state, _ := strings.Cut(h.signIn(b, h.who).Header().Get("Location"), "?state=")
	form := url.Values{"state": {state}}
	var codes []string
	for range 5 {
		want(t, b.onward(b.post(issuer+"/factors/code", form)), http.StatusOK, "Check your mail")
		early := b.post(issuer+"/factors/code", form)
		want(t, early, http.StatusTooManyRequests, "Another code can be sent in 30 seconds.")
		if got := early.Header().Get("Retry-After"); got != "30" {
			t.Errorf("Retry-After %q", got)
		}
		h.Advance(30 * time.Second)
		codes = append(codes, h.code("ada@example.com"))
	}
	want(t, b.post(issuer+"/factors/code", form), http.StatusTooManyRequests, "rate_limited")
	want(t, b.post(issuer+"/factors/code", url.Values{"state": {state}, "code": codes[:1]}), http.StatusBadRequest, "wrong_code")
	want(t, b.post(issuer+"/factors/code", url.Values{"state": {state}, "code": codes[4:]}), http.StatusSeeOther, "")
}

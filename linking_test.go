package postern_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// moveSec does what a change of the security of a user does.
func (h *house) moveSec(userID string) {
	h.t.Helper()
	row, err := head.Get(h.t.Context(), h.store, issuer, userID)
	if err == nil {
		err = h.store.Write(h.t.Context(), row.Moved().Put())
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestA12_StepUpByAMailedCode(t *testing.T) {
	h := newHouse(t, func(h *house, c *postern.Config) {
		c.Providers = map[string]postern.Provider{"door": door{identity: func(*http.Request) postern.Identity { return h.who }}}
	})
	b := h.browser()
	h.signIn(b, h.who)
	want(t, b.get(issuer+"/step-up"), http.StatusOK, "/step-up/code")
	w := b.onward(b.get(issuer + "/step-up/code?redirect_uri=%2Fwelcome"))
	want(t, w, http.StatusOK, "one-time-code")
	st, code := state(t, w), h.code("ada@example.com")
	before, _ := h.session(b)
	// In another session, even of the same person, the code proves nothing.
	elsewhere := h.browser()
	h.signIn(elsewhere, h.who)
	for name, value := range b.Cookies {
		if strings.HasPrefix(name, "__Host-flow-") {
			elsewhere.Cookies[name] = value
		}
	}
	if to := b.landing(b.post(issuer+"/step-up/code", url.Values{"state": {st}, "code": {code}})); to != "https://api.example.com/welcome" {
		t.Errorf("leads to %s", to)
	}
	after, ok := h.session(b)
	if !ok || after.ID == before.ID || !slices.Contains(after.Authentication.Methods, postern.MethodStepUp) {
		t.Fatalf("after: %+v", after)
	}
	want(t, elsewhere.post(issuer+"/step-up/code", url.Values{"state": {st}, "code": {code}}), http.StatusBadRequest, "expired_code")

	w = b.get(issuer + "/step-up/code")
	st, code = state(t, w), h.code("ada@example.com")
	h.signIn(b, h.who) // another session of the same person in this browser
	want(t, b.post(issuer+"/step-up/code", url.Values{"state": {st}, "code": {code}}), http.StatusForbidden, "other_session")
	if s, ok := h.session(b); !ok || slices.Contains(s.Authentication.Methods, postern.MethodStepUp) {
		t.Errorf("session %+v", s)
	}
}

// A mailed code is no proof for a person who has a stronger one.
func TestS12_NoMailedCodeBesideAStrongerProof(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	h.signIn(b, h.who)
	want(t, b.get(issuer+"/step-up/code"), http.StatusNotFound, "not_found")
	if n := len(h.mails.All()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// What was minted before the security of the user changed is refused: the event times every artefact of the handler.
func TestA10_NothingMintedBeforeSurvives(t *testing.T) {
	for name, event := range map[string]func(h *house){
		"security changed": func(h *house) { h.moveSec("user-1") },
		"ended by the application": func(h *house) {
			if err := h.auth.EndUser(h.t.Context(), "user-1"); err != nil {
				h.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("waiting sign-in", func(t *testing.T) {
				h := newHouse(t)
				h.signIn(h.browser(), h.who)
				ada, b := h.who, h.browser()
				want(t, h.signIn(b, at("ada-2", "ada@example.com", true)), http.StatusConflict, "account_exists")
				w := h.signIn(b, ada)
				st := state(t, w)
				event(h)
				want(t, b.post(issuer+"/join", url.Values{"state": {st}, "choice": {"add"}}), http.StatusBadRequest, "expired_state")
				if _, ok := h.session(b); ok {
					t.Error("signed in")
				}
			})
			t.Run("join", func(t *testing.T) {
				h := newHouse(t)
				h.signIn(h.browser(), h.who)
				ada, b := h.who, h.browser()
				h.signIn(b, at("ada-2", "ada@example.com", true))
				event(h)
				want(t, h.signIn(b, ada), http.StatusSeeOther, "https://app.example.com/") // nothing is offered
				if _, err := h.table.Find(t.Context(), at("ada-2", "", false)); err == nil {
					t.Error("joined")
				}
			})
			t.Run("step-up", func(t *testing.T) {
				h := newHouse(t)
				b := h.browser()
				h.signIn(b, h.who)
				w := b.get(issuer + "/step-up/door")
				u, _ := url.Parse(w.Header().Get("Location"))
				event(h)
				h.who.AuthTime = h.Now()
				w = b.get(u.Query().Get("redirect_uri") + "?state=" + u.Query().Get("state"))
				if w.Code < 400 {
					t.Errorf("%d", w.Code)
				}
				want(t, b.get(issuer+"/step-up"), http.StatusUnauthorized, "not_signed_in")
			})
			t.Run("session", func(t *testing.T) {
				h := newHouse(t)
				b := h.browser()
				h.signIn(b, h.who)
				event(h)
				want(t, b.get(issuer+"/step-up"), http.StatusUnauthorized, "not_signed_in")
				h.Advance(10 * time.Minute)
				if s, ok := h.session(b); ok {
					t.Errorf("%+v", s)
				}
			})
			t.Run("invitation", func(t *testing.T) {
				h := newHouse(t, func(_ *house, c *postern.Config) { c.Admit = postern.Invited })
				h.table.rows["user-1"] = &row{Person: postern.Person{ID: "user-1"}}
				link, err := h.auth.Invite(t.Context(), postern.Invitation{Address: "bob@example.com", Roles: []string{"admin"}, By: "user-1"})
				if err != nil {
					t.Fatal(err)
				}
				u, _ := url.Parse(link)
				event(h)
				want(t, h.signIn(h.browser(), at("bob", "bob@example.com", true), "invitation", u.Query().Get("invitation")), http.StatusBadRequest, "invalid_invitation")
			})
		})
	}
}

// A sign-up ticket works once, of any number of racers.
func TestSignUp_RacersOfOneTicket(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) { c.Usernames = true; c.Providers["pin"] = pin{} })
	b := h.browser()
	w := b.post(issuer+"/sign-up", url.Values{"username": {"ada"}})
	st := state(t, w)
	const racers = 20
	answers := make(chan int, racers)
	for range racers {
		one := &browser{Browser: b.Clone(), v: b.v, secure: true}
		go func() {
			answers <- one.Do(one.Request(http.MethodPost, issuer+"/pin/enroll", url.Values{"state": {st}, "pin": {"1234"}})).Code
		}()
	}
	won := 0
	for range racers {
		if code := <-answers; code == http.StatusSeeOther {
			won++
		} else if code != http.StatusBadRequest {
			t.Errorf("a racer got %d", code)
		}
	}
	if won != 1 || h.table.count() != 1 {
		t.Errorf("%d racers won, %d users", won, h.table.count())
	}
	row, err := head.Get(t.Context(), h.store, issuer, "user-1")
	if err != nil || row.Ways.Passwords != 1 {
		t.Errorf("head %+v %v", row, err)
	}
}

// pin is a provider with a credential that people choose at the end of a sign-up.
type pin struct{}

type pinHandler struct{ http.Handler }

func (pinHandler) EnrollForm(state, identifier string) *postern.Form {
	return &postern.Form{Name: "pin", Action: issuer + "/pin/enroll", Hidden: map[string]string{"state": state}, Fields: []postern.Field{{Name: "pin", Label: "PIN of " + identifier}}}
}

func (pin) Handler(f *postern.Flow) http.Handler {
	return pinHandler{f.Steps(map[string]http.HandlerFunc{
		"POST enroll": func(w http.ResponseWriter, r *http.Request) {
			value := []byte(r.PostForm.Get("pin"))
			f.SignUp(w, r, postern.Credential{Passwords: 1, Methods: []string{"pin"}, Changes: func(userID string) []store.Change {
				return []store.Change{store.Put(store.Item{Key: store.Key{Part: f.Part(userID), ID: "pin"}, Value: value})}
			}})
		},
	})}
}

// A script of this site begins a step-up by POST, and gets the address to open as JSON. A GET of a script begins none.
func TestX2_StepUpBeginsByPost(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	h.signIn(b, h.who)
	for _, tc := range []struct {
		method string
		status int
		text   string
	}{{http.MethodPost, http.StatusOK, `"redirect_uri":"https://door.example/authorize`}, {http.MethodGet, http.StatusForbidden, "navigation_required"}} {
		r := b.Request(tc.method, issuer+"/step-up/door", nil)
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Sec-Fetch-Mode", "cors")
		r.Header.Set("Sec-Fetch-Dest", "empty")
		want(t, b.do(r), tc.status, tc.text)
	}
}

// Two tokens in one place: the guard answers, once.
func TestLink_TheGuardAnswersOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	h.signIn(b, h.who)
	ada := h.who
	c := h.browser()
	h.signIn(c, at("ada-2", "ada@example.com", true))
	w := h.signIn(c, ada)
	r := b.Request(http.MethodPost, issuer+"/step-up/door", url.Values{"state": {state(t, w)}})
	r.Header.Add("Authorization", "Bearer a")
	r.Header.Add("Authorization", "Bearer b")
	got := b.do(r)
	if got.Code != http.StatusBadRequest || strings.Count(got.Body.String(), "error_description") != 1 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

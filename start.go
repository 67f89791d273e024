package postern

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/posternauth/postern/session"
)

// Start begins an attempt and returns its id: 256 random bits, to be sent to the provider as the OAuth state. The
// argument state is data of the provider, such as a PKCE verifier or a nonce. It is kept until Resume, as JSON of at
// most 1 KiB.
//
// The attempt is in a sealed cookie (HttpOnly, Secure, SameSite=Lax, 10 minutes), so it is bound to this browser. It is
// also bound to this flow, and to the authorize request of the application: its return address, state and PKCE
// challenge. A browser keeps five attempts at once; a sixth removes the oldest. Call Start before anything is written
// to w. Start writes nothing to the store.
func (f *Flow) Start(w http.ResponseWriter, r *http.Request, state any) (id string, err error) {
	return f.begin(w, r, state, false)
}

// StartFormPost is Start for a provider that answers by a cross-site POST (OAuth 2.0 Form Post Response Mode), as Apple
// does. Its cookie is SameSite=None and Secure, because browsers send no other cookie with that POST. After it
// {base}/{name}/callback takes one POST from another origin: the state proves that this browser began the attempt.
//
// The provider's handler does not get that POST. It gets a "GET callback" afterwards, with the posted fields in r.Form
// and r.PostForm. Only with this GET does the browser send the cookies of an earlier session, which the sign-in ends.
func (f *Flow) StartFormPost(w http.ResponseWriter, r *http.Request, state any) (id string, err error) {
	return f.begin(w, r, state, true)
}

func (f *Flow) begin(w http.ResponseWriter, r *http.Request, state any, formPost bool) (string, error) {
	if f.err != nil {
		return "", errNotFound()
	}
	x := exchangeOf(r)
	// A POST is known to come from a page of this site, or of Config.Origins.
	if r.Method != http.MethodPost && (x == nil || !x.posting) && !opensPage(r) {
		return "", errNotAPage()
	}
	ret, err := f.auth.asked(r)
	if err != nil {
		return "", err
	}
	own, err := json.Marshal(state)
	if err != nil {
		return "", fmt.Errorf("postern: the state of provider %q: %w", f.name, err)
	}
	t := &attempt{Flow: f.name, FormPost: formPost, Provider: own,
		Target: ret.Target(), State: ret.State(), Challenge: ret.Challenge(), ClientID: ret.ClientID()}
	if x != nil {
		t.Purpose, t.Whose, t.Invite, t.Aside = x.purpose, x.whose, x.invite, x.aside
	}
	if err := f.auth.attempts.begin(w, r, t); err != nil {
		return "", err
	}
	return t.ID, nil
}

// Resume finds the attempt of the request's parameter "state" and marks it as used in the store, so of a hundred equal
// callbacks only one succeeds. It decodes the data given to Start into the argument state, unless that is nil. Call
// Resume before any call to the provider, and answer its error with Fail:
//
//   - 400 invalid_state: this browser has no such attempt of this flow. It was begun elsewhere, or it is finished
//   - 400 expired_state: the attempt is older than 10 minutes
//   - 400 used_state: the attempt is used already
//   - 405: the request is HEAD, which cannot finish a sign-in
//   - 429: too many attempts of this client address failed. The attempt can be tried again later
//   - 503: the store or the secrets do not answer. The attempt can be tried again
func (f *Flow) Resume(w http.ResponseWriter, r *http.Request, state any) error {
	if r.Method == http.MethodHead {
		w.Header().Set("Allow", "GET, POST")
		return errMethod()
	}
	t, err := f.find(r, state)
	if err != nil {
		if t != nil { // known, but too old
			f.auth.attempts.clear(w, t)
		}
		return f.auth.again(r, f.name, f.auth.attempts.placeOf(r), err)
	}
	if err := f.auth.burn(r, t); err != nil {
		if err.Code == "used_state" {
			f.auth.attempts.clear(w, t)
			return f.auth.again(r, t.Flow, f.auth.attempts.place(t.ID), err)
		}
		return err
	}
	f.auth.attempts.clear(w, t)
	if x := exchangeOf(r); x != nil {
		x.attempt = t
	}
	return nil
}

// Peek is Resume that does not mark the attempt as used: for pages before the end of a sign-in, and before a code that
// a person typed is compared.
func (f *Flow) Peek(r *http.Request, state any) error {
	_, err := f.find(r, state)
	return err
}

// errOutside is the error for a provider's handler that is not called by the handler of New.
var errOutside = errors.New("postern: this request did not come through the handler of New")

func (f *Flow) find(r *http.Request, state any) (*attempt, error) {
	if f.err != nil {
		return nil, errNotFound()
	}
	if r.Form == nil {
		return nil, errOutside
	}
	t, err := f.auth.attempts.find(r, f.name)
	if t != nil {
		if x := exchangeOf(r); x != nil {
			x.again = t.ret()
		}
	}
	if err != nil {
		return t, err
	}
	if x := exchangeOf(r); t.FormPost && (x == nil || x.posted == nil) {
		return nil, errState(errors.New("the answer came by GET, but the provider was asked for a POST"))
	}
	if state != nil {
		if err := json.Unmarshal(t.Provider, state); err != nil {
			return nil, fmt.Errorf("postern: the state of provider %q cannot be decoded into the value given to Resume: %w", f.name, err)
		}
	}
	return t, nil
}

// asked returns the Return of a request that begins an attempt. An authorize request has its own. Any other request
// gets the default, because there parameters such as "state" belong to the provider.
func (a *Auth) asked(r *http.Request) (session.Return, error) {
	x := exchangeOf(r)
	if x != nil && x.asked {
		return x.ret, nil
	}
	ret, err := a.returnOf(nil)
	if err == nil && x != nil {
		x.ret, x.asked = ret, true
	}
	return ret, err
}

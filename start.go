package postern

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Start begins an attempt and returns its id, to be sent to the provider as the OAuth state: 256 random bits. state is
// the provider's own (a PKCE verifier, a nonce), kept as JSON of up to 1 KiB until Resume.
//
// The attempt is bound to this browser by a sealed cookie of its own (HttpOnly, Secure, SameSite=Lax, ten minutes), to
// this flow, and to what the application asked for at authorize: where to return to, its state, its PKCE challenge. A
// browser keeps five at once; the oldest gives way. Call Start before anything is written to w. Nothing is stored.
func (f *Flow) Start(w http.ResponseWriter, r *http.Request, state any) (id string, err error) {
	return f.begin(w, r, state, false)
}

// StartFormPost is Start for a provider that answers by a cross-site POST (OAuth 2.0 Form Post Response Mode, as Apple
// does). Its cookie is SameSite=None and always Secure, or it would not come with that POST; and {base}/{name}/callback
// accepts that one POST from another origin, its state being the proof that this browser began it.
func (f *Flow) StartFormPost(w http.ResponseWriter, r *http.Request, state any) (id string, err error) {
	return f.begin(w, r, state, true)
}

func (f *Flow) begin(w http.ResponseWriter, r *http.Request, state any, formPost bool) (string, error) {
	if f.err != nil {
		return "", errNotFound()
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
	if err := f.auth.attempts.begin(w, r, t); err != nil {
		return "", err
	}
	return t.ID, nil
}

// Resume finds the attempt that the request's parameter "state" names and burns it: it is marked as used in the store
// before Resume returns, so of a hundred equal callbacks one goes on. state is filled with what was given to Start; nil
// if it is not wanted. Call it before asking the provider anything, and answer an error with Fail:
//
//   - 400 invalid_state: not begun in this browser or in this flow; expired_state: older than ten minutes; used_state
//   - 405: a HEAD request finishes nothing
//   - 503: the store or the secrets don't answer. The attempt may be tried again
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
		return err
	}
	sum := sha256.Sum256([]byte(f.auth.issuer + "\x00" + t.ID))
	tombstone := store.Put(store.Item{
		Key:     store.Key{Part: "flow:" + base64.RawURLEncoding.EncodeToString(sum[:]), ID: "used"},
		Value:   []byte(`{}`),
		Expires: time.UnixMilli(t.Created).Add(attemptLife + 2*attemptSkew), // longer than any clock of ours takes the cookie
	})
	switch err := f.auth.store.Write(r.Context(), tombstone); {
	case errors.Is(err, store.ErrConflict):
		f.auth.attempts.clear(w, t)
		return badRequest("used_state", "This sign-in was already finished. If you are not signed in, please start again.")
	case err != nil:
		return unavailable(fmt.Errorf("postern: marking an attempt as used: %w", err))
	}
	f.auth.attempts.clear(w, t)
	if x := exchangeOf(r); x != nil {
		x.attempt = t
	}
	return nil
}

// Peek is Resume without burning: for pages shown in between, and for guesses that may be wrong.
func (f *Flow) Peek(r *http.Request, state any) error {
	_, err := f.find(r, state)
	return err
}

// errOutside is a provider's handler served by something else than the handler it was made for.
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
	if state != nil {
		if err := json.Unmarshal(t.Provider, state); err != nil {
			return nil, fmt.Errorf("postern: the state of provider %q does not fit what it is read into: %w", f.name, err)
		}
	}
	return t, nil
}

// asked is the Return of a request that begins: what it asks for at authorize, and the default elsewhere, where "state"
// and the like are parameters of the provider's.
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

package postern

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/shortcookie"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/session"
)

const (
	attemptLife  = 10 * time.Minute
	attemptSkew  = time.Minute // between the clocks of two instances
	maxAttempts  = 5           // of one browser at once
	maxAttemptsB = 6 << 10     // bytes of all together: some gateways allow 10 KiB for all headers
	maxCookie    = 4096        // name, value and attributes (RFC 6265 section 6.1)
)

// An attempt is one sign-in, from authorize to the callback. It is sealed in a cookie, one for each attempt: an
// unfinished attempt costs the server nothing, and two tabs do not disturb each other.
type attempt struct {
	ID        string          `json:"id"` // the OAuth state
	Flow      string          `json:"f"`
	Created   int64           `json:"at"` // Unix milliseconds
	FormPost  bool            `json:"p,omitempty"`
	Target    string          `json:"to"`
	State     string          `json:"s,omitempty"` // of the application
	Challenge string          `json:"ch,omitempty"`
	ClientID  string          `json:"c,omitempty"`
	Provider  json.RawMessage `json:"x,omitempty"` // data of the provider
	Purpose   string          `json:"u,omitempty"` // see purpose.go
	Whose     whose           `json:"w,omitzero"`  // of purposes that begin in a session
	Invite    string          `json:"i,omitempty"` // the token of an invitation
	Aside     bool            `json:"a,omitempty"` // beside the one that the page is for: see Autofiller
}

func (t *attempt) ret() session.Return {
	return returnto.New(t.Target, t.State, t.Challenge, t.ClientID)
}

// attempts keeps the attempts of one issuer in cookies.
type attempts struct {
	sessions *session.Sessions
	prefix   string // of cookie names
	secure   bool
	rand     io.Reader
}

func newAttempts(s *session.Sessions, secure bool, rand io.Reader) attempts {
	return attempts{s, shortcookie.Attempts(s.Issuer(), secure), secure, rand}
}

// place returns the name of an attempt, in its cookie name and in the store. It is a hash, so neither shows the state.
func (c attempts) place(id string) string {
	sum := sha256.Sum256([]byte("postern attempt\x00" + c.sessions.Issuer() + "\x00" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// placeOf returns the place of the attempt in the state of a request; empty without a state.
func (c attempts) placeOf(r *http.Request) string {
	if state := r.Form.Get("state"); isState(state) {
		return c.place(state)
	}
	return ""
}

// isState reports whether s has the form of a state or a place: 256 bits in base64url.
func isState(s string) bool { return len(s) == 43 && text.Base64URL(s) }

func (c attempts) cookieName(id string) string {
	return c.prefix + c.place(id)[:shortcookie.NameLength]
}

// begin seals t into a cookie and removes older attempts of the browser to make room for it.
func (c attempts) begin(w http.ResponseWriter, r *http.Request, t *attempt) error {
	var id [32]byte
	if _, err := io.ReadFull(c.rand, id[:]); err != nil {
		return fmt.Errorf("postern: reading random bytes: %w", err)
	}
	t.ID = base64.RawURLEncoding.EncodeToString(id[:])
	t.Created = c.sessions.Now().UnixMilli()
	plain, err := compactJSON(t)
	if err != nil {
		return fmt.Errorf("postern: the state of provider %q is not JSON: %w", t.Flow, err)
	}
	name := c.cookieName(t.ID)
	sealed, err := seal.Seal(r.Context(), c.sessions.Secrets(), "flow", plain, c.sessions.Issuer(), name)
	if err != nil {
		return fmt.Errorf("postern: sealing an attempt: %w", err)
	}
	cookie := c.cookie(name, t.FormPost)
	cookie.Value, cookie.MaxAge = sealed, int(attemptLife/time.Second)
	if size := len(cookie.String()); size > maxCookie {
		if len(t.Provider) > maxCookie/4 {
			return fmt.Errorf("%w: that of provider %q (%d bytes) does not fit into a cookie: keep it under %d",
				errTooLong, t.Flow, len(t.Provider), maxCookie/4)
		}
		return badRequest("invalid_request", "The application's parameters are too long to be kept (redirect_uri and state).")
	}
	c.makeRoom(w, r, len(name)+len(sealed))
	http.SetCookie(w, cookie)
	return nil
}

// errTooLong is returned for the state of a provider, or of a room, that does not fit into a cookie.
var errTooLong = errors.New("postern: the state is too long")

// makeRoom removes cookies that only look like an attempt, and then the oldest attempts, until size more bytes fit.
func (c attempts) makeRoom(w http.ResponseWriter, r *http.Request, size int) {
	var all []kept
	for _, k := range shortcookie.Named(r, c.prefix) {
		one := kept{name: k.Name, bytes: len(k.Name) + len(k.Value)}
		post := false
		if t, err := c.open(r.Context(), k); err == nil {
			one.created, post = t.Created, t.FormPost
			if t.Aside { // it gives way first
				one.created -= attemptLife.Milliseconds()
			}
		}
		one.gone = c.expired(k.Name, post)
		all = append(all, one)
	}
	makeRoom(w, all, size, maxAttempts, maxAttemptsB)
}

// find opens the attempt of the request's state, and checks its flow and age (RFC 6749 section 10.12, RFC 9700 section
// 4.7).
func (c attempts) find(r *http.Request, flow string) (*attempt, error) {
	return c.findID(r, r.Form.Get("state"), flow)
}

// findID is find for a state that is not a parameter of the request.
func (c attempts) findID(r *http.Request, state, flow string) (*attempt, error) {
	if !isState(state) {
		return nil, errState(errors.New("the state is missing or malformed"))
	}
	t, err := c.openNamed(r, c.cookieName(state))
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(t.ID), []byte(state)) != 1 {
		return nil, errState(errors.New("the cookie has another state"))
	}
	return c.check(t, flow)
}

// check returns t if it may go on in flow now. If t is too old, it returns t and the error.
func (c attempts) check(t *attempt, flow string) (*attempt, error) {
	switch age := c.sessions.Now().Sub(time.UnixMilli(t.Created)); {
	case t.Flow != flow:
		return nil, errState(errors.New("begun in another flow"))
	case age < -attemptSkew:
		return nil, errState(errors.New("begun in the future"))
	case age >= attemptLife:
		return t, badRequest("expired_state", "This sign-in took longer than ten minutes and has expired. Please start again.")
	}
	return t, nil
}

// newest returns the youngest attempt of this browser in a flow, and nil without one.
func (c attempts) newest(r *http.Request, flow string) *attempt {
	var found *attempt
	for _, k := range shortcookie.Named(r, c.prefix) {
		t, err := c.open(r.Context(), k)
		if err != nil {
			continue
		}
		if t, err = c.check(t, flow); err == nil && (found == nil || t.Created > found.Created) {
			found = t
		}
	}
	return found
}

// openNamed opens the cookie with a name. There can be several: another server on this host, or another host of the
// same domain, can add cookies with other paths or domains. Only a cookie that this server sealed opens, so the others
// do no harm.
func (c attempts) openNamed(r *http.Request, name string) (*attempt, error) {
	cookies := r.CookiesNamed(name)
	for _, k := range cookies {
		t, err := c.open(r.Context(), k)
		if err == nil {
			return t, nil
		}
		if !errors.Is(err, seal.ErrOpen) {
			return nil, fmt.Errorf("postern: opening an attempt: %w", err)
		}
	}
	return nil, errState(fmt.Errorf("no attempt in %d cookies of this name", len(cookies)))
}

func errState(cause error) *Error {
	e := badRequest("invalid_state", "This sign-in is finished already, was started too long ago, or was not started in this browser. "+
		"If you are not signed in, please start again.")
	e.Err = cause
	return e
}

// open unseals a cookie. The error is seal.ErrOpen if the value does not open or is not an attempt; any other error
// comes from the secrets.
func (c attempts) open(ctx context.Context, k *http.Cookie) (*attempt, error) {
	plain, err := seal.Open(ctx, c.sessions.Secrets(), "flow", k.Value, c.sessions.Issuer(), k.Name)
	if err != nil {
		return nil, err
	}
	t := new(attempt)
	if err := json.Unmarshal(plain, t); err != nil {
		return nil, seal.ErrOpen
	}
	return t, nil
}

// clear removes the cookie of an attempt.
func (c attempts) clear(w http.ResponseWriter, t *attempt) {
	http.SetCookie(w, c.expired(c.cookieName(t.ID), t.FormPost))
}

func (c attempts) expired(name string, formPost bool) *http.Cookie {
	cookie := c.cookie(name, formPost)
	cookie.MaxAge = -1
	return cookie
}

func (c attempts) cookie(name string, formPost bool) *http.Cookie {
	k := &http.Cookie{Name: name, Path: "/", HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode}
	if formPost {
		// Browsers accept SameSite=None only with Secure. On localhost they accept Secure over http.
		k.SameSite, k.Secure = http.SameSiteNoneMode, true
	}
	return k
}

package postern

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/handover"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/session"
)

const (
	attemptLife  = 10 * time.Minute
	attemptSkew  = time.Minute // between the clocks of two functions
	maxAttempts  = 5           // of one browser at once
	maxAttemptsB = 6 << 10     // their bytes together: some gateways take 10 KiB of headers in all
	maxCookie    = 4096        // name, value and attributes (RFC 6265 section 6.1)
)

// An attempt is one sign-in on its way: begun at authorize, ended by the callback. It lives sealed in a cookie of its
// own, so that an unfinished one costs the server nothing and two tabs don't disturb each other.
type attempt struct {
	ID        string          `json:"id"` // the OAuth state
	Flow      string          `json:"f"`
	Created   int64           `json:"at"` // Unix milliseconds
	FormPost  bool            `json:"p,omitempty"`
	Target    string          `json:"to"`
	State     string          `json:"s,omitempty"` // the application's
	Challenge string          `json:"ch,omitempty"`
	ClientID  string          `json:"c,omitempty"`
	Provider  json.RawMessage `json:"x,omitempty"` // the provider's own
}

func (t *attempt) ret() session.Return {
	return handover.New(t.Target, t.State, t.Challenge, t.ClientID)
}

// attempts keeps the attempts of one issuer in cookies.
type attempts struct {
	sessions *session.Sessions
	prefix   string // of cookie names
	secure   bool
	rand     io.Reader
}

func newAttempts(s *session.Sessions, secure bool, rand io.Reader) attempts {
	sum := sha256.Sum256([]byte(s.Issuer()))
	prefix := "flow-" + base64.RawURLEncoding.EncodeToString(sum[:6]) + "-"
	if secure {
		prefix = "__Host-" + prefix
	}
	return attempts{s, prefix, secure, rand}
}

// cookieName is found from the state alone. A hash, so that a cookie does not tell the state it stands for.
func (c attempts) cookieName(id string) string {
	sum := sha256.Sum256([]byte("postern attempt cookie\x00" + id))
	return c.prefix + base64.RawURLEncoding.EncodeToString(sum[:9])
}

// begin seals t into a cookie and makes room for it among those of the browser.
func (c attempts) begin(w http.ResponseWriter, r *http.Request, t *attempt) error {
	var id [32]byte
	if _, err := io.ReadFull(c.rand, id[:]); err != nil {
		return fmt.Errorf("postern: reading random bytes: %w", err)
	}
	t.ID = base64.RawURLEncoding.EncodeToString(id[:])
	t.Created = c.sessions.Now().UnixMilli()
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(t); err != nil {
		return fmt.Errorf("postern: the state of provider %q is no JSON: %w", t.Flow, err)
	}
	name := c.cookieName(t.ID)
	sealed, err := seal.Seal(r.Context(), c.sessions.Secrets(), "flow", plain.Bytes(), c.sessions.Issuer(), name)
	if err != nil {
		return fmt.Errorf("postern: sealing an attempt: %w", err)
	}
	cookie := c.cookie(name, t.FormPost)
	cookie.Value, cookie.MaxAge = sealed, int(attemptLife/time.Second)
	if size := len(cookie.String()); size > maxCookie {
		if len(t.Provider) > maxCookie/4 {
			return fmt.Errorf("postern: the state of provider %q (%d bytes) does not fit into a cookie: keep it under %d",
				t.Flow, len(t.Provider), maxCookie/4)
		}
		return badRequest("invalid_request", "The application's parameters are too long to be kept (redirect_uri and state).")
	}
	c.makeRoom(w, r, len(name)+len(sealed))
	http.SetCookie(w, cookie)
	return nil
}

// makeRoom deletes the oldest attempts of this browser, and what only looks like one, until another of size bytes fits.
func (c attempts) makeRoom(w http.ResponseWriter, r *http.Request, size int) {
	type old struct {
		name    string
		bytes   int
		created int64
		post    bool
	}
	var live []old
	for _, k := range r.Cookies() {
		if !strings.HasPrefix(k.Name, c.prefix) {
			continue
		}
		// More than a browser of ours can have: don't open them, only remove them.
		o := old{name: k.Name, bytes: len(k.Name) + len(k.Value)}
		if len(live) <= 2*maxAttempts {
			if t, err := c.open(r.Context(), k); err == nil {
				o.created, o.post = t.Created, t.FormPost
			}
		}
		live = append(live, o)
		size += o.bytes
	}
	slices.SortFunc(live, func(a, b old) int { return cmp.Compare(a.created, b.created) })
	for len(live) > 0 && (len(live) >= maxAttempts || size > maxAttemptsB || live[0].created == 0) {
		http.SetCookie(w, c.expired(live[0].name, live[0].post))
		size -= live[0].bytes
		live = live[1:]
	}
}

// find opens the attempt that state names, for the flow it was begun in, within its ten minutes (RFC 6749 section
// 10.12, RFC 9700 section 4.7).
func (c attempts) find(r *http.Request, flow string) (*attempt, error) {
	state := r.Form.Get("state")
	if len(state) != 43 || !base64url(state) {
		return nil, errState(errors.New("no state, or a malformed one"))
	}
	cookies := r.CookiesNamed(c.cookieName(state))
	if len(cookies) != 1 {
		return nil, errState(fmt.Errorf("%d cookies for this state", len(cookies)))
	}
	t, err := c.open(r.Context(), cookies[0])
	if errors.Is(err, seal.ErrOpen) {
		return nil, errState(err)
	}
	if err != nil {
		return nil, fmt.Errorf("postern: opening an attempt: %w", err)
	}
	switch age := c.sessions.Now().Sub(time.UnixMilli(t.Created)); {
	case subtle.ConstantTimeCompare([]byte(t.ID), []byte(state)) != 1:
		return nil, errState(errors.New("another state in the cookie"))
	case t.Flow != flow:
		return nil, errState(errors.New("begun in another flow"))
	case age < -attemptSkew:
		return nil, errState(errors.New("begun in the future"))
	case age >= attemptLife:
		return t, badRequest("expired_state", "This sign-in took longer than ten minutes and has expired. Please start again.")
	}
	return t, nil
}

func errState(cause error) *Error {
	e := badRequest("invalid_state", "This sign-in was not started in this browser, or it was started too long ago. Please start again.")
	e.Err = cause
	return e
}

// open unseals a cookie. What does not open or is no attempt is seal.ErrOpen; other errors are the secrets'.
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
		// Browsers take SameSite=None with Secure only; on localhost they take Secure over http.
		k.SameSite, k.Secure = http.SameSiteNoneMode, true
	}
	return k
}

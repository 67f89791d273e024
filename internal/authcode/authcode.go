// Package authcode is the client side of the authorization code flow (RFC 6749 section 4.1 with PKCE, RFC 7636, and the
// rules of RFC 9700). Packages oauth and oidc share it.
//
// A [Client] serves the two steps of a provider. "authorize" starts an attempt and sends the person to the provider.
// "callback" checks the answer in a fixed order: the form of the request, then the state, which is marked as used, then
// the issuer, then the error. Only after that it exchanges the code. A Client keeps no data of a request. Text from the
// provider is never shown, and no redirect goes to an address in a callback.
package authcode

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
)

// A Client is a registration with one provider, and the settings of its requests.
type Client struct {
	ID string
	// Secret returns the client secret; empty for a public client. Each exchange calls it, because a secret can expire
	// (Apple's is a signed token). Nil: there is no secret.
	Secret func(context.Context) (string, error)
	Scopes []string
	// Params are added to each authorization request. See Check.Params.
	Params map[string]string
	// Forward lists the parameters of the authorize request that are passed on to the provider.
	Forward []string
	// Nonce sends a nonce and keeps it for Identify (OpenID Connect).
	Nonce bool
	// NoLogin asks for an account where a sign-in should be asked for, because the provider does not know prompt=login.
	NoLogin bool
	// FormPost asks for the answer by POST (response_mode=form_post).
	FormPost bool
	// NoPKCE leaves PKCE out, for services that refuse it. The state still protects the flow, and the nonce if Nonce is
	// set.
	NoPKCE bool
	// CommaScopes: the token answer separates scopes by commas (GitHub).
	CommaScopes bool
	// EndFragment removes the fragment of the callback URL, so that the application does not get it. A browser keeps a
	// fragment through every redirect to an address without one (Fetch standard, "location URL").
	EndFragment bool
	// Method goes into the amr of the session: "oauth" or "oidc".
	Method string

	// Key signs the client assertions of AuthKey. Their audience is KeyAudience, or the token endpoint if that is
	// empty.
	Key         keys.SigningKey
	KeyAudience string
	// Request, if set, may change the token request before it is sent.
	Request func(form url.Values, header http.Header)
	// Answer, if set, reads the answer of the token endpoint in place of RFC 6749 section 5.1.
	Answer func(body []byte) (postern.Tokens, error)
	// MaxIDToken is the largest size of an ID token, in bytes.
	// Defaults to 16 KiB.
	MaxIDToken int

	// HTTP makes the calls. It is a client of package fetch.
	HTTP *http.Client
	// Timeout is the time for all calls of one request together.
	Timeout time.Duration

	// Server returns the endpoints of the provider. Both steps call it, and it may make network calls.
	Server func(ctx context.Context, now time.Time) (Server, error)
	// Identify returns the person who signed in. It is called after the code exchange.
	Identify func(ctx context.Context, l Login) (postern.Identity, error)
}

// A Server has the endpoints and rules of a provider.
type Server struct {
	AuthURL, TokenURL string
	// Issuer must equal the parameter iss of the callback, if the callback has one (RFC 9207). Empty: not known.
	Issuer string
	// IssParameter: the callback must have iss.
	IssParameter bool
	// AuthMethod is the client authentication at TokenURL: AuthBasic, AuthPost, AuthKey or AuthNone.
	AuthMethod string
}

// A Login is the result of a code exchange.
type Login struct {
	Tokens postern.Tokens
	Nonce  string     // of this attempt
	Form   url.Values // of the callback, for data that only the callback has
	Now    time.Time
	Clock  func() time.Time // the source of Now
}

// An attempt is the data kept between the two steps, sealed in a cookie.
type attempt struct {
	Verifier string `json:"v"`
	Nonce    string `json:"n,omitempty"`
	Issuer   string `json:"i,omitempty"`
}

// Handler serves the steps of one flow.
func (c *Client) Handler(f *postern.Flow) http.Handler {
	h := &handler{Client: c, flow: f, clock: f.Sessions().Now}
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": h.authorize, "POST authorize": h.authorize, "GET callback": h.callback})
}

type handler struct {
	*Client
	flow  *postern.Flow
	clock func() time.Time
}

func (h *handler) authorize(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, h.Forward...); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
	defer cancel()
	server, err := h.Server(ctx, h.clock())
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	a := attempt{Verifier: random(), Issuer: server.Issuer}
	if h.Nonce {
		a.Nonce = random()
	}
	start := h.flow.Start
	if h.FormPost {
		start = h.flow.StartFormPost
	}
	state, err := start(w, r, a)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	target, err := h.authURL(server.AuthURL, state, a, r.Form, h.flow.Ask(r), h.hint(r))
	if err != nil {
		h.flow.Fail(w, r, Broken(err))
		return
	}
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}

// hint is the address by which the person is expected to sign in there, for OpenID providers.
func (h *handler) hint(r *http.Request) string {
	hint := h.flow.LoginHint(r)
	if !h.Nonce || !strings.Contains(hint, "@") {
		return ""
	}
	return hint
}

// authURL returns the URL of the authorization request (RFC 6749 section 4.1.1). It keeps the endpoint's own query.
func (h *handler) authURL(endpoint, state string, a attempt, asked url.Values, ask postern.Ask, hint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("authorization endpoint: %w", err)
	}
	q := u.Query()
	for name, value := range h.Params {
		q.Set(name, value)
	}
	for _, name := range h.Forward {
		if v := asked.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	if hint != "" && !q.Has("login_hint") { // OpenID Connect Core section 3.1.2.1
		q.Set("login_hint", hint)
	}
	q.Del("response_mode") // the callback reads the default, query
	q.Set("response_type", "code")
	q.Set("client_id", h.ID)
	q.Set("redirect_uri", h.flow.URL("callback"))
	q.Set("state", state)
	// Always S256 (RFC 9700 section 2.1.1). A provider without PKCE ignores it (RFC 6749 section 3.1).
	if !h.NoPKCE {
		q.Set("code_challenge", Challenge(a.Verifier))
		q.Set("code_challenge_method", "S256")
	}
	if len(h.Scopes) > 0 {
		q.Set("scope", strings.Join(h.Scopes, " "))
	}
	if a.Nonce != "" {
		q.Set("nonce", a.Nonce)
	}
	if h.FormPost {
		q.Set("response_mode", "form_post")
	}
	switch { // OpenID Connect Core section 3.1.2.1
	case !h.Nonce:
	case ask.Select && !ask.Login && !q.Has("prompt"), ask.Login && h.NoLogin:
		q.Set("prompt", "select_account")
	case ask.Login:
		q.Set("prompt", "login")
	}
	if h.Nonce && ask.UserID != "" {
		q.Set("max_age", strconv.FormatInt(int64(ask.MaxAge/time.Second), 10))
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (h *handler) callback(w http.ResponseWriter, r *http.Request) {
	if h.EndFragment { // of all redirects from here: a callback that comes again can lead on, too
		w = endFragment{w}
	}
	back, err := readCallback(r.Form)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	// Resume uses the attempt up, whether the sign-in succeeds or not, before any call to the provider.
	var a attempt
	if err := h.flow.Resume(w, r, &a); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
	defer cancel()
	id, err := h.finish(ctx, r.Form, back, a)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Done(w, r, id, h.Method)
}

func (h *handler) finish(ctx context.Context, form url.Values, back callback, a attempt) (postern.Identity, error) {
	server, err := h.Server(ctx, h.clock())
	if err != nil {
		return postern.Identity{}, err
	}
	if err := back.check(server, a.Issuer); err != nil {
		return postern.Identity{}, err
	}
	tokens, err := h.exchange(ctx, server, back.code, h.flow.URL("callback"), a.Verifier, h.clock())
	if err != nil {
		return postern.Identity{}, err
	}
	id, err := h.Identify(ctx, Login{Tokens: tokens, Nonce: a.Nonce, Form: form, Now: h.clock(), Clock: h.clock})
	if err != nil {
		return postern.Identity{}, asError(err)
	}
	if id.Tokens == nil {
		id.Tokens = &tokens
	}
	return id, nil
}

// random returns 256 bits as 43 characters: a PKCE verifier (RFC 7636 section 4.1) or a nonce.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Challenge returns the S256 code challenge of a verifier (RFC 7636 section 4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

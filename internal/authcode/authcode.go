// Package authcode is the authorization code flow as a client runs it (RFC 6749 section 4.1 with PKCE, RFC 7636, and the
// rules of RFC 9700): what packages oauth and oidc have in common.
//
// A [Client] serves the two steps of a provider. "authorize" starts an attempt and sends the person to the provider.
// "callback" checks what comes back in an order that matters: the shape of the request, then the state, which is burned,
// then the issuer, then the error, and only then is the code exchanged. Nothing that depends on a request is kept in a
// Client, and nothing that comes back is ever shown or redirected to.
package authcode

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern"
)

// A Client is what is registered with one provider, and what is asked of it.
type Client struct {
	ID string
	// Secret returns the client secret; empty for a public client. It is asked at each exchange, so that it may be made
	// anew (Apple's is a signed token that expires). Nil: there is none.
	Secret func(context.Context) (string, error)
	Scopes []string
	// Params are added to each authorization request. See Check.Params.
	Params map[string]string
	// Forward names parameters of the request to authorize that are passed on to the provider.
	Forward []string
	// Nonce sends a nonce and keeps it for Identify (OpenID Connect).
	Nonce bool
	// FormPost asks for the answer by POST (response_mode=form_post).
	FormPost bool
	// NoPKCE leaves PKCE out, for services that refuse it. What is left is the nonce, where there is one, and the state.
	NoPKCE bool
	// CommaScopes: the token answer separates scopes by commas (GitHub).
	CommaScopes bool
	// Method goes into the amr of the session: "oauth" or "oidc".
	Method string

	// HTTP makes the calls: one of package fetch.
	HTTP *http.Client
	// Timeout bounds all calls of one request together.
	Timeout time.Duration

	// Server says where the provider is. It may call out, and is asked in both steps.
	Server func(ctx context.Context, now time.Time) (Server, error)
	// Identify finds out who signed in, once the code is exchanged.
	Identify func(ctx context.Context, l Login) (postern.Identity, error)
}

// A Server is the provider's side.
type Server struct {
	AuthURL, TokenURL string
	// Issuer is what the parameter iss of the callback must say, if it is there (RFC 9207). Empty: not known.
	Issuer string
	// IssParameter: iss must be there.
	IssParameter bool
	// AuthMethod is how the client proves itself at TokenURL: AuthBasic, AuthPost or AuthNone.
	AuthMethod string
}

// A Login is an exchanged code.
type Login struct {
	Tokens postern.Tokens
	Nonce  string     // of this attempt
	Form   url.Values // of the callback, for what comes nowhere else
	Now    time.Time
	Clock  func() time.Time // where Now comes from
}

// An attempt is what is remembered between the two steps, sealed in the browser.
type attempt struct {
	Verifier string `json:"v"`
	Nonce    string `json:"n,omitempty"`
	Issuer   string `json:"i,omitempty"`
}

// Handler serves the steps of one flow.
func (c *Client) Handler(f *postern.Flow) http.Handler {
	h := &handler{Client: c, flow: f, clock: f.Sessions().Now}
	callback := "GET callback"
	if c.FormPost {
		callback = "POST callback"
	}
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": h.authorize, callback: h.callback})
}

type handler struct {
	*Client
	flow  *postern.Flow
	clock func() time.Time
}

func (h *handler) authorize(w http.ResponseWriter, r *http.Request) {
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
	target, err := h.authURL(server.AuthURL, state, a, r.Form)
	if err != nil {
		h.flow.Fail(w, r, Broken(err))
		return
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusFound)
}

// authURL is the authorization request (RFC 6749 section 4.1.1). What the endpoint has in its own query stays.
func (h *handler) authURL(endpoint, state string, a attempt, asked url.Values) (string, error) {
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
	q.Set("response_type", "code")
	q.Set("client_id", h.ID)
	q.Set("redirect_uri", h.flow.URL("callback"))
	q.Set("state", state)
	// S256 always (RFC 9700 section 2.1.1): a provider that does not know PKCE ignores it (RFC 6749 section 3.1).
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
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (h *handler) callback(w http.ResponseWriter, r *http.Request) {
	back, err := readCallback(r.Form)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	// From here on this attempt is spent, whatever comes of it: before the provider is asked anything.
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

// Challenge is the S256 code challenge of a verifier (RFC 7636 section 4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

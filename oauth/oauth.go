package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/fetch"
)

// Config of a provider. For a preset such as GitHub, ClientID and ClientSecret are enough.
type Config struct {
	// ClientID and ClientSecret are what the service gave when the application was registered. A public client has no
	// secret.
	ClientID, ClientSecret string

	// Scopes asked for.
	// Defaults to what the preset says; none for New.
	Scopes []string

	// Prompt is sent as it is: "consent", "select_account", ...
	// By default it is not sent.
	Prompt string

	// AuthParams are further parameters of the authorization request, such as {"access_type": "offline"}. Those the
	// flow itself sets (state, scope, redirect_uri, ...) are refused.
	AuthParams map[string]string

	// Forward names parameters of the request to {base}/{name}/authorize that are passed on to the service, such as
	// "login_hint". The writer of the link chooses their values.
	// Defaults to none.
	Forward []string

	// AuthMethod is how the client proves itself at the token endpoint: "client_secret_basic", "client_secret_post"
	// or "none".
	// Defaults to what the preset says; for New client_secret_basic, which RFC 6749 section 2.3.1 makes every service
	// accept, or none without a ClientSecret.
	AuthMethod string

	// Issuer names the service in Identity.Issuer; with the subject it is the key of the person. Required for New, by
	// custom the https URL of the service. It must never change.
	Issuer string

	// Endpoint says where the service is. Required for New; a preset fills in what is empty.
	Endpoint Endpoint

	// Profile finds out who granted the tokens. It returns at least a Subject, which the service must never give to
	// anyone else; Issuer and Tokens are filled in. c keeps the rules of this package; [Get] is the usual call. An
	// error that is not a *postern.Error is answered 502. Required for New.
	Profile func(ctx context.Context, c *http.Client, t postern.Tokens) (postern.Identity, error)

	// TokenRequest, if set, may change the token request before it is sent, for a service that leaves RFC 6749:
	// TikTok wants the client id under the name client_key. form has the parameters, header the Authorization header,
	// if any. Both hold secrets.
	// Defaults to the request of RFC 6749 section 4.1.3.
	TokenRequest func(form url.Values, header http.Header)

	// TokenAnswer, if set, reads the answer of the token endpoint, for a service that leaves RFC 6749: Slack has the
	// token of a person in an object authed_user. body is the body of an answer with a 2xx status, of any form; an
	// answer with the member error is refused before. Tokens without Access are refused. body holds secrets, which an
	// error must not repeat.
	// Defaults to the answer of RFC 6749 section 5.1.
	TokenAnswer func(body []byte) (postern.Tokens, error)

	// Mark names the picture of the service beside its link on pages, such as "google": lower-case letters, digits and
	// "-", at most 32. It is Link.Mark of the page. Drawings know the services of the presets.
	// Defaults to that of the preset; none for New.
	Mark string

	// Timeout bounds all calls for one request together.
	// Defaults to 5 s.
	Timeout time.Duration

	// HTTPClient, if set, has the transport of all calls, for a proxy or your own certificates. It then
	// decides which addresses may be reached; all other rules stay. Its cookie jar is not used.
	// Defaults to public addresses only.
	HTTPClient *http.Client

	// AllowPrivate lets calls go to private networks, for a service inside a company.
	// Defaults to public addresses only.
	AllowPrivate bool

	// AllowInsecure lets endpoints be on this machine, by http too. For development and tests.
	AllowInsecure bool
}

// Endpoint is where a service is. The URLs are https.
type Endpoint struct {
	AuthURL  string // the person is sent here
	TokenURL string // the code is exchanged here
	// UserInfoURL is where a preset finds the profile. New does not use it.
	UserInfoURL string
	// Issuer is what the service says in the parameter iss of a callback (RFC 9207). If it is set, another iss is
	// refused.
	Issuer string
	// IssuerRequired: the service always sends iss, so a callback without it is refused.
	IssuerRequired bool
}

// A Provider is a service people sign in at. It holds nothing of any request and is safe for concurrent use.
type Provider struct {
	client authcode.Client
	issuer string
	mark   string
	err    error
}

// Issues reports whether the identities of this provider have an issuer. Identities that another system recorded are
// recognized by it.
func (p *Provider) Issues(issuer string) bool { return issuer == p.issuer }

// New returns a provider for any OAuth 2 service. It makes no call. What is wrong with the Config is reported by Check,
// and so by postern.New.
func New(c Config) *Provider { return build(c, false) }

func build(c Config, commaScopes bool) *Provider {
	p := &Provider{issuer: c.Issuer, mark: c.Mark, err: c.check()}
	params := maps.Clone(c.AuthParams)
	if c.Prompt != "" {
		if params == nil {
			params = map[string]string{}
		}
		params["prompt"] = c.Prompt
	}
	secret := c.ClientSecret
	server := authcode.Server{
		AuthURL: c.Endpoint.AuthURL, TokenURL: c.Endpoint.TokenURL,
		Issuer: c.Endpoint.Issuer, IssParameter: c.Endpoint.IssuerRequired,
		AuthMethod: cmp.Or(c.AuthMethod, authcode.DefaultMethod(secret)),
	}
	timeout := authcode.Timeout(c.Timeout)
	p.client = authcode.Client{
		ID: c.ClientID, Secret: func(context.Context) (string, error) { return secret, nil },
		Scopes: slices.Clone(c.Scopes), Params: params, Forward: slices.Clone(c.Forward),
		CommaScopes: commaScopes, Method: "oauth", Request: c.TokenRequest, Answer: c.TokenAnswer,
		HTTP: fetch.Client(fetch.Options{
			AllowLoopback: c.AllowInsecure, AllowPrivate: c.AllowPrivate, Timeout: timeout, HTTPClient: c.HTTPClient,
		}),
		Timeout: timeout,
		Server:  func(context.Context, time.Time) (authcode.Server, error) { return server, nil },
	}
	httpClient, issuer, profile := p.client.HTTP, c.Issuer, c.Profile
	p.client.Identify = func(ctx context.Context, l authcode.Login) (postern.Identity, error) {
		id, err := profile(ctx, httpClient, l.Tokens)
		if err != nil {
			return id, err
		}
		if id.Subject == "" {
			return id, errors.New("the profile names no subject")
		}
		id.Issuer = cmp.Or(id.Issuer, issuer)
		return id, nil
	}
	return p
}

func (c Config) check() error {
	check := authcode.Check{Package: "oauth"}
	check.Client(c.ClientID, c.ClientSecret, false, c.AuthMethod, c.Scopes)
	check.Params(c.AuthParams, c.Forward)
	_, twice := c.AuthParams["prompt"]
	check.Add(twice && c.Prompt != "", "Prompt is set twice, in AuthParams as well")
	check.Add(c.Issuer == "", "Issuer is missing: the https URL that names the service")
	check.Add(c.Profile == nil, "Profile is missing: it finds out who signed in")
	check.URL("Endpoint.AuthURL", c.Endpoint.AuthURL, c.AllowInsecure)
	check.URL("Endpoint.TokenURL", c.Endpoint.TokenURL, c.AllowInsecure)
	if c.Endpoint.UserInfoURL != "" {
		check.URL("Endpoint.UserInfoURL", c.Endpoint.UserInfoURL, c.AllowInsecure)
	}
	check.Add(c.Endpoint.IssuerRequired && c.Endpoint.Issuer == "", "Endpoint.IssuerRequired needs Endpoint.Issuer")
	return check.Err()
}

// Check reports what is wrong with the Config. postern.New calls it.
func (p *Provider) Check() error { return p.err }

// Mark returns Config.Mark, for the links to this provider.
func (p *Provider) Mark() string { return p.mark }

// Handler serves authorize and callback. It makes no call.
func (p *Provider) Handler(f *postern.Flow) http.Handler {
	if p.err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Fail(w, r, p.err) })
	}
	return p.client.Handler(f)
}

// Get fetches JSON from target with the access token as bearer (RFC 6750 section 2.1), for use in a Profile. c is the
// client that Profile was given. The answer is valid JSON in which no member is named twice. The error is a
// *postern.Error: provider_unavailable if the service does not answer, provider_error if it refuses or answers anything
// but JSON. It holds neither the token nor the path of target.
func Get(ctx context.Context, c *http.Client, target string, t postern.Tokens) (json.RawMessage, error) {
	body, _, err := authcode.Profile(ctx, c, target, t.Access)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(body), nil
}

package oidc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/discovery"
	"github.com/posternauth/postern/internal/fetch"
)

// A Provider signs people in at an OpenID provider. It keeps the metadata and keys of that provider, and no data of a
// request. It is safe for concurrent use: make it once and keep it.
type Provider struct {
	config Config
	quirks quirks
	client authcode.Client
	source *discovery.Source
	keys   keySource
	err    error
}

// New returns a provider. It makes no call. Check, which postern.New calls, reports mistakes in the Config.
func New(c Config) *Provider { return build(c, quirks{}) }

func build(c Config, q quirks) *Provider {
	c = c.withDefaults()
	p := &Provider{config: c, quirks: q, err: errors.Join(q.err, c.check())}
	httpClient := fetch.Client(fetch.Options{
		AllowLoopback: c.AllowInsecure, AllowPrivate: c.AllowPrivate, Timeout: c.Timeout, HTTPClient: c.HTTPClient,
	})
	p.source = discovery.New(discovery.Config{
		Issuer: c.Issuer, URL: c.MetadataURL, IssuerOK: q.issuerOK, Client: httpClient, AllowLoopback: c.AllowInsecure, Logger: c.Logger,
	})
	p.keys = keySource{algorithms: slices.Clone(c.Algorithms), client: httpClient, loopback: c.AllowInsecure, log: c.Logger}
	p.client = authcode.Client{
		ID: c.ClientID, Secret: func(context.Context) (string, error) { return c.ClientSecret, nil },
		Scopes: slices.Clone(c.Scopes), Params: c.params(), Forward: slices.Clone(c.Forward),
		Key: c.ClientKey, KeyAudience: c.ClientKeyAudience, MaxIDToken: c.MaxIDToken,
		Nonce: true, NoPKCE: q.noPKCE, NoLogin: q.noLogin, FormPost: q.formPost, Method: "oidc",
		HTTP: httpClient, Timeout: c.Timeout,
		Server: p.server, Identify: p.identify,
	}
	return p
}

// params are the parameters of the authorization request beyond those of the flow.
func (c Config) params() map[string]string {
	params := maps.Clone(c.AuthParams)
	if params == nil {
		params = map[string]string{}
	}
	if c.Prompt != "" {
		params["prompt"] = c.Prompt
	}
	if c.MaxAge > 0 {
		params["max_age"] = strconv.FormatInt(int64(c.MaxAge/time.Second), 10)
	}
	if c.HostedDomain != "" {
		params["hd"] = c.HostedDomain
	}
	return params
}

// Check reports mistakes in the Config. postern.New calls it.
func (p *Provider) Check() error { return p.err }

// Issues reports whether the identities of this provider have an issuer. Identities that another system recorded are
// recognized by it.
func (p *Provider) Issues(issuer string) bool { return issuer == p.config.Issuer }

// Mark returns Config.Mark, for the links to this provider.
func (p *Provider) Mark() string { return p.config.Mark }

// Handler serves authorize and callback. It makes no call.
func (p *Provider) Handler(f *postern.Flow) http.Handler {
	if p.err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Fail(w, r, p.err) })
	}
	client := p.client
	if p.quirks.secret != nil {
		client.Secret = func(ctx context.Context) (string, error) { return p.quirks.secret(ctx, f.Sessions().Now()) }
	}
	if p.quirks.noAuthTime {
		return client.Handler(f)
	}
	return stepUp{client.Handler(f)}
}

// stepUp is the handler of a provider that states when the person signed in there, if it is asked (OpenID Connect Core
// section 3.1.2.1, max_age).
type stepUp struct{ http.Handler }

// StepUp implements postern.StepUpper.
func (stepUp) StepUp() string { return "provider" }

func (p *Provider) server(ctx context.Context, now time.Time) (authcode.Server, error) {
	m, err := p.metadata(ctx, now)
	if err != nil {
		return authcode.Server{}, err
	}
	method, err := p.authMethod(m)
	switch {
	case err != nil:
		return authcode.Server{}, authcode.Broken(err)
	case m.RequirePAR:
		return authcode.Server{}, authcode.Broken(errors.New("the provider wants PAR (pushed authorization requests, RFC 9126), which is not supported"))
	case m.RequireSigned:
		return authcode.Server{}, authcode.Broken(errors.New("the provider wants signed authorization requests (RFC 9101), which are not supported"))
	}
	server := authcode.Server{
		AuthURL: m.AuthURL, TokenURL: m.TokenURL, Issuer: m.Issuer, IssParameter: m.IssParameter, AuthMethod: method,
	}
	if p.quirks.issuer != nil {
		server.Issuer = "" // it is another for each person
	}
	return server, nil
}

func (p *Provider) metadata(ctx context.Context, now time.Time) (*discovery.Metadata, error) {
	switch {
	case p.quirks.metadata != nil:
		return p.quirks.metadata, nil
	case p.config.Endpoint.byHand():
		return p.config.Endpoint.over(discovery.Metadata{Issuer: p.config.Issuer}), nil
	}
	m, err := p.source.Get(ctx, now)
	switch {
	case errors.Is(err, discovery.ErrUnavailable):
		return nil, authcode.Unavailable(err)
	case err != nil:
		return nil, authcode.Broken(err)
	}
	return p.config.Endpoint.over(*m), nil
}

// authMethod is how the client proves itself: as configured, else the first way that both sides know. A document that
// names none means client_secret_basic (Discovery section 3). The secret is not sent where no way with it is named.
func (p *Provider) authMethod(m *discovery.Metadata) (string, error) {
	offered := func(method string) bool { return slices.Contains(m.AuthMethods, method) }
	switch {
	case p.config.AuthMethod != "":
		return p.config.AuthMethod, nil
	case p.quirks.secret != nil:
		return authcode.AuthPost, nil
	case p.config.ClientKey != nil:
		return authcode.AuthKey, nil
	case p.config.ClientSecret == "":
		return authcode.AuthNone, nil
	case len(m.AuthMethods) == 0 || offered(authcode.AuthBasic):
		return authcode.AuthBasic, nil
	case offered(authcode.AuthPost):
		return authcode.AuthPost, nil
	case offered(authcode.AuthKey):
		return "", errors.New("the token endpoint takes private_key_jwt and no secret: set Config.ClientKey, or AuthMethod if the metadata are wrong")
	}
	return "", fmt.Errorf("the token endpoint takes %s and no secret: set Config.AuthMethod if the metadata are wrong", authcode.Label(m.AuthMethods[0]))
}

// identify checks the ID token and makes an identity of it.
func (p *Provider) identify(ctx context.Context, l authcode.Login) (postern.Identity, error) {
	if l.Tokens.ID == "" {
		return postern.Identity{}, authcode.Broken(errors.New("the token answer holds no id_token"))
	}
	m, err := p.metadata(ctx, l.Now)
	if err != nil {
		return postern.Identity{}, err
	}
	verifier, err := p.keys.verifier(m.JWKS, l.Clock)
	if err != nil {
		return postern.Identity{}, authcode.Broken(err)
	}
	claims, err := checkIDToken(ctx, l.Tokens.ID, expected{
		issuer: m.Issuer, client: p.config.ClientID, audiences: p.config.Audiences, algorithms: p.config.Algorithms, keys: verifier,
		nonce: l.Nonce, access: l.Tokens.Access, maxAge: p.config.MaxAge, now: l.Now, leeway: p.config.Leeway,
		limit: p.config.MaxIDToken, quirks: p.quirks,
	})
	if err != nil {
		return postern.Identity{}, refuseIDToken(err)
	}
	if err := checkDomain(p.config.HostedDomain, claims.hostedDomain); err != nil {
		return postern.Identity{}, err
	}
	info, err := p.moreClaims(ctx, m, verifier, l, &claims.Claims)
	if err != nil {
		return postern.Identity{}, err
	}
	id := claims.Identity(claims.issuer)
	id.AuthTime = claims.authTime
	id.Raw = []byte(claims.raw)
	if info != "" {
		id.UserInfo = []byte(info)
	}
	if p.quirks.finish != nil {
		if err := p.quirks.finish(l, claims, &id); err != nil {
			return postern.Identity{}, refuseIDToken(err)
		}
	}
	return id, nil
}

func checkDomain(want, got string) error {
	if want == "" || got != "" && (want == "*" || got == want) {
		return nil
	}
	return &postern.Error{Status: http.StatusForbidden, Code: "wrong_domain", Err: fmt.Errorf("claim hd is not %q", want),
		Text: "This account does not belong to the organisation that may sign in here. Please choose another account."}
}

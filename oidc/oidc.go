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

// A Provider is an OpenID provider people sign in at. It keeps the provider's metadata and keys and nothing of any
// request, and is safe for concurrent use: make it once and keep it.
type Provider struct {
	config Config
	quirks quirks
	client authcode.Client
	source *discovery.Source
	keys   keySource
	err    error
}

// New returns a provider. It makes no call. What is wrong with the Config is reported by Check, and so by postern.New.
func New(c Config) *Provider { return build(c, quirks{}) }

func build(c Config, q quirks) *Provider {
	c = c.withDefaults()
	p := &Provider{config: c, quirks: q, err: errors.Join(q.err, c.check())}
	httpClient := fetch.Client(fetch.Options{
		AllowLoopback: c.AllowInsecure, AllowPrivate: c.AllowPrivate, Timeout: c.Timeout, HTTPClient: c.HTTPClient,
	})
	p.source = discovery.New(discovery.Config{
		Issuer: c.Issuer, IssuerOK: q.issuerOK, Client: httpClient, AllowLoopback: c.AllowInsecure, Logger: c.Logger,
	})
	p.keys = keySource{algorithms: slices.Clone(c.Algorithms), client: httpClient, loopback: c.AllowInsecure, log: c.Logger}
	p.client = authcode.Client{
		ID: c.ClientID, Secret: func(context.Context) (string, error) { return c.ClientSecret, nil },
		Scopes: slices.Clone(c.Scopes), Params: c.params(), Forward: slices.Clone(c.Forward),
		Nonce: true, NoPKCE: q.noPKCE, FormPost: q.formPost, Method: "oidc",
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

// Check reports what is wrong with the Config. postern.New calls it.
func (p *Provider) Check() error { return p.err }

// Handler serves authorize and callback. It makes no call.
func (p *Provider) Handler(f *postern.Flow) http.Handler {
	if p.err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Fail(w, r, p.err) })
	}
	client := p.client
	if p.quirks.secret != nil {
		client.Secret = func(ctx context.Context) (string, error) { return p.quirks.secret(ctx, f.Sessions().Now()) }
	}
	return client.Handler(f)
}

func (p *Provider) server(ctx context.Context, now time.Time) (authcode.Server, error) {
	m, err := p.metadata(ctx, now)
	if err != nil {
		return authcode.Server{}, err
	}
	server := authcode.Server{
		AuthURL: m.AuthURL, TokenURL: m.TokenURL, Issuer: m.Issuer, IssParameter: m.IssParameter, AuthMethod: p.authMethod(m),
	}
	if p.quirks.issuer != nil {
		server.Issuer = "" // it is another for each person
	}
	return server, nil
}

func (p *Provider) metadata(ctx context.Context, now time.Time) (*discovery.Metadata, error) {
	if p.quirks.metadata != nil {
		return p.quirks.metadata, nil
	}
	m, err := p.source.Get(ctx, now)
	switch {
	case errors.Is(err, discovery.ErrUnavailable):
		return nil, authcode.Unavailable(err)
	case err != nil:
		return nil, authcode.Broken(err)
	}
	return m, nil
}

// authMethod is how the client proves itself: as configured, else the first way both sides know. A document that names
// none means client_secret_basic (Discovery section 3).
func (p *Provider) authMethod(m *discovery.Metadata) string {
	switch {
	case p.config.AuthMethod != "":
		return p.config.AuthMethod
	case p.quirks.secret != nil:
		return authcode.AuthPost
	case p.config.ClientSecret == "":
		return authcode.AuthNone
	case m.AuthMethods != nil && !slices.Contains(m.AuthMethods, authcode.AuthBasic) && slices.Contains(m.AuthMethods, authcode.AuthPost):
		return authcode.AuthPost
	}
	return authcode.AuthBasic
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
		issuer: m.Issuer, client: p.config.ClientID, algorithms: p.config.Algorithms, keys: verifier,
		nonce: l.Nonce, access: l.Tokens.Access, maxAge: p.config.MaxAge, now: l.Now, quirks: p.quirks,
	})
	if err != nil {
		return postern.Identity{}, refuseIDToken(err)
	}
	if err := checkDomain(p.config.HostedDomain, claims.hostedDomain); err != nil {
		return postern.Identity{}, err
	}
	var info string
	if p.config.UserInfo {
		if info, err = p.userInfo(ctx, m, l.Tokens.Access, &claims.Claims); err != nil {
			return postern.Identity{}, err
		}
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

// userInfo asks the UserInfo endpoint (Core section 5.3) and fills in what the ID token lacks.
func (p *Provider) userInfo(ctx context.Context, m *discovery.Metadata, access string, claims *authcode.Claims) (string, error) {
	if m.UserInfo == "" {
		return "", authcode.Broken(errors.New("the provider has no userinfo_endpoint: Config.UserInfo cannot be used"))
	}
	body, _, err := authcode.Profile(ctx, p.client.HTTP, m.UserInfo, access)
	if err != nil {
		return "", err
	}
	info, err := readUserInfo(body, claims.Subject, p.quirks.textTrue)
	if err != nil {
		return "", authcode.Broken(err)
	}
	claims.Fill(info)
	return body, nil
}

func checkDomain(want, got string) error {
	if want == "" || got != "" && (want == "*" || got == want) {
		return nil
	}
	return &postern.Error{Status: http.StatusForbidden, Code: "wrong_domain", Err: fmt.Errorf("claim hd is not %q", want),
		Text: "This account does not belong to the organisation that may sign in here. Please choose another account."}
}

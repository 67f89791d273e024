package posterntest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
)

// ProviderConfig configures a local provider. The zero value is enough, once [Provider.Allow] has named a redirect URI.
type ProviderConfig struct {
	// RedirectURIs of the application, compared character for character. More can come by Provider.Allow.
	RedirectURIs []string
	// ClientID and ClientSecret of the application.
	//
	// Defaults to "test-client" and "test-secret".
	ClientID, ClientSecret string
	// Users that can sign in; the parameter login_hint (at GitHub: login) picks one, and the first is for requests
	// without it.
	//
	// Defaults to Ada Lovelace, ada@example.com, and Alan Turing, alan@example.org.
	Users []User
	// Page shows the login page, to be sent with Submit.
	//
	// Defaults to nil: everybody is signed in at once.
	Page bool
	// Algorithm signs ID tokens: "RS256" or "ES256". ES256 starts faster, but oidc.Config accepts RS256 only, unless
	// its Algorithms name keys.ES256.
	//
	// Defaults to "RS256", as at Google.
	Algorithm string
	// Now is the provider's clock.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// A User is somebody who can sign in.
type User struct {
	Subject       string // sub; required
	Email         string // empty: the user has none
	EmailVerified bool
	Name          string
	Picture       string // URL
	HostedDomain  string // claim hd of Google Workspace accounts

	// Login is the user name at GitHub and Twitch.
	//
	// Defaults to the part of Email before the @.
	Login string
	// GitHubID is the numeric id at GitHub.
	//
	// Defaults to a number derived from Subject.
	GitHubID int64
	// MoreEmails are further addresses that GitHub lists; Email is the primary one.
	MoreEmails []Email
}

// An Email is a further address of a user: Address string, Verified bool.
type Email = fakeidp.Email

// A Provider is a local OpenID provider and OAuth server on https, for one test.
type Provider struct {
	ClientID, ClientSecret string

	t         T
	idp       *fakeidp.IdP
	server    *httptest.Server
	mu        sync.Mutex
	redirects []string
}

// NewProvider starts a provider; it ends with the test.
func NewProvider(t T, c ProviderConfig) *Provider {
	t.Helper()
	if c.ClientID == "" {
		c.ClientID, c.ClientSecret = "test-client", "test-secret"
	}
	server := httptest.NewUnstartedServer(nil)
	config := fakeidp.Config{Issuer: "https://" + server.Listener.Addr().String(), Auto: !c.Page, Algorithm: c.Algorithm, Now: c.Now}
	for _, u := range c.Users {
		config.Users = append(config.Users, fakeidp.User(u))
	}
	idp, err := fakeidp.New(config)
	if err != nil {
		server.Close()
		t.Fatalf("posterntest.NewProvider: %v", err)
	}
	server.Config.Handler = idp
	server.StartTLS()
	t.Cleanup(server.Close)
	p := &Provider{ClientID: c.ClientID, ClientSecret: c.ClientSecret, t: t, idp: idp, server: server}
	p.Allow(c.RedirectURIs...)
	return p
}

// Issuer is the URL of the provider, for oidc.Config.Issuer.
func (p *Provider) Issuer() string { return p.idp.Issuer() }

// URL is the address of a path of the provider, such as "/login/oauth/authorize".
func (p *Provider) URL(path string) string { return p.idp.Issuer() + path }

// Google returns the configuration of a sign-in with this provider in place of Google, for oidc.Google:
//
//	"google": oidc.Google(p.Google())
//
// The callback address must be registered, by [Provider.Allow] or ProviderConfig.RedirectURIs.
func (p *Provider) Google() oidc.Config {
	return oidc.Config{Issuer: p.Issuer(), ClientID: p.ClientID, ClientSecret: p.ClientSecret, HTTPClient: p.Client()}
}

// GitHub returns the configuration of a sign-in with this provider in place of GitHub, for oauth.GitHub:
//
//	"github": oauth.GitHub(p.GitHub())
//
// The callback address must be registered, as for [Provider.Google].
func (p *Provider) GitHub() oauth.Config {
	return oauth.Config{Issuer: p.Issuer(), ClientID: p.ClientID, ClientSecret: p.ClientSecret, HTTPClient: p.Client()}
}

// Client is the http.Client for the application's own calls to the provider: it trusts the provider's certificate.
func (p *Provider) Client() *http.Client { return p.server.Client() }

// Allow registers further redirect URIs.
func (p *Provider) Allow(redirectURIs ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.redirects = append(p.redirects, redirectURIs...)
	p.idp.SetClient(fakeidp.Client{ID: p.ClientID, Secret: p.ClientSecret, RedirectURIs: slices.Clone(p.redirects)})
}

// SetUser replaces the users: u is who signs in from now on.
func (p *Provider) SetUser(u User) { p.idp.SetUsers(fakeidp.User(u)) }

// SetFaults replaces the faults, from the next request on; the zero Faults end them.
func (p *Provider) SetFaults(f Faults) { p.idp.SetFaults(f) }

// RotateKeys makes a new signing key. Good providers keep publishing the old one for a while: keepOld.
func (p *Provider) RotateKeys(keepOld bool) {
	p.t.Helper()
	if err := p.idp.RotateKeys(keepOld); err != nil {
		p.t.Fatalf("posterntest: %v", err)
	}
}

// Calls counts the requests to an endpoint, refused ones too: after a refused callback, Calls(AtToken) is 0.
func (p *Provider) Calls(e Endpoint) int { return p.idp.Calls(e) }

// ResetCalls sets every count to zero.
func (p *Provider) ResetCalls() { p.idp.ResetCalls() }

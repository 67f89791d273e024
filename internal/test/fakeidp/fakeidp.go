// Package fakeidp is a local OpenID provider and OAuth 2 server for development and tests. It stands in for Google,
// GitHub and Twitch, is strict where they are strict, and misbehaves on request (see [Faults]).
//
//	idp, err := fakeidp.New(fakeidp.Config{
//		Issuer:  "http://localhost:8420/idp",
//		Clients: []fakeidp.Client{{
//			ID: "app", Secret: "s3cret",
//			RedirectURIs: []string{"http://localhost:8420/auth/google/callback"},
//		}},
//		Users:   []fakeidp.User{{Subject: "1", Email: "ada@example.com", EmailVerified: true, Name: "Ada"}},
//	})
//	mux.Handle("/idp/", idp)
//
// One handler serves three shapes, below the path of the issuer, with the same clients and users:
//
//	OpenID (Google)  /.well-known/openid-configuration /authorize /token /userinfo /jwks
//	Twitch           /oauth2/.well-known/openid-configuration /oauth2/authorize /oauth2/token /oauth2/userinfo
//	                 /oauth2/keys
//	GitHub           /login/oauth/authorize /login/oauth/access_token /api/user /api/user/emails,
//	                 and the API again below /api/v3, where an Enterprise Server has it
//
// The issuer of the Twitch shape is {Issuer}/oauth2. Twelve more vendors, as far as presets must know their ways, are
// at {Issuer}/facebook, /spotify, /discord, /x, /microsoft, /apple, /slack, /linkedin, /cognito, /gitlab, /keycloak
// and /yahoo, under the paths they have at home. PKCE with S256 is required in every shape but those whose originals
// refuse it, which is stricter than most: a client that forgets it should not pass here.
//
// Everything is kept in memory. It signs anybody in as anybody: never put it on the open internet.
package fakeidp

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config of a provider. Only Issuer and Clients are needed.
type Config struct {
	// Issuer is the absolute http or https URL of the provider, without a slash at the end. Its path is where the
	// handler is mounted.
	Issuer string
	// Clients that may ask for a sign-in. More can come later by SetClient.
	Clients []Client
	// Users are offered on the login page. Auto signs in the first of them.
	// Defaults to Ada Lovelace and Alan Turing.
	Users []User
	// Name is shown on the login page: the provider that this one stands in for.
	// Defaults to "an OpenID provider".
	Name string
	// Auto signs in without a page: the user named by login_hint (subject, e-mail or login), else the first.
	Auto bool
	// Algorithm signs ID tokens: "RS256" or "ES256". RS256 publishes a key of either kind. ES256 publishes its key
	// alone, and starts faster.
	// Defaults to "RS256".
	Algorithm string
	// Observe, if set, sees the parameters of every request to /authorize and the token endpoint. It is called from
	// many goroutines.
	Observe func(Endpoint, url.Values)
	// Now is the clock.
	// Defaults to time.Now.
	Now func() time.Time
	// Rand makes codes, tokens and identifiers. When it fails, requests panic.
	// Defaults to crypto/rand.Reader.
	Rand io.Reader
}

// A Client is an application that is registered with the provider.
type Client struct {
	ID string
	// Secret may be empty for a public client, which then proves itself by PKCE alone.
	Secret string
	// Name is the name of the application on the login page.
	// Defaults to the host of the redirect URI.
	Name string
	// RedirectURIs are compared character for character.
	RedirectURIs []string
	// Apple, if set, is how the client proves itself in that shape, in place of Secret.
	Apple *AppleKey
}

// A User is somebody who can sign in.
type User struct {
	Subject       string
	Email         string // empty: the user has none
	EmailVerified bool
	Name          string
	Picture       string // URL
	HostedDomain  string // claim hd of Google Workspace accounts
	Login         string // user name at GitHub and Twitch; default: the part of Email before the @
	// GitHubID is the numeric id at GitHub; default: derived from Subject.
	GitHubID int64
	// MoreEmails are further addresses that GitHub lists; Email is the primary one.
	MoreEmails []Email
}

// An Email is a further address of a user at GitHub.
type Email struct {
	Address  string
	Verified bool
}

// Lifetimes of what the provider hands out.
const (
	codeLife   = time.Minute // RFC 6749 section 4.1.2 allows ten; good providers are strict
	accessLife = time.Hour
	idLife     = time.Hour
	loginLife  = 24 * time.Hour
)

// IdP is the provider. It is an http.Handler and safe for concurrent use.
type IdP struct {
	base   string // path of the issuer
	cross  *http.CrossOriginProtection
	config Config
	keys   keyring

	mu      sync.Mutex
	clients map[string]Client
	users   []User
	faults  Faults
	calls   map[Endpoint]int
	codes   map[string]*grant
	access  map[string]*grant
	refresh map[string]*grant
	logins  map[string]login
	// Of the shapes of vendors.
	appleSeen map[string]bool
	profile   func(map[string]any)
}

// New checks the configuration and makes a provider.
func New(c Config) (*IdP, error) {
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("fakeidp: Config.Issuer is not a URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.Fragment != "", u.User != nil:
		return nil, errors.New(`fakeidp: Config.Issuer must be a plain http or https URL, such as "http://localhost:8420/idp"`)
	case strings.HasSuffix(c.Issuer, "/"):
		return nil, errors.New("fakeidp: Config.Issuer must not end with a slash: clients compare it character for character")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Users == nil {
		c.Users = []User{
			{Subject: "10001", Email: "ada@example.com", EmailVerified: true, Name: "Ada Lovelace", Login: "ada"},
			{Subject: "10002", Email: "alan@example.org", EmailVerified: true, Name: "Alan Turing", Login: "alan", HostedDomain: "example.org"},
		}
	}
	keys, err := newKeyring(c.Algorithm)
	if err != nil {
		return nil, err
	}
	p := &IdP{
		base: u.Path, cross: http.NewCrossOriginProtection(), config: c, keys: keys,
		clients: map[string]Client{}, calls: map[Endpoint]int{},
		codes: map[string]*grant{}, access: map[string]*grant{}, refresh: map[string]*grant{}, logins: map[string]login{},
		appleSeen: map[string]bool{},
	}
	for _, client := range c.Clients {
		if client.ID == "" {
			return nil, errors.New("fakeidp: a Client needs an ID")
		}
		p.clients[client.ID] = client
	}
	for _, user := range c.Users {
		if user.Subject == "" {
			return nil, errors.New("fakeidp: a User needs a Subject")
		}
		p.users = append(p.users, user)
	}
	return p, nil
}

// Issuer is the issuer of the OpenID shape; that of the Twitch shape is Issuer()+"/oauth2".
func (p *IdP) Issuer() string { return p.config.Issuer }

// SetClient adds a client, or replaces the one with the same ID.
func (p *IdP) SetClient(c Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients[c.ID] = c
}

// SetUsers replaces the users. Codes and tokens handed out before keep the user they were made for.
func (p *IdP) SetUsers(users ...User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users = append([]User(nil), users...)
}

// ServeHTTP serves every endpoint below the path of the issuer.
func (p *IdP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, p.base)
	rt, known := routeOf(path)
	if ok && path == "/" && r.Method == http.MethodGet {
		p.frontPage(w)
		return
	}
	if !ok || !known {
		http.NotFound(w, r)
		return
	}
	p.mu.Lock()
	p.calls[rt.endpoint]++
	faults := p.faults
	p.mu.Unlock()

	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !slices.Contains(rt.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(rt.methods, ", "))
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	// The body is read before anything waits: net/http notices that a client has gone only after that.
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "malformed form or query", http.StatusBadRequest)
		return
	}
	w, done := faults.trouble(rt.endpoint).apply(w, r, faults)
	if done {
		return
	}
	rt.serve(p, w, r, rt.shape, faults)
}

// A route is one path of one shape.
type route struct {
	endpoint Endpoint
	shape    shape
	methods  []string
	serve    func(p *IdP, w http.ResponseWriter, r *http.Request, s shape, f Faults)
}

// A shape is the manner of one of the originals.
type shape int

const (
	openID shape = iota
	gitHub
	twitch
)

// issuer of tokens of the shape.
func (p *IdP) issuer(s shape) string {
	if s == twitch {
		return p.config.Issuer + "/oauth2"
	}
	if s.isVendor() {
		return p.vendorIssuer(s, "")
	}
	return p.config.Issuer
}

// routeOf finds what a path below the issuer's is for.
func routeOf(path string) (route, bool) {
	get := []string{http.MethodGet, http.MethodHead}
	post := []string{http.MethodPost}
	getPost := []string{http.MethodGet, http.MethodPost}
	switch path {
	case "/.well-known/openid-configuration":
		return route{Discovery, openID, get, (*IdP).serveDiscovery}, true
	case "/authorize":
		return route{Authorize, openID, getPost, (*IdP).serveAuthorize}, true
	case "/token":
		return route{Token, openID, post, (*IdP).serveToken}, true
	case "/userinfo":
		return route{UserInfo, openID, getPost, (*IdP).serveUserInfo}, true
	case "/jwks":
		return route{JWKS, openID, get, (*IdP).serveJWKS}, true

	case "/oauth2/.well-known/openid-configuration":
		return route{Discovery, twitch, get, (*IdP).serveDiscovery}, true
	case "/oauth2/authorize":
		return route{Authorize, twitch, getPost, (*IdP).serveAuthorize}, true
	case "/oauth2/token":
		return route{Token, twitch, post, (*IdP).serveToken}, true
	case "/oauth2/userinfo":
		return route{UserInfo, twitch, getPost, (*IdP).serveUserInfo}, true
	case "/oauth2/keys":
		return route{JWKS, twitch, get, (*IdP).serveJWKS}, true

	case "/login/oauth/authorize":
		return route{Authorize, gitHub, getPost, (*IdP).serveAuthorize}, true
	case "/login/oauth/access_token":
		return route{Token, gitHub, post, (*IdP).serveToken}, true
	case "/api/user", "/api/v3/user":
		return route{UserInfo, gitHub, get, (*IdP).serveGitHubUser}, true
	case "/api/user/emails", "/api/v3/user/emails":
		return route{Emails, gitHub, get, (*IdP).serveGitHubEmails}, true
	}
	return vendorRoute(path)
}

// random returns 256 bits as base64url.
func (p *IdP) random() string {
	var b [32]byte
	if _, err := io.ReadFull(p.config.Rand, b[:]); err != nil {
		panic("fakeidp: Config.Rand failed: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

package postern

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Config of the sign-in handler. Sessions, Redirects, Providers and OnSuccess are required.
type Config struct {
	// Sessions name the issuer, which is the URL the handler is served at, and bring the clock, the secrets that seal
	// attempts, and OnEvent. They must have Secrets: a keys.Ring has them.
	Sessions *session.Sessions

	// Store keeps what may happen once: callbacks, links, codes, limits. Default: that of Sessions; one of both is required.
	Store store.Store

	// Redirects lists where a sign-in may lead. The redirect_uri of an authorize request must be one of them character
	// for character; the first one is for requests that name none. An entry is
	//
	//   - an https URL: "https://app.example.com/welcome"
	//   - a path on the host of the issuer: "/welcome", which may also be spelled as the whole URL
	//   - http on localhost, 127.0.0.1 or [::1], for native apps and development: any port (RFC 8252 section 7.3)
	//   - a native app's own scheme: "com.example.app:/signed-in"
	//
	// There are no wildcards.
	Redirects []string

	// Providers are the ways to sign in, by the name that stands in their URLs: a lower-case letter or digit, then up to
	// 31 of a-z, 0-9 and "-". A name is for ever: it is part of the callback URL that is registered with a provider.
	Providers map[string]Provider

	// RequirePKCE refuses an authorize request without code_challenge (RFC 7636) before the person is sent anywhere. Set
	// it if OnSuccess ends with Kind.Code, which can't do without. A mailed link then works only in the browser that asked
	// for it: no other one has the application that knows the verifier. Default: a challenge may be left out.
	RequirePKCE bool

	// Labels are the names of providers as people know them, for the page that lists them: {"github": "GitHub"}.
	// Default: the name with its first letter in upper case.
	Labels map[string]string

	// OnSuccess answers a finished sign-in: find or create the user by in.Identity, and give them a session with
	// Kind.Cookie or Kind.Code and in.Return. To refuse, return Deny. It runs for many people at once.
	OnSuccess func(w http.ResponseWriter, r *http.Request, in *SignIn) error

	// ForwardAuth is served at {base}/verify, for proxies that ask before they pass a request on: session.ForwardAuth of
	// the guard that is to decide. Default: there is nothing.
	ForwardAuth http.Handler

	// Render draws pages. The headers are set before it is called and may be changed by it; the default
	// Content-Security-Policy allows nothing but the default style, and forms to this host and to Redirects. It writes
	// the status (p.Status, never 0 here) and escapes all of p. Default: plain HTML, light and dark, without a script.
	Render func(w http.ResponseWriter, r *http.Request, p Page)

	// TrustedProxies are the networks of the proxies in front of this server, and ClientIPHeader the one header in which
	// they name the client: X-Forwarded-For (the right-most entry that is no trusted proxy counts), or a header of one
	// address such as Fly-Client-IP. Limits go by this address. Default: the peer's address, and no header is read.
	TrustedProxies []netip.Prefix
	ClientIPHeader string

	// Rand is the source of attempt ids. Default: crypto/rand. For tests.
	Rand io.Reader

	// Logger hears of refused requests (info) and of faults (error), without any token, code or cookie. Default: nothing is logged.
	Logger *slog.Logger
}

// reserved are names that stand for something else below the issuer's path, now or later.
var reserved = []string{
	"authorize", "callback", "connect", "device", "end-session", "factors", "health", "introspect", "jwks", "logout", "par",
	"refresh", "register", "revoke", "sessions", "signout", "token", "userinfo", "users", "verify",
}

func checkName(name string) error {
	switch {
	case name == "" || len(name) > 32 || name[0] == '-' ||
		strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }):
		return fmt.Errorf(`postern: provider name %q: use a lower-case letter or digit, then up to 31 of a-z, 0-9 and "-"`, name)
	case slices.Contains(reserved, name):
		return fmt.Errorf("postern: provider name %q is reserved for a route of Postern's own", name)
	}
	return nil
}

// New checks the configuration and builds the handler. It reads and writes nothing, so it can run before a database or
// a provider is up. Its error names everything that is wrong; a missing store is session.ErrStoreRequired.
func New(c Config) (*Auth, error) {
	if c.Sessions == nil {
		return nil, errors.New("postern: Config.Sessions is missing: make them with session.New")
	}
	issuer, err := url.Parse(c.Sessions.Issuer())
	if err != nil {
		return nil, fmt.Errorf("postern: issuer: %w", err)
	}
	a := &Auth{
		sessions: c.Sessions, store: c.Store, onSuccess: c.OnSuccess, render: c.Render, log: c.Logger, labels: c.Labels,
		issuer: c.Sessions.Issuer(), base: issuer.Path, secure: issuer.Scheme == "https", origin: originOf(issuer),
		clients:     clientip.Resolver{Trusted: c.TrustedProxies, Header: c.ClientIPHeader},
		requirePKCE: c.RequirePKCE,
		style:       styleSource(), flows: map[string]served{}, below: c.Sessions.Handler(), forwardAuth: c.ForwardAuth,
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.store == nil {
		a.store = c.Sessions.Store()
	}
	random := c.Rand
	if random == nil {
		random = rand.Reader
	}
	a.attempts = newAttempts(c.Sessions, a.secure, random)

	var errs []error
	if c.Sessions.Secrets() == nil {
		errs = append(errs, errors.New("postern: the sessions have no Secrets, which seal sign-in attempts: use a keys.Ring as Keys, or set session.Config.Secrets"))
	}
	if a.store == nil {
		errs = append(errs, fmt.Errorf("%w: it makes callbacks, links and codes work once, and counts attempts: set Store in postern.Config or session.Config", session.ErrStoreRequired))
	}
	if c.OnSuccess == nil {
		errs = append(errs, errors.New("postern: Config.OnSuccess is missing: it finds or creates the user and starts the session"))
	}
	if (len(c.TrustedProxies) == 0) != (c.ClientIPHeader == "") {
		errs = append(errs, errors.New("postern: Config.TrustedProxies and Config.ClientIPHeader go together: which proxies, and which header of theirs"))
	}
	if a.redirects, err = newRedirects(c.Redirects, a.origin); err != nil {
		errs = append(errs, err)
	}
	if len(c.Providers) == 0 {
		errs = append(errs, errors.New("postern: Config.Providers is empty: name at least one way to sign in"))
	}
	for name := range c.Labels {
		if c.Providers[name] == nil {
			errs = append(errs, fmt.Errorf("postern: Config.Labels names %q, which is no provider", name))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}

	a.names = slices.Sorted(maps.Keys(c.Providers))
	for _, name := range a.names {
		if err := checkName(name); err != nil {
			errs = append(errs, err)
			continue
		}
		a.use(&Flow{auth: a, name: name}, c.Providers[name])
	}
	if errs = append(errs, a.faults...); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	a.built = true
	return a, nil
}

// originOf is the origin as a browser writes it: without the port that goes without saying.
func originOf(u *url.URL) string {
	host := u.Host
	if p := u.Port(); u.Scheme == "https" && p == "443" || u.Scheme == "http" && p == "80" {
		host = strings.TrimSuffix(host, ":"+p)
	}
	return u.Scheme + "://" + host
}

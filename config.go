package postern

import (
	"cmp"
	"context"
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
	"time"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/pagestyle"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Config of the sign-in handler. Sessions, Redirects, Providers and OnSuccess are required.
type Config struct {
	// Sessions supply the issuer (the URL of this handler), the clock, the secrets that seal attempts, and OnEvent.
	// They must have Secrets: a keys.Ring has them.
	Sessions *session.Sessions

	// Store makes callbacks, links and codes work once, and counts for limits. A store is required, here or in
	// Sessions. With Session it is that of Sessions.
	//
	// Defaults to the store of Sessions.
	Store store.Store

	// Redirects lists the addresses where a sign-in may lead. The redirect_uri of an authorize request must be equal to
	// an entry, character for character. The first entry is for requests without redirect_uri. An entry is
	//
	//   - an https URL: "https://app.example.com/welcome"
	//   - a path on the host of the issuer: "/welcome", which may also be spelled as the whole URL
	//   - http on localhost, 127.0.0.0/8 or [::1], for native apps and development: any port (RFC 8252 section 7.3)
	//   - http on a host of session.Config.DevelopmentHosts
	//   - a native app's own scheme: "com.example.app:/signed-in"
	//
	// If the issuer is on a name of this machine, such as localhost, an entry on another such name, such as 127.0.0.1,
	// is refused: browsers send no cookies of one to the other. With RequirePKCE it is accepted, since the application
	// redeems a code.
	//
	// There are no wildcards. An http or https entry needs a path, at least "/". An entry without a path is accepted
	// only beside the same entry with "/".
	Redirects []string

	// RedirectAlso is for addresses that cannot be listed, such as preview deployments on your own hosts. It is called
	// for a redirect_uri that is not in Redirects, when a sign-in begins and again when it ends. It gets an absolute
	// https URL with a path, of which there is one spelling alone: no user information, fragment, backslash, dot
	// segment or usual port, and the host in lower case, in Punycode. http reaches it only for a host of
	// session.Config.DevelopmentHosts. It must be fast, and safe for concurrent use.
	//
	// A wrong RedirectAlso gives the session of any person to anybody: who chooses the redirect_uri gets the code.
	// Compare with a domain that is yours alone, from the dot on:
	//
	//	return strings.HasSuffix(u.Host, ".preview.example.com") && u.Path == "/signed-in" // right
	//	return strings.HasSuffix(u.Host, "preview.example.com") // wrong: evilpreview.example.com
	//	return strings.HasSuffix(u.Host, ".vercel.app")         // wrong: anybody gets a name there
	//	return strings.Contains(u.String(), "example.com")      // wrong: https://evil.example/?example.com
	//
	// The hosts below the domain must all be yours, and run no code of strangers: a pull request of a fork that is
	// deployed as a preview is code of a stranger. Set RequirePKCE with it. It does not apply to
	// session.Config.Origins: pages of such hosts send no cookies. session.Config.OriginAlso lets them redeem the code.
	//
	// Defaults to nil: only Redirects.
	RedirectAlso func(u *url.URL) bool

	// Providers are the ways to sign in, by name. The name is part of their URLs: a lower-case letter or digit, then up
	// to 31 of a-z, 0-9 and "-". Do not change a name later: the callback URL that is registered with the provider
	// contains it.
	Providers map[string]Provider

	// RequirePKCE refuses an authorize request without code_challenge (RFC 7636). Set it if OnSuccess ends with
	// Kind.Code, which needs a challenge. A mailed link then works only in the browser that asked for it, because the
	// application in another browser does not know the verifier.
	//
	// Defaults to false: a challenge is optional.
	RequirePKCE bool

	// Name of the application, for people: "Example Shop". It is in the heading of every page, and in the mails of
	// magic providers.
	//
	// Defaults to the host of the issuer.
	Name string

	// Order lists names of providers, in the order of the page that lists them. Providers that are not in Order follow,
	// sorted by name. The first provider with a form, such as one of package magic, has its form on that page; the
	// others are links.
	//
	// Defaults to the names, sorted.
	Order []string

	// IdentifierFirst makes the page that lists the providers ask for an address first, or for an address or a username
	// with Usernames. The next page then has the form of the first provider that takes it, such as one of package
	// password or magic, and links to the others, which keep it. The providers that need none stay links of the first
	// page. Nothing of these pages depends on the account: the same ways are offered for an address that nobody has. It
	// needs a provider whose handler is an [IdentifierForm].
	//
	// Defaults to false: all ways are on one page.
	IdentifierFirst bool

	// Labels are the names of providers on the page that lists them, such as {"github": "GitHub"}.
	//
	// Defaults to the name with its first letter in upper case. A magic provider is "Email me a link" without a label.
	Labels map[string]string

	// Session is the kind of session in which every sign-in ends: NewKind makes it. The handler then finds or makes the
	// user, refuses one who is disabled, and delivers the session: by a one-time code if the authorize request had a
	// PKCE challenge, and else by cookie. It also serves {base}/sign-up and {base}/step-up. Set either Session or
	// OnSuccess.
	//
	// Defaults to none: OnSuccess ends a sign-in.
	Session SessionKind

	// Admit decides who may sign up: [Open], [Invited], [Domains], [Closed], or a function of the application. It needs
	// Session.
	//
	// Defaults to: an identity of a provider makes a user, an address or a username in a form does not, except with an
	// invitation.
	Admit Admit

	// TokenClients lists values of client_id whose sign-ins are answered with the tokens themselves, in the body, with
	// the names of RFC 6749 section 5.1. It is for clients that are not browsers, such as a command. It needs Session.
	// The tokens are those of session.Config.ClientID: to refresh them, a client sends that client_id, or none.
	//
	// Defaults to none.
	TokenClients []string

	// SignUpFields are asked for together with the address, such as a name or accepted terms. Users.Create gets them as
	// SignUp.Fields. Names "email", "username" and those of an authorize request are taken. It needs Session.
	//
	// Defaults to none.
	SignUpFields []Field

	// Usernames lets people sign up with a username and without a mail address. Nobody can reset their password. It
	// needs Session, and a provider whose credential people choose, such as one of package password.
	//
	// Defaults to false.
	Usernames bool

	// Factors are what can be asked for after a first proof, by name, such as {"totp": totp.New(totp.Config{})}. The
	// name is part of their URLs, {base}/factors/{name}/..., and of what the store keeps: do not change it. A provider
	// of Providers can be a factor too, such as a passkey. A person who has a factor is asked for it at each sign-in. A
	// person whose factor is not in the configuration any more cannot sign in. Pages list those of Providers first, in
	// Order, then these, sorted by name; recovery codes and other backups are always the last. It needs Session.
	//
	// Defaults to none.
	Factors map[string]Provider

	// RequireFactor demands a second factor of people who would not be asked for one: of some roles, of everybody. It
	// is asked at each sign-in and at each refresh, with how the person has proved who they are. It adds to what is due
	// anyway, and cannot take away. An error is answered with 503. It needs Session.
	//
	// Defaults to nil: a factor is asked for where the person has one.
	RequireFactor func(ctx context.Context, p Person, auth session.Authentication) (Requirement, error)

	// Remember is how long a browser can stand in for the second factor, if the person asks for it. A browser is
	// forgotten at each change of the person's security. Negative: never. It needs Session.
	//
	// Defaults to 30 days.
	Remember time.Duration

	// OnSuccess answers a finished sign-in: it finds or creates the user by in.Identity, and starts a session with
	// Kind.Cookie or Kind.Code and in.Return. To refuse the person, return Deny. It runs for many people at once.
	OnSuccess func(w http.ResponseWriter, r *http.Request, in *SignIn) error

	// Origins are the origins, other than the issuer's, whose pages may call the steps of providers with JSON and read
	// the answers: "https://app.example.com", as a browser sends it. They may begin a sign-in for the person in front
	// of them, so list only your front ends. session.Config.Origins is another list, for the routes of sessions.
	//
	// The cookies of a sign-in are SameSite=Lax: browsers send them with requests of pages of the issuer's site, such
	// as app.example.com and auth.example.com. A page of another site leads the person to the issuer by a link instead.
	//
	// Defaults to nil: only pages of the issuer's origin.
	Origins []string

	// Admin is the administration of the users, served at {base}/admin: a console of pages for people, and the same as
	// JSON for programs. users.Directory.Admin makes it. It needs Session. Pages of other origins can never call it.
	//
	// Defaults to nil: not served.
	Admin Administration

	// ForwardAuth is served at {base}/verify, for reverse proxies that send a check before each request: use
	// session.ForwardAuth with the guard that decides.
	//
	// Defaults to nil: the path does not exist.
	ForwardAuth http.Handler

	// Render writes the pages. It must write the status p.Status (never 0 here), escape every text of p, and lead on to
	// p.Next. The headers are set before the call, and Render may change them; the Content-Security-Policy allows the
	// default style and forms to this host, and nothing else. See Assets.
	//
	// Defaults to plain HTML, light and dark, without a script.
	Render func(w http.ResponseWriter, r *http.Request, p Page)

	// Assets serves the files of the pages that Render writes, such as a style sheet, at {base}/assets/. It gets the
	// path below that: "/page.css". The answers may be kept for a year, so a file that changes needs another name. The
	// Content-Security-Policy then allows styles and pictures from there, and not the default style. A page with a
	// field for a password may run the scripts below "/scripts/". Package ui has all three.
	//
	// Defaults to nil: not served.
	Assets http.Handler

	// Composer writes each mail before Mail sends it: in the language of the person, with the design of the pages.
	// *ui.Pages is one. The console previews mails with it.
	//
	// Defaults to nil: the mails are in English, with the design of this package.
	Composer Composer

	// Mail sends one message. It runs while the person waits, so it should hand the message to a queue or to a mail
	// server close by, and end with ctx. If it looks up the owner of the address, it should take the same time for all
	// addresses. To write other texts, set Composer. Its errors are logged without the secrets
	// of the message, and only ErrMailUnavailable is shown. Packages smtpmail and sesmail send them.
	//
	// Required if a provider sends mail, such as those of package magic.
	Mail func(ctx context.Context, m Mail) error

	// TrustedProxies are the networks of the proxies in front of this server. ClientIPHeader is the header in which
	// they send the client's address: X-Forwarded-For (the right-most entry that is not a trusted proxy counts), or a
	// header with one address such as Fly-Client-IP. Set both or neither: the header counts only if a trusted proxy
	// sends it. 127.0.0.1 includes a proxy that connects to a Unix socket of this server. Limits and events use this
	// address. Without these settings all people behind a proxy share one limit: 100 failed callbacks of one of them
	// then refuse the sign-ins of all for ten minutes.
	//
	// The log has one warning if requests come over a Unix socket that is not trusted, or from a private address that
	// is not trusted with a header of proxies, such as X-Forwarded-For, X-Real-IP or Via. A proxy with a public address
	// and one that adds no header cannot be noticed. Nor is a trusted proxy that does not send ClientIPHeader.
	//
	// Defaults to the address of the peer.
	TrustedProxies []netip.Prefix
	ClientIPHeader string

	// Place returns where the address of a client is, such as "Berlin, Germany" from a database of yours; empty if that
	// is unknown. People see the first 100 bytes behind the address, in the list of their sessions, in the history of
	// their account and in notices by mail. It runs while the person waits, once for each address, and from several
	// goroutines at once.
	//
	// Defaults to nil: people see addresses alone.
	Place func(netip.Addr) string

	// Rand is the source of attempt ids. Set it in tests only.
	//
	// Defaults to crypto/rand.
	Rand io.Reader

	// Logger gets refused requests (level info) and faults of the server (level error, with the reference that the
	// error page shows). No line contains a token, a code or a cookie. slog.New(slog.DiscardHandler) turns the log off.
	//
	// Defaults to slog.Default() at the time of New.
	Logger *slog.Logger
}

// reserved are provider names that Postern needs for its own paths, now or later.
var reserved = []string{
	"account", "admin", "api-keys", "assets", "authorize", "callback", "connect", "consent", "continue", "device", "end-session", "factors",
	"health", "introspect", "jwks", "language", "logout", "oauth", "openapi", "openapi.json", "par", "refresh", "register", "revoke", "session",
	"sessions", "sign-up", "signout", "step-up", "token", "userinfo", "users", "verify",
}

func checkName(name string) error {
	switch {
	case name == "" || len(name) > 32 || name[0] == '-' ||
		strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }):
		return fmt.Errorf(`postern: provider name %q: use a lower-case letter or digit, then up to 31 of a-z, 0-9 and "-"`, name)
	case slices.Contains(reserved, name):
		return fmt.Errorf("postern: provider name %q is reserved for a path of Postern", name)
	}
	return nil
}

// New checks the configuration and builds the handler. It makes no network call and does not use the store, so it can
// run before a database or a provider is up. Its error lists every problem; errors.Is finds session.ErrStoreRequired if
// there is no store.
func New(c Config) (*Auth, error) {
	if c.Sessions == nil {
		return nil, errors.New("postern: Config.Sessions is missing: make them with session.New")
	}
	issuer, err := url.Parse(c.Sessions.Issuer())
	if err != nil {
		return nil, fmt.Errorf("postern: issuer: %w", err)
	}
	a := &Auth{
		sessions: c.Sessions, store: c.Store, onSuccess: c.OnSuccess, render: c.Render, assets: c.Assets, mail: c.Mail, composer: c.Composer, log: c.Logger, labels: c.Labels, place: c.Place,
		issuer: c.Sessions.Issuer(), base: issuer.Path, secure: issuer.Scheme == "https", origin: originOf(issuer), clientID: c.Sessions.ClientID(),
		clients:     clientip.Resolver{Trusted: c.TrustedProxies, Header: c.ClientIPHeader},
		requirePKCE: c.RequirePKCE, name: cmp.Or(c.Name, issuer.Host),
		style: pagestyle.Source(pagestyle.CSS), flows: map[string]served{}, wellKnown: map[string]http.Handler{}, below: c.Sessions.Handler(), forwardAuth: c.ForwardAuth,
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	if a.store == nil {
		a.store = c.Sessions.Store()
	}
	if len(c.TrustedProxies) > 0 {
		c.Sessions.TrustProxies(c.TrustedProxies, c.ClientIPHeader) // for its limits and events
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
	errs = append(errs, a.setSession(c)...)
	a.document = newDocument(a.issuer)
	if (len(c.TrustedProxies) == 0) != (c.ClientIPHeader == "") {
		errs = append(errs, errors.New("postern: Config.TrustedProxies and Config.ClientIPHeader go together: set both or neither"))
	}
	if a.redirects, err = newRedirects(c.Redirects, a.origin, c.Sessions.DevelopmentHost, c.RedirectAlso); err != nil {
		errs = append(errs, err)
	} else {
		for _, err := range []error{pathless(c.Redirects), otherLoopback(c.Redirects, issuer, c.RequirePKCE)} {
			if err != nil {
				errs = append(errs, err)
			}
		}
	}
	a.redirects.own = a.isOwn
	if a.origins, err = newOrigins(c.Origins, c.Sessions.DevelopmentHost); err != nil {
		errs = append(errs, err)
	}
	if len(c.Providers) == 0 {
		errs = append(errs, errors.New("postern: Config.Providers is empty: name at least one way to sign in"))
	}
	for name := range c.Labels {
		if c.Providers[name] == nil {
			errs = append(errs, fmt.Errorf("postern: Config.Labels names %q, which is not a provider", name))
		}
	}
	for i, name := range c.Order {
		switch {
		case c.Providers[name] == nil:
			errs = append(errs, fmt.Errorf("postern: Config.Order names %q, which is not a provider", name))
		case slices.Contains(c.Order[:i], name):
			errs = append(errs, fmt.Errorf("postern: Config.Order names %q twice", name))
		}
	}
	if !utf8.ValidString(c.Name) || text.HasControl(c.Name) || len(c.Name) > 200 {
		errs = append(errs, errors.New("postern: Config.Name: write one line of at most 200 bytes"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}

	a.names = slices.Sorted(maps.Keys(c.Providers))
	a.order = slices.Clone(c.Order)
	for _, name := range a.names {
		if !slices.Contains(a.order, name) {
			a.order = append(a.order, name)
		}
	}
	for _, name := range a.names {
		if err := checkName(name); err != nil {
			errs = append(errs, err)
			continue
		}
		a.use(&Flow{auth: a, name: name}, c.Providers[name])
	}
	enrolls := func(name string) bool { _, ok := a.flows[name].handler.(Enroller); return ok }
	if c.Usernames && len(a.faults) == 0 && !slices.ContainsFunc(a.names, enrolls) {
		errs = append(errs, errors.New("postern: Config.Usernames needs a provider whose credential people choose, such as password.New: a username alone proves nothing"))
	}
	errs = append(errs, a.setIdentifierFirst(c)...)
	errs = append(errs, a.setFactors(c)...)
	a.ownPaths = a.ownPages()
	if a.session != nil && !head.SameStore(a.store, c.Sessions.Store()) {
		errs = append(errs, errors.New("postern: Config.Store is another one than that of the sessions: with Config.Session they share what is kept of the users; leave Config.Store out"))
	}
	if c.Admin != nil {
		a.admin = c.Admin.Handler(&Flow{auth: a, name: flowAdmin})
	}
	if errs = append(errs, a.faults...); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	a.settings, a.built = a.settingsOf(c), true
	return a, nil
}

// setSession sets how a sign-in ends: by Config.Session, or by the application.
func (a *Auth) setSession(c Config) (errs []error) {
	switch {
	case c.Session == nil && c.OnSuccess == nil:
		return []error{errors.New("postern: Config.Session and Config.OnSuccess are missing: make a kind of session with postern.NewKind, " +
			"or find the user and start the session by yourself in OnSuccess")}
	case c.Session != nil && c.OnSuccess != nil:
		return []error{errors.New("postern: Config.Session and Config.OnSuccess are both set: a sign-in ends in one of them")}
	case c.Session == nil:
		if c.Admin != nil {
			errs = append(errs, errors.New("postern: Config.Admin needs Config.Session"))
		}
		if c.Admit != nil || c.TokenClients != nil || c.SignUpFields != nil || c.Usernames {
			errs = append(errs, errors.New("postern: Admit, TokenClients, SignUpFields and Usernames of Config need Config.Session"))
		}
		return errs
	}
	k := c.Session.sessionKind()
	if k == nil || k.sessions != c.Sessions {
		return []error{errors.New("postern: Config.Session is of other Sessions than Config.Sessions: give NewKind the same")}
	}
	if a.store != nil && k.sessions.Store() == nil {
		errs = append(errs, fmt.Errorf("%w: the sessions of Config.Session are kept in it: set Store in session.Config", session.ErrStoreRequired))
	}
	a.session, a.onSuccess, a.admitNew = k, a.arrive, c.Admit
	a.openForms = c.Admit != nil
	if a.admitNew == nil {
		a.admitNew = closedForms
	}
	a.tokenClients, a.signUpFields, a.usernames = slices.Clone(c.TokenClients), slices.Clone(c.SignUpFields), c.Usernames
	for _, id := range a.tokenClients {
		if id == "" || len(id) > 255 || text.HasControl(id) {
			errs = append(errs, errors.New("postern: Config.TokenClients: a client_id is 1 to 255 characters"))
		}
	}
	for i, f := range a.signUpFields {
		taken := slices.Contains([]string{"email", "username", "code", "state", "redirect_uri", "client_id", "response_type", "code_challenge",
			"code_challenge_method", "invitation", "password"}, f.Name)
		if f.Name == "" || taken || slices.ContainsFunc(a.signUpFields[:i], func(o Field) bool { return o.Name == f.Name }) {
			errs = append(errs, fmt.Errorf("postern: Config.SignUpFields: the name %q is empty, taken, or there twice", f.Name))
		}
	}
	return errs
}

// originOf returns the origin of a URL. That of an issuer is as a browser writes it: session.New refuses one with the
// default port.
func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }

package postern

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Auth is the sign-in handler. All its paths are below the path of the issuer, {base}:
//
//	GET  {base}                        the authorize URL of each provider, as JSON
//	     {base}/authorize              redirects to ?provider=, or to the only provider; else a page to choose
//	     {base}/{provider}/authorize   begins a sign-in (alias: connect)
//	     {base}/{provider}/callback    ends it; a provider may serve more paths
//	GET  {base}/continue               the page between a form and another site
//	GET  {base}/assets/                Config.Assets
//	POST {base}/language               with Config.Assets: keeps the language that a person chose
//	     {base}/verify                 Config.ForwardAuth
//	GET  {base}/openapi.json           with Config.Session: the OpenAPI document of the routes for programs
//	     {base}/token, /refresh, /revoke, /signout, /session, /sessions, /.well-known/...   session.Sessions.Handler
//
// An authorize URL takes redirect_uri, state, code_challenge with code_challenge_method=S256, response_type=code and
// client_id (RFC 6749 section 4.1.1, RFC 7636), login_hint and, with Config.Session, prompt (OpenID Connect Core
// section 3.1.2.1); all are optional. A wrong request is answered with an error page. It is never redirected.
//
// A client that accepts application/json and not text/html gets JSON in place of pages and redirects, see [Flow.Page],
// and may send a flat JSON object in place of a form. Pages of Config.Origins can be such clients.
//
// An Auth is safe for concurrent use and does not change after New.
type Auth struct {
	sessions  *session.Sessions
	store     store.Store
	onSuccess func(http.ResponseWriter, *http.Request, *SignIn) error
	render    func(http.ResponseWriter, *http.Request, Page)
	assets    http.Handler                      // nil: none
	place     func(netip.Addr) string           // nil: unknown
	mail      func(context.Context, Mail) error // nil: none
	composer  Composer                          // nil: none
	log       *slog.Logger
	clients   clientip.Resolver
	hidden    sync.Once      // the log line about a proxy that hides the clients
	underway  limit.Underway // attempts that were resumed and have not ended
	alarm     limit.Alarm    // which answers 429 are events
	entries   atomic.Uint32  // how many entries of a history this process has written
	attempts  attempts
	redirects redirects
	origins   map[string]bool // Config.Origins

	name                 string // of the application
	issuer, origin, base string
	clientID             string // the only allowed client_id
	secure, requirePKCE  bool
	style                string // CSP source of the default style

	below     http.Handler            // Sessions.Handler
	wellKnown map[string]http.Handler // of providers, by the path on the host

	forwardAuth http.Handler // nil: not served

	ownPaths     map[string]bool // pages of the account to which a proof may lead, see isOwn
	session      *kindCore       // of Config.Session; nil: onSuccess is the application's
	admitNew     Admit
	openForms    bool // Config.Admit is set: a form may make a user
	tokenClients []string
	signUpFields []Field
	admin        http.Handler // of Config.Admin; nil: not served
	usernames    bool

	identifierFirst bool // Config.IdentifierFirst
	typedNames      bool // what is typed there may be a username

	factors       []factor // in the order of the configuration; those of Providers first
	requireFactor func(ctx context.Context, p Person, auth session.Authentication) (Requirement, error)
	rememberFor   time.Duration

	document document // at {base}/openapi.json
	settings []Setting

	names  []string // of providers, sorted
	order  []string // of providers, as people see them
	labels map[string]string
	flows  map[string]served
	built  bool // New has returned: flows no longer changes
	faults []error
}

// served is a flow and its handler.
type served struct {
	flow    *Flow
	handler http.Handler
	mails   bool // it signs people in by their mailbox
	mark    string

	issues func(issuer string) bool // whether its identities have an issuer; nil: not known
}

// use returns the handler of p for f. While New runs, it also registers the handler for the URLs of f.
func (a *Auth) use(f *Flow, p Provider) http.Handler {
	fault := func(err error) http.Handler {
		if !a.built {
			a.faults = append(a.faults, err)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, f, err) })
	}
	if f.err != nil {
		fault(f.err)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, f, errNotFound()) })
	}
	if p == nil {
		return fault(fmt.Errorf("postern: provider %q is nil", f.name))
	}
	if _, taken := a.flows[f.name]; taken && !a.built {
		return fault(fmt.Errorf("postern: provider %q is used twice", f.name))
	}
	if c, ok := p.(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			return fault(fmt.Errorf("postern: provider %q: %w", f.name, err))
		}
	}
	m, ok := p.(interface{ Mails() bool })
	mails := ok && m.Mails()
	if mails && a.mail == nil {
		return fault(fmt.Errorf("postern: provider %q sends mail: set Config.Mail", f.name))
	}
	if u, ok := p.(interface{ Users() bool }); ok && u.Users() && a.session == nil {
		return fault(fmt.Errorf("postern: provider %q keeps credentials of users: set Config.Session", f.name))
	}
	if c, ok := p.(interface{ CheckFlow(f *Flow) error }); ok {
		if err := c.CheckFlow(f); err != nil {
			return fault(fmt.Errorf("postern: provider %q: %w", f.name, err))
		}
	}
	mark, err := markOf(p)
	if err != nil {
		return fault(fmt.Errorf("postern: provider %q: %w", f.name, err))
	}
	h := p.Handler(f)
	if h == nil {
		return fault(fmt.Errorf("postern: provider %q has no handler", f.name))
	}
	if !a.built {
		s := served{flow: f, handler: h, mails: mails, mark: mark}
		if known, ok := p.(interface{ Issues(issuer string) bool }); ok {
			s.issues = known.Issues
		}
		a.flows[f.name] = s
		if k, ok := h.(WellKnowner); ok {
			maps.Copy(a.wellKnown, k.WellKnown())
		}
	}
	return h
}

// ServeHTTP serves every path below the issuer's path, and the metadata document whose path RFC 8414 puts before it.
func (a *Auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.harden(w.Header())
	a.warnOfProxy(r)
	if a.forwardAuth != nil && r.URL.Path == a.base+"/verify" && r.URL.RawPath == "" {
		// Before the size checks: proxies do not know their statuses 431 and 413, and the body is not read anyway.
		a.forwardAuth.ServeHTTP(w, r)
		return
	}
	if err := a.bounded(w, r); err != nil {
		a.fail(w, r, nil, err)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, a.base)
	if !a.forPrograms(r.URL.Path) && !a.isAdmin(r.URL.Path) && a.cors(w, r) { // the paths of sessions have their own origins
		return
	}
	if a.assets != nil && ok && r.URL.RawPath == "" {
		if name, found := strings.CutPrefix(path, "/assets/"); found {
			a.serveAssets(w, r, name)
			return
		}
		if path == "/language" {
			a.own(w, r, "POST", a.postLanguage)
			return
		}
		a.keepLocales(w, r)
	}
	w, r = a.afterForm(w, r)
	switch {
	case r.URL.Path == wellKnown+a.base:
		a.below.ServeHTTP(w, r)
	case !ok || r.URL.RawPath != "" || path != "" && path[0] != '/': // no path here needs an escape
		a.fail(w, r, nil, errNotFound())
	case a.base == "" && a.wellKnown[path] != nil:
		a.wellKnown[path].ServeHTTP(w, r)
	case path == "" || path == "/":
		a.own(w, r, "GET, HEAD", a.index)
	case path == "/authorize":
		a.room(w, r, a.chooseSteps())
	case sessionPath(path):
		a.below.ServeHTTP(w, r)
	case path == "/continue":
		a.own(w, r, "GET, HEAD", a.serveContinue)
	case a.session != nil && path == pathDocument:
		a.own(w, r, "GET, HEAD", a.document.serve)
	case a.session != nil && a.userRoom(w, r, path):
	default:
		a.provider(w, r, path[1:])
	}
}

// forPrograms reports whether only programs call the path, so that no person sees the answer.
func (a *Auth) forPrograms(path string) bool {
	below, ok := strings.CutPrefix(path, a.base)
	return path == wellKnown+a.base || ok && (sessionPath(below) || below == "/verify" && a.forwardAuth != nil)
}

// sessionPath reports whether session.Sessions.Handler serves the path below {base}.
func sessionPath(path string) bool {
	switch path {
	case "/token", "/refresh", "/revoke", "/signout", "/signout/everywhere", "/session", "/sessions":
		return true
	}
	return strings.HasPrefix(path, "/sessions/") || strings.HasPrefix(path, "/.well-known/")
}

const wellKnown = "/.well-known/oauth-authorization-server"

// own serves a page of the handler itself, with the parameters read. allow are its methods, as in the header Allow.
func (a *Auth) own(w http.ResponseWriter, r *http.Request, allow string, serve func(http.ResponseWriter, *http.Request)) {
	if !slices.Contains(strings.Split(allow, ", "), r.Method) {
		w.Header().Set("Allow", allow)
		a.fail(w, r, nil, errMethod())
		return
	}
	r, err := a.admit(w, r)
	if err != nil {
		a.fail(w, r, nil, err)
		return
	}
	serve(w, r)
}

// provider finds the flow of a path, the deepest child first, checks the request and calls the flow's handler.
func (a *Auth) provider(w http.ResponseWriter, r *http.Request, path string) {
	name, step := path, ""
	var s served
	for s.flow == nil {
		cut := strings.LastIndexByte(name, '/')
		if cut < 0 {
			a.fail(w, r, nil, errNotFound())
			return
		}
		name = name[:cut]
		s, step = a.flows[name], path[cut+1:]
	}
	f := s.flow
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		a.fail(w, r, f, errMethod())
		return
	}
	r, err := a.admit(w, r)
	if err != nil {
		a.fail(w, r, f, err)
		return
	}
	defer func() {
		if x := exchangeOf(r); x != nil && x.leave != nil {
			x.leave()
		}
	}()
	last := step[strings.LastIndexByte(step, '/')+1:]
	if last == "callback" {
		// A child that its parent makes for this request is not registered, but the rest of the path is its name.
		begun := f.name
		if child, ok := strings.CutSuffix(step, "/callback"); ok {
			begun += "/" + child
		}
		if done, err := a.formPost(w, r, begun); err != nil {
			a.fail(w, r, f, err)
			return
		} else if done {
			return
		}
	}
	if r.Method == http.MethodPost && !a.ours(r) {
		a.fail(w, r, f, &Error{Status: http.StatusForbidden, Code: "cross_origin",
			Text: "This request did not come from a page of this site. Please start again."})
		return
	}
	if last == "authorize" || last == "connect" {
		x := exchangeOf(r)
		if x.ret, err = a.returnOf(r.Form); err != nil {
			a.fail(w, r, f, err)
			return
		}
		x.asked, x.invite = true, r.Form.Get("invitation")
		if e := a.otherName(r); e != nil {
			a.fail(w, r, f, e)
			return
		}
		if asked, err := a.promptOf(r); err != nil || asked.none {
			if err == nil {
				err = a.refuseSilent(w, x.ret)
			}
			if err != nil && !errors.Is(err, errAnswered) {
				a.fail(w, r, f, err)
			}
			return
		}
		a.clearEnded(w, r)
	}
	s.handler.ServeHTTP(w, r)
}

// warnOfProxy logs once that a proxy hides the clients' addresses.
func (a *Auth) warnOfProxy(r *http.Request) {
	if !a.clients.Hidden(r) {
		return
	}
	a.hidden.Do(func() {
		a.log.WarnContext(r.Context(), "postern: requests come through a proxy that is not configured, so all people behind it share "+
			"one limit; set Config.TrustedProxies and Config.ClientIPHeader, with 127.0.0.1 for a proxy on a Unix socket", "peer", clientip.Peer(r).String())
	})
}

// index lists the authorize URLs of all providers, as SST Auth does.
func (a *Auth) index(w http.ResponseWriter, r *http.Request) {
	urls := make(map[string]string, len(a.names))
	for _, name := range a.names {
		urls[name] = a.issuer + "/" + name + "/authorize"
	}
	body, _ := json.MarshalIndent(urls, "", "    ") // a map of strings always encodes
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}

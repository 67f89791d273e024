package postern

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Auth is the sign-in handler. Everything lies below the path of the issuer, {base}:
//
//	GET  {base}                        the authorize URL of each provider, as JSON
//	GET  {base}/authorize              ?provider=, or the only one, or a page to choose
//	     {base}/{provider}/authorize   begins a sign-in (alias: connect)
//	     {base}/{provider}/callback    ends it; a provider may serve more
//	     {base}/verify                 Config.ForwardAuth
//	     {base}/token, /refresh, /revoke, /signout, /sessions, /.well-known/...   of session.Sessions.Handler
//
// An authorize URL takes redirect_uri, state, code_challenge with code_challenge_method=S256, response_type=code and
// client_id (RFC 6749 section 4.1.1, RFC 7636); all are optional. What is wrong with a request is shown as a page, or
// JSON where asked for, and never redirected.
//
// It is safe for concurrent use, and does not change after New.
type Auth struct {
	sessions  *session.Sessions
	store     store.Store
	onSuccess func(http.ResponseWriter, *http.Request, *SignIn) error
	render    func(http.ResponseWriter, *http.Request, Page)
	log       *slog.Logger
	clients   clientip.Resolver
	attempts  attempts
	redirects redirects

	issuer, origin, base string
	secure, requirePKCE  bool
	style                string // CSP source of the default style

	below http.Handler // of Sessions

	forwardAuth http.Handler // nil: none
	names       []string     // of providers, sorted
	labels      map[string]string
	flows       map[string]served
	built       bool // New is done: flows does not change any more
	faults      []error
}

// served is a flow and what serves it.
type served struct {
	flow    *Flow
	handler http.Handler
}

// use makes p serve f. While New runs, requests for f's URLs are sent there.
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
	h := p.Handler(f)
	if h == nil {
		return fault(fmt.Errorf("postern: provider %q has no handler", f.name))
	}
	if !a.built {
		a.flows[f.name] = served{f, h}
	}
	return h
}

// ServeHTTP serves everything below the issuer's path, and the metadata document that RFC 8414 puts before it.
func (a *Auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.harden(w.Header())
	if err := bounded(r); err != nil {
		a.fail(w, r, nil, err)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, a.base)
	switch {
	case r.URL.Path == wellKnown+a.base:
		a.below.ServeHTTP(w, r)
	case !ok || r.URL.RawPath != "" || path != "" && path[0] != '/': // no path of ours needs an escape
		a.fail(w, r, nil, errNotFound())
	case path == "" || path == "/":
		a.own(w, r, a.index)
	case path == "/authorize":
		a.own(w, r, a.choose)
	case sessionPath(path):
		a.below.ServeHTTP(w, r)
	case path == "/verify" && a.forwardAuth != nil:
		a.forwardAuth.ServeHTTP(w, r)
	default:
		a.provider(w, r, path[1:])
	}
}

// forPrograms reports whether only programs call the path, and no person ever sees what it answers.
func (a *Auth) forPrograms(path string) bool {
	below, ok := strings.CutPrefix(path, a.base)
	return path == wellKnown+a.base || ok && (sessionPath(below) || below == "/verify" && a.forwardAuth != nil)
}

// sessionPath reports whether session.Sessions.Handler serves the path below {base}.
func sessionPath(path string) bool {
	switch path {
	case "/token", "/refresh", "/revoke", "/signout", "/signout/everywhere", "/sessions":
		return true
	}
	return strings.HasPrefix(path, "/sessions/") || strings.HasPrefix(path, "/.well-known/")
}

const wellKnown = "/.well-known/oauth-authorization-server"

// own serves the handler's own pages: GET and HEAD, with parameters read.
func (a *Auth) own(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request)) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		a.fail(w, r, nil, errMethod())
		return
	}
	r, err := admit(w, r)
	if err != nil {
		a.fail(w, r, nil, err)
		return
	}
	serve(w, r)
}

// provider finds the flow a path belongs to, the deepest child first, and lets in what may come in.
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
	r, err := admit(w, r)
	if err != nil {
		a.fail(w, r, f, err)
		return
	}
	last := step[strings.LastIndexByte(step, '/')+1:]
	if r.Method == http.MethodPost && !a.ours(r) {
		// The callback of a form_post attempt is the one POST that may come from elsewhere. A child that its parent made
		// for this request is not known here, but its name is the rest of the path.
		begun := f.name
		if child, ok := strings.CutSuffix(step, "/callback"); ok {
			begun += "/" + child
		}
		t, err := a.attempts.find(r, begun)
		if last != "callback" || t == nil || !t.FormPost {
			a.fail(w, r, f, &Error{Status: http.StatusForbidden, Code: "cross_origin", Err: err,
				Text: "This request did not come from a page of this site. Please start again."})
			return
		}
	}
	if last == "authorize" || last == "connect" {
		x := exchangeOf(r)
		if x.ret, err = a.returnOf(r.Form); err != nil {
			a.fail(w, r, f, err)
			return
		}
		x.asked = true
	}
	s.handler.ServeHTTP(w, r)
}

// index lists the authorize URLs of all providers, as SST Auth does.
func (a *Auth) index(w http.ResponseWriter, r *http.Request) {
	urls := make(map[string]string, len(a.names))
	for _, name := range a.names {
		urls[name] = a.issuer + "/" + name + "/authorize"
	}
	body, _ := json.MarshalIndent(urls, "", "    ") // strings alone always encode
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}

// choose sends the person on to a provider: the one asked for, the only one, or one they pick.
func (a *Auth) choose(w http.ResponseWriter, r *http.Request) {
	if _, err := a.returnOf(r.Form); err != nil {
		a.fail(w, r, nil, err)
		return
	}
	q := url.Values{}
	for name, values := range r.Form {
		if name != "provider" {
			q[name] = values
		}
	}
	to := func(name string) string {
		if len(q) == 0 {
			return a.issuer + "/" + name + "/authorize"
		}
		return a.issuer + "/" + name + "/authorize?" + q.Encode()
	}
	name := r.Form.Get("provider")
	if name == "" && len(a.names) == 1 {
		name = a.names[0]
	}
	if name != "" {
		if s, ok := a.flows[name]; !ok || s.flow.parent != nil {
			a.fail(w, r, nil, badRequest("unknown_provider", "There is no such way to sign in here (provider)."))
			return
		}
		w.Header().Set("Location", to(name))
		w.WriteHeader(http.StatusFound)
		return
	}
	p := Page{Title: "Sign in", Text: "How would you like to sign in?"}
	for _, name := range a.names {
		label := a.labels[name]
		if label == "" {
			label = strings.ToUpper(name[:1]) + name[1:]
		}
		p.Links = append(p.Links, Link{Text: "Continue with " + label, URL: to(name)})
	}
	a.show(w, r, p)
}

// Mount registers the handler with mux, method by method, so that it goes together with patterns of the application
// such as "GET /": {base} and all below it, and the metadata path of RFC 8414. An issuer without a path has its routes
// registered one by one, {base} being "/", and leaves the others to the application.
func (a *Auth) Mount(mux *http.ServeMux) {
	get := func(paths ...string) { a.handle(mux, "GET", paths) }
	post := func(paths ...string) { a.handle(mux, "POST", paths) }
	options := func(paths ...string) { a.handle(mux, "OPTIONS", paths) }
	// Methods that nothing is served for get an answer of ours too, not a page of the application or of the mux.
	others := func(paths ...string) {
		for _, method := range []string{"PUT", "PATCH", "DELETE"} {
			a.handle(mux, method, paths)
		}
	}
	if a.base != "" {
		others(a.base, a.base+"/")
		get(a.base, a.base+"/", wellKnown+a.base)
		post(a.base, a.base+"/")
		options(a.base+"/", wellKnown+a.base)
		return
	}
	ends := []string{"/token", "/refresh", "/revoke", "/signout", "/signout/everywhere"}
	own := []string{"/sessions", "/sessions/"}
	public := []string{"/.well-known/openid-configuration", "/.well-known/jwks.json", wellKnown}
	get("/{$}", "/authorize")
	get(public...)
	get(own...)
	options(public...)
	options(ends...)
	options(own...)
	post(ends...)
	post(own...) // 405, of ours
	others(ends...)
	others(own...)
	others("/authorize")
	if a.forwardAuth != nil {
		get("/verify")
		post("/verify")
		options("/verify")
		others("/verify")
	}
	for _, name := range a.names {
		get("/" + name + "/")
		post("/" + name + "/")
		others("/" + name + "/")
	}
}

func (a *Auth) handle(mux *http.ServeMux, method string, paths []string) {
	for _, p := range paths {
		mux.Handle(method+" "+p, a)
	}
}

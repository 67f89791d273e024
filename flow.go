package postern

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A Provider is one way to sign in. If it also has a method Check() error or CheckFlow(f *Flow) error, New calls it
// before Handler and reports its error. If it has a method Mails() bool that returns true, New requires Config.Mail. If
// it has a method Users() bool that returns true, New requires Config.Session. A method Mark() string names the picture
// of its links on pages, such as "google": see Link.Mark.
type Provider interface {
	// Handler returns the handler for {base}/{name}/authorize, /callback and every other path of the provider. New
	// calls it once; it must make no network calls.
	//
	// The handler gets GET, HEAD and POST requests whose r.Form is read and checked: each parameter at most once, no
	// control characters, at most 64 KiB. A flat JSON object is read as if it were a form. An authorize request has an
	// allowed return address. A POST request comes from a page of this site, comes as JSON from a page of
	// Config.Origins, or goes to a callback that [Flow.StartFormPost] prepared.
	//
	// A redirect in answer to a POST leads through a page of Postern, so that no form-action blocks it: see Page.Next.
	// For a client that wants JSON each redirect becomes {"redirect_uri":"..."}.
	//
	// The handler serves many people at once: keep the data of one sign-in in the state of Start.
	//
	// If the handler also has a method Form(r *http.Request) *Form, the page that lists the providers may show that
	// form in place of a link. r is the request for that page, with the parameters of an authorize request. Form
	// returns nil if the request needs the provider's own page. The form must be sent to a step of the provider.
	Handler(f *Flow) http.Handler
}

// A Flow gives a Provider the functions of the sign-in handler. All requests share it; it holds no data of a request.
type Flow struct {
	auth   *Auth
	name   string
	parent *Flow
	err    error // why the name is refused; every use of the flow fails with it
}

// Name returns the name of the provider in Config.Providers. For a child it is like "tenant/google".
func (f *Flow) Name() string { return f.name }

// AppName returns the name of the application: Config.Name, or the host of the issuer.
func (f *Flow) AppName() string { return f.auth.name }

// OtherWays returns a link to the page that lists the providers, for a page of this one. authorize is the query of the
// authorize request, to begin again with. It returns none if there is one provider only.
func (f *Flow) OtherWays(authorize string) []Link {
	if len(f.auth.names) < 2 {
		return nil
	}
	to := f.auth.issuer + "/authorize"
	if authorize != "" {
		to += "?" + authorize
	}
	return []Link{{Name: "other", Text: "Other ways to sign in", URL: to}}
}

// SignUpURL returns the page on which people sign up by a form, for a link of a page of this provider; empty if
// Config.Admit is not set, because no form makes a user then. authorize is the query of the authorize request.
func (f *Flow) SignUpURL(authorize string) string {
	to := f.auth.issuer + "/sign-up"
	switch {
	case f.auth.session == nil || !f.auth.openForms:
		return ""
	case authorize != "":
		return to + "?" + authorize
	}
	return to
}

// URL returns the absolute URL of a step of this provider, such as URL("callback"). It is built from the configured
// issuer; no header of a request changes it.
func (f *Flow) URL(path string) string { return f.auth.issuer + "/" + f.name + "/" + path }

// Step returns the path of the request below the provider, such as "authorize" or "callback". For "connect" it returns
// "authorize". For a child it is the path below the child. If the parent passes a request for its own path to the
// child, it is the path below the parent.
func (f *Flow) Step(r *http.Request) string {
	for g := f; g != nil; g = g.parent {
		if step, ok := strings.CutPrefix(r.URL.Path, g.auth.base+"/"+g.name+"/"); ok {
			if step == "connect" {
				return "authorize"
			}
			return step
		}
	}
	return ""
}

// Steps returns a handler that calls one function for each step of a provider. The keys are method and path: "GET
// authorize", "GET callback", "POST callback". HEAD calls the function for GET. An unknown step is answered with 404,
// an unknown method with 405 and Allow.
func (f *Flow) Steps(steps map[string]http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		step, method := f.Step(r), r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		if serve, ok := steps[method+" "+step]; ok {
			serve(w, r)
			return
		}
		var allow []string
		for name := range steps {
			if m, s, _ := strings.Cut(name, " "); s == step {
				allow = append(allow, m)
			}
		}
		if len(allow) == 0 {
			f.Fail(w, r, errNotFound())
			return
		}
		if slices.Contains(allow, http.MethodGet) {
			allow = append(allow, http.MethodHead)
		}
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(allow, ", "))
		f.Fail(w, r, errMethod())
	})
}

// Child returns a flow below this one, for a provider that passes requests to other providers. Its name is
// "{name}/{child}" and its URLs are {base}/{name}/{child}/... An attempt that begins in the child must end in the
// child. The name follows the rules of Config.Providers; with any other name every request fails with 404.
func (f *Flow) Child(name string) *Flow {
	return &Flow{auth: f.auth, name: f.name + "/" + name, parent: f, err: checkName(name)}
}

// Use makes p serve this flow and returns the handler of p, for the requests that the parent passes on.
//
// If a Handler method calls Use, during New, requests for the URLs of this flow go directly to p. If Use is called
// later, for a child that was read from a database, nothing is registered: the parent gets those requests, with a Step
// like "acme/callback".
func (f *Flow) Use(p Provider) http.Handler { return f.auth.use(f, p) }

// Store returns the store of the handler, for the data of providers, such as links and codes.
func (f *Flow) Store() store.Store { return f.auth.store }

// Sessions returns the sessions of the handler, with its issuer, clock and secrets.
func (f *Flow) Sessions() *session.Sessions { return f.auth.sessions }

// RequirePKCE returns Config.RequirePKCE. If it is true, only the application that began a sign-in can use the result,
// so it is useless to finish the sign-in in another browser.
func (f *Flow) RequirePKCE() bool { return f.auth.requirePKCE }

// Addr returns the client's address, for limits. It is the address of the peer or, if the peer is one of
// Config.TrustedProxies, the address in Config.ClientIPHeader. It is invalid (see netip.Addr.IsValid) if unknown.
func (f *Flow) Addr(r *http.Request) netip.Addr { return f.auth.clients.Addr(r) }

// Limit allows burst calls for a key in any period of length every, and refuses further calls. Call it before the work
// it protects. name is the thing that is counted, such as "mail"; providers do not share counts. The error is an
// [*Error] for Fail: 429 with Retry-After, or 503 if the store does not answer. A call that could not be counted is
// always refused.
func (f *Flow) Limit(ctx context.Context, name, key string, every time.Duration, burst int) error {
	rule := limit.Rule{Name: name, Every: every, Burst: burst}
	return f.limited(ctx, rule, limit.For(rule, f.scope()+"\x00"+key))
}

// LimitAddr is Limit by the client's address and by its networks, because one client can have many addresses. An IPv4
// address gets burst, its /24 gets 10 times burst. An IPv6 /64 gets burst, its /56 twice burst, its /48 5 times burst.
func (f *Flow) LimitAddr(r *http.Request, name string, every time.Duration, burst int) error {
	rule := limit.Rule{Name: name, Every: every, Burst: burst}
	return f.limited(r.Context(), rule, limit.Client(rule, f.scope(), f.Addr(r))...)
}

func (f *Flow) scope() string { return f.auth.issuer + "\x00" + f.name }

func (f *Flow) limited(ctx context.Context, rule limit.Rule, buckets ...limit.Bucket) error {
	err := limit.TakeAll(ctx, f.auth.store, f.auth.sessions.Now(), buckets...)
	switch e := refusal(err); {
	case err == nil:
		return nil
	case e.Status == http.StatusTooManyRequests, rule.Every < time.Millisecond, rule.Burst < 1, rule.Name == "":
		return e
	}
	return unavailable(err)
}

// Emit passes an event to session.Config.OnEvent, with the provider's name and the client address added. The outcome of
// a sign-in is one event: after a provider emits "sign-in", "sign-in failed" or "limited", Done and Fail emit no second
// one.
func (f *Flow) Emit(ctx context.Context, r *http.Request, e Event) {
	if e.Provider == "" {
		e.Provider = f.name
	}
	f.auth.emit(ctx, r, e)
}

// Page writes a page, with Config.Render or the default one, and with the security headers of every page. A client that
// wants JSON gets the page as JSON: step (Page.Name), title, text, args, lines, forms, links, error and
// error_description.
func (f *Flow) Page(w http.ResponseWriter, r *http.Request, p Page) { f.auth.show(w, r, p) }

// Fail answers with a page, or with JSON if the client asks for JSON, and emits the event that ends the sign-in. An
// [*Error] is shown as it is. A limit is answered with 429. Keys or a store that do not answer: 503. Any other error is
// answered with 500 without details; the details are in the log, under the reference that the page shows.
func (f *Flow) Fail(w http.ResponseWriter, r *http.Request, err error) { f.auth.fail(w, r, f, err) }

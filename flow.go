package postern

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A Provider is one way to sign in. One that also has a method Check() error is asked before Handler is called: New
// reports what is wrong with its configuration.
type Provider interface {
	// Handler serves {base}/{name}/authorize, /callback and what else the provider needs. It is called once, by New,
	// and must not call out. The handler sees GET, HEAD and POST requests with r.Form already read and checked (each
	// parameter once, no control characters, at most 64 KiB); authorize requests only with a return address that is
	// allowed; and POST requests only from its own pages, or to a callback that [Flow.StartFormPost] prepared.
	//
	// Requests of many people run through it at once: what belongs to one of them goes into the state of Start.
	Handler(f *Flow) http.Handler
}

// A Flow is what a Provider sees of the handler. It holds nothing of any request, so one is shared by all.
type Flow struct {
	auth   *Auth
	name   string
	parent *Flow
	err    error // why the name is refused; every use of the flow fails with it
}

// Name of the provider in Config.Providers; "tenant/google" for a child.
func (f *Flow) Name() string { return f.name }

// URL is the absolute URL of a step of this provider, such as URL("callback"). It is made from the configured issuer
// alone: no header of a request has a say in it.
func (f *Flow) URL(path string) string { return f.auth.issuer + "/" + f.name + "/" + path }

// Step is the path of the request below the provider: "authorize", "callback", ... ("connect" reads as "authorize".)
// For a child it is the path below the child, or, when the parent hands a request of its own on, below the parent.
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

// Steps serves each step of a provider by a function, named by method and path: "GET authorize", "GET callback",
// "POST callback". HEAD is served as GET. Another step is answered 404, another method 405 with Allow.
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

// Child is a flow below this one, for a provider that delegates: its name is "{name}/{child}" and its URLs are
// {base}/{name}/{child}/... An attempt begun in the child ends in the child. The name follows the rules of provider
// names (see Config.Providers); a flow with another name fails every request with 404.
func (f *Flow) Child(name string) *Flow {
	return &Flow{auth: f.auth, name: f.name + "/" + name, parent: f, err: checkName(name)}
}

// Use makes p serve this flow and returns its handler, to hand requests of the parent's steps to. Called by a Handler
// method, and so within New, it also makes requests for the flow's own URLs go straight to p. Called later, for a
// child chosen from a database, it keeps nothing: the parent gets those requests, with a Step like "acme/callback".
func (f *Flow) Use(p Provider) http.Handler { return f.auth.use(f, p) }

// Store for providers that keep something (slots of links and codes).
func (f *Flow) Store() store.Store { return f.auth.store }

// Sessions of the handler: issuer, clock, secrets.
func (f *Flow) Sessions() *session.Sessions { return f.auth.sessions }

// RequirePKCE is Config.RequirePKCE: only the application that began a sign-in can make use of it, so that finishing it
// in another browser leads nowhere.
func (f *Flow) RequirePKCE() bool { return f.auth.requirePKCE }

// Addr is the client's address, for limits: the peer's, or what Config.TrustedProxies say. It is not valid if nobody
// knows it.
func (f *Flow) Addr(r *http.Request) netip.Addr { return f.auth.clients.Addr(r) }

// Limit takes one of burst takes that key may do in any stretch of time of length every, and refuses the next ones. Call
// it before the work it guards. name says what is counted; providers don't share counts. The error is an [*Error] for
// Fail, 429 with Retry-After, or 503 if the store does not answer: nothing is ever allowed because it could not be counted.
func (f *Flow) Limit(ctx context.Context, name, key string, every time.Duration, burst int) error {
	rule := limit.Rule{Name: name, Every: every, Burst: burst}
	err := limit.Take(ctx, f.auth.store, rule, f.auth.issuer+"\x00"+f.name+"\x00"+key, f.auth.sessions.Now())
	switch e := refusal(err); {
	case err == nil:
		return nil
	case e.Status == http.StatusTooManyRequests, every < time.Millisecond, burst < 1, name == "":
		return e
	}
	return unavailable(err)
}

// LimitAddr is Limit by the client's address: by network (/64) for IPv6, of which one client commonly has all.
func (f *Flow) LimitAddr(r *http.Request, name string, every time.Duration, burst int) error {
	return f.Limit(r.Context(), name, clientip.Bucket(f.Addr(r)), every, burst)
}

// Emit hands an event on, with the provider's name and client address filled in. The outcome of a sign-in is told once:
// after a provider emits "sign-in", "sign-in failed" or "limited", Done and Fail don't tell it again.
func (f *Flow) Emit(ctx context.Context, r *http.Request, e Event) {
	if e.Provider == "" {
		e.Provider = f.name
	}
	f.auth.emit(ctx, r, e)
}

// Page shows a page, by Config.Render or the default drawing, with the headers that every page has.
func (f *Flow) Page(w http.ResponseWriter, r *http.Request, p Page) { f.auth.show(w, r, p) }

// Fail answers with a page, or JSON for a client that asks for it, and ends the sign-in: the audit log is told. An
// [*Error] is shown as it is. A limit is 429, keys or a store that don't answer are 503, and any other error is 500
// without details: it goes to the log, under a reference that the page shows.
func (f *Flow) Fail(w http.ResponseWriter, r *http.Request, err error) { f.auth.fail(w, r, f, err) }

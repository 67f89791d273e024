package postern

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/session"
)

// An Event is an entry for an audit log. OnEvent of the session.Config gets it.
//
// Each sign-in that ends is one event: "sign-in" (Subject is the identity's), "sign-in failed" (Reason is the code of
// the [Error], Err the cause) or "limited". Addr is the client's address that limits use. Sign-in packages emit more
// events, such as "mail sent".
//
// A process emits "limited" once when a client reaches a limit of this package, and then at most once in each period of
// the limit. It remembers the last 4096 clients and networks only, so a larger crowd can cause more events.
type Event = session.Event

const (
	eventSignIn  = "sign-in"
	eventFailed  = "sign-in failed"
	eventLimited = "limited"
)

// emit passes an event to OnEvent. It drops a second outcome of the same request.
func (a *Auth) emit(ctx context.Context, r *http.Request, e Event) {
	switch e.Name {
	case eventSignIn, eventFailed, eventLimited:
		if x := exchangeOf(r); x != nil {
			if x.reported {
				return
			}
			x.reported = true
		}
	}
	if e.Addr == "" {
		if addr := a.clients.Addr(r); addr.IsValid() {
			e.Addr = addr.String()
		}
	}
	a.emitOf(ctx, e)
}

// emitOf passes an event to OnEvent and, if it is one of historyOf, into the history of its user.
func (a *Auth) emitOf(ctx context.Context, e Event) { a.emitTo(ctx, e, historyOf[e.Name]) }

// emitTo passes an event to OnEvent and, if kept, into the history of its user.
func (a *Auth) emitTo(ctx context.Context, e Event, kept bool) {
	e = sentBy(ctx, e)
	a.sessions.Emit(ctx, e)
	if kept {
		a.remember(ctx, e)
	}
}

// sentBy returns an event with the address and the agent of the client whose request ctx belongs to.
func sentBy(ctx context.Context, e Event) Event {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return e
	}
	if e.Addr == "" && x.addr.IsValid() {
		e.Addr = x.addr.String()
	}
	e.Agent = cmp.Or(e.Agent, x.agent)
	return e
}

// stray reports whether e answers a request that was not an attempt to sign in at all: a wrong path, method or shape,
// or a request that another site's page made the browser send.
func stray(e *Error) bool {
	switch e.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge,
		http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return true
	}
	return e.Code == codeNotAPage
}

// report writes a refusal to the log and emits its event. f is nil for a request that belongs to no provider.
func (a *Auth) report(r *http.Request, f *Flow, e *Error, reference string) {
	ctx, provider := r.Context(), ""
	if f != nil {
		provider = f.name
	}
	level := slog.LevelInfo
	switch {
	case e.Status >= 500:
		level = slog.LevelError
	case stray(e):
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{slog.String("provider", provider), slog.String("code", e.Code), slog.Int("status", e.Status)}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	if reference != "" {
		attrs = append(attrs, slog.String("reference", reference))
	}
	a.log.LogAttrs(ctx, level, "postern: request refused", attrs...)
	if stray(e) {
		return
	}
	name := eventFailed
	if e.Status == http.StatusTooManyRequests {
		if name = eventLimited; !a.alarm.Due(a.sessions.Now(), a.clients.Addr(r), provider+" "+e.Code, e.Err) {
			return
		}
	}
	a.emit(ctx, r, Event{Name: name, Provider: provider, Reason: e.Code, Err: e})
}

// fail answers err with a page or JSON.
func (a *Auth) fail(w http.ResponseWriter, r *http.Request, f *Flow, err error) {
	e := a.afterwards(r, f, a.countFailure(r, refusal(err)))
	if e.onward != "" && !wantsJSON(r) {
		a.log.DebugContext(r.Context(), "postern: a finished sign-in was opened again", "provider", f.name)
		seeOther(w, e.onward)
		return
	}
	a.markFailed(r.Context(), exchangeOf(r))
	reference := ""
	if e.Status >= 500 {
		reference = rand.Text()[:10]
	}
	a.report(r, f, e, reference)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if wantsJSON(r) || a.forPrograms(r.URL.Path) || a.jsonRoom(r) && !a.wantsConsole(r) {
		w.Header().Add("Vary", "Accept")
		writeRefusal(w, e)
		return
	}
	p := Page{Name: "postern.error", Title: titleOf(e), Request: reference}.WithError(e)
	p.Links = a.waysBack(r, f, e)
	a.show(w, r, p)
}

// waysBack are the links of an error page, so that no page is a dead end: to begin the sign-in again, or to begin one,
// or to the application if only that can begin one.
func (a *Auth) waysBack(r *http.Request, f *Flow, e *Error) []Link {
	var ret session.Return
	if x := exchangeOf(r); x != nil {
		if ret = x.again; ret.IsZero() {
			ret = x.ret
		}
	}
	if misasked(e.Code) {
		ret = session.Return{}
	}
	q := query(ret).Encode()
	if q != "" {
		q = "?" + q
	}
	switch {
	case e.stepUp != "":
		return []Link{{Name: "step-up", Text: "Confirm that it is you", URL: e.stepUp}}
	case a.requirePKCE && ret.Challenge() == "":
		return a.toApplication(a.redirects.home)
	case f == nil || f.err != nil || stray(e) || misasked(e.Code), strings.HasPrefix(f.name, factorSteps): // a factor begins no sign-in
		links := []Link{{Name: "sign-in", Text: "Sign in", URL: a.issuer + "/authorize" + q}}
		if strings.HasPrefix(r.URL.Path, a.base+"/"+flowSignUp) && a.openForms {
			links = append(links, Link{Name: "sign-up", Text: "Create an account", URL: a.issuer + "/" + flowSignUp + q})
		}
		return links
	}
	links := []Link{{Name: "again", Text: "Start again", URL: f.URL("authorize") + q}}
	if e.Code == codeCancelled {
		page := a.redirects.home
		if !a.requirePKCE && ret.Challenge() == "" && linkable(a.redirects.first) {
			page = a.redirects.first // without PKCE it is a page, not the address that redeems a code
		}
		links = append(links, a.toApplication(page)...)
	}
	return append(links, f.OtherWays(strings.TrimPrefix(q, "?"))...)
}

// codeCancelled is the code of a sign-in that the person, or the provider, ended at the provider (RFC 6749 section
// 4.1.2.1). The person may be signed in already, and wish to go on without a sign-in.
const codeCancelled = "access_denied"

// toApplication returns a link to a page of the application.
func (a *Auth) toApplication(page string) []Link {
	u, err := url.Parse(page)
	if err != nil { // it was parsed by New
		return nil
	}
	return []Link{{Name: "application", Text: "Go to {host}", URL: page, Args: map[string]any{"host": u.Host}}}
}

// misasked reports whether a code stands for a mistake of the application: to start again would repeat the mistake.
func misasked(code string) bool {
	return code == "invalid_request" || code == "invalid_redirect_uri" || code == "invalid_client" || code == "pkce_required"
}

func titleOf(e *Error) string {
	switch {
	case e.Finished:
		return "Already finished"
	case e.Code == "invalid_state": // perhaps finished in this browser, or about to be in another one
		return "This sign-in cannot go on"
	case e.Status == http.StatusNotFound:
		return "Page not found"
	case stray(e):
		return "This request is not supported"
	case e.Status == http.StatusForbidden && e.Code != codeCancelled:
		return "Not allowed"
	case e.Status == http.StatusTooManyRequests:
		return "Too many attempts"
	case e.Status >= 500:
		return "Sign-in is not available right now"
	}
	return "Sign-in failed"
}

func errNotFound() *Error {
	return &Error{Status: http.StatusNotFound, Code: "not_found", Text: "There is nothing at this address."}
}

func errMethod() *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Text: "This address does not answer that kind of request."}
}

// wantsJSON reports whether the client is a program and not a browser that shows pages.
func wantsJSON(r *http.Request) bool { return httperr.WantsJSON(r) }

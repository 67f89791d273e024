package postern

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/session"
)

// An Event is something an audit log wants to know. They go to OnEvent of the session.Config.
//
// Every sign-in that comes to an end is told once: "sign-in" (Subject is the identity's), "sign-in failed" (Reason is
// the code of the [Error], Err the cause) or "limited". Addr is the client's address as limits see it. Sign-in packages
// add events of their own, such as "mail sent".
type Event = session.Event

const (
	eventSignIn  = "sign-in"
	eventFailed  = "sign-in failed"
	eventLimited = "limited"
)

// emit hands an event on, unless the outcome of the request is known already.
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
	a.sessions.Emit(ctx, e)
}

// stray reports whether a status answers a request that was no attempt to sign in at all: a wrong path, method or shape.
func stray(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge,
		http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return true
	}
	return false
}

// report tells the log and the audit log of a refusal. f is nil where no provider is concerned.
func (a *Auth) report(r *http.Request, f *Flow, e *Error, reference string) {
	ctx, provider := r.Context(), ""
	if f != nil {
		provider = f.name
	}
	level := slog.LevelInfo
	switch {
	case e.Status >= 500:
		level = slog.LevelError
	case stray(e.Status):
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
	if stray(e.Status) {
		return
	}
	name := eventFailed
	if e.Status == http.StatusTooManyRequests {
		name = eventLimited
	}
	a.emit(ctx, r, Event{Name: name, Provider: provider, Reason: e.Code, Err: e})
}

// fail answers err with a page or JSON.
func (a *Auth) fail(w http.ResponseWriter, r *http.Request, f *Flow, err error) {
	e := refusal(err)
	reference := ""
	if e.Status >= 500 {
		reference = rand.Text()[:10]
	}
	a.report(r, f, e, reference)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if wantsJSON(r) || a.forPrograms(r.URL.Path) {
		w.Header().Add("Vary", "Accept")
		httperr.Write(w, e.Status, e.Code, e.Text)
		return
	}
	p := Page{Status: e.Status, Title: titleOf(e.Status), Error: e.Text, Code: e.Code, Request: reference}
	if f != nil && f.err == nil && !stray(e.Status) && e.Code != "invalid_redirect_uri" && e.Code != "invalid_request" {
		again := f.URL("authorize")
		if x := exchangeOf(r); x != nil {
			ret := x.again
			if ret.IsZero() {
				ret = x.ret
			}
			if q := query(ret).Encode(); q != "" {
				again += "?" + q
			}
		}
		p.Links = []Link{{Text: "Start again", URL: again}}
	}
	a.show(w, r, p)
}

func titleOf(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "Page not found"
	case status == http.StatusForbidden:
		return "Not allowed"
	case status == http.StatusTooManyRequests:
		return "Too many attempts"
	case stray(status):
		return "This request cannot be served"
	case status >= 500:
		return "Signing in is not possible right now"
	}
	return "Signing in did not work"
}

func errNotFound() *Error {
	return &Error{Status: http.StatusNotFound, Code: "not_found", Text: "There is nothing at this address."}
}

func errMethod() *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Text: "This address does not answer that kind of request."}
}

// wantsJSON: a program says application/json; a browser says text/html, whatever else it takes.
func wantsJSON(r *http.Request) bool {
	json := false
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			switch kind, _, _ := strings.Cut(part, ";"); strings.ToLower(strings.TrimSpace(kind)) {
			case "text/html", "application/xhtml+xml":
				return false
			case "application/json":
				json = true
			}
		}
	}
	return json
}

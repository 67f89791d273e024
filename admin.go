package postern

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/form"
	"github.com/posternauth/postern/internal/head"
)

const flowAdmin = "admin"

// An Administration is the JSON API at {base}/admin, and the console for people. users.Directory.Admin returns one.
type Administration interface {
	// Handler returns the handler of {base}/admin and the paths below. When it is called, r.Form has the query, and a
	// request that could change something is known to come from a page of the issuer's origin, or from a program that
	// is not a browser. Of a request for which [Flow.WantsPage] is true, r.PostForm has the form.
	Handler(f *Flow) http.Handler
}

// An Actor is an administrator, at the moment of a request.
type Actor struct {
	UserID    string
	SessionID string
	Scopes    []string
	Roles     []string
	Pool      string // of UserID
	Sec       int64  // of the head, see Flow.Pool
	Rights    int64

	kind   *kindCore // of the session
	proved time.Time // when they proved who they are
	beside bool      // the session was made of one of the application, and lives beside it
}

// Actor returns who sends a request, by a session of k, after the store was asked: their scopes are those of now. With
// a maxAge above zero they must have proved who they are within it, as for [Flow.Person]. With ok
// false, Actor has answered the request, as JSON.
func (f *Flow) Actor(w http.ResponseWriter, r *http.Request, k SessionKind, maxAge time.Duration) (actor Actor, ok bool) {
	actor, err := f.actor(w, r, k, maxAge)
	if err != nil && !errors.Is(err, errAnswered) {
		f.auth.refuseJSON(w, r, err)
	}
	return actor, err == nil
}

// actor is Actor with the refusal as an error: errAnswered if the request is answered. If a proof is missing alone, the
// actor is known.
func (f *Flow) actor(w http.ResponseWriter, r *http.Request, k SessionKind, maxAge time.Duration) (actor Actor, err error) {
	a, core := f.auth, k.sessionKind()
	l, ok := core.current(w, r)
	switch {
	case !ok:
		return actor, errAnswered
	case l.zero():
		return actor, errSignedOut()
	case l.actor != "":
		return actor, errImpersonated()
	}
	if err := a.consoleStands(r.Context(), core, l); err != nil {
		return actor, err
	}
	h, err := head.Get(r.Context(), a.store, core.pool, l.subject)
	if err != nil {
		return actor, unavailable(err)
	}
	if h.Gone != "" || h.Rights != l.rights { // since the guard read it
		return actor, errRightsChanged()
	}
	actor = Actor{l.subject, l.id, slices.Clone(l.scopes), slices.Clone(l.roles), core.pool, h.Sec, h.Rights, core, l.auth.Time, slices.Contains(l.auth.Methods, methodConsole)}
	if maxAge > 0 {
		need, err := core.due(r.Context(), l, h)
		if err != nil {
			return actor, err
		}
		if !a.fresh(l, need, maxAge) {
			return actor, errStepUp(w, core.sessions.Issuer(), maxAge)
		}
	}
	return actor, nil
}

func errRightsChanged() *Error {
	return &Error{Status: http.StatusForbidden, Code: "rights_changed", Text: "Your rights have changed in the meantime. Please load the page again."}
}

// ReadJSON reads the JSON body of a request into the struct that v points to, strictly: a member that the struct does
// not have, or has in another letter case, is refused, and so is one that comes twice. The error is an [*Error].
func (f *Flow) ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	return f.auth.readJSON(w, r, v)
}

// JSON answers with a value as JSON, which no cache keeps.
func (f *Flow) JSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	if err := answerJSON(w, status, v); err != nil {
		f.FailJSON(w, r, err)
	}
}

// FailJSON is Fail for a path whose answers are all JSON. It emits no event of a sign-in.
func (f *Flow) FailJSON(w http.ResponseWriter, r *http.Request, err error) {
	f.auth.refuseJSON(w, r, err)
}

// Invite is [Auth.Invite].
func (f *Flow) Invite(ctx context.Context, i Invitation) (link string, err error) {
	return f.auth.Invite(ctx, i)
}

// adminPaths serves {base}/admin and below. It takes no request of another origin, whatever is configured, but those
// that open a page.
func (a *Auth) adminPaths(w http.ResponseWriter, r *http.Request) {
	if a.wantsConsole(r) {
		a.consolePaths(w, r)
		return
	}
	if !a.sameOrigin(r) {
		a.refuseJSON(w, r, errCrossOrigin())
		return
	}
	x := a.newExchange(r)
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	x.asks = r
	values, err := form.Parse(r.URL.RawQuery, nil)
	if err != nil {
		a.refuseJSON(w, r, badForm(err))
		return
	}
	r.Form = values
	a.admin.ServeHTTP(w, r)
}

// isAdmin reports whether a path belongs to the administration.
func (a *Auth) isAdmin(path string) bool {
	below, ok := strings.CutPrefix(path, a.base+"/")
	name, _, _ := strings.Cut(below, "/")
	return ok && a.admin != nil && name == flowAdmin
}

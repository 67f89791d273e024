package postern

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// The administration has two faces. A program gets JSON. A browser that opens an address, or sends a form of a page,
// gets pages: the console.

// WantsPage reports whether a request of the administration comes from a person in front of a browser: it opens an
// address or sends a form, and asks for text/html by name. The form is in r.PostForm then.
func (f *Flow) WantsPage(r *http.Request) bool { return f.auth.wantsConsole(r) }

func (a *Auth) wantsConsole(r *http.Request) bool {
	if !a.isAdmin(r.URL.Path) || !acceptsPage(r) {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost:
		return httperr.MediaType(r) == "application/x-www-form-urlencoded"
	}
	return false
}

// consolePaths serves a request for a page of the console. Another site may lead a person to a page, since a page
// changes nothing. It may send no form.
func (a *Auth) consolePaths(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Accept")
	r, err := a.admit(w, r)
	if err == nil && r.Method == http.MethodPost && !a.sameOrigin(r) {
		err = errCrossOrigin()
	}
	if e := a.otherName(r); err == nil && e != nil {
		err = e
	}
	if err != nil {
		a.refusePage(w, r, Page{}, err)
		return
	}
	a.admin.ServeHTTP(w, r)
}

// ActorPage is [Flow.Actor] for a request of a person. page is the URL of the page of the console that the request is
// for, or whose form was sent. Somebody who is not signed in is led to the sign-in and back to the page. A form that
// needs a fresh proof is answered with a link to the step-up. Its fields keep then wait until the person comes back to
// {base}/admin/resume, see [Flow.KeptForm]; without them the step-up leads back to the page.
func (f *Flow) ActorPage(w http.ResponseWriter, r *http.Request, k SessionKind, maxAge time.Duration, page string, keep url.Values) (actor Actor, ok bool) {
	a, core := f.auth, k.sessionKind()
	if !a.consoleURL(page) {
		page = a.issuer + "/" + flowAdmin
	}
	actor, err := f.actor(w, r, k, maxAge)
	if err == nil {
		return actor, true
	}
	w.Header().Del("WWW-Authenticate") // it is for programs
	e := refusal(err)
	p := Page{}
	switch {
	case errors.Is(err, errAnswered):
		return actor, false
	case e.Code == "not_signed_in":
		if to := a.adminSignIn(core, page); to != "" && r.Method != http.MethodPost {
			seeOther(w, to)
			return actor, false
		} else if to != "" {
			p.Links = []Link{{Name: "sign-in", Text: "Sign in", URL: to}}
		}
	case e.stepUp != "":
		if keep != nil {
			path := strings.TrimPrefix(r.URL.Path, a.base+"/"+flowAdmin+"/")
			if err := a.consoleForms().keep(w, r, actor.formOwner(), path, keep); err != nil {
				a.refusePage(w, r, p, err)
				return actor, false
			}
			page = a.issuer + "/" + flowAdmin + "/resume"
		}
		p.Links = []Link{{Name: "step-up", Text: "Confirm that it is you", URL: a.adminStepUp(core, page)}}
	}
	a.refusePage(w, r, p, e)
	return actor, false
}

// adminSignIn returns where an administrator gets a session, on the way to a page of the console.
func (a *Auth) adminSignIn(core *kindCore, page string) string {
	switch {
	case a.ofApplication(core):
		return a.sessionOf(page)
	case core.sessions == a.sessions && core != a.session: // of other people, who have no sign-in at this issuer
		return ""
	}
	if core.sessions != a.sessions { // another issuer knows the console by one address, which its Redirects have
		page = a.issuer + "/" + flowAdmin
	}
	return core.sessions.Issuer() + "/authorize?" + url.Values{"redirect_uri": {page}}.Encode()
}

// adminStepUp returns where an administrator proves again who they are.
func (a *Auth) adminStepUp(core *kindCore, page string) string {
	if a.ofApplication(core) {
		return a.sessionOf(page)
	}
	if core.sessions != a.sessions {
		page = a.issuer + "/" + flowAdmin
	}
	return core.sessions.Issuer() + "/step-up?" + url.Values{"redirect_uri": {page}, "max_age": {strconv.Itoa(int(stepUpLife / time.Second))}}.Encode()
}

// Home returns the URL of the front page of the application.
func (f *Flow) Home() string { return f.auth.redirects.home }

// FailPage shows a page with a refusal. An [*Error] is shown as it is. The details of a fault are in the log, under the
// reference that the page shows. A page without a name becomes a page with the refusal alone.
func (f *Flow) FailPage(w http.ResponseWriter, r *http.Request, p Page, err error) {
	f.auth.refusePage(w, r, p, err)
}

func (a *Auth) refusePage(w http.ResponseWriter, r *http.Request, p Page, err error) {
	e := refusal(err)
	level := slog.LevelDebug
	if e.Status >= http.StatusInternalServerError {
		level, p.Request = slog.LevelError, rand.Text()[:10]
	}
	attrs := []slog.Attr{slog.String("path", r.URL.Path), slog.Int("status", e.Status), slog.String("code", e.Code), slog.Any("cause", e.Err)}
	if p.Request != "" {
		attrs = append(attrs, slog.String("reference", p.Request))
	}
	a.log.LogAttrs(r.Context(), level, "postern: request refused", attrs...)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if len(p.Links)+len(p.Menu)+len(p.Forms) == 0 {
		p.Links = a.outOfConsole()
	}
	if p.Name == "" {
		p.Name, p.Title = "postern.error", titleOf(e)
	}
	a.show(w, r, p.WithError(e))
}

// outOfConsole are the ways on for somebody whom the console has nothing to offer.
func (a *Auth) outOfConsole() []Link {
	links := []Link{{Name: "account", Text: "Go to your account", URL: a.accountURL("")}}
	if linkable(a.redirects.home) {
		links = append(a.toApplication(a.redirects.home), links...)
	}
	return links
}

// consoleURL reports whether a URL is a page of the console, as text. Such a page is where a sign-in and a step-up may
// lead beside Config.Redirects. It is at this issuer, opens with the cookie of the session, and changes nothing.
func (a *Auth) consoleURL(uri string) bool {
	below, ok := strings.CutPrefix(uri, a.issuer+"/"+flowAdmin)
	if !ok || a.admin == nil || below != "" && below[0] != '/' || len(uri) > maxRedirect {
		return false
	}
	return strings.Trim(below, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_") == "" && !strings.Contains(below, "//")
}

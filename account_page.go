package postern

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/head"
)

// The account has two faces. Programs get JSON, see account.go. A person who opens {base}/account in a browser gets
// pages, with forms in place of PATCH and DELETE. Both call the same functions: a rule is written once.

// isAccountPage reports whether a request below {base}/account is for a page, or is the form of one. A path that is
// JSON alone stays JSON in a browser.
func (a *Auth) isAccountPage(r *http.Request) bool {
	path, ok := strings.CutPrefix(r.URL.Path, a.base+"/"+flowAccount)
	if !ok || a.session == nil || path != "" && path[0] != '/' {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return acceptsPage(r) && (a.accountPages()[path] != nil || path == "/export" || a.accountRoutes()[path]["GET"] == nil)
	case http.MethodPost:
		_, ok := a.accountDeeds()[strings.TrimPrefix(path, "/")]
		return ok
	}
	return false
}

// acceptsPage reports whether a client asks for HTML, as browsers do where a person opens an address. A client that
// names JSON as well gets JSON.
func acceptsPage(r *http.Request) bool {
	page := false
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			switch kind, _, _ := strings.Cut(part, ";"); strings.ToLower(strings.TrimSpace(kind)) {
			case "text/html", "application/xhtml+xml":
				page = true
			case "application/json":
				return false
			}
		}
	}
	return page
}

// An accountView is the person who looks at their account.
type accountView struct {
	live live
	head head.Head
	Person
}

// A builtPage is a page of the account.
type builtPage struct {
	menu  string // the page of the menu to which it belongs
	build func(r *http.Request, v accountView) (Page, error)
	fresh bool // the person must have proved lately who they are
}

// accountPages are the pages below {base}/account that are opened by GET. None of them does anything.
func (a *Auth) accountPages() map[string]*builtPage {
	pages := map[string]*builtPage{
		"":          {"", a.profilePage, false},
		"/security": {"security", a.securityPage, false},
		"/sessions": {"sessions", a.sessionsPage, false},
		"/history":  {"history", a.historyPage, false},
		"/download": {"", a.downloadPage, true},
	}
	for name, d := range a.accountDeeds() {
		if d.page {
			pages["/"+name] = &builtPage{d.menu, func(r *http.Request, v accountView) (Page, error) {
				about := url.Values{} // nothing else of a link fills a form
				for _, name := range []string{"id", "note", "provider"} {
					if r.Form.Has(name) {
						about.Set(name, r.Form.Get(name))
					}
				}
				return d.form(r, v, about)
			}, d.fresh}
		}
	}
	return pages
}

// accountPage serves the pages of the account, and their forms.
func (a *Auth) accountPage(w http.ResponseWriter, r *http.Request, path string) {
	steps := roomSteps{}
	if page := a.accountPages()[path]; page != nil {
		steps["GET"] = func(w http.ResponseWriter, r *http.Request) error { return a.openAccountPage(w, r, page) }
	}
	if path == "/export" {
		steps["GET"] = a.exportToPerson
	}
	if path == "/resume" {
		steps["GET"] = a.showResume
	}
	name := strings.TrimPrefix(path, "/")
	if d, ok := a.accountDeeds()[name]; ok {
		steps["POST"] = func(w http.ResponseWriter, r *http.Request) error { return a.postDeed(w, r, name, d) }
	}
	if len(steps) == 0 {
		a.fail(w, r, nil, errNotFound())
		return
	}
	a.room(w, r, steps)
}

func (a *Auth) openAccountPage(w http.ResponseWriter, r *http.Request, page *builtPage) error {
	v, err := a.accountViewer(w, r, page.fresh)
	var p Page
	if err == nil {
		p, err = page.build(r, v)
	}
	if err != nil {
		return a.accountRefused(w, r, page.menu, err)
	}
	p.Notice = accountNotices[a.takeDone(w, r)]
	a.showAccountPage(w, r, page.menu, p)
	return nil
}

// accountViewer returns the person of a request, whom the store knows at this moment.
func (a *Auth) accountViewer(w http.ResponseWriter, r *http.Request, fresh bool) (v accountView, err error) {
	owner := a.owner
	if fresh {
		owner = a.freshOwner
	}
	if v.live, v.head, err = owner(w, r); err == nil {
		v.Person, err = a.personOf(r.Context(), v.live)
	}
	return v, err
}

// showAccountPage shows a page of the account with what all of them have.
func (a *Auth) showAccountPage(w http.ResponseWriter, r *http.Request, menu string, p Page) {
	p.Menu = []Link{
		{Name: "profile", Text: "Profile", URL: a.accountURL(""), Current: menu == ""},
		{Name: "security", Text: "Security", URL: a.accountURL("security"), Current: menu == "security"},
		{Name: "sessions", Text: "Sessions", URL: a.accountURL("sessions"), Current: menu == "sessions"},
		{Name: "history", Text: "History", URL: a.accountURL("history"), Current: menu == "history"},
	}
	if linkable(a.redirects.home) {
		if p.Args == nil {
			p.Args = map[string]any{}
		}
		p.Args["app"] = a.name
		p.Links = append(p.Links, Link{Name: "application", Text: "Go to {app}", URL: a.redirects.home})
	}
	a.show(w, r, p)
}

// accountURL is the URL of a page of the account. name may have a query.
func (a *Auth) accountURL(name string) string {
	if name == "" || name[0] == '?' {
		return a.issuer + "/" + flowAccount + name
	}
	return a.issuer + "/" + flowAccount + "/" + name
}

// accountRefused answers a person whose page cannot be shown: by a way to prove who they are, where that helps.
func (a *Auth) accountRefused(w http.ResponseWriter, r *http.Request, menu string, err error) error {
	if errors.Is(err, errAnswered) {
		return errAnswered
	}
	if a.leadsToProof(w, r, a.accountURL(menu), err) {
		return nil
	}
	e := refusal(err)
	if e.Code == "impersonated" {
		a.showActing(w, r)
		return nil
	}
	p := Page{Name: "postern.error", Title: "This page of your account is not available"}
	if e.Status >= http.StatusInternalServerError {
		p.Request = rand.Text()[:10]
		p.Title = "Your account is not available right now"
		a.logRefusal(r.Context(), r, e, p.Request)
	}
	p = p.WithError(e)
	p.Links = []Link{{Name: "account", Text: "Back to your account", URL: a.accountURL(menu)}}
	retryAfter(w, e)
	a.show(w, r, p)
	return nil
}

func (a *Auth) logRefusal(ctx context.Context, r *http.Request, e *Error, reference string) {
	a.log.LogAttrs(ctx, slog.LevelError, "postern: request refused", slog.String("path", r.URL.Path), slog.Int("status", e.Status),
		slog.String("code", e.Code), slog.String("reference", reference), slog.Any("cause", e.Err))
}

// leadsToProof answers a person in a browser who must sign in first, or prove again who they are. Afterwards they come
// back to the page that they opened, or to page if this is none that a step-up may lead to.
func (a *Auth) leadsToProof(w http.ResponseWriter, r *http.Request, page string, err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.stepUp == "" && e.Code != "not_signed_in" {
		return false
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		here := a.origin + r.URL.Path
		if q := keptQuery(r.URL.RawQuery); q != "" {
			here += "?" + q
		}
		if a.isOwn(here) {
			page = here
		}
	}
	to := a.issuer + "/authorize?"
	if e.stepUp != "" {
		w.Header().Del("WWW-Authenticate")
		to = e.stepUp + "&"
	}
	seeOther(w, to+url.Values{"redirect_uri": {page}}.Encode())
	return true
}

// keptQuery is the part of a query that names what a page is about.
func keptQuery(query string) string {
	for part := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(part, "="); name != "done" && isOwnQuery(part) {
			return part
		}
	}
	return ""
}

// showActing is what an administrator sees who acts as the person: how to stop. What is in the account is not theirs.
func (a *Auth) showActing(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, Page{
		Status: http.StatusForbidden, Name: "postern.account-acting", Title: "You act as somebody else",
		Text:  "You see the application as this person sees it. Their account is theirs alone: only they see it and change it.",
		Code:  "impersonated",
		Forms: []Form{{Name: "stop", Action: a.issuer + "/session/end", Submit: "Stop acting as this person"}},
		Links: []Link{{Name: "application", Text: "Go to {app}", URL: a.redirects.home}}, Args: map[string]any{"app": a.name},
	})
}

package postern

import (
	"net/http"
	"net/url"
	"strings"
)

type roomSteps = map[string]func(http.ResponseWriter, *http.Request) error

// roomRoutes are the pages of the rooms that need users. A path that ends in "/" has the name of a provider behind it.
func (a *Auth) roomRoutes() map[string]roomSteps {
	return map[string]roomSteps{
		"/sign-up":      {"GET": a.showSignUp, "POST": a.postSignUp},
		"/sign-up/code": {"GET": a.showSignUpCode, "POST": a.postSignUpCode},
		"/step-up":      {"GET": a.showStepUp},
		"/step-up/code": {"GET": a.mailStepUp, "POST": a.postStepUpCode},
		"/step-up/":     {"GET": a.beginStepUp, "POST": a.beginStepUp},
		"/session/end":  {"POST": a.postEnd},
		"/factors":      {"GET": a.listFactors},
		"/factors/code": {"GET": a.showEnrolCode, "POST": a.postEnrolCode},

		"/sign-up/code/again": {"POST": a.postSignUpAgain},
		"/sign-up/change":     {"GET": a.showSignUpChange},
		"/sign-up/credential": {"GET": a.showCredential},
		"/step-up/code/sent":  {"GET": a.showStepUpCode},
		"/step-up/code/again": {"POST": a.postStepUpAgain},

		"/factors/continue": {"POST": a.postContinue},
		"/factors/later":    {"POST": a.postLater},
		"/link":             {"POST": a.postLink},
		"/join":             {"POST": a.postJoin},
		"/account/stop":     {"GET": a.stopChange, "POST": a.postStopChange}, // for people who come from a mail
		"/account/undo":     {"GET": a.showUndo, "POST": a.postUndo},
		"/account/confirm":  {"GET": a.showConfirm, "POST": a.postConfirm},

		"/sign-up/code/link": {"GET": a.showCodeLink(pathSignUpCode, a.signUpHere)},
		"/step-up/code/link": {"GET": a.showCodeLink(pathStepUpTyped, a.stepUpHere)},
		"/factors/code/link": {"GET": a.showCodeLink(pathEnrolCode, a.enrolHere)},
		"/account/code/link": {"GET": a.showCodeLink(pathAddressCode, a.addressHere)},
	}
}

// userRoom serves the rooms that need users, and reports whether the path belongs to one.
func (a *Auth) userRoom(w http.ResponseWriter, r *http.Request, path string) bool {
	if a.factorPath(path) {
		return false // a provider serves it
	}
	routes := a.roomRoutes()
	steps := routes[path]
	if cut := strings.LastIndexByte(path, '/') + 1; steps == nil && cut < len(path) {
		steps = routes[path[:cut]]
	}
	name, _, _ := strings.Cut(path[1:], "/")
	switch {
	case steps != nil:
		a.room(w, r, steps)
	case name == flowSignUp, name == flowStepUp, name == flowFactors:
		a.fail(w, r, nil, errNotFound())
	case a.admin != nil && name == flowAdmin:
		a.adminPaths(w, r)
	case name == flowAccount:
		a.accountPaths(w, r, strings.TrimPrefix(path, "/"+flowAccount))
	default:
		return false
	}
	return true
}

// A WellKnowner is the handler of a provider that needs documents at fixed paths of the host, such as
// "/.well-known/webauthn".
type WellKnowner interface {
	// WellKnown returns a handler for each path.
	WellKnown() map[string]http.Handler
}

// WellKnown serves what providers need at fixed paths of the host, and 404 elsewhere. Mount registers these paths.
// Where the mux of Mount does not serve the root of the host, such as behind a proxy that hands on {base} alone,
// register this handler at "GET /.well-known/" of that host.
func (a *Auth) WellKnown() http.Handler {
	mux := http.NewServeMux()
	for path, h := range a.wellKnown {
		mux.Handle("GET "+path, h)
	}
	return mux
}

// Mount registers the handler with mux for {base}, every path below it, the metadata path of RFC 8414, and the paths of
// WellKnown, such as "GET /.well-known/change-password". It registers each method separately, so that patterns of the
// application such as "GET /" do not conflict. If the issuer has no path, each route is registered separately and all
// other paths belong to the application.
//
// An application that has a path of WellKnown itself registers it before Mount, which then leaves it out. Of several
// handlers that are mounted on one mux, the first has these paths.
func (a *Auth) Mount(mux *http.ServeMux) {
	for path, h := range a.wellKnown {
		pattern := "GET " + path
		if _, have := mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}}); have != pattern {
			mux.Handle(pattern, h)
		}
	}
	get := func(paths ...string) { a.handle(mux, "GET", paths) }
	post := func(paths ...string) { a.handle(mux, "POST", paths) }
	options := func(paths ...string) { a.handle(mux, "OPTIONS", paths) }
	// A method that no path serves gets Postern's 405, not a page of the application or of the mux.
	others := func(paths ...string) {
		for _, method := range []string{"PUT", "PATCH", "DELETE"} {
			a.handle(mux, method, paths)
		}
	}
	if a.base != "" {
		others(a.base, a.base+"/")
		get(a.base, a.base+"/", wellKnown+a.base)
		post(a.base, a.base+"/")
		options(a.base, a.base+"/", wellKnown+a.base)
		return
	}
	ends := []string{"/token", "/refresh", "/revoke", "/signout", "/signout/everywhere"}
	own := []string{"/session", "/sessions", "/sessions/"}
	public := []string{"/.well-known/openid-configuration", "/.well-known/jwks.json", wellKnown}
	get("/{$}", "/authorize", "/continue")
	post("/authorize")
	get(public...)
	get(own...)
	options(public...)
	options(ends...)
	options(own...)
	post(ends...)
	post(own...) // answered with 405
	others(ends...)
	others(own...)
	options("/{$}", "/authorize")
	others("/authorize", "/continue")
	if a.forwardAuth != nil {
		get("/verify")
		post("/verify")
		options("/verify")
		others("/verify")
	}
	if a.assets != nil {
		files := []string{"/assets/", "/language"}
		get(files...)
		post(files...)
		options(files...)
		others(files...)
	}
	if a.session != nil {
		get("/account", "/account/")
		post("/account", "/account/")
		others("/account", "/account/")
		options("/account", "/account/")
		rooms := []string{pathDocument, "/sign-up", "/sign-up/", "/step-up", "/step-up/", "/session/end", "/factors", "/factors/", "/link", "/join"}
		get(rooms...)
		post(rooms...)
		options(rooms...)
		others(rooms...)
	}
	if a.admin != nil {
		get("/admin", "/admin/")
		post("/admin", "/admin/")
		options("/admin", "/admin/")
		others("/admin", "/admin/")
	}
	for _, name := range a.names {
		get("/" + name + "/")
		post("/" + name + "/")
		options("/" + name + "/")
		others("/" + name + "/")
	}
}

func (a *Auth) handle(mux *http.ServeMux, method string, paths []string) {
	for _, p := range paths {
		mux.Handle(method+" "+p, a)
	}
}

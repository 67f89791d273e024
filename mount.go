package postern

import (
	"net/http"
	"strings"
)

type roomSteps = map[string]func(http.ResponseWriter, *http.Request) error

// roomRoutes are the pages of the rooms that need users. A path that ends in "/" has the name of a provider behind it.
func (a *Auth) roomRoutes() map[string]roomSteps {
	return map[string]roomSteps{
		"/sign-up":      {"GET": a.showSignUp, "POST": a.postSignUp},
		"/sign-up/code": {"POST": a.postSignUpCode},
		"/step-up":      {"GET": a.showStepUp},
		"/step-up/code": {"GET": a.mailStepUp, "POST": a.postStepUpCode},
		"/step-up/":     {"GET": a.beginStepUp, "POST": a.beginStepUp},
		"/session/end":  {"POST": a.postEnd},
		"/factors":      {"GET": a.listFactors},
		"/factors/code": {"POST": a.postEnrolCode},

		"/factors/continue": {"POST": a.postContinue},
		"/link":             {"POST": a.postLink},
		"/join":             {"POST": a.postJoin},
		"/account/stop":     {"GET": a.stopChange, "POST": a.postStopChange}, // for people who come from a mail
		"/account/undo":     {"GET": a.showUndo, "POST": a.postUndo},
		"/account/confirm":  {"GET": a.showConfirm, "POST": a.postConfirm},
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

// WellKnown serves what providers need at fixed paths of the host, and 404 elsewhere. Mount registers these paths where
// the issuer has no path. Where it has one, register this handler at "GET /.well-known/" of the host that people know.
func (a *Auth) WellKnown() http.Handler {
	mux := http.NewServeMux()
	for path, h := range a.wellKnown {
		mux.Handle("GET "+path, h)
	}
	return mux
}

// Mount registers the handler with mux for {base}, every path below it, and the metadata path of RFC 8414. It registers
// each method separately, so that patterns of the application such as "GET /" do not conflict. If the issuer has no
// path, each route is registered separately and all other paths belong to the application.
func (a *Auth) Mount(mux *http.ServeMux) {
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
	get(public...)
	get(own...)
	for path := range a.wellKnown {
		get(path)
	}
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
		get("/admin/")
		post("/admin/")
		options("/admin/")
		others("/admin/")
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

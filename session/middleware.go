package session

import "net/http"

// Middleware returns Require of a guard as a function that routers take:
//
//	r := chi.NewRouter()
//	r.Use(session.Middleware(user, session.Role("admin")))
//
// The guard may be a Kind, an External, the result of AnyOf, or a guard with needs. Middleware panics on a nil guard
// and on needs that do not fit the guard: when it is called, not at the first request.
func Middleware(g Guard, needs ...Need) func(http.Handler) http.Handler {
	return ready(g, needs).middleware(false)
}

// OptionalMiddleware is [Middleware] with Optional: it lets signed-out people in as well.
func OptionalMiddleware(g Guard, needs ...Need) func(http.Handler) http.Handler {
	return ready(g, needs).middleware(true)
}

func ready(g Guard, needs []Need) guard {
	if g == nil {
		panic("session: Middleware of a nil guard")
	}
	return g.gates().with(needs)
}

func (g guard) middleware(optional bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return g.handler(next, optional) }
}

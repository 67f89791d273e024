package session

import "net/http"

// ForwardPath returns the path of the request that a reverse proxy asks about, decoded: "/wiki/page one". It is for an
// endpoint that adds needs by the path and then calls [ForwardAuth]. ok is false if ForwardAuth refuses the request for
// its path (see there), unless it has AnyPath: no path may then decide anything.
//
// Let a path only add needs. If a path could take one away, a header that a client sends could open a route.
func ForwardPath(r *http.Request) (path string, ok bool) {
	path, err := forwardPath(r)
	return path, err == nil
}

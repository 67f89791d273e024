package session

import (
	"net/http"

	"github.com/posternauth/postern/internal/httperr"
)

// CORS lets pages of Config.Origins, and no others, call next with credentials, and answers their preflights. Origins
// are compared as whole strings; what next answers to a page of another origin, that page cannot read. CORS keeps nobody
// from sending a request: what protects cookies is the cross-origin check in [Kind.Require].
func (s *Sessions) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin") // on every answer, errors too, or a cache gives one origin's answer to another
		origin := r.Header["Origin"]
		listed := len(origin) == 1 && s.origins[origin[0]]
		if listed {
			h.Set("Access-Control-Allow-Origin", origin[0])
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		if !preflight(r) {
			if listed {
				h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
			}
			next.ServeHTTP(w, r)
			return
		}
		h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		if !listed {
			httperr.Write(w, http.StatusForbidden, "cross_origin", "this origin is not allowed")
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
		if asked := r.Header.Get("Access-Control-Request-Headers"); headerNames(asked) {
			h.Set("Access-Control-Allow-Headers", asked)
		}
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}

// preflight reports whether the request is a browser's question and not yet the request itself (Fetch standard).
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// headerNames is a list of names as a browser writes it. A listed origin may send any header of its own.
func headerNames(s string) bool {
	for i := range len(s) {
		if c := s[i]; !tokenByte(c) && c != ',' && c != ' ' || c == '/' {
			return false
		}
	}
	return s != "" && len(s) <= 1024
}

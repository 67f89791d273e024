package postern

import (
	"fmt"
	"net/http"

	"github.com/posternauth/postern/internal/cors"
	"github.com/posternauth/postern/internal/httperr"
)

// newOrigins checks Config.Origins.
func newOrigins(list []string, development func(host string) bool) (map[string]bool, error) {
	origins := make(map[string]bool, len(list))
	for _, o := range list {
		if _, err := cors.Origin(o, development); err != nil {
			return nil, fmt.Errorf("postern: Config.Origins %q: %w", o, err)
		}
		origins[o] = true
	}
	return origins, nil
}

// listed reports whether the request comes from a page of Config.Origins.
func (a *Auth) listed(r *http.Request) bool {
	origin := r.Header.Values("Origin")
	return len(origin) == 1 && a.origins[origin[0]]
}

// cors lets pages of Config.Origins call with credentials and read the answers. It answers preflight requests; answered
// is true then.
func (a *Auth) cors(w http.ResponseWriter, r *http.Request) (answered bool) {
	h := w.Header()
	h.Add("Vary", "Origin") // on errors too, or a cache sends the answer for one origin to another
	listed := a.listed(r)
	if listed {
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if !cors.Preflight(r) {
		if listed {
			h.Set("Access-Control-Expose-Headers", "Retry-After")
		}
		return false
	}
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if !listed {
		httperr.Write(w, http.StatusForbidden, "cross_origin", "this origin is not allowed")
		return true
	}
	methods := "GET, HEAD, POST"
	if a.jsonRoom(r) {
		methods += ", PATCH, DELETE"
	}
	cors.Allow(w, r, methods)
	return true
}

// Package cors checks origins as a configuration lists them, and reads the preflight requests of browsers (Fetch
// standard).
package cors

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/internal/text"
)

// errOrigin completes "Config.Origins "…": ".
var errOrigin = errors.New(`write an origin as a browser sends it, "https://app.example.com": ` +
	"https (http for localhost and session.Config.DevelopmentHosts only), host in lower case, the port only if it is not the usual one, " +
	"no path, no wildcard")

// Origin reads an origin of a configuration. development reports whether http is allowed for a host.
func Origin(s string, development func(host string) bool) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || !text.Visible(s) || u.Scheme+"://"+u.Host != s || u.Hostname() == "",
		s != strings.ToLower(s) || strings.Contains(s, "*"),
		u.Scheme != "https" && (u.Scheme != "http" || !loopback.Host(u.Hostname()) && !development(u.Hostname())),
		UsualPort(u):
		return nil, errOrigin
	}
	return u, nil
}

// UsualPort reports whether a URL names the port that its scheme has anyway. Browsers leave it out.
func UsualPort(u *url.URL) bool {
	return u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" || strings.HasSuffix(u.Host, ":")
}

// Preflight reports whether a browser asks by this request whether it may send another one.
func Preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// Allow answers the preflight request of an origin that may call: with these methods and any header.
func Allow(w http.ResponseWriter, r *http.Request, methods string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	if asked := r.Header.Get("Access-Control-Request-Headers"); headerNames(asked) {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// headerNames reports whether s is a list of header names as a browser writes it.
func headerNames(s string) bool {
	for i := range len(s) {
		if c := s[i]; !text.TokenByte(c) && c != ',' && c != ' ' {
			return false
		}
	}
	return s != "" && len(s) <= 1024
}

package session

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/cors"
	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/text"
)

// parseIssuer checks an issuer against RFC 8414 section 2. http is for this machine and the hosts of development only.
func parseIssuer(issuer string, development []string) (*url.URL, error) {
	bad := func(why string) (*url.URL, error) {
		return nil, fmt.Errorf(`session: Config.Issuer %q: %s; write it like "https://api.example.com/auth"`, issuer, why)
	}
	if issuer == "" {
		return bad("it is missing")
	}
	u, err := url.Parse(issuer)
	switch {
	case err != nil || !text.Visible(issuer):
		return bad("it is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("it must begin with https://")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return bad("it has no host")
	case u.User != nil:
		return bad("it must not carry a user name")
	case strings.ContainsAny(issuer, "?#"):
		return bad("it must have no query and no fragment")
	case strings.HasSuffix(issuer, "/"):
		return bad("it must not end with a slash")
	case u.Scheme == "http" && !loopback.Host(u.Hostname()) && !slices.Contains(development, u.Hostname()):
		return bad("http is for localhost and Config.DevelopmentHosts only, everything else needs https")
	case cors.UsualPort(u):
		return bad("leave out the usual port, as browsers do")
	case u.Path != "" && (u.EscapedPath() != u.Path || strings.Contains(u.Path, "//") || dotted(u.Path)):
		return bad("its path must be plain: no escapes, empty parts or dots")
	case u.String() != issuer || u.Host != strings.ToLower(u.Host):
		return bad("it must be in normal form, the host in lower case")
	}
	return u, nil
}

// checkDevelopment checks Config.DevelopmentHosts.
func checkDevelopment(issuer *url.URL, hosts []string) error {
	if len(hosts) > 0 && issuer.Scheme == "https" {
		return errors.New("session: Config.DevelopmentHosts is for development, where Config.Issuer is http; leave it out")
	}
	for _, host := range hosts {
		if !loopback.Development(host) {
			return fmt.Errorf("session: Config.DevelopmentHosts: %q could be a host of the Internet, which needs https; "+
				`write a name without a dot, a name below .local, .test, .localhost, .internal or .home.arpa, or a private address, without a port`, host)
		}
	}
	return nil
}

// DevelopmentHost reports whether host, without a port, is one of Config.DevelopmentHosts.
func (s *Sessions) DevelopmentHost(host string) bool { return slices.Contains(s.development, host) }

func dotted(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// trustOrigins sets what CORS, the cross-origin check and cookies need to know of Config.Origins and Config.Site.
func (s *Sessions) trustOrigins(origins []string, site string) error {
	if site != "" && (!text.Visible(site) || strings.ContainsAny(site, "/:@*?#") || site != strings.ToLower(site) || !strings.Contains(strings.Trim(site, "."), ".") ||
		net.ParseIP(site) != nil || !below(s.base.Hostname(), site)) {
		return fmt.Errorf("session: Config.Site %q: write the registered domain of the issuer's host, such as example.com, in lower case", site)
	}
	s.origins = make(map[string]bool, len(origins))
	s.cross = http.NewCrossOriginProtection()
	// Behind a proxy that rewrites Host, the standard check would refuse the issuer's own pages.
	if err := s.cross.AddTrustedOrigin(s.origin); err != nil {
		return fmt.Errorf("session: Config.Issuer: %w", err)
	}
	for _, o := range origins {
		u, err := cors.Origin(o, s.DevelopmentHost)
		if err != nil {
			return fmt.Errorf("session: Config.Origins %q: %w", o, err)
		}
		if o == s.origin {
			continue
		}
		if err := s.cross.AddTrustedOrigin(o); err != nil {
			return fmt.Errorf("session: Config.Origins: %w", err)
		}
		s.origins[o] = true
		if sameSite(s.base, u, site) {
			continue
		}
		if !s.secure && (u.Scheme == "http" || loopback.Host(u.Hostname())) {
			// A cookie for another site needs SameSite=None and Secure, and browsers accept no Secure cookie over http.
			return fmt.Errorf("session: Config.Origins %q is another site than Config.Issuer %q, so browsers send no cookies from there over http; "+
				"use one name in both, such as %q", o, s.issuer, "http://"+joinPort(s.base.Hostname(), u.Port()))
		}
		s.crossSite = s.secure
	}
	return nil
}

// sameSite reports whether b is certainly of the same site as a. Two hosts below site are. Without site, siblings
// such as api.example.com and app.example.com count as two sites: that would need the Public Suffix List, and the
// cookies of two sites work for one as well.
func sameSite(a, b *url.URL, site string) bool {
	if a.Scheme != b.Scheme {
		return false // schemeful same-site
	}
	x, y := a.Hostname(), b.Hostname()
	if x == y {
		return true
	}
	if net.ParseIP(x) != nil || net.ParseIP(y) != nil {
		return false
	}
	return site != "" && below(x, site) && below(y, site) ||
		below(x, y) && strings.Contains(y, ".") || below(y, x) && strings.Contains(x, ".")
}

// below reports whether host is domain or a name below it.
func below(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

func joinPort(host, port string) string {
	if port == "" {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, port)
}

// Trusts reports whether origin, as the browser sent it, is the issuer's own or one of Config.Origins.
func (s *Sessions) Trusts(origin string) bool {
	return origin == s.origin || s.origins[origin]
}

// callable reports whether Config.OriginAlso lets pages of an origin call, without cookies.
func (s *Sessions) callable(origin string) bool {
	if s.originAlso == nil || strings.HasSuffix(origin, "/") {
		return false
	}
	u, ok := returnto.Canonical(origin + "/")
	return ok && u.Path == "/" && (u.Scheme == "https" || s.DevelopmentHost(u.Hostname())) && s.originAlso(u)
}

// CORS lets pages of Config.Origins call next with credentials and read its answers, and answers their preflights.
// Pages of origins for which Config.OriginAlso returns true call without credentials: browsers send no cookies.
// Pages of other origins cannot read the answers. Origins are compared as whole strings. CORS keeps nobody from
// sending a request: the cross-origin check of [Kind.Require] protects cookies.
func (s *Sessions) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin") // on errors too, or a cache sends the answer for one origin to another
		origin := r.Header["Origin"]
		withCookies := len(origin) == 1 && s.origins[origin[0]]
		listed := withCookies || len(origin) == 1 && origin[0] != s.origin && s.callable(origin[0])
		if listed {
			h.Set("Access-Control-Allow-Origin", origin[0])
		}
		if withCookies {
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		if !cors.Preflight(r) {
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
		cors.Allow(w, r, "GET, HEAD, POST, PUT, PATCH, DELETE")
	})
}

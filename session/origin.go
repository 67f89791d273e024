package session

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// parseIssuer holds an issuer to RFC 8414 section 2, with http for this machine only.
func parseIssuer(issuer string) (*url.URL, error) {
	bad := func(why string) (*url.URL, error) {
		return nil, fmt.Errorf(`session: Config.Issuer %q: %s; write it like "https://api.example.com/auth"`, issuer, why)
	}
	if issuer == "" {
		return bad("it is missing")
	}
	u, err := url.Parse(issuer)
	switch {
	case err != nil || !printable(issuer):
		return bad("it is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("it must begin with https://")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return bad("it names no host")
	case u.User != nil:
		return bad("it must not carry a user name")
	case strings.ContainsAny(issuer, "?#"):
		return bad("it must have no query and no fragment")
	case strings.HasSuffix(issuer, "/"):
		return bad("it must not end with a slash")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return bad("http is for localhost only, everything else needs https")
	case defaultPort(u):
		return bad("leave out the usual port, as browsers do")
	case u.Path != "" && (u.EscapedPath() != u.Path || strings.Contains(u.Path, "//") || dotted(u.Path)):
		return bad("its path must be plain: no escapes, empty parts or dots")
	case u.String() != issuer || u.Host != strings.ToLower(u.Host):
		return bad("it must be in normal form, the host in lower case")
	}
	return u, nil
}

func dotted(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// trustOrigins reads Config.Origins into what CORS, the cross-origin check and cookies need.
func (s *Sessions) trustOrigins(origins []string) error {
	s.origins = make(map[string]bool, len(origins))
	s.cross = http.NewCrossOriginProtection()
	// Behind a proxy that rewrites Host, the standard check would not know the issuer's own pages.
	if err := s.cross.AddTrustedOrigin(s.origin); err != nil {
		return fmt.Errorf("session: Config.Issuer: %w", err)
	}
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || !printable(o) || u.Scheme+"://"+u.Host != o || u.Hostname() == "" || o != strings.ToLower(o) || strings.Contains(o, "*") ||
			(u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) || defaultPort(u) {
			return fmt.Errorf(`session: Config.Origins %q: write an origin as a browser sends it, "https://app.example.com": `+
				"https (http for localhost only), host in lower case, the port only if it is not the usual one, no path, no wildcard", o)
		}
		if o == s.origin {
			continue
		}
		if err := s.cross.AddTrustedOrigin(o); err != nil {
			return fmt.Errorf("session: Config.Origins: %w", err)
		}
		s.origins[o] = true
		if !sameSite(s.base, u) {
			// Browsers drop SameSite=None without Secure, so on plain http there is nothing to gain by it.
			s.crossSite = s.secure
		}
	}
	return nil
}

func defaultPort(u *url.URL) bool {
	return u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" || strings.HasSuffix(u.Host, ":")
}

// sameSite reports whether b certainly is of the same site as a. Siblings (api.example.com, app.example.com) may or may
// not be, which only the Public Suffix List could tell: they count as cross-site, which works for both.
func sameSite(a, b *url.URL) bool {
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
	return strings.HasSuffix(x, "."+y) && strings.Contains(y, ".") || strings.HasSuffix(y, "."+x) && strings.Contains(x, ".")
}

// trusts reports whether origin, as the browser sent it, is the issuer's own or one of Config.Origins.
func (s *Sessions) trusts(origin string) bool {
	return origin == s.origin || s.origins[origin]
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// checkText refuses what would be trouble in a claim wherever it is shown: empty, long, not UTF-8, control characters.
func checkText(what, s string, longest int) error {
	switch {
	case s == "":
		return fmt.Errorf("session: %s is missing", what)
	case len(s) > longest:
		return fmt.Errorf("session: %s is longer than %d bytes", what, longest)
	case !utf8.ValidString(s):
		return fmt.Errorf("session: %s is not UTF-8", what)
	case strings.ContainsFunc(s, control):
		return fmt.Errorf("session: %s holds a control character", what)
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

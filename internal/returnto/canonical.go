package returnto

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/text"
)

const maxURL = 1024 // bytes

// Canonical parses an absolute http or https URL of which there is one spelling alone, so that every program reads the
// same host and path in it. ok is false for any other: user information, a fragment, a backslash, a host in capitals,
// beyond ASCII or of numbers that only some programs read, a trailing dot, the usual port or one with zeros, dot
// segments, empty segments, and escapes that a program may undo before it compares.
func Canonical(uri string) (u *url.URL, ok bool) {
	if len(uri) > maxURL || !text.Visible(uri) || strings.ContainsAny(uri, "\"#<>\\^`{|}") {
		return nil, false
	}
	scheme, rest, _ := strings.Cut(uri, "://")
	slash := strings.IndexByte(rest, '/')
	if scheme != "https" && scheme != "http" || slash < 0 {
		return nil, false
	}
	path, query, _ := strings.Cut(rest[slash:], "?")
	if !canonicalAuthority(scheme, rest[:slash]) || !canonicalPath(path) || !escapes(query, func(byte) bool { return true }) {
		return nil, false
	}
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || u.Host != rest[:slash] || u.EscapedPath() != path || u.String() != uri {
		return nil, false
	}
	return u, true
}

// canonicalAuthority checks a host and its port.
func canonicalAuthority(scheme, authority string) bool {
	host := authority
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host = authority[:i]
		port, err := strconv.ParseUint(authority[i+1:], 10, 16)
		if err != nil || port == 0 || strconv.FormatUint(port, 10) != authority[i+1:] || scheme == "https" && port == 443 || scheme == "http" && port == 80 {
			return false
		}
	}
	if literal, ok := strings.CutPrefix(host, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(literal, "]"))
		return err == nil && ip.Is6() && !ip.Is4In6() && ip.Zone() == "" && "["+ip.String()+"]" == host
	}
	return CanonicalHost(host)
}

// CanonicalHost reports whether host is a name in lower case without a trailing dot, or an IPv4 address, as every
// program reads it. Names beyond ASCII are written in Punycode. A host whose last label is a number is an address for
// browsers, so only the usual spelling of an address passes.
func CanonicalHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Is4() && ip.String() == host
	}
	return true
}

// canonicalPath checks a path that begins with a slash.
func canonicalPath(path string) bool {
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return false
		}
	}
	return escapes(path, func(c byte) bool {
		unreserved := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
		return !unreserved && c != '/' && c != '\\' && c >= ' ' && c != 0x7f && c != '%'
	})
}

// escapes reports whether every percent sign begins an escape in capital letters, of a byte that is allowed.
func escapes(s string, allowed func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+3 > len(s) || strings.Trim(s[i+1:i+3], "0123456789ABCDEF") != "" {
			return false
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil || !allowed(byte(c)) {
			return false
		}
		i += 2
	}
	return true
}

package session

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

var (
	errAmbiguousPath = errors.New("session: the path can be read in more than one way; write it without dots, empty parts and needless escapes")
	errTwoPaths      = fmt.Errorf("%w; X-Forwarded-Uri, X-Original-Uri, X-Original-Url and X-Rewrite-Url name different paths", errAmbiguousPath)
	errMissingPath   = errors.New("session: the proxy does not send the path, set X-Original-Uri; or use session.AnyPath if the same URL is asked for every path")
)

// AnyPath is only for [ForwardAuth]: it lets requests through whose path is ambiguous or missing. Use it if the program
// behind needs such paths (/packages/@scope%2Fname), and only if the proxy asks the same URL for every path, so that
// nothing depends on how a path is read.
const AnyPath = pathRule(1)

type pathRule uint8

func (pathRule) addTo(g *gate) { g.anyPath = true }

// checkPath refuses a request whose path proxy and backend may read differently, and a request without a path: the
// proxy does not send it then, and nothing would protect the guarded paths. The proxy may send the path in several
// headers, and a client may add others: each must be plain, and all must name the same path.
func (g guard) checkPath(r *http.Request) error {
	for _, gate := range g {
		if gate.anyPath {
			return nil
		}
	}
	_, err := forwardPath(r)
	return err
}

// forwardPath returns the one path that the headers of a proxy name.
func forwardPath(r *http.Request) (string, error) {
	if own := r.URL.EscapedPath(); own != "" { // Envoy asks with the path of the request; elsewhere it is the endpoint's
		if _, plain := plainPath(own); !plain {
			return "", errAmbiguousPath
		}
	}
	first, found := "", false
	for _, name := range [...]string{"X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url"} {
		for _, target := range r.Header[name] {
			if target == "" {
				return "", errMissingPath
			}
			path, plain := plainPath(target)
			if !plain {
				return "", errAmbiguousPath
			}
			if found && path != first {
				return "", errTwoPaths
			}
			first, found = path, true
		}
	}
	if !found {
		return "", errMissingPath
	}
	for _, target := range r.Header["X-Rewrite-Url"] { // no proxy sends it, and some programs read it as the path
		switch path, plain := plainPath(target); {
		case !plain:
			return "", errAmbiguousPath
		case path != first:
			return "", errTwoPaths
		}
	}
	return first, nil
}

// plainPath returns the decoded path of a request target, and reports whether every program reads it as the same path.
// The target is as the client sent it: a path with or without a query, an absolute URL, or *.
func plainPath(target string) (decoded string, plain bool) {
	if rest, found := cutScheme(target); found {
		host := strings.IndexFunc(rest, notOfHost)
		if host < 0 {
			return "/", rest != ""
		}
		// A client may write other characters into Host, such as a question mark, to turn the path into a query.
		if host == 0 || rest[host] != '/' {
			return "", false
		}
		target = rest[host:]
	}
	path, _, _ := strings.Cut(target, "?")
	if path == "*" {
		return path, true
	}
	if path == "" {
		return "", false
	}
	decoded, err := url.PathUnescape(path)
	// Invalid UTF-8 may hold a slash in an overlong form, which some programs decode.
	if err != nil || path[0] != '/' || strings.ContainsAny(path, `;\#`) || !utf8.ValidString(decoded) {
		return "", false
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(decoded[1:], "/"), "/") {
		if segment == "" && decoded != "/" || strings.Trim(segment, ".") == "" && segment != "" || cookieless(segment) {
			return "", false
		}
	}
	for i := 0; i < len(path); i++ {
		if path[i] < ' ' || path[i] == 0x7f {
			return "", false
		}
		if path[i] == '%' {
			if !needsEscape(unhex(path[i+1])<<4 | unhex(path[i+2])) {
				return "", false
			}
			i += 2
		}
	}
	return decoded, true
}

// cookieless reports whether ASP.NET may take a segment out of a path, as one that has a session in place of a cookie:
// "(S(...))". It does so also where nothing is configured.
func cookieless(segment string) bool {
	return len(segment) > 4 && segment[0] == '(' && segment[2] == '(' && strings.HasSuffix(segment, "))") &&
		'a' <= segment[1]|0x20 && segment[1]|0x20 <= 'z'
}

// notOfHost reports whether r is not part of a host and its port, in the form that browsers send.
func notOfHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:[]", r)
}

func cutScheme(target string) (rest string, found bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			return target[len(scheme):], true
		}
	}
	return "", false
}

// needsEscape reports whether an escaped c is an ordinary part of a path: it must be escaped there (RFC 3986 section
// 3.3), or is often escaped without a change of meaning, and it neither ends nor divides a path for anybody.
func needsEscape(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0: // unreserved
		return false
	case strings.IndexByte(`/\%;?#`, c) >= 0, c < ' ', c == 0x7f:
		return false
	}
	return true
}

// unhex returns the value of a hexadecimal digit.
func unhex(c byte) byte {
	if c > '9' {
		return c&^0x20 - 'A' + 10
	}
	return c - '0'
}

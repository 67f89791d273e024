// Package shortcookie names the short-lived cookies of the sign-in handler: attempts, tickets of the page between a
// form and another site, and what a person typed as their address. The handler makes them; guards remove them from a
// browser that has too many cookies.
package shortcookie

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/text"
)

// NameLength is the length of a name after its prefix: 72 bits.
const NameLength = 12

// Attempts returns the prefix of the cookies of attempts.
func Attempts(issuer string, secure bool) string { return prefix("flow-", issuer, secure) }

// Tickets returns the prefix of the cookies of tickets.
func Tickets(issuer string, secure bool) string { return prefix("continue-", issuer, secure) }

// Hints returns the prefix of the cookies with what a person typed as their address.
func Hints(issuer string, secure bool) string { return prefix("hint-", issuer, secure) }

// LastUsed returns the name of the cookie with the provider that a browser used last. It is not short-lived.
func LastUsed(issuer string, secure bool) string {
	return strings.TrimSuffix(prefix("last-", issuer, secure), "-")
}

// Offer returns the name of the cookie with hashes of the people who said "Not now" to an offer in a browser. It is not
// short-lived.
func Offer(issuer string, secure bool) string {
	return strings.TrimSuffix(prefix("offer-", issuer, secure), "-")
}

// Done returns the name of the cookie that lets a page say once what a form of this browser has done.
func Done(issuer string, secure bool) string {
	return strings.TrimSuffix(prefix("done-", issuer, secure), "-")
}

func prefix(kind, issuer string, secure bool) string {
	sum := sha256.Sum256([]byte(issuer))
	name := kind + base64.RawURLEncoding.EncodeToString(sum[:6]) + "-"
	if secure {
		// Browsers accept this prefix only from this host itself, with Path=/ and Secure: another host of the same
		// domain cannot plant a cookie (RFC 6265bis section 4.1.3.2).
		name = "__Host-" + name
	}
	return name
}

// Named returns the cookies of a request whose names begin with a prefix, those that only look like one included.
func Named(r *http.Request, prefix string) []*http.Cookie {
	return slices.DeleteFunc(r.Cookies(), func(k *http.Cookie) bool { return !named(k.Name, prefix) })
}

// What Clear looks at. Browsers keep some hundred cookies of a site, and net/http takes 1 MiB of headers.
const (
	maxScanned = 1 << 20
	maxCookies = 1000
)

// Clear removes at most n of these cookies of a browser, and reports whether there was one. Its cost is bounded,
// because it is for headers that are too large.
func Clear(w http.ResponseWriter, r *http.Request, issuer string, secure bool, n int) bool {
	gone := map[string]bool{}
	prefixes := []string{Attempts(issuer, secure), Tickets(issuer, secure), Hints(issuer, secure)}
	left, seen := maxScanned, 0
	for _, line := range r.Header["Cookie"] {
		line = line[:min(len(line), left)]
		left -= len(line)
		for part := range strings.SplitSeq(line, ";") {
			if seen++; seen > maxCookies || len(gone) == n {
				return len(gone) > 0
			}
			name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
			ours := func(prefix string) bool { return named(name, prefix) }
			if slices.ContainsFunc(prefixes, ours) && !gone[name] {
				gone[name] = true
				http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode})
			}
		}
	}
	return len(gone) > 0
}

// named reports whether a name is one of those with a prefix.
func named(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && len(rest) == NameLength && text.Base64URL(rest)
}

package session

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/text"
)

// checkText returns an error for a text that must not become a claim: empty, too long, not UTF-8, or with control
// characters.
func checkText(what, s string, longest int) error {
	switch {
	case s == "":
		return fmt.Errorf("session: %s is missing", what)
	case len(s) > longest:
		return fmt.Errorf("session: %s is longer than %d bytes", what, longest)
	case !utf8.ValidString(s):
		return fmt.Errorf("session: %s is not UTF-8", what)
	case text.HasControl(s):
		return fmt.Errorf("session: %s contains a control character", what)
	}
	return nil
}

// display returns the value of a header without control characters, cut at 255 bytes, so that a page can show it.
func display(s string) string {
	s = strings.Map(func(r rune) rune {
		if text.Control(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > 255 {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// scopeToken reports whether s may be a scope (RFC 6749 section 3.3). The rule applies to roles and methods too:
// gateways join lists with spaces, so a role with a space would become two roles.
func scopeToken(s string) bool {
	return s != "" && len(s) <= 255 && text.Visible(s) && !strings.ContainsAny(s, `"\`)
}

// base64Text reports whether s consists of n characters of base64url.
func base64Text(s string, n int) bool {
	return len(s) == n && text.Base64URL(s)
}

// b64token reports whether s has the form of a Bearer token (RFC 6750 section 2.1).
func b64token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+/", c) >= 0
}

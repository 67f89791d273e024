// Package text has the rules for characters that several packages need. Each rule is named after what it allows.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible reports whether s is visible ASCII alone (0x21 to 0x7e): no space, no control character, nothing beyond
// ASCII.
func Visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Printable reports whether s is printable ASCII alone, spaces included: the VSCHAR of RFC 6749 appendix A.
func Printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Control reports whether r is a control character: C0, DEL or C1.
func Control(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// HasControl reports whether s holds a control character.
func HasControl(s string) bool { return strings.ContainsFunc(s, Control) }

// Hidden reports whether r has no place in a line of text: control characters, bytes that are not UTF-8, and characters
// without a shape, among them those that turn the direction of the text around them (Unicode Standard Annex 9 section
// 2). The two joiners stay, which Persian, Indic scripts and emoji need. Separators of lines are white space.
func Hidden(r rune) bool {
	switch r {
	case '\u200c', '\u200d':
		return false
	}
	return Control(r) || r == utf8.RuneError || unicode.In(r, unicode.Cf, unicode.Co)
}

// Line returns s as one line that is safe to show, of at most max bytes: without Hidden characters, and with one space
// for each run of white space.
func Line(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.White_Space): // line breaks are control characters too, and separate words
			return ' '
		case Hidden(r):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	for len(s) > max {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.TrimSpace(s)
}

// Base64URL reports whether s is made of the letters of base64url alone, without padding (RFC 4648 section 5).
func Base64URL(s string) bool {
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// Token reports whether s is a token of HTTP, such as a method or the name of a header (RFC 9110 section 5.6.2).
func Token(s string) bool {
	for i := range len(s) {
		if !TokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// TokenByte reports whether c may stand in a [Token].
func TokenByte(c byte) bool { return alphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 }

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// Username returns the username that s stands for, with A to Z in lower case: 3 to 32 of a to z, 0 to 9 and ". _ -",
// with a letter or a digit at both ends. ok is false for everything else. No letter of another script becomes one of
// ASCII.
func Username(s string) (name string, ok bool) {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
		if !alphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return "", false
		}
	}
	if len(b) < 3 || len(b) > 32 || !alphanumeric(b[0]) || !alphanumeric(b[len(b)-1]) {
		return "", false
	}
	return string(b), true
}

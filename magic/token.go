package magic

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"strings"
)

const (
	tagSize    = 16 // bytes of the address tag: the place of an address in the store
	secretSize = 32 // random bytes of a link
	tokenSize  = (tagSize + secretSize) / 3 * 4
	codeDigits = 6
	longDigits = 10 // of a code while there are many wrong ones
)

// newToken makes the token of a link: the tag, which is the place in the store, and 256 random bits, which open it.
func newToken(random io.Reader, tag string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(tag)
	if err != nil || len(raw) != tagSize {
		return "", fmt.Errorf("magic: address tag of %d bytes", len(raw))
	}
	secret := make([]byte, secretSize)
	if _, err := io.ReadFull(random, secret); err != nil {
		return "", fmt.Errorf("magic: making a link: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(raw, secret...)), nil
}

// parseToken returns the tag in a token. It accepts only what newToken makes: 64 characters of base64url hold 48 bytes
// with no bit to spare, so there is one way to write each token.
func parseToken(token string) (tag string, ok bool) {
	if len(token) != tokenSize {
		return "", false
	}
	for _, c := range []byte(token) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return "", false
		}
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tagSize+secretSize {
		return "", false
	}
	return base64.RawURLEncoding.EncodeToString(raw[:tagSize]), true
}

// newCode makes a code. rand.Int draws again where a remainder would favour some codes.
func newCode(random io.Reader, digits int) (string, error) {
	n, err := rand.Int(random, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil))
	if err != nil {
		return "", fmt.Errorf("magic: making a code: %w", err)
	}
	return fmt.Sprintf("%0*d", digits, n), nil
}

// parseCode reads a code as people type and paste it, with spaces and dashes, and returns its digits.
func parseCode(s string) (code string, ok bool) {
	if len(s) > 64 {
		return "", false
	}
	code = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n', '\u00a0', '\u2009', '\u202f', '-', '\u2010', '\u2011', '\u2012', '\u2013', '\u2212':
			return -1
		}
		return r
	}, s)
	if len(code) != codeDigits && len(code) != longDigits {
		return "", false
	}
	for _, c := range []byte(code) {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return code, true
}

package hash

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxBytes is the greatest length of a password in bytes, before and after it is brought into form NFC.
const MaxBytes = 1024

// normal returns the password in form NFC. Nothing else is changed: spaces, letter case, control characters and
// invisible characters stay (RFC 8265 section 4.2 maps non-ASCII spaces; passwords that were set elsewhere may have
// them, so this package does not).
func normal(password string) (string, error) {
	if err := check(password); err != nil {
		return "", err
	}
	text := norm.NFC.String(password)
	if len(text) > MaxBytes { // some characters grow to three times their length
		return "", ErrTooLong
	}
	return text, nil
}

func check(password string) error {
	switch {
	case password == "":
		return ErrEmpty
	case len(password) > MaxBytes:
		return ErrTooLong
	case !utf8.ValidString(password):
		return ErrText
	}
	return nil
}

// candidates returns the forms of a password to try against f: NFC, and for imported formats also the characters as
// they were sent, because the system that made the hash may not have normalised them.
func candidates(f format, password string) ([]string, error) {
	text, err := normal(password)
	if err != nil {
		return nil, err
	}
	if s, ok := f.(scryptFormat); ok && s.nfkc {
		text = norm.NFKC.String(password)
		if len(text) > MaxBytes {
			return nil, ErrTooLong
		}
		return []string{text}, nil
	}
	if a, ok := f.(argon2Format); ok && a.native() || text == password {
		return []string{text}, nil
	}
	return []string{text, password}, nil
}

// hasNUL reports whether a password holds a zero byte. Some of these passwords are equal to others in imported formats:
// HMAC, and with it PBKDF2 and scrypt, pads its key with zero bytes; bcrypt repeats the password with a zero byte after
// it.
func hasNUL(password []byte) bool { return strings.IndexByte(string(password), 0) >= 0 }

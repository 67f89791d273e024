// Package mailaddr reads one mail address and brings it into the one form that is stored, compared and written to.
//
//	a, err := mailaddr.ParseTyped(r.PostFormValue("email"))
//	send(a.String())       // the canonical form, never what was typed
//	show(a.Mask())         // "a…@example.com"
//
// The canonical form is lower case throughout. RFC 5321 section 2.4 lets a server treat "Ada" and "ada" as two
// addresses; no mail service in use does, and two accounts that differ in case only are how one person takes over
// another's. Nothing else is folded: dots and +tags mean different things at different services, so they make different
// addresses.
//
// Only ASCII is taken, because letters that look alike in Unicode are different letters: a domain with other letters is
// written in punycode ("xn--…"), and other letters before the @ are refused.
package mailaddr

import (
	"errors"
	"strings"
	"unicode"
)

// Limits of RFC 5321 section 4.5.3.1 and RFC 1035 section 2.3.4, in bytes.
const (
	MaxLength = 254
	maxLocal  = 64
	maxLabel  = 63
)

// ErrInvalid is matched by every error of Parse.
var ErrInvalid = errors.New("mailaddr: not a mail address")

// An Error is the reason why an address is refused. It does not repeat the address.
type Error struct {
	// Text is for the person who typed the address. It is one sentence of plain text.
	Text string
}

func (e *Error) Error() string { return "mailaddr: " + e.Text }

// Is makes every Error match ErrInvalid.
func (e *Error) Is(target error) bool { return target == ErrInvalid }

// An Address is a mail address in canonical form. Only Parse makes one; two are the same if they are equal.
type Address struct{ local, domain string }

// String is the canonical form, "" for the zero Address. Parsing it again gives the same Address.
func (a Address) String() string {
	if a == (Address{}) {
		return ""
	}
	return a.local + "@" + a.domain
}

// Domain is the part after the @.
func (a Address) Domain() string { return a.domain }

// Mask is the address for pages and logs: the first letter and the domain, "a…@example.com".
// A local part of a single letter is hidden whole.
func (a Address) Mask() string {
	if a == (Address{}) {
		return ""
	}
	first := ""
	if len(a.local) > 1 {
		first = a.local[:1]
	}
	return first + "…@" + a.domain
}

// ParseTyped reads an address as a person typed or pasted it: characters around it that a person cannot see (white
// space, zero-width and direction marks) are left out. Otherwise it is Parse.
func ParseTyped(s string) (Address, error) {
	return Parse(strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }))
}

// Parse reads one bare address, such as "ada@example.com". It takes no display name, no list, no comment, no quoting,
// no address literal and no white space, not even around the address. The error is an *Error.
func Parse(s string) (Address, error) {
	if s == "" {
		return refuse("A mail address is needed.")
	}
	if len(s) > MaxLength {
		return refuse("The mail address is too long.")
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok {
		return refuse("A mail address has an @ in it, such as ada@example.com.")
	}
	if strings.Contains(domain, "@") {
		return refuse("A mail address has only one @ in it.")
	}
	if text := badLocal(local); text != "" {
		return refuse(text)
	}
	if text := badDomain(domain); text != "" {
		return refuse(text)
	}
	return Address{strings.ToLower(local), strings.ToLower(domain)}, nil // all of it is ASCII by now
}

func refuse(text string) (Address, error) { return Address{}, &Error{text} }

// badLocal checks for a dot-atom (RFC 5321 section 4.1.2).
func badLocal(s string) string {
	switch {
	case s == "":
		return "There is nothing before the @."
	case len(s) > maxLocal:
		return "The part before the @ is too long."
	case s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, ".."):
		return "Dots before the @ must stand between other characters."
	}
	for i := range len(s) {
		switch {
		case s[i] >= 0x80:
			return "The part before the @ has a letter or sign other than a to z, 0 to 9 and those of plain text. " +
				"Type it anew; an address with such letters can't be used here."
		case s[i] != '.' && !atext(s[i]):
			return "There is a character before the @ that is not allowed there. Type the address alone, such as ada@example.com, " +
				"without a name, spaces or quotes."
		}
	}
	return ""
}

// badDomain checks for a host name of two labels or more (RFC 1123 section 2.1).
func badDomain(s string) string {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80:
			return "The domain (after the @) has letters other than a to z. Mail programs have another spelling for such a domain, " +
				"which begins with xn--: type that, or use another address."
		case c != '.' && c != '-' && !alphanumeric(c):
			return "There is a character after the @ that is not allowed there. Type the address alone, such as ada@example.com."
		}
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		switch {
		case l == "":
			return "The domain (after the @) has a dot too many, or nothing in it."
		case len(l) > maxLabel:
			return "A part of the domain is too long."
		case l[0] == '-' || l[len(l)-1] == '-':
			return "A part of the domain begins or ends with a hyphen."
		}
	}
	last := labels[len(labels)-1]
	switch {
	case len(labels) < 2:
		return "The domain needs a dot, such as example.com."
	case strings.Trim(last, "0123456789") == "": // no top-level domain is a number; an IPv4 address ends in one
		return "The domain must be a name, not an address of a machine."
	}
	return ""
}

// atext is the set of RFC 5322 section 3.2.3.
func atext(c byte) bool {
	return alphanumeric(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

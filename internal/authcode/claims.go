package authcode

import (
	"cmp"
	"errors"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
)

// Claims are the standard claims about a person (OpenID Connect Core section 5.1) of one source: an ID token or a
// UserInfo answer.
type Claims struct {
	Subject        string
	Name, Username string // name; preferred_username, else nickname
	Picture        string
	Email, Phone   string
	EmailVerified  bool
	PhoneVerified  bool

	// TextTrue accepts the text "true" as the boolean, for a service whose documentation has it so. Set it before Read.
	TextTrue bool
}

// maxClaim is the largest size of a name, picture or address, in bytes. Longer ones are left out.
const maxClaim = 2 << 10

// Read reads one member. A wrong sub is an error; any other claim of the wrong type counts as absent.
func (c *Claims) Read(name, value string) error {
	into := func(to *string) {
		if s, err := jose.String(value); err == nil && len(s) <= maxClaim {
			*to = s
		}
	}
	switch name {
	case "sub":
		s, err := jose.String(value)
		// Core section 2: at most 255 ASCII characters, case-sensitive.
		if err == nil && (s == "" || len(s) > 255 || !text.Printable(s)) {
			err = errors.New("empty, too long or not ASCII")
		}
		c.Subject = s
		return err
	case "name":
		into(&c.Name)
	case "preferred_username":
		into(&c.Username)
	case "nickname":
		if c.Username == "" {
			into(&c.Username)
		}
	case "picture":
		into(&c.Picture)
	case "email":
		into(&c.Email)
	case "phone_number":
		into(&c.Phone)
	case "email_verified":
		// Only the boolean true. Some services send the text "true" when they copy an unproven value from a customer's
		// directory.
		c.EmailVerified = c.isTrue(value)
	case "phone_number_verified":
		c.PhoneVerified = c.isTrue(value)
	}
	return nil
}

func (c *Claims) isTrue(value string) bool { return value == "true" || c.TextTrue && value == `"true"` }

// Fill copies from other the claims that c lacks. An address and its proof must come from the same source: the proof in
// one source does not prove the address of the other.
func (c *Claims) Fill(other Claims) {
	c.Name = cmp.Or(c.Name, other.Name)
	c.Username = cmp.Or(c.Username, other.Username)
	c.Picture = cmp.Or(c.Picture, other.Picture)
	if c.Email == "" {
		c.Email, c.EmailVerified = other.Email, other.EmailVerified
	}
	if c.Phone == "" {
		c.Phone, c.PhoneVerified = other.Phone, other.PhoneVerified
	}
}

// Identity returns the person of the claims. An address without a canonical form is left out.
func (c Claims) Identity(issuer string) postern.Identity {
	id := postern.Identity{Issuer: issuer, Subject: c.Subject, Name: cmp.Or(c.Name, c.Username), Picture: Picture(c.Picture)}
	if a, ok := Email(c.Email, c.EmailVerified); ok {
		id.Addresses = append(id.Addresses, a)
	}
	if isPhone(c.Phone) {
		id.Addresses = append(id.Addresses, postern.Address{Type: "phone", Value: c.Phone, Verified: c.PhoneVerified})
	}
	return id
}

// Email returns a mail address in canonical form; false if value has no canonical form.
func Email(value string, verified bool) (postern.Address, bool) {
	a, err := mailaddr.Parse(value)
	return postern.Address{Type: "email", Value: a.String(), Verified: verified}, err == nil
}

// isPhone reports whether s is an E.164 number (Core section 5.1), without an extension, spaces or punctuation.
func isPhone(s string) bool {
	digits, ok := strings.CutPrefix(s, "+")
	return ok && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

// Picture returns raw if it is a web address, and else the empty string, because pages show it. It is never fetched
// here.
func Picture(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return raw
}

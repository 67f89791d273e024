package authcode

import (
	"cmp"
	"errors"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/mailaddr"
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

	// TextTrue takes "true" as text for the boolean, for a service that is documented to write it so. Set it before Read.
	TextTrue bool
}

// maxClaim is how long a name, picture or address may be to be kept.
const maxClaim = 2 << 10

// Read takes one member. sub must be right; any other claim of the wrong type counts as absent.
func (c *Claims) Read(name, value string) error {
	text := func(to *string) {
		if s, err := jose.String(value); err == nil && len(s) <= maxClaim {
			*to = s
		}
	}
	switch name {
	case "sub":
		s, err := jose.String(value)
		// Core section 2: at most 255 ASCII characters, case-sensitive.
		if err == nil && (s == "" || len(s) > 255 || !visible(s)) {
			err = errors.New("empty, too long or not ASCII")
		}
		c.Subject = s
		return err
	case "name":
		text(&c.Name)
	case "preferred_username":
		text(&c.Username)
	case "nickname":
		if c.Username == "" {
			text(&c.Username)
		}
	case "picture":
		text(&c.Picture)
	case "email":
		text(&c.Email)
	case "phone_number":
		text(&c.Phone)
	case "email_verified":
		// The boolean true and nothing else: "true" as text is what services send that copy what a customer's directory
		// says, without having proved it.
		c.EmailVerified = c.isTrue(value)
	case "phone_number_verified":
		c.PhoneVerified = c.isTrue(value)
	}
	return nil
}

func (c *Claims) isTrue(value string) bool { return value == "true" || c.TextTrue && value == `"true"` }

// Fill takes from other what c lacks. An address and its proof come from the same source: what one says about its
// address proves nothing about the other's.
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

// Identity is what the claims say of the person. An address that is none in canonical form is left out.
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

// Email is a mail address in canonical form. Where the original has no canonical form there is no address.
func Email(value string, verified bool) (postern.Address, bool) {
	a, err := mailaddr.Parse(value)
	return postern.Address{Type: "email", Value: a.String(), Verified: verified}, err == nil
}

// isPhone tells whether s is an E.164 number, as Core section 5.1 recommends it, without extension and decoration.
func isPhone(s string) bool {
	digits, ok := strings.CutPrefix(s, "+")
	return ok && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

// Picture is raw if it is a web address, and empty otherwise: it will be put into a page. It is never fetched here.
func Picture(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return raw
}

package oidc

import (
	"cmp"

	"github.com/posternauth/postern/keys"
)

// Yahoo signs in with a Yahoo account. Config needs ClientID and ClientSecret; the application there needs the
// permissions "email" and "profile" of OpenID Connect.
//
// An address is Verified if email_verified is the boolean true. Yahoo owns the proof of addresses at its own domains;
// how long ago another one was proven, and whether an abandoned Yahoo address was given to somebody else, it does not
// say.
//
// Its ways: ID tokens are signed with ES256. That Yahoo checks PKCE is not documented; it is sent.
// Source: https://developer.yahoo.com/sign-in-with-yahoo/.
func Yahoo(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "yahoo")
	c.Issuer = cmp.Or(c.Issuer, "https://api.login.yahoo.com")
	if c.Algorithms == nil {
		c.Algorithms = []keys.Algorithm{keys.ES256, keys.RS256}
	}
	return New(c)
}

package oidc

import (
	"cmp"
	"errors"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// LinkedIn signs in with a LinkedIn account. The application needs the product "Sign In with LinkedIn using OpenID
// Connect"; Config needs ClientID and ClientSecret.
//
// An address is Verified if email_verified is true, which LinkedIn writes as a boolean or as text. Whether it asks for
// a proof again when an address has a new owner is not documented. The subject is stable for one application.
//
// Its ways: LinkedIn puts no nonce into ID tokens, and refuses PKCE of clients with a secret. So the state alone, bound
// to the browser and used once, ties the answer to the person: a code that leaks before it is used could be used in
// another browser. Prefer another provider where that matters. The issuer was https://www.linkedin.com before it became
// https://www.linkedin.com/oauth; ID tokens with either are taken, and Identity.Issuer is the latter.
// Sources: https://learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2; for nonce
// and PKCE, which it does not mention, reports of other clients, such as https://github.com/nextauthjs/next-auth/issues/8831
// and https://github.com/authlib/authlib/issues/763.
func LinkedIn(c Config) *Provider {
	c.Issuer = cmp.Or(c.Issuer, "https://www.linkedin.com/oauth")
	if c.AuthMethod == "" && c.ClientSecret != "" {
		c.AuthMethod = authcode.AuthPost
	}
	issuer := c.Issuer
	earlier := strings.TrimSuffix(issuer, "/oauth")
	either := func(iss string) bool { return iss == issuer || iss == earlier }
	return build(c, quirks{
		noPKCE: true, noNonce: true, textTrue: true, issuerOK: either,
		issuer: func(_ string, c *idClaims) (string, error) {
			if !either(c.issuer) {
				return "", errors.New("claim iss is not LinkedIn's")
			}
			return c.issuer, nil
		},
		finish: func(_ authcode.Login, _ *idClaims, id *postern.Identity) error {
			id.Issuer = issuer
			return nil
		},
	})
}

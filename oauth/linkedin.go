package oauth

import (
	"cmp"
	"context"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// LinkedIn signs in with a LinkedIn account. The application needs the product "Sign In with LinkedIn using OpenID
// Connect"; Config needs ClientID and ClientSecret. Scopes defaults to openid, profile and email.
//
// The identity comes from the UserInfo endpoint. LinkedIn's ID tokens cannot be used: they carry no nonce, and their
// header has a zip ("RS256") without a meaning. A token with an unknown header must be refused.
// Identity.Issuer is https://www.linkedin.com/oauth, and Subject is sub, which is one for an application. An address
// is Verified if email_verified is the boolean true. Whether LinkedIn asks for a proof again when an address has a
// new owner is not documented.
//
// Its ways: PKCE of a client with a secret is answered with invalid_client, so none is sent. The state alone, bound
// to the browser and used once, ties the answer to the person: a code that leaks before it is used could be used in
// another browser. Prefer another provider where that matters.
// Sources: https://learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2; for what
// it does not mention, reports of other clients: PKCE https://github.com/nextauthjs/next-auth/issues/8831, nonce
// https://github.com/authlib/authlib/issues/763, zip https://github.com/DCIT/perl-Crypt-JWT/pull/39.
func LinkedIn(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "linkedin")
	c = c.or(Config{
		Issuer: "https://www.linkedin.com/oauth",
		Scopes: []string{"openid", "profile", "email"}, AuthMethod: authcode.AuthPost,
		Endpoint: Endpoint{
			AuthURL:     "https://www.linkedin.com/oauth/v2/authorization",
			TokenURL:    "https://www.linkedin.com/oauth/v2/accessToken",
			UserInfoURL: "https://api.linkedin.com/v2/userinfo",
		},
	})
	if c.Profile == nil {
		url, issuer := c.Endpoint.UserInfoURL, c.Issuer
		c.Profile = func(ctx context.Context, hc *http.Client, t postern.Tokens) (postern.Identity, error) {
			return standardProfile(ctx, hc, url, issuer, t)
		}
	}
	p := build(c, false)
	p.client.NoPKCE = true
	return p
}

package oauth

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/jose"
)

// Google signs in with a Google account by plain OAuth 2: the UserInfo endpoint says who it is. oidc.Google does the
// same with a signed ID token and one call less; both give one person the same issuer (https://accounts.google.com)
// and subject, so an application can change over. This mode is for those who mostly want Google's tokens to call its
// APIs.
//
// The address is Verified if email_verified is the boolean true. Google owns the proof of gmail.com and Workspace
// addresses; any other address was proven by a mail when the account was made and may have a new owner since.
//
// Scopes defaults to openid, email and profile. For a refresh token set AuthParams to {"access_type": "offline"}, and
// Prompt to "consent" to get another one later; {"include_granted_scopes": "true"} adds to what was granted before.
// Prompt "select_account" lets people choose among their accounts.
func Google(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "google")
	c.Issuer = cmp.Or(c.Issuer, "https://accounts.google.com")
	c.Endpoint.AuthURL = cmp.Or(c.Endpoint.AuthURL, "https://accounts.google.com/o/oauth2/v2/auth")
	c.Endpoint.TokenURL = cmp.Or(c.Endpoint.TokenURL, "https://oauth2.googleapis.com/token")
	c.Endpoint.UserInfoURL = cmp.Or(c.Endpoint.UserInfoURL, "https://openidconnect.googleapis.com/v1/userinfo")
	c.Endpoint.Issuer = cmp.Or(c.Endpoint.Issuer, c.Issuer)
	if c.AuthMethod == "" && c.ClientSecret != "" {
		c.AuthMethod = authcode.AuthPost
	}
	if c.Scopes == nil {
		c.Scopes = []string{"openid", "email", "profile"}
	}
	if c.Profile == nil {
		url, issuer := c.Endpoint.UserInfoURL, c.Issuer
		c.Profile = func(ctx context.Context, hc *http.Client, t postern.Tokens) (postern.Identity, error) {
			return standardProfile(ctx, hc, url, issuer, t)
		}
	}
	return build(c, false)
}

// standardProfile reads a UserInfo answer (OpenID Connect Core section 5.3.2).
func standardProfile(ctx context.Context, hc *http.Client, url, issuer string, t postern.Tokens) (postern.Identity, error) {
	raw, err := Get(ctx, hc, url, t)
	if err != nil {
		return postern.Identity{}, err
	}
	var claims authcode.Claims
	if err := jose.Object(string(raw), claims.Read); err != nil {
		return postern.Identity{}, fmt.Errorf("UserInfo: %w", err)
	}
	id := claims.Identity(issuer)
	id.Raw, id.UserInfo = raw, raw
	return id, nil
}

package oidc

import (
	"cmp"
	"maps"

	"github.com/posternauth/postern/internal/authcode"
)

// Twitch signs in with a Twitch account, by the code flow.
//
// Config needs ClientID and ClientSecret. Scopes defaults to openid and user:read:email. Identity.Name is the name
// shown on the channel. An address is Verified if Twitch says so with the boolean true: it has then sent a mail
// there. AuthParams {"force_verify": "true"} asks for consent again; Twitch knows no prompt.
//
// Its ways: addresses and names come only if the parameter claims asks for them, which this does; the client secret is
// taken in the body only; the token answer lists scopes as an array
// (https://dev.twitch.tv/docs/authentication/getting-tokens-oidc).
func Twitch(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "twitch")
	c.Issuer = cmp.Or(c.Issuer, "https://id.twitch.tv/oauth2")
	if c.Scopes == nil {
		c.Scopes = []string{"openid", "user:read:email"}
	}
	if c.AuthMethod == "" && c.ClientSecret != "" {
		c.AuthMethod = authcode.AuthPost
	}
	if _, ok := c.AuthParams["claims"]; !ok {
		c.AuthParams = maps.Clone(c.AuthParams)
		if c.AuthParams == nil {
			c.AuthParams = map[string]string{}
		}
		c.AuthParams["claims"] = `{"id_token":{"email":null,"email_verified":null,"picture":null,"preferred_username":null}}`
	}
	return build(c, quirks{noAuthTime: true})
}

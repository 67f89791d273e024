package oidc

import (
	"cmp"
	"errors"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// Cognito signs in with an account of an Amazon Cognito user pool, such as "eu-central-1_AbCdEf123". The pool needs a
// domain for its pages ("managed login", before it "hosted UI") and an app client with the authorization code grant;
// its domain is found through the metadata.
//
// Config needs ClientID, and ClientSecret if the app client has one. The app client must allow all Scopes: by default
// openid, email and profile. Forward "identity_provider" leads people straight to a provider of the pool.
//
// An address is Verified if email_verified is true. In ID tokens that is a boolean, in the UserInfo answer text; both
// are taken. It is the pool's word: it is true after Cognito has mailed a code, but administrators may set it, and for
// people of a federated provider it is what the attribute mapping of the pool says.
//
// Its ways: access and ID tokens have the same issuer and keys, so the claim token_use must be "id".
// Sources: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html,
// https://docs.aws.amazon.com/cognito/latest/developerguide/userinfo-endpoint.html.
func Cognito(pool string, c Config) *Provider {
	q := quirks{textTrue: true, finish: cognitoUse}
	region, id, ok := strings.Cut(pool, "_")
	if !ok || region == "" || id == "" || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.ContainsAny(id, "/?#@:% ") {
		q.err = errors.New(`oidc: Cognito: pool must be the id of a user pool, such as "eu-central-1_AbCdEf123"`)
	}
	c.Issuer = cmp.Or(c.Issuer, "https://cognito-idp."+region+".amazonaws.com/"+pool)
	return build(c, q)
}

func cognitoUse(_ authcode.Login, c *idClaims, _ *postern.Identity) error {
	if c.text("token_use") != "id" {
		return errors.New(`claim token_use is not "id"`)
	}
	return nil
}

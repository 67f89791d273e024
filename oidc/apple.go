package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
	"github.com/posternauth/postern/internal/discovery"
	"github.com/posternauth/postern/keys"
)

// appleSecretLife is how long a client secret is good for. It is used at once; Apple would take six months.
const appleSecretLife = 5 * time.Minute

// Apple signs in with an Apple Account. It needs a key for "Sign in with Apple", made in the developer account:
//
//	key, err := keys.ParsePrivatePEM(p8, keys.ES256, "ABC123DEFG") // content of AuthKey_ABC123DEFG.p8, and its key id
//	apple := oidc.Apple("TEAM123456", key, oidc.Config{ClientID: "com.example.web"})
//
// ClientID is the Services ID. There is no ClientSecret to renew: for each sign-in a secret of five minutes is signed
// with the key (ES256). Scopes defaults to openid, email and name.
//
// The name comes once: in a field of the browser's form when somebody signs in to the application for the first time,
// and never again unless they take their consent back. Save it then. The browser sends it and Apple does not sign it,
// so Identity.Name is something to show and nothing else; an address in that field is not looked at.
//
// An address is Verified if email_verified of the ID token is true, which Apple writes as a boolean or as text. It may
// be a relay of Apple's (is_private_email in Identity.Raw) that takes mail from registered senders only. The subject
// is stable for all applications of one team.
//
// Its ways: the answer comes by a POST from Apple's site, so cookies need https, and localhost is not possible;
// endpoints are fixed, because the metadata have named another issuer than the ID tokens for a time (June 2025). That
// Apple checks PKCE is not documented; it is sent.
// Sources: https://developer.apple.com/documentation/signinwithapplerestapi,
// https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret.
func Apple(teamID string, key keys.SigningKey, c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "apple")
	c.Issuer = strings.TrimSuffix(cmp.Or(c.Issuer, "https://appleid.apple.com"), "/")
	if c.Scopes == nil {
		c.Scopes = []string{"openid", "email", "name"}
	}
	q := quirks{
		noAuthTime: true,
		metadata: &discovery.Metadata{
			Issuer: c.Issuer, AuthURL: c.Issuer + "/auth/authorize", TokenURL: c.Issuer + "/auth/token", JWKS: c.Issuer + "/auth/keys",
		},
		formPost: true, textTrue: true, finish: appleName,
	}
	s := appleSecret{team: teamID, client: c.ClientID, audience: c.Issuer, key: key}
	q.err, q.secret = s.check(c), s.sign
	return build(c, q)
}

// appleSecret makes client secrets.
type appleSecret struct {
	team, client, audience string
	key                    keys.SigningKey
}

func (s appleSecret) check(c Config) error {
	switch {
	case len(s.team) != 10:
		return errors.New("oidc: Apple: teamID must be the ten characters of the developer account's Team ID")
	case s.key == nil:
		return errors.New("oidc: Apple: key is missing: read the .p8 file with keys.ParsePrivatePEM")
	case s.key.Public().Algorithm() != keys.ES256:
		return errors.New("oidc: Apple: key must be for ES256")
	case len(s.key.Public().ID()) != 10:
		return errors.New("oidc: Apple: the id of key must be Apple's, ten characters: it is in the name of the .p8 file")
	case c.ClientSecret != "" || c.AuthMethod != "":
		return errors.New("oidc: Apple: leave Config.ClientSecret and AuthMethod empty: the secret is made of key")
	case c.ClientKey != nil || c.ClientKeyAudience != "":
		return errors.New("oidc: Apple: leave Config.ClientKey empty: key is an argument")
	case c.MetadataURL != "" || c.Endpoint != Endpoint{}:
		return errors.New("oidc: Apple: leave Config.MetadataURL and Endpoint empty: the endpoints are fixed")
	case c.UserInfo:
		return errors.New("oidc: Apple: there is no UserInfo endpoint: leave Config.UserInfo out")
	}
	return nil
}

// sign makes a client secret that is good from now on.
func (s appleSecret) sign(ctx context.Context, now time.Time) (string, error) {
	return authcode.SignJWT(ctx, s.key, "", map[string]any{
		"iss": s.team, "iat": now.Unix(), "exp": now.Add(appleSecretLife).Unix(), "aud": s.audience, "sub": s.client,
	})
}

// maxName is how long a name may be to be kept, in bytes.
const maxName = 200

// appleName takes the name from the form. What is there may be made up, and is left out if it is malformed.
func appleName(l authcode.Login, _ *idClaims, id *postern.Identity) error {
	var user struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if id.Name != "" || json.Unmarshal([]byte(l.Form.Get("user")), &user) != nil {
		return nil
	}
	name := strings.TrimSpace(strings.TrimSpace(user.Name.First) + " " + strings.TrimSpace(user.Name.Last))
	if len(name) <= maxName && !strings.ContainsFunc(name, unicode.IsControl) {
		id.Name = name
	}
	return nil
}

package oauth

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// Facebook signs in with a Facebook account. Config needs ClientID (the App ID) and ClientSecret (the App Secret).
// Scopes defaults to public_profile and email.
//
// The subject is an id that Facebook makes for the person and this app. The address is never Verified: Facebook's API
// does not say whether it was proven. It is absent if the person declined it or has only a telephone number.
//
// Its ways: calls carry appsecret_proof, so "Require App Secret" can, and should, be on in the app's settings. Errors
// of the token endpoint are objects of Facebook's own, so a code that is too old is shown as provider_error. The
// browser comes back with the fragment #_=_, which means nothing: an empty one takes its place. Endpoints name no
// version of the API, which stands for the oldest one that is open to the app; set Endpoint for another.
// Sources: https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow,
// https://developers.facebook.com/docs/graph-api/guides/secure-requests,
// https://developers.facebook.com/docs/graph-api/reference/user.
func Facebook(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "facebook")
	c = c.or(Config{
		Issuer: "https://www.facebook.com",
		Scopes: []string{"public_profile", "email"}, AuthMethod: authcode.AuthPost,
		Endpoint: Endpoint{
			AuthURL:     "https://www.facebook.com/dialog/oauth",
			TokenURL:    "https://graph.facebook.com/oauth/access_token",
			UserInfoURL: "https://graph.facebook.com/me",
		},
	})
	if c.Profile == nil {
		me, secret := c.Endpoint.UserInfoURL, c.ClientSecret
		c.Profile = func(ctx context.Context, hc *http.Client, t postern.Tokens) (postern.Identity, error) {
			q := url.Values{"fields": {"id,name,email,picture"}}
			if secret != "" {
				q.Set("appsecret_proof", appSecretProof(secret, t.Access))
			}
			return facebookProfile(ctx, hc, withQuery(me, q), t)
		}
	}
	p := build(c, false)
	p.client.EndFragment = true
	return p
}

// appSecretProof shows that a call comes from the app, and not from somebody who found a token.
func appSecretProof(secret, token string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}

func facebookProfile(ctx context.Context, hc *http.Client, me string, t postern.Tokens) (postern.Identity, error) {
	raw, err := Get(ctx, hc, me, t)
	if err != nil {
		return postern.Identity{}, err
	}
	var user struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Email   string `json:"email"`
		Picture struct {
			Data struct {
				URL string `json:"url"`
			} `json:"data"`
		} `json:"picture"`
	}
	if err := json.Unmarshal(raw, &user); err != nil {
		return postern.Identity{}, fmt.Errorf("Facebook user: %w", err)
	}
	if user.ID == "" {
		return postern.Identity{}, errors.New("Facebook user: no id")
	}
	return postern.Identity{
		Subject: user.ID, Name: user.Name, Picture: authcode.Picture(user.Picture.Data.URL), Addresses: mail(user.Email, false), Raw: raw,
	}, nil
}

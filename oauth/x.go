package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// X signs in with an X account, formerly Twitter, by OAuth 2 as a confidential client ("Web App" in the developer
// console). Config needs ClientID and ClientSecret, those of OAuth 2 and not the API key. Scopes defaults to users.read
// and tweet.read; X wants both for the profile. "offline.access" adds a refresh token.
//
// The subject is the account's number: handles can be changed and taken by somebody else. By default there is no
// address. With the scope users.email, and "Request email from users" on in the app's settings, there is the one that X
// calls confirmed (confirmed_email), and it is Verified; how X confirmed it is not documented.
//
// Sources: https://docs.x.com/resources/fundamentals/authentication/oauth-2-0/authorization-code,
// https://docs.x.com/x-api/users/user-lookup-me, and for the address
// https://devcommunity.x.com/t/announcing-support-for-email-address-retrieval-with-oauth-2-0-in-the-x-api-v2/240555.
func X(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "x")
	c = c.or(Config{
		Issuer: "https://x.com",
		Scopes: []string{"users.read", "tweet.read"}, AuthMethod: authcode.AuthBasic,
		Endpoint: Endpoint{
			AuthURL:     "https://x.com/i/oauth2/authorize",
			TokenURL:    "https://api.x.com/2/oauth2/token",
			UserInfoURL: "https://api.x.com/2/users/me",
		},
	})
	if c.Profile == nil {
		fields := "profile_image_url"
		if slices.Contains(c.Scopes, "users.email") {
			fields = "confirmed_email,profile_image_url"
		}
		me := withQuery(c.Endpoint.UserInfoURL, url.Values{"user.fields": {fields}})
		c.Profile = func(ctx context.Context, hc *http.Client, t postern.Tokens) (postern.Identity, error) {
			return xProfile(ctx, hc, me, t)
		}
	}
	return build(c, false)
}

func xProfile(ctx context.Context, hc *http.Client, me string, t postern.Tokens) (postern.Identity, error) {
	raw, err := Get(ctx, hc, me, t)
	if err != nil {
		return postern.Identity{}, err
	}
	var answer struct {
		Data struct {
			ID       string `json:"id"`
			Name     string `json:"name"`
			Username string `json:"username"`
			Picture  string `json:"profile_image_url"`
			Email    string `json:"confirmed_email"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return postern.Identity{}, fmt.Errorf("X user: %w", err)
	}
	user := answer.Data
	if user.ID == "" || strings.Trim(user.ID, "0123456789") != "" {
		return postern.Identity{}, errors.New("X user: no id")
	}
	return postern.Identity{
		Subject: user.ID, Name: cmp.Or(user.Name, user.Username), Picture: authcode.Picture(user.Picture), Addresses: mail(user.Email, true), Raw: raw,
	}, nil
}

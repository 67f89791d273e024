package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// Spotify signs in with a Spotify account. Config needs ClientID and ClientSecret. Scopes defaults to user-read-email.
// AuthParams {"show_dialog": "true"} asks for consent again; Spotify knows no prompt.
//
// The subject is the Spotify user id. The address is never Verified: Spotify's documentation says that it is what the
// person typed when the account was made, and no proof that it is theirs.
//
// Its ways: redirect URIs are https, or http on 127.0.0.1 or [::1], but not on localhost; an app in development mode
// lets in listed people only, and the profile answers 403 to others.
// Sources: https://developer.spotify.com/documentation/web-api/tutorials/code-flow,
// https://developer.spotify.com/documentation/web-api/reference/get-current-users-profile.
func Spotify(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "spotify")
	c = c.or(Config{
		Issuer: "https://accounts.spotify.com",
		Scopes: []string{"user-read-email"}, AuthMethod: authcode.AuthBasic,
		Endpoint: Endpoint{
			AuthURL:     "https://accounts.spotify.com/authorize",
			TokenURL:    "https://accounts.spotify.com/api/token",
			UserInfoURL: "https://api.spotify.com/v1/me",
		},
	})
	if c.Profile == nil {
		me := c.Endpoint.UserInfoURL
		c.Profile = func(ctx context.Context, hc *http.Client, t postern.Tokens) (postern.Identity, error) {
			return spotifyProfile(ctx, hc, me, t)
		}
	}
	return build(c, false)
}

func spotifyProfile(ctx context.Context, hc *http.Client, me string, t postern.Tokens) (postern.Identity, error) {
	raw, err := Get(ctx, hc, me, t)
	if err != nil {
		return postern.Identity{}, err
	}
	var user struct {
		ID     string `json:"id"`
		Name   string `json:"display_name"` // null if there is none
		Email  string `json:"email"`
		Images []struct {
			URL string `json:"url"`
		} `json:"images"`
	}
	if err := json.Unmarshal(raw, &user); err != nil {
		return postern.Identity{}, fmt.Errorf("Spotify user: %w", err)
	}
	if user.ID == "" {
		return postern.Identity{}, errors.New("Spotify user: no id")
	}
	id := postern.Identity{Subject: user.ID, Name: user.Name, Addresses: mail(user.Email, false), Raw: raw}
	if len(user.Images) > 0 {
		id.Picture = authcode.Picture(user.Images[0].URL)
	}
	return id, nil
}

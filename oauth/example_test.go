package oauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oauth"
)

func ExampleGitHub() {
	github := oauth.GitHub(oauth.Config{ClientID: "id", ClientSecret: "secret"})
	fmt.Println(github.Check())
	// Output: <nil>
}

// A GitHub Enterprise Server.
func ExampleGitHub_enterprise() {
	github := oauth.GitHub(oauth.Config{Issuer: "https://github.example.com", ClientID: "id", ClientSecret: "secret"})
	fmt.Println(github.Check())
	// Output: <nil>
}

// Google, mostly for its tokens: a refresh token, and the calendar.
func ExampleGoogle() {
	google := oauth.Google(oauth.Config{
		ClientID: "id", ClientSecret: "secret",
		Scopes:     []string{"openid", "email", "https://www.googleapis.com/auth/calendar.readonly"},
		Prompt:     "consent",
		AuthParams: map[string]string{"access_type": "offline", "include_granted_scopes": "true"},
	})
	fmt.Println(google.Check())
	// Output: <nil>
}

// Any other service is two URLs and a function.
func ExampleNew() {
	music := oauth.New(oauth.Config{
		ClientID: "id", ClientSecret: "secret",
		Scopes: []string{"profile"},
		Issuer: "https://music.example.com",
		Endpoint: oauth.Endpoint{
			AuthURL:  "https://music.example.com/authorize",
			TokenURL: "https://music.example.com/token",
		},
		Profile: func(ctx context.Context, c *http.Client, t postern.Tokens) (postern.Identity, error) {
			raw, err := oauth.Get(ctx, c, "https://music.example.com/me", t)
			if err != nil {
				return postern.Identity{}, err
			}
			var me struct {
				ID   string `json:"id"`
				Name string `json:"display_name"`
			}
			if err := json.Unmarshal(raw, &me); err != nil {
				return postern.Identity{}, err
			}
			return postern.Identity{Subject: me.ID, Name: me.Name, Raw: raw}, nil
		},
	})
	fmt.Println(music.Check())
	// Output: <nil>
}

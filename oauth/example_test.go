package oauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

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

// TikTok leaves RFC 6749: the client id has another name, in both requests.
func ExampleConfig_tokenRequest() {
	const key = "client key"
	tikTok := oauth.New(oauth.Config{
		ClientID: key, ClientSecret: "secret", Scopes: []string{"user.info.basic"}, AuthMethod: "client_secret_post",
		Issuer: "https://www.tiktok.com",
		Endpoint: oauth.Endpoint{
			AuthURL: "https://www.tiktok.com/v2/auth/authorize/", TokenURL: "https://open.tiktokapis.com/v2/oauth/token/",
		},
		AuthParams:   map[string]string{"client_key": key},
		TokenRequest: func(form url.Values, _ http.Header) { form.Set("client_key", form.Get("client_id")) },
		Profile: func(ctx context.Context, c *http.Client, t postern.Tokens) (postern.Identity, error) {
			raw, err := oauth.Get(ctx, c, "https://open.tiktokapis.com/v2/user/info/?fields=open_id", t)
			if err != nil {
				return postern.Identity{}, err
			}
			var me struct {
				Data struct {
					User struct {
						ID string `json:"open_id"`
					} `json:"user"`
				} `json:"data"`
			}
			err = json.Unmarshal(raw, &me)
			return postern.Identity{Subject: me.Data.User.ID, Raw: raw}, err
		},
	})
	fmt.Println(tikTok.Check())
	// Output: <nil>
}

// Slack's tokens of people are in an object of the answer.
func ExampleConfig_tokenAnswer() {
	c := oauth.Config{
		TokenAnswer: func(body []byte) (postern.Tokens, error) {
			var a struct {
				User struct {
					Access string `json:"access_token"`
				} `json:"authed_user"`
			}
			err := json.Unmarshal(body, &a)
			return postern.Tokens{Access: a.User.Access}, err
		},
	}
	tokens, err := c.TokenAnswer([]byte(`{"ok":true,"authed_user":{"access_token":"xoxp-1"}}`))
	fmt.Println(tokens.Access, err)
	// Output: xoxp-1 <nil>
}

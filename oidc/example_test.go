package oidc_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
)

// How the parts of a program come together: sessions and findUser are the application's.
func Example() {
	var sessions *session.Sessions
	var findUser func(postern.Identity) (string, error)

	user := session.NewKind[struct{}](sessions, "user")
	_ = postern.Config{
		Sessions:  sessions,
		Redirects: []string{"https://app.example.com/"},
		Providers: map[string]postern.Provider{
			"google":  oidc.Google(oidc.Config{ClientID: "google-id", ClientSecret: "google-secret"}),
			"company": oidc.New(oidc.Config{Issuer: "https://login.example.com", ClientID: "id", ClientSecret: "secret"}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			id, err := findUser(in.Identity) // by Issuer and Subject
			if err != nil {
				return err
			}
			return user.Cookie(w, r, session.Grant[struct{}]{Subject: id, Auth: in.Auth}, in.Return)
		},
	}
}

// Any provider with a discovery document. Here the person must have signed in there within the last hour.
func ExampleNew() {
	company := oidc.New(oidc.Config{
		Issuer:   "https://login.example.com",
		ClientID: "id", ClientSecret: "secret",
		Scopes: []string{"openid", "email"},
		MaxAge: time.Hour,
	})
	fmt.Println(company.Check())
	// Output: <nil>
}

// Accounts of one Google Workspace, with a refresh token for Google's APIs.
func ExampleGoogle() {
	google := oidc.Google(oidc.Config{
		ClientID: "id", ClientSecret: "secret",
		HostedDomain: "example.com",
		Prompt:       "consent",
		AuthParams:   map[string]string{"access_type": "offline"},
	})
	fmt.Println(google.Check())
	// Output: <nil>
}

func ExampleTwitch() {
	twitch := oidc.Twitch(oidc.Config{ClientID: "id", ClientSecret: "secret"})
	fmt.Println(twitch.Check())
	// Output: <nil>
}

// Check says what is wrong before anybody signs in; postern.New asks it too.
func ExampleProvider_Check() {
	fmt.Println(oidc.Google(oidc.Config{ClientID: "id", Scopes: []string{"email"}}).Check())
	// Output: oidc: Config.Scopes must hold "openid": without it there is no ID token
}

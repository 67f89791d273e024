package oidc_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
)

// How the parts of a program come together: sessions and findUser are the application's.
func Example() {
	var sessions *session.Sessions
	var findUser func(key string) (string, error)

	user := session.NewKind[struct{}](sessions, "user")
	_ = postern.Config{
		Sessions:  sessions,
		Redirects: []string{"https://app.example.com/"},
		Providers: map[string]postern.Provider{
			"google":  oidc.Google(oidc.Config{ClientID: "google-id", ClientSecret: "google-secret"}),
			"company": oidc.New(oidc.Config{Issuer: "https://login.example.com", ClientID: "id", ClientSecret: "secret"}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			id, err := findUser(in.Identity.Key()) // one key for one person
			if err != nil {
				return err
			}
			return user.Cookie(w, r, session.Grant[struct{}]{Subject: id, Authentication: in.Authentication}, in.Return)
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

// A provider whose metadata are not where its issuer is, and that takes a signed assertion in place of a secret. The
// public part of the key, with its kid, is registered there.
func ExampleNew_privateKey() {
	key, err := keys.Generate(keys.ES256) // a program reads it from where it keeps its secrets
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := oidc.New(oidc.Config{
		Issuer:      "https://identity.example.com/",
		MetadataURL: "https://tenant-1.identity.example.com/.well-known/openid-configuration",
		ClientID:    "client-1",
		ClientKey:   key,
	})
	fmt.Println(provider.Check())
	// Output: <nil>
}

// A provider without metadata, by its endpoints.
func ExampleEndpoint() {
	provider := oidc.New(oidc.Config{
		Issuer: "https://id.example.com",
		Endpoint: oidc.Endpoint{
			AuthURL:  "https://id.example.com/authorize",
			TokenURL: "https://id.example.com/token",
			JWKSURL:  "https://id.example.com/keys",
		},
		ClientID: "client-1", ClientSecret: "secret",
	})
	fmt.Println(provider.Check())
	// Output: <nil>
}

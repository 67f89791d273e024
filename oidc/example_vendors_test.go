package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

// People of any company, and none with a personal account.
func ExampleMicrosoft() {
	microsoft := oidc.Microsoft("organizations", oidc.Config{
		ClientID: "id", ClientSecret: "secret",
		Prompt: "select_account",
	})
	fmt.Println(microsoft.Check())
	// Output: <nil>
}

func ExampleApple() {
	// The file AuthKey_ABC123DEFG.p8 from Apple's developer site; here, one that was just made.
	p8, err := newP8()
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := keys.ParsePrivatePEM(p8, keys.ES256, "ABC123DEFG")
	if err != nil {
		fmt.Println(err)
		return
	}
	apple := oidc.Apple("TEAM123456", key, oidc.Config{ClientID: "com.example.web"})
	fmt.Println(apple.Check())
	// Output: <nil>
}

func newP8() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func ExampleSlack() {
	slack := oidc.Slack(oidc.Config{
		ClientID: "id", ClientSecret: "secret",
		AuthParams: map[string]string{"team": "T0123456789"}, // offers it, but does not hold anybody to it
	})
	fmt.Println(slack.Check())
	// Output: <nil>
}

// A user pool, and its page skipped for those who come from Google.
func ExampleCognito() {
	cognito := oidc.Cognito("eu-central-1_AbCdEf123", oidc.Config{
		ClientID: "id", ClientSecret: "secret",
		AuthParams: map[string]string{"identity_provider": "Google"},
	})
	fmt.Println(cognito.Check())
	// Output: <nil>
}

// A GitLab of one's own.
func ExampleGitLab() {
	gitlab := oidc.GitLab(oidc.Config{Issuer: "https://gitlab.example.com", ClientID: "id", ClientSecret: "secret"})
	fmt.Println(gitlab.Check())
	// Output: <nil>
}

// A realm of a Keycloak server inside a company.
func ExampleKeycloak() {
	keycloak := oidc.Keycloak("https://login.corp.example.com", "staff", oidc.Config{
		ClientID: "id", ClientSecret: "secret",
		AllowPrivate: true,
	})
	fmt.Println(keycloak.Check())
	// Output: <nil>
}

func ExampleYahoo() {
	yahoo := oidc.Yahoo(oidc.Config{ClientID: "id", ClientSecret: "secret"})
	fmt.Println(yahoo.Check())
	// Output: <nil>
}

// Auth0, Okta, authentik, Zitadel and most others need no preset: the issuer is all there is to know.
func ExampleNew_others() {
	for _, issuer := range []string{
		"https://example.eu.auth0.com/", // with the slash: it is part of Auth0's issuer
		"https://example.okta.com",
		"https://id.example.com/application/o/shop/", // authentik
		"https://example.zitadel.cloud",
	} {
		fmt.Println(oidc.New(oidc.Config{Issuer: issuer, ClientID: "id", ClientSecret: "secret"}).Check())
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// <nil>
}

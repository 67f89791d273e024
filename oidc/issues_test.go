package oidc_test

import (
	"testing"

	"github.com/posternauth/postern/oidc"
)

// Issues names the issuer of the preset, by which imported identities are recognized.
func TestProvider_Issues(t *testing.T) {
	p := oidc.Google(oidc.Config{ClientID: "id", ClientSecret: "secret"})
	if !p.Issues("https://accounts.google.com") || p.Issues("accounts.google.com") || p.Issues("") {
		t.Error("Google does not know its issuer")
	}
}

package oauth_test

import (
	"testing"

	"github.com/posternauth/postern/oauth"
)

// Issues names the issuer of the preset, by which imported identities are recognized.
func TestProvider_Issues(t *testing.T) {
	p := oauth.GitHub(oauth.Config{ClientID: "id", ClientSecret: "secret"})
	if !p.Issues("https://github.com") || p.Issues("https://github.com/") || p.Issues("") {
		t.Error("GitHub does not know its issuer")
	}
}

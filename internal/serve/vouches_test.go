package serve

import (
	"testing"

	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
)

// TestVouches: the issuer that the check compares is the one in the identities of the preset.
func TestVouches(t *testing.T) {
	for kind, preset := range openidTypes {
		p := Provider{Type: kind}
		issuer := vouches(p)
		if issuer == "" {
			continue // the file names it, or a tenant
		}
		made := preset(&builder{Config: &Config{}, dry: true}, "p", p, oidc.Config{ClientID: "1"})
		if v, ok := made.(interface{ Issues(string) bool }); !ok || !v.Issues(issuer) {
			t.Errorf("%s does not vouch as %s", kind, issuer)
		}
	}
	for kind, preset := range oauthTypes {
		issuer := vouches(Provider{Type: kind})
		if kind != "oauth" && (issuer == "" || !preset(oauth.Config{ClientID: "1", ClientSecret: "2"}).Issues(issuer)) {
			t.Errorf("%s does not vouch as %q", kind, issuer)
		}
	}
}

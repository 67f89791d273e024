package serve

import (
	"strings"
	"testing"
)

// TestCheck_Accepted: files beside those that are refused, and that work.
func TestCheck_Accepted(t *testing.T) {
	for _, c := range []struct{ old, new string }{
		{`trusted_proxies = ["10.0.0.0/8"]`, `trusted_proxies = ["10.0.0.0/8", "fc00::/7", "fe80::/10", "2a06:98c0::/29", "192.0.2.1", "::ffff:10.0.0.0/104"]`},
		{`client_ip_header = "X-Forwarded-For"`, `client_ip_header = "CF-Connecting-IP"`},
		{`url = "secret:DATABASE_URL"`, `url = "postgres://u@${HOST}:${PORT}/db"`},
		{`url = "secret:DATABASE_URL"`, `url = "postgres://u:${HOST}@${HOST}:5432/db"`},
		{`url = "secret:DATABASE_URL"`, `url = "${SCHEME}://u@db/db"`},
		{`vault = "store"`, `vault = "ssm:/shop/prod/auth/keys"`},
		{`seal = "secret:POSTERN_VAULT_KEY"`, `seal = "kms:arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd"`},
		{"idle = \"7d\"\nabsolute = \"30d\"", "absolute = \"1d\""},
		{"ring = \"main\"", "ring = \"other\""},
		{"listen = \":8080\"\nlocal_listen = \"127.0.0.1:8081\"", "listen = \"127.0.0.1:8080\"\nlocal_listen = \"localhost:8081\""},
	} {
		if !strings.Contains(full, c.old) {
			t.Fatalf("full has no %q", c.old)
		}
		if list := problemsOf(t, strings.Replace(full, c.old, c.new, 1)); len(list) > 0 {
			t.Errorf("%q is refused: %v", c.new, list)
		}
	}
}

// TestCheck_SiteIsNoPublicSuffix: below a public suffix are the domains of strangers.
func TestCheck_SiteIsNoPublicSuffix(t *testing.T) {
	for domain, suffix := range map[string]bool{"co.uk": true, "com.au": true, "github.io": true, "shop.co.uk": false, "shop.github.io": false} {
		list := problemsOf(t, strings.ReplaceAll(full, "example.com", domain))
		if names(list, "site", 0) != suffix {
			t.Errorf("%s: %v", domain, list)
		}
	}
}

package gallery

import (
	"strings"
	"testing"
)

// TestPasswordScript: the policy of a page with a field for a password allows the scripts of the pages, beside that of
// a passkey, and the policy of another page does not.
func TestPasswordScript(t *testing.T) {
	p := newWorld(t).person(t, "en").open("/password/authorize")
	policy := p.header.Get("Content-Security-Policy")
	at := "https://app.example" + base + "/assets/scripts/"
	if !strings.Contains(policy, "; script-src ") || !strings.Contains(policy+";", " "+at+";") || strings.Contains(policy, "unsafe") ||
		!strings.Contains(policy, "require-trusted-types-for 'script'; trusted-types 'none'") {
		t.Errorf("the policy is %s", policy)
	}
	_, script, found := strings.Cut(p.body, `<script src="`+base+`/assets/scripts/`)
	if !found {
		t.Fatalf("no script\n%s", p.body)
	}
	script, _, _ = strings.Cut(script, `"`)
	if p.open("/assets/scripts/" + script); p.status != 200 || !strings.HasPrefix(p.header.Get("Content-Type"), "text/javascript") ||
		!strings.Contains(p.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%d %v", p.status, p.header)
	}
	for _, path := range []string{"/mail/authorize", "/sign-up"} {
		p := newWorld(t).person(t, "en").open(path)
		if policy := p.header.Get("Content-Security-Policy"); p.status != 200 || policy == "" || strings.Contains(policy, at) || strings.Contains(p.body, "/scripts/") {
			t.Errorf("%s: %d %s", path, p.status, policy)
		}
	}
}

package oidc_test

import (
	"testing"

	"github.com/posternauth/postern/oidc"
)

// TestC2_TheEndpointsOwnQuery: parameters of the flow that an endpoint has in its own query do not take the place of
// those of the attempt; others stay.
func TestC2_TheEndpointsOwnQuery(t *testing.T) {
	const own = "?p=flow1&state=fixed&nonce=fixed&code_challenge=fixed&code_challenge_method=plain&client_id=other&redirect_uri=https://evil.example/" +
		"&response_type=token&scope=admin&response_mode=fragment"
	o := plainOP(t, func(c *oidc.Config) { c.Endpoint.AuthURL = opIssuer + "/authorize" + own })
	q := o.Browser().Begin("one").Query()
	for name, values := range q {
		if len(values) != 1 {
			t.Errorf("%s is there %d times", name, len(values))
		}
	}
	if q.Get("p") != "flow1" || q.Get("client_id") != "client-1" || q.Get("response_type") != "code" || q.Get("scope") != "openid email profile" ||
		q.Get("redirect_uri") != "https://app.example/auth/one/callback" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("%v", q)
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 43 {
			t.Errorf("%s=%q", name, q.Get(name))
		}
	}
	if q.Has("response_mode") {
		t.Errorf("response_mode=%s: the answer would not reach the callback", q.Get("response_mode"))
	}
}

package authcode

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// TestC2_Challenge is the example of RFC 7636 appendix B.
func TestC2_Challenge(t *testing.T) {
	if got := Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("%s", got)
	}
	seen := map[string]bool{}
	for range 10_000 {
		v := random()
		raw, err := base64.RawURLEncoding.DecodeString(v)
		if err != nil || len(raw) != sha256.Size || seen[v] {
			t.Fatalf("verifier %q", v)
		}
		seen[v] = true
	}
}

func TestCheckParams(t *testing.T) {
	var good Check
	good.Params(map[string]string{"prompt": "consent", "access_type": "offline", "claims": "{}"}, []string{"login_hint"})
	if err := good.Err(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{
		"", "client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
		"code_challenge_method", "request", "request_uri",
		"client_assertion", "code", "code_verifier", "id_token_hint",
	} {
		var set, forwarded Check
		set.Params(map[string]string{name: "x"}, nil)
		forwarded.Params(nil, []string{name})
		if set.Err() == nil || forwarded.Err() == nil {
			t.Errorf("%q can be set", name)
		}
	}
}

func TestCheckClient(t *testing.T) {
	for _, tt := range []struct {
		id, secret, method string
		scopes             []string
		problem            string
	}{
		{"id", "secret", "", []string{"openid", "user:read:email", "https://www.googleapis.com/auth/drive"}, ""},
		{"id", "", "", nil, ""},
		{"id", "", AuthNone, nil, ""},
		{"id", "s", AuthPost, nil, ""},
		{"", "s", "", nil, "ClientID is missing"},
		{"id", "", AuthBasic, nil, "needs a ClientSecret"},
		{"id", "", AuthPost, nil, "needs a ClientSecret"},
		{"id", "s", AuthNone, nil, "no use for a ClientSecret"},
		{"id", "", AuthKey, nil, "needs a ClientKey"},
		{"id", "s", "tls_client_auth", nil, "not supported"},
		{"id\n", "s", "", nil, "white space"},
		{"id", "s3cret-canary\n", "", nil, "white space"},
		{"id", "s", "", []string{"openid email"}, "one scope an entry"},
		{"id", "s", "", []string{""}, "one scope an entry"},
		{"id", "s", "", []string{`a"b`}, "one scope an entry"},
	} {
		check := Check{Package: "oidc"}
		check.Client(tt.id, tt.secret, false, tt.method, tt.scopes)
		err := check.Err()
		if (err == nil) != (tt.problem == "") || err != nil && (!strings.Contains(err.Error(), tt.problem) || !strings.HasPrefix(err.Error(), "oidc: Config.")) {
			t.Errorf("%+v: %v", tt, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%+v: the error holds the secret", tt)
		}
	}
}

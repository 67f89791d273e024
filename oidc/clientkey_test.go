package oidc_test

import (
	"encoding/json"
	"testing"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

// TestClientKey: private_key_jwt (Core section 9, RFC 7523 section 3).
func TestClientKey(t *testing.T) {
	key, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := keys.Static(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, audience := range []string{"", opIssuer} {
		o := plainOP(t, func(c *oidc.Config) { c.ClientSecret, c.ClientKey, c.ClientKeyAudience = "", key, audience })
		for range 3 {
			o.in("with a key")
			if o.basic || o.asked.Has("client_secret") || o.asked.Get("client_id") != "client-1" ||
				o.asked.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Fatalf("%v", o.asked)
			}
			tok, err := jose.Parse(o.asked.Get("client_assertion"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Verify(t.Context(), verifier, tok.Kid, keys.Algorithm(tok.Alg), tok.Input, tok.Signature); err != nil {
				t.Error(err)
			}
			var c struct {
				Iss, Sub, Aud, Jti string
				Iat, Exp           int64
			}
			if err := json.Unmarshal([]byte(tok.Payload), &c); err != nil {
				t.Fatal(err)
			}
			want := audience
			if want == "" {
				want = opIssuer + "/token"
			}
			now := o.Now().Unix()
			if c.Iss != "client-1" || c.Sub != "client-1" || c.Aud != want || len(c.Jti) < 22 || seen[c.Jti] || c.Iat != now || c.Exp <= now || c.Exp > now+300 {
				t.Errorf("%s", tok.Payload)
			}
			seen[c.Jti] = true
		}
	}
	mac, err := keys.NewHMAC("k", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]oidc.Config{
		"with a secret": {ClientKey: key, ClientSecret: "s"}, "of a shared secret": {ClientKey: mac},
		"method without key": {AuthMethod: "private_key_jwt"}, "none with a key": {AuthMethod: "none", ClientKey: key}, "audience alone": {ClientKeyAudience: "x"},
	} {
		c.Issuer, c.ClientID = opIssuer, "client-1"
		if err := oidc.New(c).Check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

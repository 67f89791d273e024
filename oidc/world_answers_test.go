package oidc_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/posternauth/postern/oidc"
)

// The tests of this file are about answers of providers as they are in the world: what they send beside the standard.

func TestProvider_TokenAnswersOfTheWorld(t *testing.T) {
	o := plainOP(t, nil)
	for name, f := range map[string]func(object){
		"as it should be":          nil,
		"expires_in as 3600.0":     func(a object) { a["expires_in"] = json.RawMessage("3600.0") },
		"expires_in empty":         func(a object) { a["expires_in"] = "" },
		"expires_in negative":      func(a object) { a["expires_in"] = -1 },
		"token_type jwt-bearer":    func(a object) { a["token_type"] = "jwt-bearer" },
		"token_type gone":          func(a object) { delete(a, "token_type") },
		"no access token (B2C)":    func(a object) { delete(a, "access_token") },
		"scope as a list":          func(a object) { a["scope"] = []string{"a", "b"} },
		"scope, refresh and error": func(a object) { a["scope"], a["refresh_token"], a["error"] = nil, nil, nil },
	} {
		o.token = f
		o.in(name)
	}
	o.token, o.status = nil, 201
	o.in("201")
	o.status, o.token = 200, func(a object) { a["token_type"] = "DPoP"; delete(a, "id_token") }
	o.out("DPoP", "provider_error", "wants DPoP")
	o.status, o.token = 400, func(a object) {
		clear(a)
		a["error"], a["error_description"] = "invalid_client", "AADSTS7000215:\nInvalid client secret"
	}
	o.out("the words of the provider", "provider_error", `AADSTS7000215:\\nInvalid client secret`)
	o.token = func(a object) { clear(a); a["error"], a["error_description"] = "invalid_grant", "c0de-canary is old" }
	o.out("words with the code in them", "invalid_code", "it repeats a secret")
}

func TestProvider_HeadersOfTheWorld(t *testing.T) {
	o := plainOP(t, nil)
	for name, member := range map[string]object{
		"jku (UAA)": {"jku": "https://evil.example/keys"}, "x5u (IMS)": {"x5u": "prod-key-1.cer"}, "x5c": {"x5c": []string{strings.Repeat("MIIB", 800)}},
		"jwk": {"jwk": object{"kty": "EC"}}, "a private list": {"aud_hint": []string{"a"}}, "typ application/jwt": {"typ": "application/jwt"},
		"typ null": {"typ": nil}, "kid null": {"kid": nil}, "cty": {"cty": "application/json"},
	} {
		before := o.header
		o.header = object{}
		for _, from := range []object{before, member} {
			for k, v := range from {
				o.header[k] = v
			}
		}
		o.in(name)
		o.header = before
	}
	o.header["typ"] = "application/at+jwt"
	o.out("an access token", "invalid_id_token", "another kind of token")
}

// TestProvider_LargeIDTokens: people in very many groups.
func TestProvider_LargeIDTokens(t *testing.T) {
	groups := make([]string, 700)
	for i := range groups {
		groups[i] = fmt.Sprintf("example-org:team-number-%04d-of-many", i)
	}
	large := func(c object) { c["groups"] = groups }
	o := plainOP(t, nil)
	o.claims = large
	if id := o.in("40 KB"); len(id.Raw) < 25_000 {
		t.Errorf("Raw has %d bytes", len(id.Raw))
	}
	o.claims = func(c object) { c["x"] = strings.Repeat("x", 50_000) }
	o.out("more than 64 KiB", "provider_error", "longer than 65536 bytes")
	o = plainOP(t, func(c *oidc.Config) { c.MaxIDToken = 200 << 10 })
	o.claims = func(c object) { c["x"] = strings.Repeat("x", 140_000) }
	o.in("187 KB, allowed")
	o = plainOP(t, func(c *oidc.Config) { c.MaxIDToken = 20 << 10 })
	o.claims = large
	o.out("a smaller limit", "provider_error", "longer than 20480 bytes")
}

func TestProvider_GoogleWithoutScheme(t *testing.T) {
	const google = "https://accounts.google.com"
	o := newOP(t, google, google, nil)
	o.claims = func(c object) { c["iss"] = "accounts.google.com" }
	o.out("as any provider", "invalid_id_token", "claim iss")
	o = newPreset(t, google, oidc.Google)
	for iss, ok := range map[string]bool{google: true, "accounts.google.com": true, "http://accounts.google.com": false, "accounts.google.com/": false,
		"google.com": false, "": false, "evil.accounts.google.com": false} {
		o.claims = func(c object) { c["iss"] = iss }
		if !ok {
			o.out(iss, "invalid_id_token", "claim iss")
		} else if id := o.in(iss); id.Issuer != google {
			t.Errorf("iss %q becomes the issuer %q: the same person would be two", iss, id.Issuer)
		}
	}
}

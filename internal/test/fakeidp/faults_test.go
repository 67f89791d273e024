package fakeidp

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFaultsOfTheAnswer(t *testing.T) {
	b := newBench(t, nil)
	hostile := `<script>alert(1)</script>"'` + "\r\n"
	for _, test := range []struct {
		name   string
		faults Faults
		good   func(url.Values) bool
	}{
		{"Deny", Faults{Deny: true}, func(q url.Values) bool { return q.Get("error") == "access_denied" && !q.Has("code") }},
		{"Error", Faults{Error: "server_error", ErrorDescription: hostile}, func(q url.Values) bool {
			return q.Get("error") == "server_error" && q.Get("error_description") == hostile && q.Get("state") == "st"
		}},
		{"WrongState", Faults{WrongState: true}, func(q url.Values) bool { return q.Get("state") != "st" && q.Has("state") && q.Has("code") }},
		{"DuplicateCode", Faults{DuplicateCode: true}, func(q url.Values) bool { return len(q["code"]) == 2 }},
		{"WrongIss", Faults{WrongIss: true}, func(q url.Values) bool { return q.Get("iss") == "https://other.example" }},
		{"NoIss", Faults{NoIss: true}, func(q url.Values) bool { return !q.Has("iss") && q.Has("code") }},
		{"none", Faults{}, func(q url.Values) bool { return q.Get("iss") == b.url && len(q["code"]) == 1 && q.Get("state") == "st" }},
	} {
		b.idp.SetFaults(test.faults)
		if got := b.back("/authorize", request()); !test.good(got) {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestFaultsOfTheClaims(t *testing.T) {
	b := newBench(t, nil)
	past := float64(b.clock.Now().Add(-2 * time.Hour).Unix())
	for _, test := range []struct {
		name   string
		faults Faults
		good   func(claims map[string]any) bool
	}{
		{"WrongIssuer", Faults{WrongIssuer: true}, func(c map[string]any) bool { return c["iss"] == "https://other.example" }},
		{"WrongAudience", Faults{WrongAudience: true}, func(c map[string]any) bool { return c["aud"] == "another-client" }},
		{"MoreAudiences", Faults{MoreAudiences: true}, func(c map[string]any) bool { return len(c["aud"].([]any)) == 2 && c["azp"] == nil }},
		{"WrongNonce", Faults{WrongNonce: true}, func(c map[string]any) bool { return c["nonce"] != "no" && c["nonce"] != nil }},
		{"NoNonce", Faults{NoNonce: true}, func(c map[string]any) bool { return c["nonce"] == nil }},
		{"NoSubject", Faults{NoSubject: true}, func(c map[string]any) bool { return c["sub"] == nil }},
		{"NoIssuedAt", Faults{NoIssuedAt: true}, func(c map[string]any) bool { return c["iat"] == nil && c["exp"] != nil }},
		{"Expired", Faults{Expired: true}, func(c map[string]any) bool { return c["exp"] == past && c["iat"] == past }},
		{"AuthAge", Faults{AuthAge: 2 * time.Hour}, func(c map[string]any) bool { return c["auth_time"] == past }},
		{"IDToken", Faults{IDToken: func(c map[string]any) { c["exp"] = "soon" }}, func(c map[string]any) bool { return c["exp"] == "soon" }},
		{"NoEmail", Faults{NoEmail: true}, func(c map[string]any) bool { return c["email"] == nil && c["email_verified"] == nil }},
		{"EmailUnverified", Faults{EmailUnverified: true}, func(c map[string]any) bool { return c["email_verified"] == false }},
		{"EmailVerifiedText", Faults{EmailVerifiedText: true}, func(c map[string]any) bool { return c["email_verified"] == "true" }},
		{"NoEmailVerified", Faults{NoEmailVerified: true}, func(c map[string]any) bool { return c["email"] != nil && c["email_verified"] == nil }},
	} {
		b.idp.SetFaults(test.faults)
		tokens := b.signIn("/authorize", "/token")
		if _, claims, _ := b.open(tokens); !test.good(claims) {
			t.Errorf("%s: %v", test.name, claims)
		}
		if !signedAsPublished(b, tokens) {
			t.Errorf("%s: the signature is wrong too", test.name)
		}
	}
}

func TestFaultsOfTheSignature(t *testing.T) {
	b := newBench(t, nil)
	with := func(f Faults) (map[string]any, map[string]any, []byte) {
		b.idp.SetFaults(f)
		tokens := b.signIn("/authorize", "/token")
		header, _, sig := b.open(tokens)
		return tokens, header, sig
	}
	good, goodHeader, _ := with(Faults{})
	if !signedAsPublished(b, good) {
		t.Fatal("a token without fault does not verify")
	}
	if tokens, header, _ := with(Faults{UnknownKey: true}); signedAsPublished(b, tokens) || header["kid"] == goodHeader["kid"] || header["alg"] != "ES256" {
		t.Errorf("UnknownKey: %v", header)
	}
	if _, header, _ := with(Faults{NoKeyID: true}); header["kid"] != nil {
		t.Errorf("NoKeyID: %v", header)
	}
	if _, header, sig := with(Faults{AlgNone: true}); header["alg"] != "none" || len(sig) != 0 {
		t.Errorf("AlgNone: %v, %d bytes", header, len(sig))
	}
	if tokens, header, sig := with(Faults{BadSignature: true}); signedAsPublished(b, tokens) || len(sig) != 64 || header["kid"] != goodHeader["kid"] {
		t.Errorf("BadSignature: %v", header)
	}

	tokens, header, sig := with(Faults{HMAC: true})
	der, err := x509.MarshalPKIXPublicKey(b.idp.keys.signing.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	token := tokens["id_token"].(string)
	mac.Write([]byte(token[:strings.LastIndex(token, ".")]))
	if header["alg"] != "HS256" || !hmac.Equal(mac.Sum(nil), sig) {
		t.Errorf("HMAC: %v", header)
	}
}

func TestRotateKeys(t *testing.T) {
	b := newBench(t, nil)
	before := b.signIn("/authorize", "/token")
	rotate := func(keepOld bool) map[string]any {
		if err := b.idp.RotateKeys(keepOld); err != nil {
			t.Fatal(err)
		}
		return b.signIn("/authorize", "/token")
	}
	if after := rotate(true); !signedAsPublished(b, before) || !signedAsPublished(b, after) {
		t.Error("after a rotation both keys are published")
	}
	if after := rotate(false); signedAsPublished(b, before) || !signedAsPublished(b, after) {
		t.Error("after a hard rotation only the new key is published")
	}
}

func TestFaultsElsewhere(t *testing.T) {
	b := newBench(t, nil)
	b.idp.SetFaults(Faults{OtherSubject: true, WrongDiscoveryIssuer: true, NoIssAnnounced: true})
	tokens := b.signIn("/authorize", "/token")
	if _, body := b.userInfo("/userinfo", tokens); b.decode(body)["sub"] != "somebody-else" {
		t.Errorf("OtherSubject: %s", body)
	}
	_, body := b.do("GET", "/.well-known/openid-configuration", "")
	if m := b.decode(body); m["issuer"] != "https://other.example" || m["token_endpoint"] != b.url+"/token" || m["authorization_response_iss_parameter_supported"] != false {
		t.Errorf("metadata %v", m)
	}
	b.idp.SetFaults(Faults{TokenError: "invalid_grant"})
	if status, answer := b.exchange("/token", b.back("/authorize", request()).Get("code")); status != 400 || answer["error"] != "invalid_grant" {
		t.Errorf("TokenError: %d %v", status, answer)
	}
	b.idp.SetFaults(Faults{NoIDToken: true})
	if tokens := b.signIn("/authorize", "/token"); tokens["id_token"] != nil || tokens["access_token"] == nil {
		t.Errorf("NoIDToken: %v", tokens)
	}

	b.idp.SetFaults(Faults{EmailVerifiedText: true, NoSubject: true})
	_, tokens = b.exchange(ghToken, b.back(ghAuthorize, gitHubRequest()).Get("code"))
	if _, body := b.userInfo("/api/user/emails", tokens); !strings.Contains(body, `"verified":"true"`) {
		t.Errorf("EmailVerifiedText at GitHub: %s", body)
	}
	if _, body := b.userInfo("/api/user", tokens); b.decode(body)["id"] != nil {
		t.Errorf("NoSubject at GitHub: %s", body)
	}
}

func TestCallsAndObserve(t *testing.T) {
	var mu sync.Mutex
	seen := map[Endpoint][]url.Values{}
	b := newBench(t, func(c *Config) {
		c.Observe = func(e Endpoint, q url.Values) {
			mu.Lock()
			defer mu.Unlock()
			seen[e] = append(seen[e], q)
		}
	})
	b.userInfo("/userinfo", b.signIn("/authorize", "/token"))
	b.do("GET", "/token", "") // refused, and counted
	for e, want := range map[Endpoint]int{Authorize: 1, Token: 2, UserInfo: 1, JWKS: 0, Discovery: 0, Emails: 0} {
		if got := b.idp.Calls(e); got != want {
			t.Errorf("%d calls of %s, want %d", got, e, want)
		}
	}
	if len(seen[Authorize]) != 1 || seen[Authorize][0].Get("code_challenge") != challenge() || len(seen[Token]) != 1 || seen[Token][0].Get("code_verifier") != verifier {
		t.Errorf("observed %v", seen)
	}
	b.idp.ResetCalls()
	if b.idp.Calls(Token) != 0 {
		t.Error("ResetCalls left a count")
	}
}

package fakeidp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestVendors: each answers where it is at home, and refuses a client that proves itself in another way or without
// PKCE.
func TestVendors(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Algorithm = "RS256" })
	for s := facebook; s <= yahoo; s++ {
		v := vendorOf(s)
		at := func(path string) string {
			return "/" + v.name + strings.Replace(path, "{tenant}", "common", 1)
		}
		scope := "openid email profile"
		if v.keys == "" {
			scope = "public_profile email identify user-read-email users.read tweet.read"
		}
		res, body := b.do("GET", at(v.root)+"/.well-known/openid-configuration", "")
		if found := res.StatusCode == 200; found != (v.keys != "" && !v.noDiscovery) || found && b.decode(body)["issuer"] == nil {
			t.Errorf("%s: metadata %d %s", v.name, res.StatusCode, body)
		}
		if s == apple {
			continue // TestApple
		}
		ask := request("scope", scope)
		without := request("scope", scope, "code_challenge", "-")
		if got := b.back(at(v.auth), without); got.Get("error") == "" != (v.refusesPKCE != "") {
			t.Errorf("%s: without PKCE: %v", v.name, got)
		}
		answer := b.back(at(v.auth), ask)
		if answer.Has("iss") != v.sendsIss {
			t.Errorf("%s: %v", v.name, answer)
		}
		form := url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {callback}}
		if v.refusesPKCE == "" {
			form.Set("code_verifier", verifier)
		}
		basic := &http.Request{Header: http.Header{}}
		basic.SetBasicAuth("app", url.QueryEscape("s:e c/r%t"))
		post := maps.Clone(form)
		post.Set("client_id", "app")
		post.Set("client_secret", "s:e c/r%t")
		for _, wrong := range []string{"basic", "post"} {
			if v.secret == "" || v.secret == wrong {
				continue
			}
			body, header := post.Encode(), []string{}
			if wrong == "basic" {
				body, header = form.Encode(), []string{"Authorization", basic.Header.Get("Authorization")}
			}
			if res, text := b.do("POST", at(v.token), body, header...); res.StatusCode == 200 {
				t.Errorf("%s: by %s: %s", v.name, wrong, text)
			}
		}
		body, header := post.Encode(), []string{}
		if v.secret == "basic" {
			body, header = form.Encode(), []string{"Authorization", basic.Header.Get("Authorization")}
		}
		res, text := b.do("POST", at(v.token), body, header...)
		tokens := b.decode(text)
		if res.StatusCode != 200 || tokens["access_token"] == nil || (tokens["id_token"] != nil) != (v.keys != "") {
			t.Fatalf("%s: %d %s", v.name, res.StatusCode, text)
		}
		if v.keys != "" {
			if header, _, _ := b.open(tokens); (header["zip"] != nil) != (v.zip != "") || v.alg != "" && header["alg"] != v.alg {
				t.Errorf("%s: header %v", v.name, header)
			}
		}
		if status, text := b.userInfo(at(v.info), map[string]any{"access_token": "x"}); status != 401 {
			t.Errorf("%s: strange token: %d %s", v.name, status, text)
		}
		if s != facebook { // TestGraph
			if status, text := b.userInfo(at(v.info), tokens); status != 200 || !strings.Contains(text, "10001") {
				t.Errorf("%s: profile %d %s", v.name, status, text)
			}
		}
	}
}

// TestRefusedVerifier: a code_verifier is an error where PKCE is not taken.
func TestRefusedVerifier(t *testing.T) {
	b := newBench(t, nil)
	code := b.back("/linkedin/oauth/v2/authorization", request()).Get("code")
	if status, answer := b.exchange("/linkedin/oauth/v2/accessToken", code); status != 401 || answer["error"] != "invalid_client" {
		t.Errorf("LinkedIn: %d %v", status, answer)
	}
	code = b.back("/slack/openid/connect/authorize", request()).Get("code")
	if status, answer := b.exchange("/slack/api/openid.connect.token", code); status != 200 || answer["ok"] != false || answer["error"] != "internal_error" {
		t.Errorf("Slack: %d %v", status, answer)
	}
}

// TestGraph: Facebook wants the proof, and answers with the fields that were asked for.
func TestGraph(t *testing.T) {
	b := newBench(t, nil)
	tokens := b.signIn("/facebook/dialog/oauth", "/facebook/oauth/access_token", "scope", "email")
	access := tokens["access_token"].(string)
	for _, proof := range []string{"", "x", b.idp.appSecretProof("other", access), b.idp.appSecretProof("app", "x")} {
		if status, text := b.userInfo("/facebook/me?fields=id&appsecret_proof="+proof, tokens); status != 400 || !strings.Contains(text, "appsecret_proof") {
			t.Errorf("%q: %d %s", proof, status, text)
		}
	}
	for fields, want := range map[string]string{"": `{"id":"10001"}`, "id": `{"id":"10001"}`, "name,email": `{"email":"ada@example.com","id":"10001","name":"Ada Lovelace"}`} {
		if status, text := b.userInfo("/facebook/me?fields="+fields+"&appsecret_proof="+b.idp.appSecretProof("app", access), tokens); status != 200 || strings.TrimSpace(text) != want {
			t.Errorf("%q: %d %s", fields, status, text)
		}
	}
	if status, answer := b.exchange("/facebook/oauth/access_token", "x"); status != 400 || answer["error"].(map[string]any)["type"] != "OAuthException" {
		t.Errorf("%d %v", status, answer)
	}
}

// TestTenants: what metadata and tokens of Microsoft's say of the directory.
func TestTenants(t *testing.T) {
	b := newBench(t, nil)
	at := b.url + "/microsoft/"
	for tenant, want := range map[string][2]string{
		"common":          {at + "{tenantid}/v2.0", HomeTenant},
		"organizations":   {at + "{tenantid}/v2.0", HomeTenant},
		"consumers":       {at + ConsumerTenant + "/v2.0", ConsumerTenant},
		"contoso.example": {at + HomeTenant + "/v2.0", HomeTenant},
		ConsumerTenant:    {at + ConsumerTenant + "/v2.0", ConsumerTenant},
	} {
		_, body := b.do("GET", "/microsoft/"+tenant+"/v2.0/.well-known/openid-configuration", "")
		if m := b.decode(body); m["issuer"] != want[0] || m["token_endpoint"] != at+tenant+"/oauth2/v2.0/token" {
			t.Errorf("%s: %v", tenant, m)
		}
		_, claims, _ := b.open(b.signIn("/microsoft/"+tenant+"/oauth2/v2.0/authorize", "/microsoft/"+tenant+"/oauth2/v2.0/token"))
		if claims["tid"] != want[1] || claims["iss"] != at+want[1]+"/v2.0" || claims["email"] != "ada@example.com" || claims["email_verified"] != nil {
			t.Errorf("%s: %v", tenant, claims)
		}
	}
	_, body := b.do("GET", "/microsoft/common/discovery/v2.0/keys", "")
	if strings.Contains(body, `"alg"`) || !strings.Contains(body, `"kid"`) {
		t.Errorf("keys: %s", body)
	}
}

// TestApple: the secret is a token of the registered key; the name comes once.
func TestApple(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, nil)
	b.idp.SetClient(Client{ID: "app", Secret: "s:e c/r%t", RedirectURIs: []string{callback}, Apple: &AppleKey{TeamID: "TEAM123456", KeyID: "ABC123DEFG", Key: &key.PublicKey}})
	now := b.clock.Now().Unix()
	secret := func(change func(header, claims map[string]any)) string {
		header := map[string]any{"alg": "ES256", "kid": "ABC123DEFG"}
		claims := map[string]any{"iss": "TEAM123456", "sub": "app", "aud": b.url + "/apple", "iat": now, "exp": now + 300}
		if change != nil {
			change(header, claims)
		}
		var parts []string
		for _, part := range []any{header, claims} {
			raw, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, b64.EncodeToString(raw))
		}
		sig, err := signingKey{key: key}.signature([]byte(strings.Join(parts, ".")))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(append(parts, b64.EncodeToString(sig)), ".")
	}
	post := func() string {
		_, page := b.do("GET", "/apple/auth/authorize?"+request("response_mode", "form_post", "scope", "openid email name").Encode(), "")
		return page
	}
	if first, second := post(), post(); !strings.Contains(first, "Lovelace") || strings.Contains(second, `name="user"`) || !strings.Contains(second, `name="code"`) {
		t.Errorf("first %s, second %s", first, second)
	}
	code := func() string { return b.back("/apple/auth/authorize", request("scope", "openid email")).Get("code") }
	status, tokens := b.exchange("/apple/auth/token", code(), "client_secret", secret(nil))
	if status != 200 {
		t.Fatalf("%d %v", status, tokens)
	}
	if _, claims, _ := b.open(tokens); claims["email_verified"] != "true" || claims["is_private_email"] != "false" || claims["name"] != nil || claims["nonce"] != "no" {
		t.Errorf("%v", claims)
	}
	set := func(name string, value any) func(h, c map[string]any) {
		return func(_, c map[string]any) { c[name] = value }
	}
	for what, wrong := range map[string]string{
		"none": "", "the other shapes' secret": "s:e c/r%t", "two parts": "a.b", "forged": secret(nil)[:200] + "AAAA", "expired": secret(set("exp", now)), "not yet": secret(set("iat", now+60)),
		"too long": secret(set("exp", now+int64(maxAppleSecret/time.Second)+1)), "other team": secret(set("iss", "x")), "other client": secret(set("sub", "x")), "other aud": secret(set("aud", "x")),
		"other key": secret(func(h, _ map[string]any) { h["kid"] = "x" }), "other alg": secret(func(h, _ map[string]any) { h["alg"] = "none" }),
	} {
		if status, answer := b.exchange("/apple/auth/token", code(), "client_secret", wrong); status != 401 || answer["error"] != "invalid_client" {
			t.Errorf("%s: %d %v", what, status, answer)
		}
	}
}

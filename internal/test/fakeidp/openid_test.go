package fakeidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	for name, c := range map[string]Config{
		"no issuer":         {},
		"relative issuer":   {Issuer: "/idp"},
		"slash at the end":  {Issuer: "http://localhost/"},
		"query":             {Issuer: "http://localhost/?a"},
		"other scheme":      {Issuer: "ftp://localhost"},
		"unknown algorithm": {Issuer: "http://localhost", Algorithm: "HS256"},
		"client without ID": {Issuer: "http://localhost", Algorithm: "ES256", Clients: []Client{{}}},
		"nameless user":     {Issuer: "http://localhost", Algorithm: "ES256", Users: []User{{Email: "a@b.c"}}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSignIn(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} {
		t.Run(alg, func(t *testing.T) {
			b := newBench(t, func(c *Config) {
				c.Algorithm = alg
				c.Users = []User{{Subject: "7", Email: "ada@example.com", EmailVerified: true, Name: "Ada", Picture: "https://p.example/7", HostedDomain: "example.com"}}
			})
			answer := b.back("/authorize", request())
			if answer.Get("state") != "st" || answer.Get("iss") != b.url || answer.Get("keep") != "1" || answer.Get("code") == "" {
				t.Errorf("answer %v", answer)
			}
			status, tokens := b.exchange("/token", answer.Get("code"))
			if status != http.StatusOK || tokens["token_type"] != "Bearer" || tokens["scope"] != "openid email profile" || tokens["refresh_token"] != nil {
				t.Fatalf("status %d, tokens %v", status, tokens)
			}
			header, claims, _ := b.open(tokens)
			if header["alg"] != alg {
				t.Errorf("alg %v", header["alg"])
			}
			now := float64(b.clock.Now().Unix())
			for name, want := range map[string]any{
				"iss": b.url, "aud": "app", "sub": "7", "nonce": "no", "iat": now, "exp": now + 3600, "auth_time": now, "email": "ada@example.com",
				"email_verified": true, "name": "Ada", "picture": "https://p.example/7", "hd": "example.com", "at_hash": halfHash(tokens["access_token"].(string)),
			} {
				if claims[name] != want {
					t.Errorf("claim %s is %v, want %v", name, claims[name], want)
				}
			}
			if !signedAsPublished(b, tokens) {
				t.Error("the signature does not verify with the published key")
			}
			status, body := b.userInfo("/userinfo", tokens)
			if info := b.decode(body); status != 200 || info["sub"] != "7" || info["email_verified"] != true {
				t.Errorf("userinfo: %d %v", status, info)
			}
		})
	}
}

// signedAsPublished checks the ID token with the key that the published set has under its kid.
func signedAsPublished(b *bench, tokens map[string]any) bool {
	b.Helper()
	header, _, sig := b.open(tokens)
	input := tokens["id_token"].(string)
	input = input[:strings.LastIndex(input, ".")]
	sum := sha256.Sum256([]byte(input))
	member := func(m map[string]any, name string) []byte {
		raw, err := b64.DecodeString(m[name].(string))
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	number := func(raw []byte) *big.Int { return new(big.Int).SetBytes(raw) }
	_, body := b.do("GET", "/jwks", "")
	for _, entry := range b.decode(body)["keys"].([]any) {
		k := entry.(map[string]any)
		if k["kid"] != header["kid"] {
			continue
		}
		if k["kty"] == "RSA" {
			return rsa.VerifyPKCS1v15(&rsa.PublicKey{N: number(member(k, "n")), E: int(number(member(k, "e")).Int64())}, crypto.SHA256, sum[:], sig) == nil
		}
		pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, member(k, "x"), member(k, "y")))
		if err != nil {
			b.Fatal(err)
		}
		return len(sig) == 64 && ecdsa.Verify(pub, sum[:], number(sig[:32]), number(sig[32:]))
	}
	return false
}

func TestAuthorizeRefusesOnAPage(t *testing.T) {
	b := newBench(t, nil)
	for name, query := range map[string]string{
		"unknown client":         request("client_id", "nobody").Encode(),
		"no client":              request("client_id", "-").Encode(),
		"other redirect":         request("redirect_uri", "https://evil.example/").Encode(),
		"redirect with a suffix": request("redirect_uri", callback+"x").Encode(),
		"no redirect":            request("redirect_uri", "-").Encode(),
		"duplicate parameter":    request().Encode() + "&state=2",
		"malformed query":        "a=%zz",
	} {
		res, body := b.do("GET", "/authorize?"+query, "")
		if res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" {
			t.Errorf("%s: status %d, Location %q, %s", name, res.StatusCode, res.Header.Get("Location"), body)
		}
	}
}

func TestAuthorizeRefusesAtTheClient(t *testing.T) {
	b := newBench(t, nil)
	for _, test := range []struct{ name, code, parameter, value string }{
		{"implicit", "unsupported_response_type", "response_type", "id_token"},
		{"no response type", "unsupported_response_type", "response_type", "-"},
		{"fragment", "invalid_request", "response_mode", "fragment"},
		{"request object", "request_not_supported", "request", "e30"},
		{"no PKCE", "invalid_request", "code_challenge", "-"},
		{"plain PKCE", "invalid_request", "code_challenge_method", "plain"},
		{"no PKCE method", "invalid_request", "code_challenge_method", "-"},
		{"short challenge", "invalid_request", "code_challenge", "abc"},
		{"none and login", "invalid_request", "prompt", "none login"},
		{"bad max_age", "invalid_request", "max_age", "-1"},
		{"unknown user", "login_required", "login_hint", "nobody@example.com"},
	} {
		answer := b.back("/authorize", request(test.parameter, test.value))
		if answer.Get("error") != test.code || answer.Get("state") != "st" || answer.Get("iss") != b.url || answer.Has("code") {
			t.Errorf("%s: %v", test.name, answer)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	b := newBench(t, nil)
	for _, test := range []struct {
		name    string
		status  int
		code    string
		changes []string
	}{
		{"no verifier", 400, "invalid_grant", []string{"code_verifier", "-"}},
		{"wrong verifier", 400, "invalid_grant", []string{"code_verifier", strings.Repeat("w", 43)}},
		{"short verifier", 400, "invalid_grant", []string{"code_verifier", "v"}},
		{"other redirect", 400, "invalid_grant", []string{"redirect_uri", "https://app.example.com/"}},
		{"no redirect", 400, "invalid_grant", []string{"redirect_uri", "-"}},
		{"other client", 400, "invalid_grant", []string{"client_id", "other", "client_secret", "x"}},
		{"wrong secret", 401, "invalid_client", []string{"client_secret", "wrong"}},
		{"no secret", 401, "invalid_client", []string{"client_secret", "-"}},
		{"unknown code", 400, "invalid_grant", []string{"code", "nonsense"}},
		{"other grant", 400, "unsupported_grant_type", []string{"grant_type", "password"}},
		{"no grant", 400, "unsupported_grant_type", []string{"grant_type", "-"}},
	} {
		status, answer := b.exchange("/token", b.back("/authorize", request()).Get("code"), test.changes...)
		if status != test.status || answer["error"] != test.code || answer["access_token"] != nil {
			t.Errorf("%s: %d %v", test.name, status, answer)
		}
	}
	code := b.back("/authorize", request()).Get("code")
	for name, call := range map[string]func() (*http.Response, string){
		"JSON body": func() (*http.Response, string) {
			return b.do("POST", "/token", `{}`, "Content-Type", "application/json")
		},
		"query":               func() (*http.Response, string) { return b.do("POST", "/token?code="+code, "") },
		"duplicate parameter": func() (*http.Response, string) { return b.do("POST", "/token", "code=1&code=2") },
	} {
		if res, body := call(); res.StatusCode != 400 || b.decode(body)["error"] != "invalid_request" {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
	if res, _ := b.do("GET", "/token", ""); res.StatusCode != 405 || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET /token: %d", res.StatusCode)
	}
}

func TestCodeLivesAMinuteAndOnce(t *testing.T) {
	b := newBench(t, nil)
	code := b.back("/authorize", request()).Get("code")
	b.clock.Advance(61 * time.Second)
	if status, _ := b.exchange("/token", code); status != 400 {
		t.Errorf("old code: status %d", status)
	}

	code = b.back("/authorize", request("scope", "openid offline_access")).Get("code")
	_, tokens := b.exchange("/token", code)
	if status, _ := b.userInfo("/userinfo", tokens); status != 200 {
		t.Fatalf("fresh access token: status %d", status)
	}
	if status, _ := b.exchange("/token", code); status != 400 {
		t.Errorf("second use: status %d", status)
	}
	if status, _ := b.userInfo("/userinfo", tokens); status != 401 {
		t.Errorf("access token after the second use of its code: status %d", status)
	}
	if status, _ := b.exchange("/token", "", "grant_type", "refresh_token", "refresh_token", tokens["refresh_token"].(string)); status != 400 {
		t.Errorf("refresh token after the second use of its code: status %d", status)
	}

	code = b.back("/authorize", request()).Get("code")
	if status, _ := b.exchange("/token", code, "code_verifier", strings.Repeat("w", 43)); status != 400 {
		t.Errorf("wrong verifier: status %d", status)
	}
	if status, _ := b.exchange("/token", code); status != 400 {
		t.Errorf("right verifier after a wrong one: status %d", status)
	}
}

func TestRefreshRotates(t *testing.T) {
	b := newBench(t, nil)
	first := b.signIn("/authorize", "/token", "access_type", "offline")
	refresh := first["refresh_token"].(string)
	status, second := b.exchange("/token", "", "grant_type", "refresh_token", "refresh_token", refresh)
	if status != 200 || second["refresh_token"] == refresh || second["access_token"] == first["access_token"] {
		t.Fatalf("%d %v", status, second)
	}
	if _, claims, _ := b.open(second); claims["nonce"] != nil || claims["sub"] != "10001" {
		t.Errorf("claims %v", claims)
	}
	if status, _ := b.exchange("/token", "", "grant_type", "refresh_token", "refresh_token", refresh); status != 400 {
		t.Errorf("second use: status %d", status)
	}
}

func TestClientAuthentication(t *testing.T) {
	b := newBench(t, nil)
	form := func() url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {b.back("/authorize", request()).Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	}
	basic := func(id, secret string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(id, secret)
		return r.Header.Get("Authorization")
	}
	for _, test := range []struct {
		name, authorization string
		body                []string
		status              int
	}{
		{"basic", basic("app", url.QueryEscape("s:e c/r%t")), nil, 200},
		{"basic, not encoded", basic("app", "s:e c/r%t"), nil, 401},
		{"basic, wrong", basic("app", "wrong"), nil, 401},
		{"basic and post", basic("app", url.QueryEscape("s:e c/r%t")), []string{"client_secret", "s:e c/r%t"}, 400},
		{"two clients", basic("app", url.QueryEscape("s:e c/r%t")), []string{"client_id", "other"}, 401},
		{"nothing", "", nil, 401},
	} {
		header := []string{}
		if test.authorization != "" {
			header = []string{"Authorization", test.authorization}
		}
		res, body := b.do("POST", "/token", changed(form(), test.body).Encode(), header...)
		if res.StatusCode != test.status {
			t.Errorf("%s: %d %s", test.name, res.StatusCode, body)
		}
		if res.StatusCode == 401 && !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: no WWW-Authenticate", test.name)
		}
	}
	code := b.back("/authorize", request("client_id", "public")).Get("code")
	if status, answer := b.exchange("/token", code, "client_id", "public", "client_secret", "-"); status != 200 {
		t.Errorf("public client: %d %v", status, answer)
	}
}

func TestUserInfoRefuses(t *testing.T) {
	b := newBench(t, nil)
	tokens := b.signIn("/authorize", "/token")
	access := tokens["access_token"].(string)
	for _, header := range []string{"", "Bearer", "Bearer x", "Basic " + access, "token " + access} {
		res, _ := b.do("GET", "/userinfo", "", "Authorization", header)
		if res.StatusCode != 401 || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%q: status %d", header, res.StatusCode)
		}
	}
	for _, path := range []string{"/oauth2/userinfo", "/api/user"} {
		if status, _ := b.userInfo(path, tokens); status != 401 {
			t.Errorf("a token of one shape at %s: status %d", path, status)
		}
	}
	b.clock.Advance(accessLife + time.Second)
	if status, _ := b.userInfo("/userinfo", tokens); status != 401 {
		t.Errorf("expired: status %d", status)
	}
}

func TestScopesDecideTheClaims(t *testing.T) {
	b := newBench(t, nil)
	_, claims, _ := b.open(b.signIn("/authorize", "/token", "scope", "openid"))
	if claims["email"] != nil || claims["email_verified"] != nil || claims["name"] != nil {
		t.Errorf("scope openid: %v", claims)
	}
	if tokens := b.signIn("/authorize", "/token", "scope", "email"); tokens["id_token"] != nil {
		t.Errorf("an ID token without scope openid: %v", tokens)
	}
}

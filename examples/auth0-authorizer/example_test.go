package auth0authorizer_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

const audience = "https://api.example.com"

// TestAPI runs both functions, with a tenant on this machine whose tokens have the shape of Auth0's.
func TestAPI(t *testing.T) {
	auth0 := newTenant(t)
	env := []string{"ISSUER=" + auth0.issuer, "AUDIENCE=" + audience}
	authorizer, _ := functiontest.Start(t, functiontest.Build(t, "authorizer"), env...)
	function, _ := functiontest.Start(t, functiontest.Build(t, "api"), env...)
	guard := &lambdatest.LambdaAuthorizer{Function: authorizer, Type: lambdatest.TokenAuthorizer, IdentityValidation: gateway.IdentityValidation, TTL: gateway.TTL}
	api := functiontest.Gateway(t, lambdatest.Config{Type: lambdatest.REST, Routes: []lambdatest.Route{
		{Method: "GET", Path: "/api/public", Function: function},
		{Method: "GET", Path: "/api/private", Function: function, Authorizer: guard},
		{Method: "GET", Path: "/api/orders", Function: function, Authorizer: guard},
	}})
	plain := auth0.token(t, nil)
	for _, c := range []struct {
		name, path, token string
		status            int
		says              string
	}{
		{"public", "/api/public", "", 200, `{"message":"Hello, everybody."}`},
		{"no token", "/api/private", "", 401, ""},
		{"a token", "/api/private", plain, 200, `{"permissions":["read:orders"],"scopes":["openid","profile"],"subject":"auth0|5f7c8ec7c33c6c004bbafe82"}`},
		{"without the scope", "/api/orders", plain, 403, ""},
		{"with the scope", "/api/orders", auth0.token(t, map[string]any{"scope": "openid read:orders"}), 200, `"read:orders"`},
		{"for another API", "/api/private", auth0.token(t, map[string]any{"aud": "https://other.example.com"}), 401, ""},
		{"of another tenant", "/api/private", auth0.token(t, map[string]any{"iss": "https://other.eu.auth0.com/"}), 401, ""},
		{"expired", "/api/private", auth0.token(t, map[string]any{"exp": time.Now().Unix() - 3600}), 401, ""},
		{"another signature", "/api/private", newTenant(t).token(t, map[string]any{"iss": auth0.issuer}), 401, ""},
	} {
		r := httptest.NewRequest("GET", "/prod"+c.path, nil)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Body, c.status, c.says)
		}
	}
}

// A tenant signs tokens and publishes its key.
type tenant struct {
	issuer string
	key    *rsa.PrivateKey
}

func newTenant(t *testing.T) *tenant {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "wcP0F3cRlbbnUIRdA0Rnf",
		"n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	url := functiontest.Serve(t, func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/.well-known/jwks.json" {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write(jwks)
		})
	})
	return &tenant{url + "/", key}
}

// token signs what Auth0 would, with some claims changed.
func (te *tenant) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": te.issuer, "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "aud": []string{audience, te.issuer + "userinfo"}, "iat": now, "exp": now + 86400,
		"azp": "my_client_id", "scope": "openid profile", "permissions": []string{"read:orders"},
	}
	maps.Copy(claims, changes)
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	input := b64([]byte(`{"alg":"RS256","typ":"JWT","kid":"wcP0F3cRlbbnUIRdA0Rnf"}`)) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, te.key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(signature)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

package session_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

func TestI11_Discovery(t *testing.T) {
	for _, c := range []struct{ issuer, wellKnown string }{
		{issuer, "https://api.example.com/.well-known/oauth-authorization-server/auth"},
		{"https://api.example.com", "https://api.example.com/.well-known/oauth-authorization-server"},
		{"https://api.example.com/a/b", "https://api.example.com/.well-known/oauth-authorization-server/a/b"},
		{"http://localhost:8420/auth", "http://localhost:8420/.well-known/oauth-authorization-server/auth"},
	} {
		w := newWorld(t, func(cfg *session.Config) {
			cfg.Issuer = c.issuer
			cfg.Keys = must(keys.StaticSigner(must(keys.Generate(keys.ES256))(t), must(keys.Generate(keys.RS256))(t).Public(), must(keys.Generate(keys.ES256))(t).Public()))(t)
		})
		h := w.sessions.Handler()
		var documents []string
		for _, u := range []string{c.issuer + "/.well-known/openid-configuration", c.issuer + "/.well-known/oauth-authorization-server", c.wellKnown} {
			rec := serve(h, request("GET", u))
			if rec.Code != 200 || rec.Header().Get("Content-Type") != "application/json" || rec.Header().Get("Cache-Control") != "public, max-age=300" {
				t.Fatalf("%s: %d %v", u, rec.Code, rec.Header())
			}
			if rec.Header().Get("Access-Control-Allow-Origin") != "*" || rec.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: %v", u, rec.Header())
			}
			documents = append(documents, rec.Body.String())
			if head := serve(h, request("HEAD", u)); head.Code != 200 || head.Body.Len() != 0 {
				t.Errorf("HEAD %s: %d, %d bytes", u, head.Code, head.Body.Len())
			}
		}
		if documents[0] != documents[1] || documents[0] != documents[2] {
			t.Errorf("the documents differ: %q", documents)
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(documents[0]), &doc); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]any{
			"issuer": c.issuer, "authorization_endpoint": c.issuer + "/authorize", "token_endpoint": c.issuer + "/token",
			"jwks_uri": c.issuer + "/.well-known/jwks.json", "response_types_supported": []any{"code"}, "grant_types_supported": []any{"authorization_code", "refresh_token"},
			"code_challenge_methods_supported": []any{"S256"}, "subject_types_supported": []any{"public"}, "token_endpoint_auth_methods_supported": []any{"none"},
			"revocation_endpoint": c.issuer + "/revoke", "revocation_endpoint_auth_methods_supported": []any{"none"},
			"id_token_signing_alg_values_supported": []any{"ES256", "RS256"}, "authorization_response_iss_parameter_supported": true,
		} {
			if a, b := string(must(json.Marshal(doc[name]))(t)), string(must(json.Marshal(want))(t)); a != b {
				t.Errorf("%s = %s, want %s", name, a, b)
			}
		}
		rec := serve(h, request("GET", doc["jwks_uri"].(string)))
		if rec.Code != 200 || rec.Header().Get("Cache-Control") != "public, max-age=300" || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("jwks: %d %v", rec.Code, rec.Header())
		}
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal(rec.Body.Bytes(), &set); err != nil || len(set.Keys) != 3 {
			t.Fatalf("jwks: %v %s", err, rec.Body)
		}
		for _, k := range set.Keys {
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
				if _, has := k[private]; has {
					t.Errorf("the JWKS holds %q", private)
				}
			}
			if k["use"] != "sig" || k["kid"] == "" || !slices.Contains([]any{"ES256", "RS256"}, k["alg"]) {
				t.Errorf("key %v", k)
			}
		}
		// A client that knows the issuer only can check its tokens.
		verify := must(keys.Static(must(keys.ParseJWKS(rec.Body.Bytes()))(t)...))(t)
		s := must(session.New(session.Config{Issuer: c.issuer, Audience: audience, Keys: verify, Now: w.Now}))(t)
		if _, err := session.NewKindConfig(s, session.KindConfig[User]{Name: "user", Stateless: true}).Verify(t.Context(), w.token()); err != nil {
			t.Errorf("by the published keys: %v", err)
		}
	}
}

// byName finds keys and cannot list them.
type byName struct{ keys.Verifier }

// TestDiscovery_PublicKeysOnly: who only checks tokens publishes what it checks them with.
func TestDiscovery_PublicKeysOnly(t *testing.T) {
	key := must(keys.Generate(keys.ES256))(t)
	shared := must(keys.NewHMAC("shared", []byte("a secret of 32 bytes, all of it.")))(t)
	for name, c := range map[string]struct {
		keys       keys.Verifier
		algorithms string
		published  int
	}{
		"public": {must(keys.Static(key.Public()))(t), `["ES256"]`, 1},
		"shared": {must(keys.Static(shared.Public()))(t), `[]`, 0},
		"signer": {must(keys.StaticSigner(shared))(t), `[]`, 0},
	} {
		h := must(session.New(session.Config{Issuer: issuer, Audience: audience, Keys: c.keys}))(t).Handler()
		rec := serve(h, request("GET", issuer+"/.well-known/jwks.json"))
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal(rec.Body.Bytes(), &set); err != nil || rec.Code != 200 || len(set.Keys) != c.published || strings.Contains(rec.Body.String(), `"k"`) {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
		if c.published == 1 && set.Keys[0]["kid"] != key.Public().ID() {
			t.Errorf("%s: %v", name, set.Keys)
		}
		rec = serve(h, request("GET", issuer+"/.well-known/openid-configuration"))
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil || rec.Code != 200 {
			t.Fatalf("%s: %d %s", name, rec.Code, rec.Body)
		}
		for member, want := range map[string]string{
			"issuer": `"` + issuer + `"`, "jwks_uri": `"` + issuer + `/.well-known/jwks.json"`,
			"id_token_signing_alg_values_supported": c.algorithms, "grant_types_supported": `["authorization_code"]`, "revocation_endpoint": "",
		} {
			if got := string(doc[member]); got != want {
				t.Errorf("%s: %s = %s, want %s", name, member, got, want)
			}
		}
	}
}

// hangingSigner waits for its keys as long as it may.
type hangingSigner struct{ keys.Signer }

func (hangingSigner) PublicKeys(ctx context.Context) ([]*keys.PublicKey, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestDiscovery_KeysHang: where no keys are at hand, the answer says so in time.
func TestDiscovery_KeysHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := must(keys.StaticSigner(must(keys.Generate(keys.ES256))(t)))(t)
		h := must(session.New(session.Config{Issuer: issuer, Audience: audience, Keys: hangingSigner{signer}}))(t).Handler()
		for _, path := range []string{"jwks.json", "openid-configuration"} {
			start := time.Now()
			rec := serve(h, request("GET", issuer+"/.well-known/"+path))
			if took := time.Since(start); rec.Code != 503 || rec.Header().Get("Retry-After") == "" || took != time.Second {
				t.Errorf("%s: %d %v after %v", path, rec.Code, rec.Header(), took)
			}
		}
	})
}

// stuckVault hangs on demand.
type stuckVault struct {
	keys.MemoryVault
	stuck bool
}

func (v *stuckVault) Load(ctx context.Context) ([]byte, string, error) {
	if v.stuck {
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	return v.MemoryVault.Load(ctx)
}

// TestDiscovery_VaultHangs: a ring publishes the keys it had, long before a verifier gives up.
func TestDiscovery_VaultHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := &stuckVault{}
		ring := must(keys.Open(t.Context(), keys.RingConfig{Vault: vault, Algorithm: keys.EdDSA}))(t)
		h := must(session.New(session.Config{Issuer: issuer, Audience: audience, Keys: ring}))(t).Handler()
		want := serve(h, request("GET", issuer+"/.well-known/jwks.json")).Body.String()
		vault.stuck = true
		for round := range 5 {
			<-time.After(6 * time.Minute) // of the bubble: a reload is due
			for i, path := range []string{"jwks.json", "openid-configuration", "jwks.json"} {
				start := time.Now()
				rec := serve(h, request("GET", issuer+"/.well-known/"+path))
				if took := time.Since(start); rec.Code != 200 || took > time.Second || i > 0 && took > 0 {
					t.Errorf("round %d, %s: %d after %v", round, path, rec.Code, took)
				}
				if path == "jwks.json" && rec.Body.String() != want {
					t.Errorf("round %d: %s", round, rec.Body)
				}
			}
		}
		<-time.After(5 * time.Second) // in which the last reload ends: the bubble fails if one is left
	})
}

func TestHandler_Routes(t *testing.T) {
	w := newWorld(t)
	h := w.sessions.Handler()
	verifier := newWorld(t, func(c *session.Config) {
		c.Keys = byName{must(keys.Static(must(keys.Generate(keys.ES256))(t).Public()))(t)}
	}).sessions.Handler()
	away := newWorld(t, func(c *session.Config) { c.Keys = brokenSigner{c.Keys.(keys.Signer)} }).sessions.Handler()
	jwks, doc := "/auth/.well-known/jwks.json", "/auth/.well-known/openid-configuration"
	for _, path := range []string{"/", "/auth", "/auth/", "/auth/x", "/authx/token", "/token", "/auth/token/", "/auth//token", "/.well-known/jwks.json", "/.well-known/openid-configuration",
		"/.well-known/openid-configuration/auth", "/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/authx", "/auth/../auth/token"} {
		for _, method := range []string{"GET", "POST"} {
			if rec := serve(h, request(method, "https://api.example.com"+path)); rec.Code != 404 || errorCode(t, rec) != "not_found" {
				t.Errorf("%s %s: %d", method, path, rec.Code)
			}
		}
	}
	for _, path := range []string{jwks, doc} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE"} {
			if rec := serve(h, request(method, path)); rec.Code != 405 || rec.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d", method, path, rec.Code)
			}
		}
		if rec := serve(h, request("OPTIONS", path, "Origin", "https://any.example", "Access-Control-Request-Method", "GET")); rec.Code != 204 || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("preflight of %s: %d", path, rec.Code)
		}
		if rec := serve(verifier, request("GET", path)); rec.Code != 404 {
			t.Errorf("who cannot list keys publishes %s: %d", path, rec.Code)
		}
		if rec := serve(away, request("GET", path)); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s without keys: %d", path, rec.Code)
		}
	}
}

// TestC10_HeadersChangeNothing: all that is made of the issuer's URL stays what was configured.
func TestC10_HeadersChangeNothing(t *testing.T) {
	w := newWorld(t)
	h := w.sessions.Handler()
	outputs := func(change func(r *http.Request)) string {
		var b strings.Builder
		for _, c := range []struct{ method, path string }{{"GET", "/auth/.well-known/openid-configuration"}, {"GET", "/auth/.well-known/jwks.json"}, {"POST", "/auth/signout"}} {
			r := request(c.method, c.path, "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded")
			change(r)
			rec := serve(h, r)
			b.WriteString(rec.Body.String() + rec.Header().Get("Location") + strings.Join(rec.Header()["Set-Cookie"], "\n"))
		}
		r := request("GET", "/auth/google/callback")
		change(r)
		rec := recorder()
		if err := w.user.Cookie(rec, r, w.grant(), ret("https://example.com/")); err != nil {
			t.Fatal(err)
		}
		cookie := rec.Result().Cookies()[0]
		tok := must(w.user.Verify(t.Context(), cookie.Value))(t)
		cookie.Value = ""
		b.WriteString(cookie.String() + rec.Header().Get("Location") + tok.ClientID)
		return b.String()
	}
	want := outputs(func(*http.Request) {})
	if !strings.Contains(want, issuer+"/token") || !strings.Contains(want, "https://api.example.com/") {
		t.Fatal("the outputs do not name the issuer")
	}
	tried := 0
	for _, value := range []string{"evil.example", "evil.example:443", "api.example.com@evil.example", "", "http", "127.0.0.1"} {
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-Host"} {
			tried++
			if got := outputs(func(r *http.Request) { r.Header.Set(name, value) }); got != want {
				t.Errorf("%s: %s changes the output", name, value)
			}
		}
		tried++
		if got := outputs(func(r *http.Request) { r.Host, r.URL.Host, r.URL.Scheme = value, value, "http" }); got != want {
			t.Errorf("Host %q changes the output", value)
		}
	}
	if tried < 30 {
		t.Errorf("%d combinations tried", tried)
	}
}

// TestX3_Headers: every answer of the handler says the same to a browser, and no answer with a token is kept.
func TestX3_Headers(t *testing.T) {
	w := newWorld(t)
	h := w.sessions.Handler()
	token := httptest.NewRequest("POST", issuer+"/token", strings.NewReader(form(w.code(proof)).Encode()))
	token.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, r := range []*http.Request{
		token, request("POST", "/auth/token"), request("GET", "/auth/token"), request("POST", "/auth/signout"), request("GET", "/auth/nothing"),
		request("GET", "/auth/.well-known/jwks.json"), request("GET", "/auth/.well-known/openid-configuration"), request("POST", "/auth/signout", "Origin", "https://evil.example"),
		request("OPTIONS", "/auth/token", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"),
	} {
		rec := serve(h, r)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Strict-Transport-Security": "max-age=31536000", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := rec.Header().Get(name); got != want {
				t.Errorf("%s %s: %s = %q", r.Method, r.URL.Path, name, got)
			}
		}
		if public := strings.Contains(r.URL.Path, ".well-known"); public != (rec.Header().Get("Cache-Control") != "no-store") {
			t.Errorf("%s %s: Cache-Control %q", r.Method, r.URL.Path, rec.Header().Get("Cache-Control"))
		}
	}
	// No token in a Location. (That of Parameter has one, which is what Parameter is for.)
	for name, deliver := range map[string]func(http.ResponseWriter, *http.Request, session.Grant[User], session.Return) error{"Cookie": w.user.Cookie, "Code": w.user.Code} {
		rec := recorder()
		if err := deliver(rec, request("GET", "/"), w.grant(), returnto.New(app, "", s256(proof), "")); err != nil {
			t.Fatal(err)
		}
		if got := rec.Header().Get("Location"); !strings.HasPrefix(got, app) || strings.Contains(got, "eyJ") {
			t.Errorf("%s: a token in %q", name, got)
		}
	}
}

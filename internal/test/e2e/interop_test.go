package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
)

// task is what the scripts get.
type task struct {
	Issuer      string            `json:"issuer"`
	Audience    string            `json:"audience"`
	Client      string            `json:"client"`
	RedirectURI string            `json:"redirectURI"`
	Tokens      map[string]string `json:"tokens"`
}

// verdict is what a verifier says of a token.
type verdict struct {
	Claims  map[string]any `json:"claims"`
	Refused string         `json:"refused"`
}

// tampered returns copies of a token that must be refused.
func tampered(t *testing.T, a *app, token string) map[string]string {
	t.Helper()
	other := newApp(t, keys.ES256)
	part := strings.Split(token, ".")
	flip := func(s string) string { // the first character holds six bits that count
		c := byte('A')
		if s[0] == 'A' {
			c = 'B'
		}
		return string(c) + s[1:]
	}
	another := strings.Split(a.token(t, "somebody-else"), ".")
	return map[string]string{
		"signature":   part[0] + "." + part[1] + "." + flip(part[2]),
		"payload":     part[0] + "." + another[1] + "." + part[2],
		"unsigned":    part[0] + "." + part[1] + ".",
		"another key": other.token(t, "ada"),
		"cut off":     token[:len(token)-4],
	}
}

// check wants the good token accepted, with its claims, and each of the others refused.
func check(t *testing.T, verdicts map[string]verdict, job task) {
	t.Helper()
	for name := range job.Tokens {
		v, ok := verdicts[name]
		if accepted := ok && v.Refused == "" && v.Claims != nil; accepted != (name == "good") || !ok {
			t.Errorf("token %q: refused %q, claims %v", name, v.Refused, v.Claims)
		}
	}
	v := verdicts["good"].Claims
	if v["sub"] != "ada" || v["type"] != "member" || v["client_id"] != "spa" || v["scope"] != "orders:read orders:write" {
		t.Errorf("claims %v", v)
	}
	if p, _ := v["properties"].(map[string]any); p["userID"] != "ada" || p["email"] != "ada@example.com" {
		t.Errorf("properties %v", v["properties"])
	}
}

// TestInterop_Verifiers: tokens of Postern are accepted by verifiers that find its keys by discovery, and tampered ones
// are refused by each.
func TestInterop_Verifiers(t *testing.T) {
	dir := scripts(t)
	for _, alg := range []keys.Algorithm{keys.RS256, keys.ES256, keys.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			a := newApp(t, alg)
			a.serve(t, "once", atOnce{}, a.member.Code)
			good := a.token(t, "ada")
			job := task{Issuer: a.url + "/auth", Audience: "api", Client: "spa", RedirectURI: a.url + "/callback", Tokens: tampered(t, a, good)}
			job.Tokens["good"] = good

			t.Run("jose", func(t *testing.T) {
				var verdicts map[string]verdict
				node(t, dir, "verify-jose.mjs", job, &verdicts)
				check(t, verdicts, job)
			})
			t.Run("aws-jwt-verify", func(t *testing.T) {
				var verdicts map[string]verdict
				node(t, dir, "verify-aws.mjs", job, &verdicts)
				check(t, verdicts, job)
			})
			t.Run("oauth4webapi", func(t *testing.T) {
				var answer struct {
					Granted  granted            `json:"granted"`
					Again    string             `json:"again"`
					Verdicts map[string]verdict `json:"verdicts"`
				}
				node(t, dir, "verify-oauth4webapi.mjs", job, &answer)
				check(t, answer.Verdicts, job)
				answer.Granted.check(t, a)
				if c := answer.Granted.Claims; c["sub"] != adaKey || c["client_id"] != "spa" {
					t.Errorf("claims of the token that the code bought: %v", c)
				}
				if answer.Again != "invalid_grant" {
					t.Errorf("the second redemption of a code: %q", answer.Again)
				}
			})
			t.Run("openid-client", func(t *testing.T) {
				var answer struct {
					Granted granted `json:"granted"`
				}
				node(t, dir, "flow-openid-client.mjs", job, &answer)
				answer.Granted.check(t, a)
			})
		})
	}
}

// granted is an answer of the token endpoint, as a client read it.
type granted struct {
	Access  string         `json:"access_token"`
	Type    string         `json:"token_type"`
	Expires json.Number    `json:"expires_in"`
	Scope   string         `json:"scope"`
	Claims  map[string]any `json:"claims"`
}

// adaKey is the subject of a session of Ada, who signed in at the provider of this test.
var adaKey = postern.Identity{Issuer: "https://id.example.com", Subject: "ada"}.Key()

// check verifies the token with Postern itself.
func (g granted) check(t *testing.T, a *app) {
	t.Helper()
	s, err := a.member.Verify(t.Context(), g.Access)
	if err != nil {
		t.Fatalf("the token that the code bought: %v", err)
	}
	if s.Subject != adaKey || s.Properties.UserID != "https://id.example.com#ada" || s.ClientID != "spa" {
		t.Errorf("session %+v", s)
	}
	if !strings.EqualFold(g.Type, "Bearer") || g.Scope != "orders:read" {
		t.Errorf("token_type %q, scope %q", g.Type, g.Scope)
	}
	if n, err := g.Expires.Int64(); err != nil || n < 1 || time.Duration(n)*time.Second > time.Hour {
		t.Errorf("expires_in %q", g.Expires)
	}
}

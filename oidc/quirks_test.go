package oidc_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oidc"
)

// at signs in at a preset with a change to the claims of the ID token, and returns who it was, or the code of a
// refusal.
func at(t *testing.T, w *flowtest.World, name string, change func(map[string]any)) (postern.Identity, string) {
	t.Helper()
	w.IdP.SetFaults(fakeidp.Faults{IDToken: change})
	before := len(w.SignIns())
	a := signInAs(w, name, "10001")
	if done := w.SignIns(); len(done) == before+1 {
		return done[before].Identity, ""
	}
	return postern.Identity{}, a.Code()
}

// TestSlack: a user id is of one workspace only.
func TestSlack(t *testing.T) {
	w := all(t)
	team := func(id any) func(map[string]any) {
		return func(c map[string]any) { c["https://slack.com/team_id"] = id }
	}
	one, _ := at(t, w, "slack", nil)
	two, _ := at(t, w, "slack", team("T999"))
	if one.Subject != fakeidp.SlackTeam+"/10001" || two.Subject != "T999/10001" || one.Issuer != two.Issuer || one.Name != "Ada Lovelace" {
		t.Errorf("%+v and %+v", one, two)
	}
	for _, id := range []any{nil, "", 1, []string{"T1"}, strings.Repeat("T", 65)} {
		if got, code := at(t, w, "slack", team(id)); code != "invalid_id_token" {
			t.Errorf("team %v: %q %+v", id, code, got)
		}
	}
	// Its errors come with status 200.
	w.IdP.SetFaults(fakeidp.Faults{TokenError: "invalid_grant"})
	if a := signInAs(w, "slack", "10001"); a.Status != 400 || a.Code() != "invalid_code" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	w.IdP.SetFaults(fakeidp.Faults{TokenError: "invalid_client"})
	if a := signInAs(w, "slack", "10001"); a.Status != 502 || !strings.Contains(w.Log(), "bad_client_secret") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestJ14_CognitoAccessToken: an access token of the pool is no ID token.
func TestJ14_CognitoAccessToken(t *testing.T) {
	w := all(t)
	for _, use := range []any{"access", nil, "", "ID", true} {
		if _, code := at(t, w, "cognito", func(c map[string]any) { c["token_use"] = use }); code != "invalid_id_token" {
			t.Errorf("%v: %q", use, code)
		}
	}
	for _, pool := range []string{"", "eu-central-1", "_x", "eu-central-1_", "evil.example/x_y", "eu-central-1_a/b", "eu-central-1_a?b", "x.y_z", "eu_a#b"} {
		if err := oidc.Cognito(pool, oidc.Config{ClientID: "a"}).Check(); err == nil || !strings.Contains(err.Error(), "pool must be") {
			t.Errorf("%q: %v", pool, err)
		}
	}
}

// TestA2_UserInfoText: Cognito writes "true" as text into UserInfo; at GitLab, that would prove nothing.
func TestA2_UserInfoText(t *testing.T) {
	w := all(t, func(c *oidc.Config) { c.UserInfo = !strings.HasSuffix(c.Issuer, "/apple") })
	w.IdP.SetProfile(func(m map[string]any) { m["email_verified"] = "true" })
	for name, proven := range map[string]bool{"cognito": true, "gitlab": false, "keycloak": false, "slack": false, "yahoo": false, "microsoft": false} {
		id, _ := at(t, w, name, func(c map[string]any) { delete(c, "email"); delete(c, "email_verified") })
		if mail, ok := id.Email(); ok != proven || len(id.Addresses) != 1 || id.UserInfo == nil {
			t.Errorf("%s: %q %v %+v", name, mail, ok, id)
		}
	}
	w.IdP.SetProfile(func(m map[string]any) { m["sub"] = "somebody-else" })
	if id, code := at(t, w, "cognito", nil); code != "provider_error" {
		t.Errorf("somebody else's: %q %+v", code, id)
	}
}

// TestC4_Keycloak announces iss, and is held to it.
func TestC4_Keycloak(t *testing.T) {
	w := all(t)
	for _, f := range []fakeidp.Faults{{NoIss: true}, {WrongIss: true}} {
		w.IdP.SetFaults(f)
		if a := signInAs(w, "keycloak", "10001"); a.Status != 400 || a.Code() != "invalid_issuer" {
			t.Errorf("%+v: %d %s", f, a.Status, a.Body)
		}
	}
	for _, realm := range []string{"", "a/b", "/"} {
		if err := oidc.Keycloak("https://id.example.com", realm, oidc.Config{ClientID: "a"}).Check(); err == nil || !strings.Contains(err.Error(), "realm must be") {
			t.Errorf("%q: %v", realm, err)
		}
	}
}

// TestYahoo signs with ES256, which other presets do not take unasked.
func TestYahoo(t *testing.T) {
	w := all(t)
	id, _ := at(t, w, "yahoo", nil)
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(id.Tokens.ID, ".")[0])
	if err != nil || !strings.Contains(string(raw), `"ES256"`) {
		t.Errorf("%s, %v", raw, err)
	}
	w = one(t, func(c *oidc.Config) { c.Issuer = flowtest.IdP + "/yahoo" })
	if a := w.Browser().SignIn("one"); a.Code() != "invalid_id_token" || !strings.Contains(w.Log(), "Config.Algorithms") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestSecretWhereItIsTaken: in the header or the body, as the service wants it.
func TestSecretWhereItIsTaken(t *testing.T) {
	w := all(t)
	var form url.Values
	w.Observe(func(e fakeidp.Endpoint, v url.Values) {
		if e == fakeidp.Token {
			form = v
		}
	})
	for name, post := range map[string]bool{"apple": true, "microsoft": false, "slack": false, "gitlab": false, "keycloak": false, "cognito": false, "yahoo": false} {
		identityAt(t, w, name, "10001")
		if form.Has("client_secret") != post || form.Has("code_verifier") == (name == "slack") {
			t.Errorf("%s: secret in the body: %v, verifier: %v", name, form.Has("client_secret"), form.Has("code_verifier"))
		}
	}
}

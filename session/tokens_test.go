package session_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// TestTokens_JSON: tokens have one shape in JSON, that of RFC 6749: what a program writes is what the token endpoint
// answers for a code and for a refresh token, member for member, and what that answers can be read.
func TestTokens_JSON(t *testing.T) {
	k := newKeeper(t)
	own := k.create()
	written := func(tokens session.Tokens) (m map[string]any) {
		t.Helper()
		text := must(json.Marshal(tokens))(t)
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	shape := func(m map[string]any) map[string]any {
		out := map[string]any{}
		for name, v := range m {
			if out[name] = v; name == "access_token" || name == "refresh_token" {
				out[name] = v.(string) != ""
			}
		}
		return out
	}
	want := map[string]any{"access_token": true, "token_type": "Bearer", "expires_in": 300.0, "refresh_token": true, "scope": "orders:read orders:write"}
	grant := k.ask("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {own.Refresh}}.Encode())
	code := k.redeemCode(k.memberCode(audience), audience)
	for name, m := range map[string]map[string]any{"Create": written(own), "Refresh": written(k.mustRefresh(own.Refresh)), "code": decode(t, code), "refresh grant": decode(t, grant)} {
		if got := shape(m); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for name, text := range map[string][]byte{"code": code.Body.Bytes(), "refresh grant": grant.Body.Bytes(), "Create": must(json.Marshal(own))(t)} {
		var read session.Tokens
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		if life := time.Until(read.Expires); life > 5*time.Minute || life < 4*time.Minute || read.Scope != "orders:read orders:write" {
			t.Errorf("%s: read %+v", name, read)
		}
		k.verify(read.Access)
		k.mustRefresh(read.Refresh)
		var again session.Tokens
		if err := json.Unmarshal(must(json.Marshal(read))(t), &again); err != nil || again.Access != read.Access || again.Refresh != read.Refresh || again.Scope != read.Scope {
			t.Errorf("%s: written and read once more: %+v, %v", name, again, err)
		}
	}
	// Where there is no refresh token or no scope there is no member.
	merged := must(k.member.Merge(t.Context(), k.verify(own.Access), func(g *session.Grant[User]) error { g.Scopes = nil; return nil }))(t)
	if m := written(merged); len(m) != 3 || m["expires_in"] != 300.0 {
		t.Errorf("merged: %v", m)
	}
	if m := written(session.Tokens{Access: "a", Expires: time.Now().Add(-time.Hour)}); m["expires_in"] != 0.0 {
		t.Errorf("expired: %v", m)
	}
	for _, text := range []string{`{}`, `[]`, `{"access_token":"a"}`, `{"access_token":"a","token_type":"DPoP","expires_in":5}`, `{"error":"invalid_grant"}`, `{"access_token":1,"token_type":"Bearer"}`} {
		var tokens session.Tokens
		if err := json.Unmarshal([]byte(text), &tokens); err == nil || tokens != (session.Tokens{}) {
			t.Errorf("%s: %+v, %v", text, tokens, err)
		}
	}
}

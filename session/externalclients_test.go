package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// TestExternal_Clients checks the client of a token, for issuers that write no aud.
func TestExternal_Clients(t *testing.T) {
	w := newWorld(t)
	base := session.ExternalConfig{Issuer: "https://other.example", Algorithms: []keys.Algorithm{keys.ES256}, Keys: must(keys.Static(w.key.Public()))(t), Now: w.Now}
	now := w.Now().Unix()
	for name, c := range map[string]struct {
		audience string
		clients  []string
		claims   map[string]any
		want     string
	}{
		"client_id":                 {"", []string{"web"}, map[string]any{"client_id": "web"}, ""},
		"azp":                       {"", []string{"x", "web"}, map[string]any{"azp": "web"}, ""},
		"client_id goes before azp": {"", []string{"web"}, map[string]any{"client_id": "other", "azp": "web"}, "audience"},
		"neither":                   {"", []string{"web"}, map[string]any{}, "audience"},
		"another":                   {"", []string{"web"}, map[string]any{"client_id": "webb"}, "audience"},
		"for somebody else":         {"", []string{"web"}, map[string]any{"client_id": "web", "aud": "x"}, "audience"},
		"aud is empty":              {"", []string{"web"}, map[string]any{"client_id": "web", "aud": ""}, "audience"},
		"aud is an empty list":      {"", []string{"web"}, map[string]any{"client_id": "web", "aud": []string{}}, "audience"},
		"both":                      {"api", []string{"web"}, map[string]any{"client_id": "web", "aud": "api"}, ""},
		"both, another client":      {"api", []string{"web"}, map[string]any{"client_id": "x", "aud": "api"}, "audience"},
		"both, no aud":              {"api", []string{"web"}, map[string]any{"client_id": "web"}, "audience"},
		"any client":                {"api", nil, map[string]any{"aud": "api"}, ""},
	} {
		config := base
		config.Audience, config.Clients = c.audience, c.clients
		foreign := must(session.NewExternal[map[string]any](config))(t)
		claims := map[string]any{"iss": "https://other.example", "sub": "u1", "exp": now + 60}
		for k, v := range c.claims {
			claims[k] = v
		}
		if _, err := foreign.Verify(t.Context(), w.sign(claims)); session.Reason(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for want, change := range map[string]func(*session.ExternalConfig){
		"ExternalConfig.Audience is missing": func(*session.ExternalConfig) {},
		"ExternalConfig.Clients":             func(c *session.ExternalConfig) { c.Clients = []string{""} },
	} {
		config := base
		change(&config)
		if _, err := session.NewExternal[map[string]any](config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestI6_FreeTextIsNoClient: a link to authorize may name any client. What it says is never signed, so it meets no
// ExternalConfig.Clients of another service, neither in the first token nor after refreshes, and no list has it.
func TestI6_FreeTextIsNoClient(t *testing.T) {
	key := must(keys.Generate(keys.EdDSA))(t)
	k := newKeeper(t, func(c *session.Config) { c.Keys, c.ClientID = must(keys.StaticSigner(key))(t), "spa" })
	guard := must(session.NewExternal[User](session.ExternalConfig{
		Issuer: issuer, Audience: audience, Clients: []string{"billing"}, Algorithms: []keys.Algorithm{keys.EdDSA}, Keys: must(keys.Static(key.Public()))(t), Now: k.Now,
	}))(t)
	refused := func(what, access string) {
		t.Helper()
		s, err := guard.Verify(t.Context(), access)
		if session.Reason(err) != "audience" {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
		if got := k.verify(access).ClientID; got != "spa" {
			t.Errorf("%s: client_id %q", what, got)
		}
	}
	link := returnto.New(app, "", s256(proof), "billing")
	rec := recorder()
	if err := k.member.Code(rec, request("GET", "/"), k.grant(), link); err != nil {
		t.Fatal(err)
	}
	code := must(rec.Result().Location())(t).Query().Get("code")
	for _, client := range []string{"billing", "spa2", "SPA"} { // nor does the token endpoint believe it
		if rec := k.redeemCode(code, client); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
			t.Errorf("redeemed as %s: %d %s", client, rec.Code, rec.Body)
		}
	}
	body := decode(t, k.redeemCode(code, "spa"))
	refused("code", body["access_token"].(string))
	k.Advance(10 * time.Minute)
	for _, client := range []string{"billing", "spa2"} {
		if rec := k.ask("POST", "/token", "grant_type=refresh_token&refresh_token="+body["refresh_token"].(string)+"&client_id="+client); rec.Code != 400 {
			t.Errorf("refreshed as %s: %d", client, rec.Code)
		}
	}
	refused("refresh", k.mustRefresh(body["refresh_token"].(string)).Access)
	rec = recorder()
	if err := k.member.Cookie(rec, request("GET", "/"), k.grant(), link); err != nil {
		t.Fatal(err)
	}
	refused("cookie", value(set(t, rec.Header(), k.access())))
	rec = recorder()
	if err := k.member.Parameter(rec, request("GET", "/"), k.grant(), link); err != nil {
		t.Fatal(err)
	}
	refused("parameter", must(rec.Result().Location())(t).Query().Get("token"))
	for _, in := range k.list() {
		if in.ClientID != "spa" {
			t.Errorf("listed with client_id %q", in.ClientID)
		}
	}
}

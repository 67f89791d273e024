package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// TestTrust_Clients: who a token was issued to, for issuers that write no aud.
func TestTrust_Clients(t *testing.T) {
	w := newWorld(t)
	base := session.TrustConfig{Issuer: "https://other.example", Algorithms: []keys.Algorithm{keys.ES256}, Keys: must(keys.Static(w.key.Public()))(t), Now: w.clock}
	now := w.clock().Unix()
	for name, c := range map[string]struct {
		audience string
		clients  []string
		claims   map[string]any
		want     error
	}{
		"client_id":                 {"", []string{"web"}, map[string]any{"client_id": "web"}, nil},
		"azp":                       {"", []string{"x", "web"}, map[string]any{"azp": "web"}, nil},
		"client_id goes before azp": {"", []string{"web"}, map[string]any{"client_id": "other", "azp": "web"}, session.ErrAudience},
		"neither":                   {"", []string{"web"}, map[string]any{}, session.ErrAudience},
		"another":                   {"", []string{"web"}, map[string]any{"client_id": "webb"}, session.ErrAudience},
		"for somebody else":         {"", []string{"web"}, map[string]any{"client_id": "web", "aud": "x"}, session.ErrAudience},
		"aud is empty":              {"", []string{"web"}, map[string]any{"client_id": "web", "aud": ""}, session.ErrAudience},
		"aud is an empty list":      {"", []string{"web"}, map[string]any{"client_id": "web", "aud": []string{}}, session.ErrAudience},
		"both":                      {"api", []string{"web"}, map[string]any{"client_id": "web", "aud": "api"}, nil},
		"both, another client":      {"api", []string{"web"}, map[string]any{"client_id": "x", "aud": "api"}, session.ErrAudience},
		"both, no aud":              {"api", []string{"web"}, map[string]any{"client_id": "web"}, session.ErrAudience},
		"any client":                {"api", nil, map[string]any{"aud": "api"}, nil},
	} {
		config := base
		config.Audience, config.Clients = c.audience, c.clients
		foreign := must(session.Trust[map[string]any](config))(t)
		claims := map[string]any{"iss": "https://other.example", "sub": "u1", "exp": now + 60}
		for k, v := range c.claims {
			claims[k] = v
		}
		if _, err := foreign.Verify(t.Context(), w.sign(claims)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for want, change := range map[string]func(*session.TrustConfig){
		"TrustConfig.Audience is missing": func(*session.TrustConfig) {},
		"TrustConfig.Clients":             func(c *session.TrustConfig) { c.Clients = []string{""} },
	} {
		config := base
		change(&config)
		if _, err := session.Trust[map[string]any](config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

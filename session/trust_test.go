package session_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

const partner = "https://partner.example/"

type partnerClaims struct {
	Email string `json:"email"`
	Sub   string `json:"sub"`
}

func (w *world) trust(t *testing.T, key keys.SigningKey, changes ...func(*session.TrustConfig)) *session.Foreign[partnerClaims] {
	c := session.TrustConfig{
		Issuer: partner, Audience: audience, Algorithms: []keys.Algorithm{key.Public().Algorithm()},
		Keys: must(keys.Static(key.Public()))(t), Now: w.clock,
	}
	for _, change := range changes {
		change(&c)
	}
	return must(session.Trust[partnerClaims](c))(t)
}

func (w *world) partnerClaims() map[string]any {
	now := w.clock().Unix()
	return map[string]any{
		"iss": partner, "aud": []string{audience, "x"}, "sub": "p1", "iat": now, "exp": now + 86400, "email": "p1@partner.example",
		"scope": "feed  other", "roles": []string{"reader"}, "azp": "web", "sid": "s1", "jti": "j1", "auth_time": now, "amr": []string{"mfa"},
	}
}

func TestTrust(t *testing.T) {
	w := newWorld(t)
	for _, alg := range []keys.Algorithm{keys.RS256, keys.ES384, keys.EdDSA} {
		key := must(keys.Generate(alg))(t)
		f := w.trust(t, key)
		token := w.signAs(key, "JWT", w.partnerClaims())
		s := must(f.Verify(t.Context(), token))(t)
		if s.Kind != partner || s.Subject != "p1" || s.ID != "s1" || s.TokenID != "j1" || s.ClientID != "web" ||
			strings.Join(s.Scopes, "|") != "feed|other" || strings.Join(s.Roles, "|") != "reader" || strings.Join(s.Auth.Methods, "|") != "mfa" ||
			!s.Auth.Time.Equal(w.clock()) || s.Properties != (partnerClaims{"p1@partner.example", "p1"}) || !strings.Contains(string(s.Claims), `"email"`) {
			t.Errorf("%s: %+v", alg, s)
		}
		h := f.Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			s, ok := f.From(r.Context())
			if !ok {
				t.Error("no session")
			}
			_, _ = rw.Write([]byte(s.Properties.Email))
		}), session.Scope("feed"), session.Fresh(time.Minute), session.Claim("partner", func(s *session.Session[partnerClaims]) bool {
			return strings.HasSuffix(s.Properties.Email, "@partner.example")
		}))
		if rec := serve(h, request("POST", "/", "Authorization", "Bearer "+token, "Origin", "https://anywhere.example")); rec.Code != 200 || rec.Body.String() != "p1@partner.example" {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
}

func TestTrust_Refuses(t *testing.T) {
	w := newWorld(t)
	key := must(keys.Generate(keys.ES256))(t)
	f := w.trust(t, key)
	change := func(name string, v any) string {
		c := w.partnerClaims()
		if c[name] = v; v == nil {
			delete(c, name)
		}
		return w.signAs(key, "", c)
	}
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"good":            {change("x", 1), nil},
		"our own":         {w.token(), session.ErrUnknownKey},
		"issuer":          {change("iss", "https://partner.example"), session.ErrIssuer},
		"audience":        {change("aud", "web"), session.ErrAudience},
		"no audience":     {change("aud", nil), session.ErrAudience},
		"expired":         {change("exp", 1), session.ErrExpired},
		"no exp":          {change("exp", nil), session.ErrClaims},
		"no sub":          {change("sub", nil), session.ErrClaims},
		"sub a number":    {change("sub", 1), session.ErrClaims},
		"nbf to come":     {change("nbf", w.clock().Unix()+31), session.ErrNotYetValid},
		"iat to come":     {change("iat", w.clock().Unix()+31), session.ErrNotYetValid},
		"email a number":  {change("email", 1), session.ErrClaims}, // of the type that the application wants
		"other algorithm": {w.signAs(must(keys.Generate(keys.EdDSA))(t), "", w.partnerClaims()), session.ErrAlgorithm},
		"no iat":          {change("iat", nil), nil},
	} {
		if _, err := f.Verify(t.Context(), c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	typed := w.trust(t, key, func(c *session.TrustConfig) { c.Type = "at+jwt" })
	for typ, want := range map[string]error{"at+jwt": nil, "application/at+JWT": nil, "JWT": session.ErrType, "": session.ErrType} {
		if _, err := typed.Verify(t.Context(), w.signAs(key, typ, w.partnerClaims())); !errors.Is(err, want) {
			t.Errorf("typ %q: %v, want %v", typ, err, want)
		}
	}
	if rec := serve(f.Require(w.whoami()), request("GET", "/", "Cookie", w.cookieName()+"="+change("x", 1))); rec.Code != 401 {
		t.Errorf("by cookie: %d", rec.Code)
	}
	if rec := serve(f.Optional(w.whoami()), request("GET", "/")); rec.Code != 200 || rec.Header().Get("Vary") != "" {
		t.Errorf("optional: %d, Vary %q", rec.Code, rec.Header().Get("Vary"))
	}
}

// Other issuers write their lists in other ways. What cannot be read grants nothing.
func TestTrust_Lists(t *testing.T) {
	w := newWorld(t)
	key := must(keys.Generate(keys.ES256))(t)
	f := w.trust(t, key)
	for name, c := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"Entra":             {map[string]any{"scope": nil, "scp": "a b"}, "a b"},
		"Okta":              {map[string]any{"scope": nil, "scp": []string{"a", "b"}}, "a b"},
		"an array as scope": {map[string]any{"scope": []string{"a"}}, ""},
		"an object":         {map[string]any{"scope": map[string]any{"admin": true}}, ""},
		"scp of numbers":    {map[string]any{"scope": nil, "scp": []int{1}}, ""},
	} {
		claims := w.partnerClaims()
		for k, v := range c.claims {
			claims[k] = v
		}
		claims["roles"], claims["amr"], claims["auth_time"] = "admin", 1, "now"
		s, err := f.Verify(t.Context(), w.signAs(key, "", claims))
		if err != nil || strings.Join(s.Scopes, " ") != c.want || s.Roles != nil || s.Auth.Methods != nil || !s.Auth.Time.IsZero() {
			t.Errorf("%s: %+v %v, want scopes %q", name, s, err, c.want)
		}
	}
}

func TestTrust_AnyOf(t *testing.T) {
	w := newWorld(t)
	key := must(keys.Generate(keys.ES256))(t)
	f := w.trust(t, key)
	g := session.AnyOf(w.user, f.With(session.Role("reader")), w.apikey)
	h := g.Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		u, _ := w.user.From(r.Context())
		p, _ := f.From(r.Context())
		_, _ = rw.Write([]byte(u.Subject + p.Subject))
	}))
	odd := w.partnerClaims()
	odd["type"] = []int{1} // their own business
	for token, want := range map[string]string{w.token(): "u1", w.signAs(key, "", w.partnerClaims()): "p1", w.signAs(key, "JWT", odd): "p1"} {
		if rec := serve(h, request("GET", "/", "Authorization", "Bearer "+token)); rec.Code != 200 || rec.Body.String() != want {
			t.Errorf("%d %s, want %s", rec.Code, rec.Body, want)
		}
	}
	if s, ok := f.From(f.NewContext(t.Context(), &session.Session[partnerClaims]{Subject: "p1"})); !ok || s.Subject != "p1" {
		t.Errorf("NewContext: %+v %v", s, ok)
	}
}

func TestTrust_Config(t *testing.T) {
	w := newWorld(t)
	good := session.TrustConfig{Issuer: partner, Audience: audience, Algorithms: []keys.Algorithm{keys.ES256}, Keys: must(keys.Static(w.key.Public()))(t)}
	for name, change := range map[string]func(*session.TrustConfig){
		"Issuer":     func(c *session.TrustConfig) { c.Issuer = "" },
		"Audience":   func(c *session.TrustConfig) { c.Audience = "" },
		"Keys":       func(c *session.TrustConfig) { c.Keys = nil },
		"Algorithms": func(c *session.TrustConfig) { c.Algorithms = nil },
		"known":      func(c *session.TrustConfig) { c.Algorithms = []keys.Algorithm{"none"} },
		"Leeway":     func(c *session.TrustConfig) { c.Leeway = time.Hour },
	} {
		c := good
		change(&c)
		if _, err := session.Trust[User](c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := session.Trust[User](good); err != nil {
		t.Error(err)
	}
}

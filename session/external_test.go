package session_test

import (
	"encoding/json"
	"fmt"
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

func (w *world) trust(t *testing.T, key keys.SigningKey, changes ...func(*session.ExternalConfig)) *session.External[partnerClaims] {
	c := session.ExternalConfig{
		Issuer: partner, Audience: audience, Algorithms: []keys.Algorithm{key.Public().Algorithm()},
		Keys: must(keys.Static(key.Public()))(t), Now: w.Now,
	}
	for _, change := range changes {
		change(&c)
	}
	return must(session.NewExternal[partnerClaims](c))(t)
}

func (w *world) partnerClaims() map[string]any {
	now := w.Now().Unix()
	return map[string]any{
		"iss": partner, "aud": []string{audience, "x"}, "sub": "p1", "iat": now, "exp": now + 86400, "email": "p1@partner.example",
		"scope": "feed  other", "roles": []string{"reader"}, "azp": "web", "sid": "s1", "jti": "j1", "auth_time": now, "amr": []string{"mfa"},
	}
}

func TestExternal(t *testing.T) {
	w := newWorld(t)
	for _, alg := range []keys.Algorithm{keys.RS256, keys.ES384, keys.EdDSA} {
		key := must(keys.Generate(alg))(t)
		f := w.trust(t, key)
		token := w.signAs(key, "JWT", w.partnerClaims())
		s := must(f.Verify(t.Context(), token))(t)
		if s.Kind != partner || s.Subject != "p1" || s.ID != "s1" || s.TokenID != "j1" || s.ClientID != "web" ||
			strings.Join(s.Scopes, "|") != "feed|other" || strings.Join(s.Roles, "|") != "reader" || strings.Join(s.Authentication.Methods, "|") != "mfa" ||
			!s.Authentication.Time.Equal(w.Now()) || s.Properties != (partnerClaims{"p1@partner.example", "p1"}) || !strings.Contains(string(s.Claims), `"email"`) {
			t.Errorf("%s: %+v", alg, s)
		}
		h := f.Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			s, ok := f.From(r.Context())
			if !ok {
				t.Error("no session")
			}
			_, _ = rw.Write([]byte(s.Properties.Email))
		}), session.Scope("feed"), session.Fresh(time.Minute), session.Where("partner", func(s *session.Session[partnerClaims]) bool {
			return strings.HasSuffix(s.Properties.Email, "@partner.example")
		}))
		if rec := serve(h, request("POST", "/", "Authorization", "Bearer "+token, "Origin", "https://anywhere.example")); rec.Code != 200 || rec.Body.String() != "p1@partner.example" {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
}

func TestExternal_Refuses(t *testing.T) {
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
		want  string
	}{
		"good":            {change("x", 1), ""},
		"our own":         {w.token(), "unknown_key"},
		"issuer":          {change("iss", "https://partner.example"), "issuer"},
		"audience":        {change("aud", "web"), "audience"},
		"no audience":     {change("aud", nil), "audience"},
		"expired":         {change("exp", 1), "expired"},
		"no exp":          {change("exp", nil), "claims"},
		"no sub":          {change("sub", nil), "claims"},
		"sub a number":    {change("sub", 1), "claims"},
		"nbf to come":     {change("nbf", w.Now().Unix()+31), "not_yet_valid"},
		"iat to come":     {change("iat", w.Now().Unix()+31), "not_yet_valid"},
		"email a number":  {change("email", 1), "claims"}, // of the type that the application wants
		"other algorithm": {w.signAs(must(keys.Generate(keys.EdDSA))(t), "", w.partnerClaims()), "algorithm"},
		"no iat":          {change("iat", nil), ""},
	} {
		if _, err := f.Verify(t.Context(), c.token); session.Reason(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	typed := w.trust(t, key, func(c *session.ExternalConfig) { c.Type = "at+jwt" })
	for typ, want := range map[string]string{"at+jwt": "", "application/at+JWT": "", "JWT": "typ", "": "typ"} {
		if _, err := typed.Verify(t.Context(), w.signAs(key, typ, w.partnerClaims())); session.Reason(err) != want {
			t.Errorf("typ %q: %v, want %q", typ, err, want)
		}
	}
	if rec := serve(f.Require(w.whoami()), request("GET", "/", "Cookie", w.cookieName()+"="+change("x", 1))); rec.Code != 401 {
		t.Errorf("by cookie: %d", rec.Code)
	}
	if rec := serve(f.Optional(w.whoami()), request("GET", "/")); rec.Code != 200 || rec.Header().Get("Vary") != "" {
		t.Errorf("optional: %d, Vary %q", rec.Code, rec.Header().Get("Vary"))
	}
}

// Other issuers write lists in other forms. A list that cannot be read grants nothing.
func TestExternal_Lists(t *testing.T) {
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
		if err != nil || strings.Join(s.Scopes, " ") != c.want || s.Roles != nil || s.Authentication.Methods != nil || !s.Authentication.Time.IsZero() {
			t.Errorf("%s: %+v %v, want scopes %q", name, s, err, c.want)
		}
	}
}

func TestExternal_AnyOf(t *testing.T) {
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

func TestExternal_Config(t *testing.T) {
	w := newWorld(t)
	good := session.ExternalConfig{Issuer: partner, Audience: audience, Algorithms: []keys.Algorithm{keys.ES256}, Keys: must(keys.Static(w.key.Public()))(t)}
	for name, change := range map[string]func(*session.ExternalConfig){
		"Issuer":     func(c *session.ExternalConfig) { c.Issuer = "" },
		"Audience":   func(c *session.ExternalConfig) { c.Audience = "" },
		"Keys":       func(c *session.ExternalConfig) { c.Keys = nil },
		"Algorithms": func(c *session.ExternalConfig) { c.Algorithms = nil },
		"known":      func(c *session.ExternalConfig) { c.Algorithms = []keys.Algorithm{"none"} },
		"Leeway":     func(c *session.ExternalConfig) { c.Leeway = time.Hour },
	} {
		c := good
		change(&c)
		if _, err := session.NewExternal[User](c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := session.NewExternal[User](good); err != nil {
		t.Error(err)
	}
}

// TestB61_TokensOfOtherIssuers has forms of tokens that public issuers write. A claim that is null is absent.
func TestB61_TokensOfOtherIssuers(t *testing.T) {
	w := newWorld(t)
	key := must(keys.Generate(keys.ES256))(t)
	exp := w.Now().Add(time.Hour).Unix()
	strict := w.trust(t, key)
	programs := w.trust(t, key, func(c *session.ExternalConfig) { c.AllowNoSubject = true })
	ofClients := w.trust(t, key, func(c *session.ExternalConfig) {
		c.AllowNoSubject, c.Audience, c.Clients = true, "", []string{"m2m"}
	})
	for name, c := range map[string]struct {
		kind   *session.External[partnerClaims]
		change map[string]any // nil: left out
		want   string
	}{
		"exp with a fraction":         {strict, map[string]any{"exp": float64(exp) + 0.5}, ""},
		"exp with an exponent":        {strict, map[string]any{"exp": json.Number(fmt.Sprintf("%d.%06de9", exp/1e9, exp%1e9/1e3))}, ""},
		"nbf null":                    {strict, map[string]any{"nbf": json.RawMessage("null")}, ""},
		"sid, jti and iat null":       {strict, map[string]any{"sid": json.RawMessage("null"), "jti": json.RawMessage("null"), "iat": json.RawMessage("null")}, ""},
		"lists null":                  {strict, map[string]any{"scope": json.RawMessage("null"), "roles": json.RawMessage("null"), "amr": json.RawMessage("null")}, ""},
		"exp null":                    {strict, map[string]any{"exp": json.RawMessage("null")}, "claims"},
		"iss null":                    {strict, map[string]any{"iss": json.RawMessage("null")}, "issuer"},
		"aud null":                    {strict, map[string]any{"aud": json.RawMessage("null")}, "audience"},
		"sub null":                    {strict, map[string]any{"sub": json.RawMessage("null")}, "claims"},
		"client_id a number":          {strict, map[string]any{"client_id": 5}, ""},
		"auth_time a text":            {strict, map[string]any{"auth_time": "1700000000"}, ""},
		"no sub":                      {strict, map[string]any{"sub": nil, "client_id": "m2m"}, "claims"},
		"no sub, a program":           {programs, map[string]any{"sub": nil, "client_id": "m2m"}, ""},
		"no sub, a program by azp":    {programs, map[string]any{"sub": nil, "azp": "m2m"}, ""},
		"no sub, nobody":              {programs, map[string]any{"sub": nil, "client_id": nil, "azp": nil}, "claims"},
		"sub null, a program":         {programs, map[string]any{"sub": json.RawMessage("null"), "client_id": "m2m"}, ""},
		"a sub of the wrong type":     {programs, map[string]any{"sub": 7, "client_id": "m2m"}, "claims"},
		"no sub, one of the programs": {ofClients, map[string]any{"sub": nil, "aud": nil, "client_id": "m2m"}, ""},
		"no sub, another program":     {ofClients, map[string]any{"sub": nil, "aud": nil, "client_id": "other"}, "audience"},
	} {
		claims := w.partnerClaims()
		claims["exp"] = exp
		for k, v := range c.change {
			if claims[k] = v; v == nil {
				delete(claims, k)
			}
		}
		s, err := c.kind.Verify(t.Context(), w.signAs(key, "", claims))
		if session.Reason(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, kept := claims["sub"].(string); err == nil && !kept && (s.Subject != "" || s.ClientID != "m2m") {
			t.Errorf("%s: subject %q, client %q", name, s.Subject, s.ClientID)
		}
	}
	// Our own tokens are written by this package, which writes no null.
	w.refuses(t, "claims", map[string]string{"our own": w.sign(w.with("auth_time", json.RawMessage("null")))})
}

// TestB61_LetterCase: claims that differ in letter case are different claims, as JSON has it. Where they would be
// decoded into a struct, whose fields encoding/json finds without regard to letter case, such a token is refused:
// nobody must choose which of two claims the program reads.
func TestB61_LetterCase(t *testing.T) {
	w := newWorld(t)
	key := must(keys.Generate(keys.ES256))(t)
	config := session.ExternalConfig{
		Issuer: partner, Audience: audience, Algorithms: []keys.Algorithm{keys.ES256}, Keys: must(keys.Static(key.Public()))(t), Now: w.Now,
	}
	exact := must(session.NewExternal[map[string]any](config))(t)
	raw := must(session.NewExternal[json.RawMessage](config))(t)
	folding := must(session.NewExternal[partnerClaims](config))(t)
	for name, change := range map[string]map[string]any{
		"a claim of the issuer":  {"Role": "x", "role": "y"},
		"one that is read":       {"Email": "root@partner.example"},
		"sub beside Sub":         {"Sub": "root"},
		"roles beside Roles":     {"Roles": []string{"admin"}},
		"exp beside EXP":         {"EXP": 1},
		"the Kelvin sign":        {"k": 1, "\u212a": 2},
		"iss in another, no iss": {"ISS": "https://evil.example/"},
	} {
		claims := w.partnerClaims()
		for k, v := range change {
			claims[k] = v
		}
		token := w.signAs(key, "", claims)
		s, err := exact.Verify(t.Context(), token)
		if err != nil || s.Subject != "p1" || strings.Join(s.Roles, " ") != "reader" || s.Properties["email"] != "p1@partner.example" {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if s, err := raw.Verify(t.Context(), token); err != nil || s.Subject != "p1" {
			t.Errorf("%s, raw: %+v, %v", name, s, err)
		}
		if _, err := folding.Verify(t.Context(), token); session.Reason(err) != "claims" {
			t.Errorf("%s, into a struct: %v", name, err)
		}
	}
}

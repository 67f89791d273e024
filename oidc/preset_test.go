package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

func TestGoogle(t *testing.T) {
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		c := config(w)
		c.Prompt, c.AuthParams, c.Forward = "select_account", map[string]string{"access_type": "offline"}, []string{"login_hint"}
		return map[string]postern.Provider{"google": oidc.Google(c)}
	})
	b := w.Browser()
	to := b.Begin("google", "login_hint=10002", "redirect_uri=https://app.example/", "prompt=none", "scope=admin")
	q := to.Query()
	for name, want := range map[string]string{
		"prompt": "select_account", "access_type": "offline", "scope": "openid email profile", "login_hint": "10002", "client_id": flowtest.ClientID,
		"redirect_uri": "https://app.example/auth/google/callback", "response_type": "code",
	} {
		if q.Get(name) != want || len(q[name]) != 1 {
			t.Errorf("%s is %q, want %q", name, q[name], want)
		}
	}
	if a := b.Get(b.Agree(to)); a.Status != 200 {
		t.Fatalf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
	id := w.SignIns()[0].Identity
	if mail, ok := id.Email(); id.Subject != "10002" || mail != "alan@example.org" || !ok || id.Tokens.Refresh == "" {
		t.Errorf("%+v", id)
	}
}

// TestGoogle_HostedDomain: asked for in the request, and believed from the ID token only.
func TestGoogle_HostedDomain(t *testing.T) {
	for _, tt := range []struct {
		domain, subject string
		ok              bool
	}{
		{"example.org", "10002", true}, {"*", "10002", true}, {"", "10002", true}, {"", "10001", true},
		{"example.com", "10002", false}, {"EXAMPLE.ORG", "10002", false}, {"example.com", "10001", false}, {"*", "10001", false},
	} {
		w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
			c := config(w)
			c.HostedDomain = tt.domain
			return map[string]postern.Provider{"google": oidc.Google(c)}
		})
		b := w.Browser()
		to := b.Begin("google")
		if to.Query().Get("hd") != tt.domain {
			t.Errorf("hd is %q", to.Query()["hd"])
		}
		a := b.Get(b.Agree(flowtest.As(to, tt.subject)))
		if ok := a.Status == 200; ok != tt.ok || !ok && (a.Status != 403 || a.Code() != "wrong_domain") {
			t.Errorf("%s at %q: %d %s", tt.subject, tt.domain, a.Status, a.Body)
		}
	}
}

// TestTwitch: the code flow, with the ways of Twitch that the fake has too.
func TestTwitch(t *testing.T) {
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		c := config(w)
		c.Issuer, c.AuthParams = flowtest.IdP+"/oauth2", map[string]string{"force_verify": "true"}
		return map[string]postern.Provider{"twitch": oidc.Twitch(c)}
	})
	var form url.Values
	w.Observe(func(e fakeidp.Endpoint, v url.Values) {
		if e == fakeidp.Token {
			form = v
		}
	})
	q := w.Browser().Begin("twitch").Query()
	if !json.Valid([]byte(q.Get("claims"))) || q.Get("scope") != "openid user:read:email" || q.Get("force_verify") != "true" || q.Get("response_type") != "code" {
		t.Errorf("%v", q)
	}
	id := accepted(t, w, "twitch")
	if mail, ok := id.Email(); id.Issuer != flowtest.IdP+"/oauth2" || id.Subject != "10001" || id.Name != "ada" || mail != "ada@example.com" || !ok {
		t.Errorf("%+v", id)
	}
	if id.Tokens.Scope != "openid user:read:email" || id.Tokens.Refresh == "" {
		t.Errorf("%+v", id.Tokens)
	}
	if form.Get("client_secret") != flowtest.Secret {
		t.Error("the secret was not sent in the body")
	}
}

// TestPresetsNameTheRealServices: what an application with only an id and a secret would use.
func TestPresetsNameTheRealServices(t *testing.T) {
	for want, p := range map[string]*oidc.Provider{
		"https://accounts.google.com": oidc.Google(oidc.Config{ClientID: "a", ClientSecret: "b"}),
		"https://id.twitch.tv/oauth2": oidc.Twitch(oidc.Config{ClientID: "a", ClientSecret: "b"}),
	} {
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		c := config(w)
		c.Issuer = ""
		return map[string]postern.Provider{"google": oidc.Google(c), "twitch": oidc.Twitch(c)}
	})
	for _, name := range []string{"google", "twitch"} {
		if a := w.Browser().Get(flowtest.Issuer + "/" + name + "/authorize"); a.Status != 503 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	asked := strings.Split(w.Log(), "\n")
	if !strings.Contains(asked[0], "accounts.google.com") || !strings.Contains(asked[1], "id.twitch.tv") {
		t.Errorf("asked %v", asked)
	}
}

func TestConfig(t *testing.T) {
	good := oidc.Config{Issuer: "https://id.example.com", ClientID: "a", ClientSecret: "b"}
	if err := oidc.New(good).Check(); err != nil {
		t.Error(err)
	}
	for problem, change := range map[string]func(*oidc.Config){
		"ClientID is missing":       func(c *oidc.Config) { c.ClientID = "" },
		"not https":                 func(c *oidc.Config) { c.Issuer = "http://id.example.com" },
		"no URL":                    func(c *oidc.Config) { c.Issuer = "" },
		"query":                     func(c *oidc.Config) { c.Issuer = "https://id.example.com?x=1" },
		"fragment":                  func(c *oidc.Config) { c.Issuer = "https://id.example.com#x" },
		`hold "openid"`:             func(c *oidc.Config) { c.Scopes = []string{"email"} },
		"one scope an entry":        func(c *oidc.Config) { c.Scopes = []string{"openid email"} },
		"MaxAge must be":            func(c *oidc.Config) { c.MaxAge = -time.Second },
		"whole seconds":             func(c *oidc.Config) { c.MaxAge = time.Millisecond },
		"Algorithms is empty":       func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{} },
		"HS256":                     func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{keys.RS256, keys.HS256} },
		`"none" cannot be used`:     func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{"none"} },
		"Prompt is set twice":       func(c *oidc.Config) { c.Prompt, c.AuthParams = "login", map[string]string{"prompt": "none"} },
		"HostedDomain is set twice": func(c *oidc.Config) { c.HostedDomain, c.AuthParams = "a.b", map[string]string{"hd": "c.d"} },
		"MaxAge is set twice":       func(c *oidc.Config) { c.MaxAge, c.AuthParams = time.Second, map[string]string{"max_age": "1"} },
		"MaxAge is set, so":         func(c *oidc.Config) { c.MaxAge, c.Forward = time.Second, []string{"max_age"} },
		"HostedDomain is set, so":   func(c *oidc.Config) { c.HostedDomain, c.Forward = "a.b", []string{"hd"} },
		`AuthParams names "nonce"`:  func(c *oidc.Config) { c.AuthParams = map[string]string{"nonce": "1"} },
		`Forward names "state"`:     func(c *oidc.Config) { c.Forward = []string{"state"} },
		"AuthMethod":                func(c *oidc.Config) { c.AuthMethod = "private_key_jwt" },
	} {
		c := good
		change(&c)
		if err := oidc.New(c).Check(); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("want %q: %v", problem, err)
		}
	}
	c := good
	c.Issuer, c.AllowInsecure = "http://localhost:8080/idp", true
	if err := oidc.New(c).Check(); err != nil {
		t.Errorf("local: %v", err)
	}
}

// TestNewReportsAProvidersConfig: postern.New names what is wrong, by the name of the provider.
func TestNewReportsAProvidersConfig(t *testing.T) {
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: flowtest.Issuer, Audience: "api", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	c := postern.Config{
		Sessions: sessions, Redirects: []string{"https://app.example/"},
		Providers: map[string]postern.Provider{"google": oidc.Google(oidc.Config{})},
		OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
	}
	if _, err = postern.New(c); err == nil || !strings.Contains(err.Error(), `provider "google": oidc: Config.ClientID is missing`) {
		t.Errorf("%v", err)
	}
}

// TestAuthMethodByMetadata: the first way both sides know.
func TestAuthMethodByMetadata(t *testing.T) {
	w := one(t, func(c *oidc.Config) { c.ClientID, c.ClientSecret = "public", "" })
	if id := accepted(t, w, "one"); id.Subject == "" {
		t.Errorf("%+v", id)
	}
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		accepted(t, one(t, func(c *oidc.Config) { c.AuthMethod = method }), "one")
	}
	w = one(t, func(c *oidc.Config) { c.ClientSecret = "wrong" })
	if a := w.Browser().SignIn("one"); a.Status != 502 || a.Code() != "provider_error" || !strings.Contains(w.Log(), "invalid_client") {
		t.Errorf("wrong secret: %d %s\n%s", a.Status, a.Body, w.Log())
	}
}

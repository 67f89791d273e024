package postern_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

func TestNew(t *testing.T) {
	v := newWorld(t)
	ring := v.Ring(t, nil)
	without := func(change func(*session.Config)) *session.Sessions {
		c := session.Config{Issuer: issuer, Audience: "api", Keys: ring, Store: v.store}
		change(&c)
		s, err := session.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	signing, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	static, err := keys.StaticSigner(signing)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*postern.Config)
		want   string
	}{
		"sessions":       {func(c *postern.Config) { c.Sessions = nil }, "Config.Sessions is missing"},
		"secrets":        {func(c *postern.Config) { c.Sessions = without(func(s *session.Config) { s.Keys = static }) }, "have no Secrets"},
		"store":          {func(c *postern.Config) { c.Sessions = without(func(s *session.Config) { s.Store = nil }) }, "it makes callbacks, links and codes work once"},
		"redirects":      {func(c *postern.Config) { c.Redirects = nil }, "Config.Redirects is empty"},
		"on success":     {func(c *postern.Config) { c.OnSuccess = nil }, "Config.Session and Config.OnSuccess are missing"},
		"providers":      {func(c *postern.Config) { c.Providers = nil }, "Config.Providers is empty"},
		"nil provider":   {func(c *postern.Config) { c.Providers["x"] = nil }, `provider "x" is nil`},
		"no handler":     {func(c *postern.Config) { c.Providers["x"] = provider(nil) }, `provider "x" has no handler`},
		"label":          {func(c *postern.Config) { c.Labels = map[string]string{"x": "X"} }, `Config.Labels names "x"`},
		"proxies alone":  {func(c *postern.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, "go together"},
		"header alone":   {func(c *postern.Config) { c.ClientIPHeader = "X-Forwarded-For" }, "go together"},
		"child reserved": {func(c *postern.Config) { c.Providers["x"] = parent{"callback", desk{}} }, `"callback" is reserved`},
		"child name":     {func(c *postern.Config) { c.Providers["x"] = parent{"a/b", desk{}} }, `provider name "a/b"`},
		"child nil":      {func(c *postern.Config) { c.Providers["x"] = parent{"child", nil} }, `provider "x/child" is nil`},
		"child twice":    {func(c *postern.Config) { c.Providers["x"] = parent{"a", parent{"a", desk{}}, "a"} }, `provider "x/a" is used twice`},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(v.sessions, "/welcome")
			tc.change(&c)
			auth, err := postern.New(c)
			if err == nil || !strings.Contains(err.Error(), tc.want) || auth != nil {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if errors.Is(err, session.ErrStoreRequired) != (name == "store") {
				t.Errorf("ErrStoreRequired: %v", err)
			}
		})
	}
	if _, err := postern.New(postern.Config{Sessions: v.sessions}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("the error does not list everything that is missing: %v", err)
	}
	c := config(without(func(s *session.Config) { s.Store = nil }), "/welcome")
	c.Store = new(store.Memory)
	if _, err := postern.New(c); err != nil {
		t.Errorf("with Config.Store: %v", err)
	}
}

func TestNew_ProviderNames(t *testing.T) {
	v := newWorld(t)
	for name, good := range map[string]bool{
		"google": true, "a": true, "0": true, "my-idp-2": true, strings.Repeat("a", 32): true, "tokens": true,
		"": false, "Google": false, "-a": false, "a_b": false, "a.b": false, "a/b": false, "é": false, "a b": false, "..": false, ".well-known": false, strings.Repeat("a", 33): false,
		"authorize": false, "callback": false, "connect": false, "token": false, "signout": false, "session": false, "sessions": false, "refresh": false, "revoke": false, "verify": false, "users": false,
	} {
		c := config(v.sessions, "/welcome")
		c.Providers = map[string]postern.Provider{name: desk{}}
		if _, err := postern.New(c); (err == nil) != good {
			t.Errorf("provider name %q: %v", name, err)
		}
	}
}

// provider is a function that implements Provider.
type provider func(f *postern.Flow) http.Handler

func (p provider) Handler(f *postern.Flow) http.Handler {
	if p == nil {
		return nil
	}
	return p(f)
}

// parent is a provider with children of these names; one provider serves them all.
type parent []any

func (p parent) Handler(f *postern.Flow) http.Handler {
	var h http.Handler
	child, _ := p[1].(postern.Provider)
	for i, name := range p {
		if i != 1 {
			h = f.Child(fmt.Sprint(name)).Use(child)
		}
	}
	return h
}

package oidc_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oauth"
	"github.com/posternauth/postern/oidc"
)

// An OpenID provider gets login_hint if it is an address. What is in Forward goes on as it is.
func TestLoginHint(t *testing.T) {
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		all, own := config(w), config(w)
		all.Forward, own.AuthParams = []string{"login_hint"}, map[string]string{"login_hint": "fixed@example.com"}
		return map[string]postern.Provider{"one": oidc.New(config(w)), "all": oidc.New(all), "own": oidc.New(own),
			"github": oauth.GitHub(oauth.Config{Issuer: flowtest.IdP, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP})}
	})
	b := w.Browser()
	for hint, want := range map[string]string{
		"ada@example.com": "ada@example.com", "": "", "10002": "", "ada": "", "a@b@c.example": "", "ada@example.com&prompt=none": "",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 95) + "example": "", "Ada <ada@example.com>": "",
	} {
		q := url.Values{"login_hint": {hint}}.Encode()
		if got := b.Begin("one", q).Query()["login_hint"]; strings.Join(got, " ") != want {
			t.Errorf("%.40q: %q, want %q", hint, got, want)
		}
		if got := b.Begin("all", q).Query().Get("login_hint"); got != hint {
			t.Errorf("%.40q forwarded: %q", hint, got)
		}
		if got := b.Begin("own", q).Query().Get("login_hint"); got != "fixed@example.com" {
			t.Errorf("%.40q: %q in place of the configured one", hint, got)
		}
		if got := b.Begin("github", q).Query(); got.Has("login_hint") {
			t.Errorf("%.40q: GitHub gets %v", hint, got)
		}
	}
}

package oidc_test

import (
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// An OpenID provider gets the prompt of the application, and Google what it knows. A prompt of the Config counts where
// the application does not ask for a sign-in.
func TestPrompt(t *testing.T) {
	w := flowtest.NewUsers(t, func(w *flowtest.World, c *postern.Config) {
		dir, err := users.New(users.Config{Sessions: w.Sessions})
		if err != nil {
			t.Fatal(err)
		}
		c.Session = postern.NewKind(w.Sessions, dir, session.KindConfig[struct{}]{Name: "user"}, func(postern.Person) (none struct{}) { return none })
		own := config(w)
		own.Prompt = "consent"
		c.Providers = map[string]postern.Provider{"one": oidc.New(config(w)), "own": oidc.New(own), "google": oidc.Google(config(w))}
	})
	b := w.Browser()
	for _, tc := range []struct{ prompt, one, own, google string }{
		{"", "", "consent", ""},
		{"login", "login", "login", "select_account"},
		{"select_account", "select_account", "consent", "select_account"},
		{"login%20select_account", "login", "login", "select_account"},
		{"consent", "", "consent", ""},
	} {
		for name, want := range map[string]string{"one": tc.one, "own": tc.own, "google": tc.google} {
			if q := b.Begin(name, "prompt="+tc.prompt).Query(); q.Get("prompt") != want || q.Has("max_age") {
				t.Errorf("prompt=%s at %s: %v, want %q", tc.prompt, name, q, want)
			}
		}
	}
}

package oauth_test

import (
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oauth"
)

// gitHub is GitHub at the fake provider of w.
func gitHub(w *flowtest.World) oauth.Config {
	return oauth.Config{
		ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, Issuer: flowtest.IdP, HTTPClient: w.HTTP,
		Endpoint: oauth.Endpoint{UserInfoURL: flowtest.IdP + "/api/user"},
	}
}

// google is Google in OAuth mode at the fake provider of w.
func google(w *flowtest.World) oauth.Config {
	return oauth.Config{
		ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, Issuer: flowtest.IdP, HTTPClient: w.HTTP,
		Endpoint: oauth.Endpoint{
			AuthURL: flowtest.IdP + "/authorize", TokenURL: flowtest.IdP + "/token", UserInfoURL: flowtest.IdP + "/userinfo",
		},
	}
}

// world has the providers "github" and "google".
func world(t testing.TB, change ...func(*oauth.Config)) *flowtest.World {
	t.Helper()
	return flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		hub, goog := gitHub(w), google(w)
		for _, f := range change {
			f(&hub)
			f(&goog)
		}
		return map[string]postern.Provider{"github": oauth.GitHub(hub), "google": oauth.Google(goog)}
	})
}

// accepted signs in and returns who it was.
func accepted(t *testing.T, w *flowtest.World, provider string) *postern.SignIn {
	t.Helper()
	before := len(w.SignIns())
	a := w.Browser().SignIn(provider)
	done := w.SignIns()
	if a.Status != 200 || len(done) != before+1 {
		t.Fatalf("not signed in: %d\n%s\nlog: %s", a.Status, a.Body, w.Log())
	}
	return done[before]
}

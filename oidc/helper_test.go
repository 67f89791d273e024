package oidc_test

import (
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oidc"
)

// config is a client of the fake provider of w.
func config(w *flowtest.World) oidc.Config {
	return oidc.Config{Issuer: flowtest.IdP, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP}
}

// one makes a World in which provider "one" is the fake provider, configured by change.
func one(t testing.TB, change ...func(*oidc.Config)) *flowtest.World {
	t.Helper()
	return flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		c := config(w)
		for _, f := range change {
			f(&c)
		}
		return map[string]postern.Provider{"one": oidc.New(c)}
	})
}

// refused signs in with faults and wants a refusal, and no sign-in.
func refused(t *testing.T, w *flowtest.World, f fakeidp.Faults, status int, code string) {
	t.Helper()
	w.IdP.SetFaults(f)
	a := w.Browser().SignIn("one")
	if a.Status != status || a.Code() != code {
		t.Errorf("got %d %s, want %d %s\n%s\nlog: %s", a.Status, a.Code(), status, code, a.Body, w.Log())
	}
	if n := len(w.SignIns()); n != 0 {
		t.Errorf("%d sign-ins", n)
	}
}

// accepted signs in and returns who it was.
func accepted(t *testing.T, w *flowtest.World, provider string) postern.Identity {
	t.Helper()
	before := len(w.SignIns())
	a := w.Browser().SignIn(provider)
	done := w.SignIns()
	if a.Status != 200 || len(done) != before+1 {
		t.Fatalf("not signed in: %d\n%s\nlog: %s", a.Status, a.Body, w.Log())
	}
	return done[before].Identity
}

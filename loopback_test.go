package postern_test

import (
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// Two names of this machine are two hosts for cookies: a sign-in that leads from one to the other ends signed out.
func TestNew_RedirectOnAnotherLoopbackName(t *testing.T) {
	for _, tc := range []struct {
		issuer, redirect string
		pkce             bool
		want             string // the entry to write; empty: accepted
	}{
		{"http://localhost:8080/auth", "http://127.0.0.1:8080/me", false, "http://localhost:8080/me"},
		{"http://127.0.0.1:8080/auth", "http://localhost:3000/me?a=b", false, "http://127.0.0.1:3000/me?a=b"},
		{"http://localhost:8080", "http://[::1]/", false, "http://localhost/"},
		{"http://[::1]:8080/auth", "http://127.0.0.2:8080/me", false, "http://[::1]:8080/me"},
		{"https://localhost:8443/auth", "https://127.0.0.1:8443/me", false, "https://localhost:8443/me"},
		{"http://localhost:8080/auth", "http://127.0.0.1/native", true, ""},
		{"http://localhost:8080/auth", "http://localhost:3000/me", false, ""},
		{"http://localhost:8080/auth", "/me", false, ""},
		{"http://localhost:8080/auth", "com.example.app:/in", false, ""},
		{"http://localhost:8080/auth", "https://app.example.com/", false, ""},
		{"https://api.example.com/auth", "http://127.0.0.1/native", false, ""},
	} {
		var c postern.Config
		v := newWorld(t, func(_ *world, s *session.Config, config *postern.Config) {
			s.Issuer, config.Redirects = tc.issuer, []string{"/"}
			c = *config
		})
		c.Sessions, c.Redirects, c.RequirePKCE = v.sessions, []string{"/", tc.redirect}, tc.pkce
		_, err := postern.New(c)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), `such as "`+tc.want+`"`) || !strings.Contains(err.Error(), tc.issuer)) {
			t.Errorf("%s with %s: %v", tc.issuer, tc.redirect, err)
		}
	}
}

package main

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/posternauth/postern/gateway"
)

// TestWrongSettings: a function whose settings are wrong does not start, and the error names the variable and what to
// write.
func TestWrongSettings(t *testing.T) {
	good := map[string]string{"POSTERN_ISSUER": "https://api.example.com/auth", "POSTERN_AUDIENCE": "api"}
	for _, c := range []struct{ name, value, want string }{
		{"POSTERN_ISSUER", "", "POSTERN_ISSUER is missing"},
		{"POSTERN_ISSUER", "api.example.com/auth", "POSTERN_ISSUER is not a URL"},
		{"POSTERN_ISSUER", "http://api.example.com/auth", "http is for this machine only"},
		{"POSTERN_ISSUER", "http://127.0.0.1.example.com/auth", "http is for this machine only"},
		{"POSTERN_ISSUER", "https://api.example.com/auth/", "POSTERN_ISSUER"},
		{"POSTERN_ISSUER", "https://api.example.com/auth?x=1", "POSTERN_ISSUER"},
		{"POSTERN_AUDIENCE", " ", "POSTERN_AUDIENCE is missing"},
		{"POSTERN_KIND", "User", `POSTERN_KIND is "User"`},
		{"POSTERN_KIND", "public", `POSTERN_KIND is "public"`},
		{"POSTERN_ACCESS", "15", `POSTERN_ACCESS is "15"`},
		{"POSTERN_ACCESS", "0s", `POSTERN_ACCESS is "0s"`},
		{"POSTERN_ACCESS", "9601h", `POSTERN_ACCESS is "9601h"`},
		{"POSTERN_POLICIES", "yes", `POSTERN_POLICIES is "yes"`},
		{"POSTERN_IDENTITY_SOURCES", "Authorization", `has "Authorization"`},
		{"POSTERN_IDENTITY_SOURCES", "none," + gateway.HTTPSource, `has "none"`},
		{"POSTERN_IDENTITY_SOURCES", gateway.HTTPRouteSource, "lacks the Authorization header"},
		{"POSTERN_IDENTITY_SOURCES", "method.request.header.Cookie", "lacks the Authorization header"},
		{"POSTERN_IDENTITY_SOURCES", "route.request.querystring.a,route.request.querystring.b", "two parameters"},
		{"POSTERN_ORIGINS", "app.example.com", "POSTERN_ORIGINS"},
	} {
		_, err := newHandler(func(name string) (string, bool) {
			if name == c.name {
				return c.value, true
			}
			v, ok := good[name]
			return v, ok
		}, io.Discard, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v, want %q", c.name, c.value, err, c.want)
		}
	}
	_, err := newHandler(func(string) (string, bool) { return "", false }, io.Discard, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "POSTERN_ISSUER") || !strings.Contains(err.Error(), "POSTERN_AUDIENCE") {
		t.Errorf("without any setting: %v, want both names", err)
	}
}

// TestSettings: what is left out has its default, and lists may be written with spaces.
func TestSettings(t *testing.T) {
	s, err := readSettings(func(name string) (string, bool) {
		v, ok := map[string]string{
			"POSTERN_ISSUER": "https://api.example.com/auth", "POSTERN_AUDIENCE": "api",
			"POSTERN_IDENTITY_SOURCES": gateway.RESTSource + ", " + gateway.HTTPSource + "," + gateway.HTTPRouteSource + ", route.request.header.Sec-WebSocket-Protocol",
		}[name]
		return v, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.kind != "user" || s.access != defaultAccess || s.policies || len(s.scopes) > 0 || s.sources != (sources{protocol: true}) {
		t.Errorf("%+v", s)
	}
}

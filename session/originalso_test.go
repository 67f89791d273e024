package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// originSessions makes sessions for tests of origins.
func originSessions(t *testing.T, c session.Config) (*session.Sessions, error) {
	t.Helper()
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	c.Audience, c.Keys, c.Store = "api", ring, new(store.Memory)
	return session.New(c)
}

// Pages of an origin of OriginAlso may call with a Bearer token. They get no credentials, and a cookie from there
// changes nothing and ends nothing.
func TestX2_OriginAlso(t *testing.T) {
	var seen []string
	s, err := originSessions(t, session.Config{
		Issuer: "https://api.example.com/auth", Origins: []string{"https://app.example.com"},
		OriginAlso: func(u *url.URL) bool {
			seen = append(seen, u.String())
			return strings.HasSuffix(u.Hostname(), ".preview.example.net")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	user := session.NewKindConfig(s, session.KindConfig[User]{Name: "user", CookieName: "user"})
	tokens, err := user.Create(t.Context(), session.Grant[User]{Subject: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	h := s.CORS(user.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })))
	send := func(h http.Handler, method, target, origin string, header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, nil)
		r.Header = header.Clone()
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	bearer := http.Header{"Authorization": {"Bearer " + tokens.Access}}
	preflight := http.Header{"Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization"}}
	for origin, want := range map[string][2]string{
		"https://app.example.com":              {"https://app.example.com", "true"},
		"https://pr-1.preview.example.net":     {"https://pr-1.preview.example.net", ""},
		"https://pr-1.preview.example.net:444": {"https://pr-1.preview.example.net:444", ""},
	} {
		for _, w := range []*httptest.ResponseRecorder{send(h, "POST", "/orders", origin, bearer), send(h, "OPTIONS", "/orders", origin, preflight),
			send(s.Handler(), "POST", "https://api.example.com/auth/token", origin, http.Header{})} {
			if got := [2]string{w.Header().Get("Access-Control-Allow-Origin"), w.Header().Get("Access-Control-Allow-Credentials")}; got != want {
				t.Errorf("%s: %d, CORS %q, want %q", origin, w.Code, got, want)
			}
		}
		if w := send(h, "POST", "/orders", origin, bearer); w.Code != 204 {
			t.Errorf("%s with a token: %d %s", origin, w.Code, w.Body)
		}
	}
	// A cookie from such an origin is that of a stranger's page.
	cookie := http.Header{"Cookie": {"user=" + tokens.Access}, "Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"cors"}}
	if w := send(h, "POST", "/orders", "https://pr-1.preview.example.net", cookie); w.Code != 403 {
		t.Errorf("a cookie of a preview: %d %s", w.Code, w.Body)
	}
	if w := send(h, "POST", "/orders", "https://app.example.com", cookie); w.Code != 204 {
		t.Errorf("a cookie of a listed origin: %d %s", w.Code, w.Body)
	}
	if w := send(s.Handler(), "POST", "https://api.example.com/auth/signout", "https://pr-1.preview.example.net", cookie); w.Code != 403 {
		t.Errorf("sign-out by a preview: %d %s", w.Code, w.Body)
	}
	seen = nil
	for _, origin := range []string{
		"", "null", "*", "https://evil.example", "http://pr-1.preview.example.net", "https://PR-1.preview.example.net", "https://pr-1.preview.example.net/", "https://pr-1.preview.example.net:443", "https://u@pr-1.preview.example.net",
		"https://pr-1.preview.example.net/x", "https://evil.example/.preview.example.net", `https://evil.example\.preview.example.net`, "https://evil.example?.preview.example.net", "https://evil.example#.preview.example.net",
		"https://pr-1.preview.example.net.", "https://pr-1.preview.example.net.evil.example", "https://evilpreview.example.net", "file://", "chrome-extension://pr-1.preview.example.net", "https://pr-1.preview.example.net https://evil.example",
		"https://evil.example%2f.preview.example.net", "https://evil.example\t.preview.example.net", "https://ä.preview.example.net",
	} {
		for _, w := range []*httptest.ResponseRecorder{send(h, "POST", "/orders", origin, bearer), send(h, "OPTIONS", "/orders", origin, preflight)} {
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%q: allowed as %q", origin, got)
			}
		}
	}
	for _, uri := range seen {
		if !strings.HasPrefix(uri, "https://") || strings.ContainsAny(uri, `\@#? `) || strings.Count(uri, "/") != 3 {
			t.Errorf("the function sees %q", uri)
		}
	}
}

// Development hosts make http possible where the public Internet cannot be, and only for an http issuer.
func TestNew_DevelopmentHosts(t *testing.T) {
	for name, tc := range map[string]struct {
		config session.Config
		want   string // of the error; empty: none
	}{
		"compose":           {session.Config{Issuer: "http://api:8080/auth", DevelopmentHosts: []string{"api", "web"}}, ""},
		"a phone":           {session.Config{Issuer: "http://192.168.1.20:8080/auth", DevelopmentHosts: []string{"192.168.1.20"}, Origins: []string{"http://192.168.1.20:3000"}}, ""},
		"localhost":         {session.Config{Issuer: "http://localhost:8080/auth", DevelopmentHosts: []string{"web"}}, ""},
		"not listed":        {session.Config{Issuer: "http://api:8080/auth"}, "http is for localhost and Config.DevelopmentHosts only"},
		"another one":       {session.Config{Issuer: "http://api:8080/auth", DevelopmentHosts: []string{"web"}}, "http is for localhost and Config.DevelopmentHosts only"},
		"https":             {session.Config{Issuer: "https://api.example.com/auth", DevelopmentHosts: []string{"web"}}, "is for development"},
		"https, too":        {session.Config{Issuer: "https://api/auth", DevelopmentHosts: []string{"api"}}, "is for development"},
		"a public name":     {session.Config{Issuer: "http://api.example.com/auth", DevelopmentHosts: []string{"api.example.com"}}, `"api.example.com" could be a host of the Internet`},
		"a public address":  {session.Config{Issuer: "http://192.0.2.1/auth", DevelopmentHosts: []string{"192.0.2.1"}}, "could be a host of the Internet"},
		"a port":            {session.Config{Issuer: "http://localhost/auth", DevelopmentHosts: []string{"web:3000"}}, "without a port"},
		"an origin":         {session.Config{Issuer: "http://localhost:8080/auth", Origins: []string{"http://web:3000"}}, "https (http for localhost and session.Config.DevelopmentHosts only)"},
		"two sites":         {session.Config{Issuer: "http://api:8080/auth", DevelopmentHosts: []string{"api", "web"}, Origins: []string{"http://web:3000"}}, "another site than Config.Issuer"},
		"127.0.0.1 as well": {session.Config{Issuer: "http://localhost:8080/auth", Origins: []string{"http://127.0.0.1:3000"}}, "use one name in both"},
	} {
		_, err := originSessions(t, tc.config)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

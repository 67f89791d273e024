package session_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// TestX1_CORS: listed origins are echoed, and no other, however similar.
func TestX1_CORS(t *testing.T) {
	w := newWorld(t, func(c *session.Config) {
		c.Origins = []string{"https://app.example.com", "https://shop.example:8443", "http://localhost:3000"}
	})
	hostile := []string{
		"", "null", "*", "https://evil.example", "https://app.example.com.evil.example", "https://evilapp.example.com", "https://app.example.comevil.example",
		"http://app.example.com", "https://app.example.com:443", "https://app.example.com:8443", "https://app.example.com/", "https://app.example.com/path",
		"https://APP.example.com", "HTTPS://app.example.com", "https://app.example.com.", "https://.app.example.com", "https://app.example.com%00.evil.example",
		"https://app.example.com\x00", "https://app.example.com https://evil.example", "https://app.example.com,https://evil.example",
		"https://user@app.example.com", "https://app.example.com@evil.example", "https://app_example.com", "https://appXexample.com", "https://xn--pp-6ka.example.com",
		"https://app.example.com#", "https://app.example.com?", "//app.example.com", "app.example.com", "https:/app.example.com", "https:app.example.com",
		"https://example.com", "https://sub.app.example.com", "https://shop.example", "https://shop.example:84430", "https://shop.example:8443:8443",
		"http://localhost", "http://localhost:30000", "https://localhost:3000", "http://localhost.evil.example:3000", "http://127.0.0.1:3000",
		"file://", "chrome-extension://abcdef", " https://app.example.com", "https://app.example.com\t", "https://аpp.example.com", // the last with a Cyrillic a
	}
	routes := map[string]http.Handler{
		"200": w.sessions.CORS(w.whoami()), "401": w.sessions.CORS(w.user.Require(w.whoami())), "token": w.sessions.Handler(),
	}
	methods := map[string][]string{
		"GET": nil, "POST": nil, "OPTIONS": {"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"},
	}
	for name, h := range routes {
		for method, headers := range methods {
			for _, origin := range hostile {
				rec := serve(h, request(method, issuer+"/token", append(headers, "Origin", origin)...))
				if got := rec.Header().Get("Access-Control-Allow-Origin"); got != "" {
					t.Errorf("%s %s from %q: allowed as %q", method, name, origin, got)
				}
				if rec.Header().Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s %s from %q: credentials", method, name, origin)
				}
				if !strings.Contains(strings.Join(rec.Header()["Vary"], ","), "Origin") {
					t.Errorf("%s %s from %q: Vary %q", method, name, origin, rec.Header()["Vary"])
				}
			}
			r := request(method, issuer+"/token", headers...)
			r.Header["Origin"] = []string{"https://app.example.com", "https://app.example.com"}
			if rec := serve(h, r); rec.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: two Origin headers are allowed", method, name)
			}
		}
	}
	if len(hostile) < 40 {
		t.Errorf("%d origins tried", len(hostile))
	}
	for _, origin := range []string{"https://app.example.com", "https://shop.example:8443", "http://localhost:3000"} {
		for name, h := range routes {
			rec := serve(h, request("POST", issuer+"/token", "Origin", origin))
			if rec.Header().Get("Access-Control-Allow-Origin") != origin || rec.Header().Get("Access-Control-Allow-Credentials") != "true" ||
				!strings.Contains(strings.Join(rec.Header()["Vary"], ","), "Origin") {
				t.Errorf("%s from %s: %v", name, origin, rec.Header())
			}
			rec = serve(h, request("OPTIONS", issuer+"/token", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,x-request-id"))
			if rec.Code != 204 || rec.Header().Get("Access-Control-Allow-Origin") != origin || !strings.Contains(rec.Header().Get("Access-Control-Allow-Methods"), "POST") ||
				rec.Header().Get("Access-Control-Allow-Headers") != "authorization,x-request-id" {
				t.Errorf("preflight of %s from %s: %d %v", name, origin, rec.Code, rec.Header())
			}
		}
	}
	// A page of the issuer's origin needs no permission; a request without Origin is not from a page.
	for _, headers := range [][]string{nil, {"Origin", "https://api.example.com"}} {
		if rec := serve(routes["200"], request("GET", "/", headers...)); rec.Code != 200 || rec.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%q: %d %v", headers, rec.Code, rec.Header())
		}
	}
	rec := serve(routes["200"], request("OPTIONS", "/", "Origin", "https://app.example.com", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "a\r\nSet-Cookie: b"))
	if rec.Header().Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("odd header names come back: %q", rec.Header())
	}
	if rec := serve(w.sessions.CORS(w.whoami()), request("OPTIONS", "/", "Origin", "https://evil.example")); rec.Body.String() != "public" {
		t.Errorf("an OPTIONS that is not a preflight does not reach the handler: %d", rec.Code)
	}
}

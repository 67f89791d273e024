package cors

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	development := func(host string) bool { return host == "laptop" }
	for s, good := range map[string]bool{
		"https://app.example.com": true, "https://app.example.com:8443": true, "http://localhost:3000": true, "http://127.0.0.1": true, "http://laptop:8080": true,
		"": false, "null": false, "*": false, "https://*.example.com": false, "app.example.com": false, "https://app.example.com/": false, "https://app.example.com:443": false,
		"http://localhost:80": false, "https://app.example.com:": false, "https://APP.example.com": false, "http://app.example.com": false, "https://u@app.example.com": false,
		"https://app.example.com?x": false, "https://app.example.com#x": false, "ftp://app.example.com": false, "https://": false, "https://app.example.com\n": false,
		"https://ex\u00e4mple.com": false,
	} {
		if u, err := Origin(s, development); (err == nil) != good || (u == nil) == good {
			t.Errorf("%q: %v, %v", s, u, err)
		}
	}
}

func TestPreflight(t *testing.T) {
	ask := func(headers string) http.Header {
		r := httptest.NewRequest(http.MethodOptions, "/", nil)
		r.Header.Set("Origin", "https://app.example.com")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", headers)
		if !Preflight(r) {
			t.Error("not taken for a preflight")
		}
		w := httptest.NewRecorder()
		Allow(w, r, "POST")
		if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Methods") != "POST" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		return w.Header()
	}
	if got := ask("content-type, x-request-id").Get("Access-Control-Allow-Headers"); got != "content-type, x-request-id" {
		t.Errorf("allowed headers %q", got)
	}
	for _, bad := range []string{"a\r\nX: y", "a;b", strings.Repeat("a", 1025), ""} {
		if got := ask(bad).Get("Access-Control-Allow-Headers"); got != "" {
			t.Errorf("%q: %q", bad, got)
		}
	}
	for _, without := range []string{"Origin", "Access-Control-Request-Method"} {
		r := httptest.NewRequest(http.MethodOptions, "/", nil)
		r.Header.Set("Origin", "https://app.example.com")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Del(without)
		if Preflight(r) {
			t.Errorf("without %s it is a preflight", without)
		}
	}
}

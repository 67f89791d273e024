package main

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestDemo_OneWording: the demo, its pages and the stand-ins name one thing by one word.
func TestDemo_OneWording(t *testing.T) {
	d := newDemoSite(t)
	c := browser(t)
	for path, want := range map[string][]string{
		"/":                      {"<b>Email me a link</b>", "<b>Email me a code</b>"},
		"/auth/link/authorize":   {"Email me a link", "Email address", appName},
		"/auth/google/authorize": {"Stand-in for Google", "Sign in to <strong>" + appName + "</strong>", ">Email address</label>"},
		"/auth/github/authorize": {"Stand-in for GitHub", "Sign in to <strong>" + appName + "</strong>"},
		"/inbox":                 {"<h1>Inbox</h1>", `<a href="/inbox" aria-current="page">`, "/auth/assets/page."},
		"/idp/google":            {"Stand-in for Google", "/idp/google/.well-known/openid-configuration"},
		"/idp/github/":           {"Stand-in for GitHub"},
	} {
		status, body := page(t, c, "GET", d.url+path, nil)
		if status != 200 || strings.Contains(body, "E-mail") || strings.Contains(body, "Send me") {
			t.Errorf("%s: %d %s", path, status, body)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s has no %q: %s", path, w, body)
			}
		}
	}
}

// TestDevFor_ProgramIsNamedByItsHost: the stand-in does not know the program's name, and its client id means nothing
// to a person.
func TestDevFor_ProgramIsNamedByItsHost(t *testing.T) {
	s, err := newStandIns("http://localhost:8080/auth", nil, "http://localhost:8420", "127.0.0.1:1025", world{now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{"client_id": {"postern-dev"}, "redirect_uri": {"http://localhost:8080/auth/google/callback"}, "response_type": {"code"},
		"code_challenge_method": {"S256"}, "code_challenge": {strings.Repeat("A", 43)}}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost:8420/idp/google/authorize?"+q.Encode(), nil))
	if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, "Sign in to <strong>localhost:8080</strong>") || strings.Contains(body, "<strong>postern-dev") {
		t.Errorf("%d %s", w.Code, body)
	}
}

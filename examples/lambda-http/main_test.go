package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/posterntest"
)

// TestFunction runs the program as Lambda does: Ada signs in by a mailed link, is greeted, uses the API, and signs out.
func TestFunction(t *testing.T) {
	bootstrap := functiontest.Build(t, ".")
	var printed *functiontest.Output
	site := functiontest.Serve(t, func(url string) http.Handler {
		function, out := functiontest.Start(t, bootstrap, "ORIGIN="+url)
		printed = out
		return lambdatest.Handler(lambdatest.HTTPAPI, function)
	})
	browser := posterntest.Client(t)
	if status, body := get(t, browser, site+"/"); status != 200 || !strings.Contains(body, "Sign in") {
		t.Fatalf("home: %d %s", status, body)
	}
	if status, _ := get(t, browser, site+"/api/me"); status != 401 {
		t.Errorf("the API without a session: %d", status)
	}

	form := posterntest.SignIn(t, browser, site+"/auth/link/authorize")
	posterntest.Submit(t, browser, form, url.Values{"email": {"ada@example.com"}})
	link := printed.Find(t, site+`/auth/link/\S+`)
	home := posterntest.Submit(t, browser, posterntest.SignIn(t, browser, link), nil)
	if body, _ := io.ReadAll(home.Body); home.StatusCode != 200 || !strings.Contains(string(body), "Hello, ada@example.com.") {
		t.Fatalf("signed in: %d %s", home.StatusCode, body)
	}
	if status, body := get(t, browser, site+"/api/me"); status != 200 || !strings.HasPrefix(body, "ada@example.com, session ") {
		t.Errorf("the API: %d %s", status, body)
	}
	res, err := browser.Post(site+"/auth/signout", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if status, _ := get(t, browser, site+"/api/me"); res.StatusCode != 204 || status != 401 {
		t.Errorf("sign-out %d, the API after it %d", res.StatusCode, status)
	}
}

// TestSettings: away from a developer's machine nothing is made up.
func TestSettings(t *testing.T) {
	for _, s := range []settings{
		{},
		{origin: "https://app.example.com"},
		{origin: "https://app.example.com", table: "auth", smtp: "mail:587"},
		{origin: "https://app.example.com", table: "auth", vaultKey: "AAAA"},
		{origin: "https://app.example.com", vaultKey: "AAAA", smtp: "mail:587"},
		{origin: "https://app.example.com", table: "auth", vaultKey: "c2hvcnQ=", smtp: "mail:587"},
		{origin: "https://app.example.com", table: "auth", vaultKey: "not-a-key", smtp: "mail:587"},
		{origin: "http://localhost:3000", table: "auth"},
	} {
		if _, err := newHandler(s); err == nil || s.vaultKey != "" && strings.Contains(err.Error(), s.vaultKey) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := newHandler(settings{origin: "http://localhost:3000"}); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

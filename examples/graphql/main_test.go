package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
)

// TestGraphQL asks before and after Ada has signed in.
func TestGraphQL(t *testing.T) {
	var mail posterntest.Mail
	site := functiontest.Serve(t, func(url string) http.Handler {
		handler, err := newHandler(url, mail.Send)
		if err != nil {
			t.Fatal(err)
		}
		return handler
	})
	browser := posterntest.Client(t)
	ask := func(query string) string {
		t.Helper()
		res, err := browser.Post(site+"/graphql", "application/json", strings.NewReader(`{"query":"`+query+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(body))
	}
	if got := ask("{me{email}}"); got != `{"data":{"me":null}}` {
		t.Errorf("me of the public: %s", got)
	}
	if got := ask("{orders}"); !strings.Contains(got, `"sign in first"`) || !strings.Contains(got, `{"orders":null}`) {
		t.Errorf("orders of the public: %s", got)
	}

	form := posterntest.SignIn(t, browser, site+"/auth/link/authorize")
	posterntest.Submit(t, browser, form, url.Values{"email": {"ada@example.com"}})
	page := posterntest.Submit(t, browser, posterntest.SignIn(t, browser, mail.Last(t, "ada@example.com").Arg("link")), nil)
	if body, _ := io.ReadAll(page.Body); strings.TrimSpace(string(body)) != `{"data":{"me":{"email":"ada@example.com"}}}` {
		t.Errorf("after the sign-in: %s", body)
	}
	key := postern.Identity{Issuer: magic.Issuer, Subject: "ada@example.com"}.Key()
	if got := ask("{orders me{id}}"); got != `{"data":{"me":{"id":"`+key+`"},"orders":["a book for ada@example.com"]}}` {
		t.Errorf("orders: %s", got)
	}

	// A page of somebody else's cannot ask with Ada's cookie.
	req, err := http.NewRequestWithContext(t.Context(), "POST", site+"/graphql", strings.NewReader(`{"query":"{me{email}}"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	res, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); strings.Contains(string(body), "ada@example.com") {
		t.Errorf("another origin got %d %s", res.StatusCode, body)
	}
}

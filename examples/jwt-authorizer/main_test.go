package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/posterntest"
)

// TestFunction: Ada gets a token from the real bootstrap, the gateway checks it with the keys that the bootstrap
// publishes, and the API knows her.
func TestFunction(t *testing.T) {
	bootstrap := functiontest.Build(t, ".")
	var printed *functiontest.Output
	var function *lambdatest.Runtime
	site := functiontest.Serve(t, func(url string) http.Handler {
		function, printed = functiontest.Start(t, bootstrap, "ORIGIN="+url)
		jwt := &lambdatest.JWTAuthorizer{Issuer: url + "/auth", Audience: []string{"api"}, AllowHTTP: true, FetchTimeout: time.Minute}
		return functiontest.Gateway(t, lambdatest.Config{Routes: []lambdatest.Route{
			{Path: "/auth", Function: function},
			{Path: "/auth/{proxy+}", Function: function},
			{Path: "/api/{proxy+}", Function: function, Authorizer: jwt},
		}})
	})
	browser := posterntest.Client(t)
	form := posterntest.SignIn(t, browser, site+"/auth/link/authorize")
	posterntest.Submit(t, browser, form, url.Values{"email": {"ada@example.com"}})
	page := posterntest.Submit(t, browser, posterntest.SignIn(t, browser, printed.Find(t, site+`/auth/link/\S+`)), nil)
	text, _ := io.ReadAll(page.Body)
	m := regexp.MustCompile(`Bearer (\S+)'`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no token: %d %s", page.StatusCode, text)
	}
	token := string(m[1])

	for _, c := range []struct {
		call, token string
		status      int
		says        string
	}{
		{"GET /api/me", token, 200, "ada@example.com, [orders:read]"},
		{"GET /api/orders", token, 200, "the orders of ada@example.com"},
		{"DELETE /api/orders", token, 403, ""},
		{"GET /api/me", "", 401, ""},
		{"GET /api/me", token[:len(token)-4] + "AAAA", 401, ""},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, site+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.status || c.says != "" && strings.TrimSpace(string(body)) != c.says {
			t.Errorf("%s: %d %s, want %d %s", c.call, res.StatusCode, body, c.status, c.says)
		}
	}

	// Without the authorizer in front the function lets nobody in, whatever the request carries.
	r := httptest.NewRequest("GET", "/api/me", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	lambdatest.Handler(lambdatest.HTTPAPI, function).ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("without an authorizer: %d %s", w.Code, w.Body)
	}
}

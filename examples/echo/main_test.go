package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/posterntest"
)

// site serves the program and signs people in.
type site struct {
	t    *testing.T
	url  string
	mail posterntest.Mail
}

func newSite(t *testing.T) *site {
	s := &site{t: t}
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	handler, err := newHandler(s.url, s.mail.Send)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	return s
}

func (s *site) signIn(address string) *http.Client {
	s.t.Helper()
	browser := posterntest.Client(s.t)
	posterntest.Submit(s.t, browser, posterntest.SignIn(s.t, browser, s.url+"/auth/link/authorize"), url.Values{"email": {address}})
	page := posterntest.Submit(s.t, browser, posterntest.SignIn(s.t, browser, s.mail.Last(s.t, address).Arg("link")), nil)
	if body, _ := io.ReadAll(page.Body); string(body) != "Hello, "+address+".\n" {
		s.t.Fatalf("after the sign-in: %s", body)
	}
	return browser
}

func (s *site) ask(browser *http.Client, method, path string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := browser.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestRoutes asks for every route as a stranger, as a member and as an administrator, also in spellings that a router
// and a guard could read differently.
func TestRoutes(t *testing.T) {
	s := newSite(t)
	stranger, ada, root := posterntest.Client(t), s.signIn("ada@example.com"), s.signIn("root@example.org")
	for _, tc := range []struct {
		method, path             string
		stranger, member, office int
	}{
		{"GET", "/", 200, 200, 200},
		{"GET", "/orders", 401, 200, 200},
		{"GET", "/orders/", 401, 404, 404}, // another route than /orders
		{"GET", "/orders/7", 401, 200, 200},
		{"HEAD", "/orders/7", 401, 200, 200},
		{"GET", "/admin/users", 401, 403, 200},
		{"HEAD", "/admin/users", 401, 403, 200},
		{"POST", "/admin/users", 401, 403, 404},
	} {
		for who, want := range map[*http.Client]int{stranger: tc.stranger, ada: tc.member, root: tc.office} {
			if got, body := s.ask(who, tc.method, tc.path); got != want {
				t.Errorf("%s %s: %d, want %d\n%s", tc.method, tc.path, got, want, body)
			}
		}
	}
	// No other spelling of a guarded path reaches its handler without the guard.
	for _, path := range []string{"/admin//users", "//admin/users", "/admin/users/", "/%61dmin/users", "/admin/%75sers", "/admin/./users",
		"/orders/../admin/users", "/admin%2fusers", "/ADMIN/users", "/admin/users;x"} {
		for name, who := range map[string]*http.Client{"a stranger": stranger, "a member": ada} {
			if code, body := s.ask(who, "GET", path); strings.Contains(body, "All users") {
				t.Errorf("%s gets %s: %d %s", name, path, code, body)
			}
		}
	}
	if _, body := s.ask(ada, "GET", "/orders/7"); body != "Order 7 of ada@example.com.\n" {
		t.Errorf("the order: %s", body)
	}
}

// TestHandler asks the sign-in handler through the router.
func TestHandler(t *testing.T) {
	s := newSite(t)
	browser := s.signIn("ada@example.com")
	for path, want := range map[string]string{
		"/auth": `"link": "` + s.url + `/auth/link/authorize"`, "/auth/": `"link"`,
		"/auth/.well-known/openid-configuration":        `"token_endpoint":"` + s.url + `/auth/token"`,
		"/.well-known/oauth-authorization-server/auth":  `"issuer":"` + s.url + `/auth"`,
		"/auth/.well-known/jwks.json":                   `"kty"`,
		"/auth/sessions":                                `"current":true`,
		"/auth/link/authorize?login_hint=a@example.com": `value="a@example.com"`,
	} {
		if code, body := s.ask(browser, "GET", path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, want %s in\n%s", path, code, want, body)
		}
	}
	if code, body := s.ask(browser, "GET", "/auth/nowhere"); code != 404 || !strings.Contains(body, "nothing at this address") {
		t.Errorf("an unknown path: %d %s", code, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/auth/signout", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if code, _ := s.ask(browser, "GET", "/orders/7"); code != 401 {
		t.Errorf("after the sign-out: %d", code)
	}
}

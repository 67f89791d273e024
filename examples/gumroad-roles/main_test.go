package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/provision/auth0test"
)

const secret = "the-secret-in-the-url-of-the-hook"

// shop is Gumroad with two sales: Ada bought the course, and Eve got her money back.
func shop(t *testing.T) gumroad {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/v2/sales/sale-1":
			fmt.Fprint(w, `{"success":true,"sale":{"id":"sale-1","email":"Ada@example.com","product_id":"course","refunded":false}}`)
		case "/v2/sales/sale-2":
			fmt.Fprint(w, `{"success":true,"sale":{"id":"sale-2","email":"eve@example.com","product_id":"course","refunded":true}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"success":false,"message":"The sale was not found."}`)
		}
	}))
	t.Cleanup(api.Close)
	return gumroad{api: api.URL, token: "token", product: "course", client: api.Client()}
}

// ping is what Gumroad posts.
func ping(t *testing.T, origin, token, sale, email string) int {
	t.Helper()
	form := url.Values{"sale_id": {sale}, "product_id": {"course"}, "email": {email}, "full_name": {"Ada"}, "seller_id": {"s"}, "test": {"false"}}
	res, err := http.PostForm(origin+"/hooks/gumroad/"+token, form)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func serve(t *testing.T, build func(origin string) (http.Handler, error)) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	origin := "http://" + server.Listener.Addr().String()
	handler, err := build(origin)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	return origin
}

func TestDirectory(t *testing.T) {
	var mail posterntest.Mail
	gum := shop(t)
	origin := serve(t, func(origin string) (http.Handler, error) { return withDirectory(gum, secret, origin, mail.Send) })
	for _, tt := range []struct {
		token, sale, email string
		status             int
	}{
		{"a-secret-that-somebody-guesses-here", "sale-1", "ada@example.com", 401},
		{secret, "sale-1", "mallory@example.com", 422}, // the sale of somebody else
		{secret, "sale-2", "eve@example.com", 422},     // paid back
		{secret, "sale-3", "mallory@example.com", 422}, // invented
		{secret, "../products", "mallory@example.com", 422},
		{secret, "sale-1", "ada@example.com", 200},
		{secret, "sale-1", "ada@example.com", 200}, // Gumroad's retry
	} {
		if got := ping(t, origin, tt.token, tt.sale, tt.email); got != tt.status {
			t.Errorf("%s for %s: %d, want %d", tt.sale, tt.email, got, tt.status)
		}
	}
	for email, want := range map[string]int{"ada@example.com": 200, "mallory@example.com": 403} {
		page := signIn(t, posterntest.Client(t), &mail, origin, email)
		body, _ := io.ReadAll(page.Body)
		if page.Request.URL.Path != "/lessons" || page.StatusCode != want || (want == 200) != strings.Contains(string(body), "Lesson 1") {
			t.Errorf("%s: %s %d %s", email, page.Request.URL.Path, page.StatusCode, body)
		}
	}
}

// signIn asks for a link, opens it and presses the button. It returns the page after that.
func signIn(t *testing.T, browser *http.Client, mail *posterntest.Mail, origin, email string) *http.Response {
	t.Helper()
	page, err := browser.Get(origin + "/auth/link/authorize")
	if err != nil {
		t.Fatal(err)
	}
	posterntest.Submit(t, browser, page, url.Values{"email": {email}})
	if page, err = browser.Get(mail.Last(t, email).Arg("link")); err != nil {
		t.Fatal(err)
	}
	return posterntest.Submit(t, browser, page, nil)
}

// Somebody who is signed in buys the course: the role is in the session at its next refresh.
func TestDirectory_BuysWhileSignedIn(t *testing.T) {
	var mail posterntest.Mail
	gum := shop(t)
	origin := serve(t, func(origin string) (http.Handler, error) { return withDirectory(gum, secret, origin, mail.Send) })
	browser := posterntest.Client(t)
	status := func() int {
		t.Helper()
		page, err := browser.Get(origin + "/lessons")
		if err != nil {
			t.Fatal(err)
		}
		page.Body.Close()
		return page.StatusCode
	}
	if page := signIn(t, browser, &mail, origin, "ada@example.com"); page.StatusCode != http.StatusForbidden {
		t.Fatalf("before: %d", page.StatusCode)
	}
	if got := ping(t, origin, secret, "sale-1", "ada@example.com"); got != http.StatusOK {
		t.Fatalf("%d", got)
	}
	if got := status(); got != http.StatusForbidden {
		t.Errorf("before the refresh: %d", got)
	}
	refresh, err := http.NewRequest(http.MethodPost, origin+"/auth/refresh", nil)
	if err != nil {
		t.Fatal(err)
	}
	refresh.Header.Set("Origin", origin)
	res, err := browser.Do(refresh)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := status(); got != http.StatusOK {
		t.Errorf("after the refresh (%d): %d", res.StatusCode, got)
	}
}

func TestAuth0(t *testing.T) {
	tenant := auth0test.New()
	defer tenant.Close()
	role := tenant.AddRole("Course")
	gum := shop(t)
	origin := serve(t, func(string) (http.Handler, error) {
		return withAuth0(gum, secret, tenant.Config(map[string]string{"course": role}))
	})
	for range 2 {
		if got := ping(t, origin, secret, "sale-1", "ada@example.com"); got != 200 {
			t.Errorf("%d", got)
		}
	}
	if got := ping(t, origin, secret, "sale-2", "eve@example.com"); got != 422 {
		t.Errorf("%d", got)
	}
	all := tenant.Users()
	if len(all) != 1 || all[0].Email != "ada@example.com" || len(all[0].Roles) != 1 || all[0].Roles[0] != role {
		t.Errorf("%+v", all)
	}
}

package postern_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// addPrefix puts back what a proxy in front took off the path. docs/clouds.md shows it.
func addPrefix(prefix string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := *r
		in.URL = new(url.URL)
		*in.URL = *r.URL
		in.URL.Path = prefix + r.URL.Path
		if r.URL.RawPath != "" {
			in.URL.RawPath = prefix + r.URL.RawPath
		}
		h.ServeHTTP(w, &in)
	})
}

// TestPrefix_ProxyThatStripsIt signs a person in behind a proxy that takes "/app" off every path.
func TestPrefix_ProxyThatStripsIt(t *testing.T) {
	var mail posterntest.Mail
	front := httptest.NewUnstartedServer(nil)
	public := "http://" + front.Listener.Addr().String()
	sessions := posterntest.Sessions(t, session.Config{Issuer: public + "/app/auth"})
	user := session.NewKind[struct{}](sessions, "user")
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"/app/me"},
		Mail:      mail.Send,
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return user.Cookie(w, r, session.Grant[struct{}]{Subject: in.Identity.Key()}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /app/me", user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "signed in") })))
	mux.HandleFunc("GET /app/files/{name}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("name")) })
	back := httptest.NewServer(addPrefix("/app", mux))
	defer back.Close()
	target, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	front.Config.Handler = http.StripPrefix("/app", httputil.NewSingleHostReverseProxy(target))
	front.Start()
	defer front.Close()

	browser := posterntest.Client(t)
	page, err := browser.Get(public + "/app/auth/link/authorize")
	if err != nil {
		t.Fatal(err)
	}
	posterntest.Submit(t, browser, page, url.Values{"email": {"ada@example.com"}})
	if page, err = browser.Get(mail.Last(t, "ada@example.com").Arg("link")); err != nil {
		t.Fatal(err)
	}
	page = posterntest.Submit(t, browser, page, nil)
	if page.StatusCode != 200 || page.Request.URL.Path != "/app/me" {
		t.Errorf("the sign-in ended at %s with %d", page.Request.URL, page.StatusCode)
	}
	if page, err = browser.Get(public + "/app/files/a%2Fb"); err != nil || page.StatusCode != 200 {
		t.Errorf("an encoded slash: %v, %v", page, err)
	}
}

// TestPrefix_AsTheDocumentShowsIt: docs/clouds.md has the function that the test above runs.
func TestPrefix_AsTheDocumentShowsIt(t *testing.T) {
	source, err := os.ReadFile("prefix_test.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/clouds.md")
	if err != nil {
		t.Fatal(err)
	}
	_, function, _ := strings.Cut(string(source), "\nfunc addPrefix")
	function, _, _ = strings.Cut(function, "\n}\n")
	if !strings.Contains(string(doc), "func addPrefix"+function+"\n}\n") {
		t.Error("the function addPrefix of docs/clouds.md is not that of prefix_test.go: copy it over")
	}
}

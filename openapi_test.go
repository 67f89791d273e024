package postern_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// TestDocument: {base}/openapi.json names the issuer, may be cached, and is the same for a person who is signed in.
func TestDocument(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	w := b.get(issuer + "/openapi.json")
	var d struct {
		OpenAPI string
		Servers []struct{ URL string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusOK || d.OpenAPI != "3.1.0" || len(d.Servers) != 1 || d.Servers[0].URL != issuer {
		t.Errorf("%d: OpenAPI %q, servers %v", w.Code, d.OpenAPI, d.Servers)
	}
	head := w.Header()
	if head.Get("Content-Type") != "application/json" || head.Get("Cache-Control") != "public, max-age=300" || head["Set-Cookie"] != nil {
		t.Errorf("%v", head)
	}
	if other := h.browser().get(issuer + "/openapi.json"); other.Body.String() != w.Body.String() {
		t.Error("a browser without a session gets another document")
	}
	r := httptest.NewRequest("GET", issuer+"/openapi.json", nil)
	r.Header.Set("If-None-Match", head.Get("ETag"))
	if again := h.browser().do(r); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("unchanged: %d, %d bytes", again.Code, again.Body.Len())
	}
	if strings.Contains(w.Body.String(), "auth.example.com") {
		t.Error("the document names the issuer of the file")
	}
}

// TestDocument_NeedsSession: a program without users has no routes to describe.
func TestDocument_NeedsSession(t *testing.T) {
	v := newWorld(t)
	if w := v.browser().get(issuer + "/openapi.json"); w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestMount_RoomsWithoutPath: with an issuer that has no path, Mount serves the rooms of users too.
func TestMount_RoomsWithoutPath(t *testing.T) {
	sessions := posterntest.Sessions(t, session.Config{Issuer: "https://auth.example.com"})
	kind := postern.NewKind(sessions, newTable(), session.KindConfig[user]{Name: "user"}, func(p postern.Person) user { return user{Name: p.Name} })
	var mail posterntest.Mail
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Mail: mail.Send, Admit: postern.Open, Redirects: []string{"/"},
		Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	for _, path := range []string{"/openapi.json", "/sign-up", "/sign-up/code", "/step-up", "/step-up/link", "/link", "/join", "/account", "/account/export"} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			if _, pattern := mux.Handler(httptest.NewRequest(method, path, nil)); pattern == "" {
				t.Errorf("%s %s is not registered", method, path)
			}
		}
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "https://auth.example.com/sign-up", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Create an account") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

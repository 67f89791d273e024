package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// TestConsole_AccessTokenIsNotEnough: who has copied the access token of the application, such as a service that gets
// it, opens no console.
func TestConsole_AccessTokenIsNotEnough(t *testing.T) {
	h := newApart(t)
	h.made("boss", "chief")
	b := h.fresh(at("boss", "boss@example.com", true))
	token := b.access()
	post := func(b *browser, change func(*http.Request)) *httptest.ResponseRecorder {
		t.Helper()
		r := b.Request("POST", issuer+"/admin/session", url.Values{})
		r.Header.Set("Accept", "text/html")
		if change != nil {
			change(r)
		}
		return b.do(r)
	}
	thief := h.browser()
	w := post(thief, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	if w.Code != http.StatusUnauthorized || len(thief.Cookies) > 0 {
		t.Errorf("a Bearer token: %d %v", w.Code, thief.Cookies)
	}
	for name, value := range b.Cookies {
		if value == token {
			thief.Cookies[name] = value
		}
	}
	w = post(thief, nil)
	if w.Code != http.StatusUnauthorized || len(thief.Cookies) != 1 {
		t.Errorf("the token as a cookie: %d %v", w.Code, thief.Cookies)
	}
	for name, value := range b.Cookies { // the refresh token of another session
		if value != token {
			eve := h.fresh(at("eve", "eve@example.com", true))
			thief.Cookies[name] = eve.Cookies[name]
		}
	}
	if w = post(thief, nil); w.Code != http.StatusUnauthorized {
		t.Errorf("with the refresh token of another session: %d %v", w.Code, thief.Cookies)
	}
	leads(t, post(b, nil), issuer+"/admin")
}

// TestConsole_SessionEndsElsewhere: other routes that take the kind of the console refuse its session too, from the
// next refresh on.
func TestConsole_SessionEndsElsewhere(t *testing.T) {
	for _, how := range []string{"after an hour", "with the session of the application"} {
		t.Run(how, func(t *testing.T) {
			var route http.Handler
			h := newConsole(t, func(h *home, c *postern.Config) {
				kind := postern.NewKind(h.sessions, h.dir, session.KindConfig[user]{Name: "staff"}, func(p postern.Person) user { return user{Name: p.Name} })
				c.Admin = h.dir.Admin(kind)
				route = kind.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			})
			h.made("boss", "chief")
			b := h.opened("boss")
			ask := func() int {
				staff := *b.Browser // the cookies are the same
				staff.Handler = route
				return staff.Do(b.Request("GET", issuer+"/staff", nil)).Code
			}
			if how != "after an hour" {
				h.Advance(6 * time.Minute)
				if code := ask(); code != http.StatusOK {
					t.Fatalf("while it lives: %d", code)
				}
				own, _ := h.session(b)
				if err := h.sessions.Revoke(t.Context(), own.ID); err != nil {
					t.Fatal(err)
				}
			} else {
				h.Advance(time.Hour)
			}
			h.Advance(16 * time.Minute)
			if code := ask(); code != http.StatusUnauthorized {
				t.Errorf("%d", code)
			}
		})
	}
}

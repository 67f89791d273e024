package postern_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// TestM11_RememberedBrowser: it stands in for the factor, for its user alone, for thirty days, and until something
// about the security of the user changes.
func TestM11_RememberedBrowser(t *testing.T) {
	h := newFort(t)
	h.enrolled(h.who, "chip", "sesame")
	b := h.browser()
	want(t, b.answer("chip", h.waiting(b, h.who), "sesame", "remember", "yes"), http.StatusSeeOther, "")
	ada, kept := h.who, maps.Clone(b.Cookies)
	again := func() (*browser, *httptest.ResponseRecorder) {
		next := h.browser()
		for name, value := range kept {
			if strings.Contains(name, "remembered") {
				next.Cookies[name] = value
			}
		}
		return next, h.signIn(next, ada)
	}
	next, w := again()
	want(t, w, http.StatusSeeOther, "https://app.example.com/")
	s, ok := h.session(next)
	if !ok || !slices.Equal(s.Authentication.Methods, []string{"oauth"}) {
		t.Fatalf("amr of a remembered browser: %+v", s)
	}
	h.Advance(10 * time.Minute)
	if _, ok := h.session(next); !ok {
		t.Error("its session ends at the first refresh")
	}
	// Never where a route needs a fresh proof, for a change of the account, or for a step-up.
	if !s.Authentication.Time.IsZero() {
		t.Errorf("auth_time %v", s.Authentication.Time)
	}
	want(t, next.post(issuer+"/factors/chip/enroll", url.Values{"word": {"other"}}), http.StatusUnauthorized, "insufficient_user_authentication")
	want(t, next.get(issuer+"/step-up/chip?redirect_uri=/welcome"), http.StatusSeeOther, "/factors/chip/verify?state=")

	// Another user of the same browser is asked.
	bob := at("bob", "bob@example.com", true)
	h.enrolled(bob, "chip", "open")
	other := h.browser()
	for name, value := range kept {
		other.Cookies[name] = value
	}
	for name := range other.Cookies {
		if !strings.Contains(name, "remembered") {
			delete(other.Cookies, name)
		}
	}
	h.waiting(other, bob)

	h.Advance(29 * 24 * time.Hour)
	if _, w := again(); strings.Contains(w.Header().Get("Location"), "/factors/") {
		t.Error("asked before thirty days")
	}
	h.Advance(25 * time.Hour)
	if _, w := again(); !strings.Contains(w.Header().Get("Location"), "/factors/") {
		t.Error("not asked after thirty days")
	}
}

// TestM11_RememberedEnds: each event of security forgets the browser.
func TestM11_RememberedEnds(t *testing.T) {
	for name, event := range map[string]func(h *home, id string){
		"signed out everywhere": func(h *home, id string) { h.t.Helper(); h.must(h.auth.EndUser(h.t.Context(), id)) },
		"disabled": func(h *home, id string) {
			h.must(h.dir.Disable(h.t.Context(), id, "why", time.Time{}, users.Extra{}))
			h.must(h.dir.Enable(h.t.Context(), id, users.Extra{}))
		},
		"security moved": func(h *home, id string) { h.moveSec(id) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newFort(t)
			id := h.idOf(h.enrolled(h.who, "chip", "sesame"))
			b := h.browser()
			want(t, b.answer("chip", h.waiting(b, h.who), "sesame", "remember", "yes"), http.StatusSeeOther, "")
			event(h, id)
			w := h.signIn(b, h.who)
			want(t, w, http.StatusSeeOther, "/factors/chip/verify")
		})
	}
}

// TestM11_NotRemembered: a requirement that wants the factor each time is not met by a remembered browser, at sign-in
// and at refresh.
func TestM11_NotRemembered(t *testing.T) {
	var need postern.Requirement
	h := newFort(t, func(_ *home, c *postern.Config) {
		c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
			return need, nil
		}
	})
	h.enrolled(h.who, "chip", "sesame")
	b := h.browser()
	want(t, b.answer("chip", h.waiting(b, h.who), "sesame", "remember", "yes"), http.StatusSeeOther, "")
	want(t, h.signIn(b, h.who), http.StatusSeeOther, "https://app.example.com/")
	need.NotRemembered = true
	h.Advance(10 * time.Minute)
	if _, ok := h.session(b); ok {
		t.Error("the session of a remembered browser goes on")
	}
	w := h.signIn(b, h.who)
	want(t, w, http.StatusSeeOther, "/factors/chip/verify")
	if page := b.get(w.Header().Get("Location")); strings.Contains(page.Body.String(), `name="remember"`) {
		t.Error("the form offers what is refused")
	}
}

// TestM11_BrowsersAreListed: a person sees the browsers that stand in for the factor, and forgets one.
func TestM11_BrowsersAreListed(t *testing.T) {
	h := newFort(t)
	first := h.enrolled(h.who, "chip", "sesame")
	b := h.browser()
	want(t, b.answer("chip", h.waiting(b, h.who), "sesame", "remember", "yes"), http.StatusSeeOther, "")
	type list struct {
		Browsers []struct {
			ID      string
			Current bool
		}
	}
	seen := decoded[list](t, b.json("GET", "/account/browsers", ""))
	if len(seen.Browsers) != 1 || !seen.Browsers[0].Current {
		t.Fatalf("%+v", seen)
	}
	if other := decoded[list](t, first.json("GET", "/account/browsers", "")); len(other.Browsers) != 1 || other.Browsers[0].Current {
		t.Errorf("another browser sees %+v", other)
	}
	bob := h.browser()
	h.signIn(bob, at("bob", "bob@example.com", true))
	answered(t, bob.json("DELETE", "/account/browsers/"+seen.Browsers[0].ID, ""), http.StatusNotFound, "not_found")
	ada := at("ada", "ada@example.com", true)
	want(t, h.signIn(b, ada), http.StatusSeeOther, "https://app.example.com/")
	answered(t, first.json("DELETE", "/account/browsers/"+seen.Browsers[0].ID, ""), http.StatusNoContent, "")
	want(t, h.signIn(b, ada), http.StatusSeeOther, "/factors/chip/verify")
	if rest := decoded[list](t, first.json("GET", "/account/browsers", "")); len(rest.Browsers) != 0 {
		t.Errorf("left: %+v", rest)
	}
}

// TestM11_TenBrowsers: the oldest gives way to the eleventh.
func TestM11_TenBrowsers(t *testing.T) {
	h := newFort(t)
	h.enrolled(h.who, "chip", "sesame")
	var all []*browser
	for range 11 {
		b := h.browser()
		want(t, b.answer("chip", h.waiting(b, h.who), "sesame", "remember", "yes"), http.StatusSeeOther, "")
		all = append(all, b)
		h.Advance(time.Minute)
	}
	want(t, h.signIn(all[0], h.who), http.StatusSeeOther, "/factors/chip/verify")
	for _, b := range all[1:] {
		want(t, h.signIn(b, h.who), http.StatusSeeOther, "https://app.example.com/")
	}
}

package postern_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// TestM10_AAL2: two factors each time, a remembered browser is no substitute, and the session ends in time.
func TestM10_AAL2(t *testing.T) {
	h := newFort(t, func(h *home, c *postern.Config) {
		c.RequireFactor = postern.AAL2
		h.kind = postern.NewKind(c.Sessions, h.dir, session.AAL2(session.KindConfig[user]{Name: "short"}), func(p postern.Person) user { return user{Name: p.Name} })
		c.Session = h.kind
	})
	alive := func(b *browser) bool {
		h.t.Helper()
		var s *session.Session[user]
		guarded := *b.Browser
		guarded.Handler = h.kind.Optional(handlerFunc(func(r requestOf) { s, _ = h.kind.From(r.Context()) }))
		guarded.Do(guarded.Request("GET", "https://api.example.com/x", nil))
		return s != nil && s.Kind == "short"
	}
	sign := func() *browser {
		h.t.Helper()
		b := h.browser()
		w := h.signIn(b, h.who)
		want(t, w, http.StatusSeeOther, "/factors/chip/verify?state=")
		_, state, _ := strings.Cut(w.Header().Get("Location"), "?state=")
		if page := b.get(w.Header().Get("Location")).Body.String(); strings.Contains(page, `name="remember"`) {
			t.Error("the form offers to remember the browser")
		}
		want(t, b.answer("chip", state, "sesame", "remember", "yes"), http.StatusSeeOther, "")
		return b
	}
	b := h.browser()
	_, state, _ := strings.Cut(h.signIn(b, h.who).Header().Get("Location"), "?state=")
	want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"state": {state}, "word": {"sesame"}}), http.StatusOK, "Done")
	if alive(b) {
		t.Error("a session before the person went on")
	}
	b.landing(b.post(issuer+"/factors/continue", url.Values{"state": {state}}))
	for range 23 {
		h.Advance(59 * time.Minute)
		if !alive(b) {
			t.Fatal("a session in use ends before 24 hours")
		}
	}
	h.Advance(59 * time.Minute)
	h.Advance(30 * time.Minute)
	if alive(b) {
		t.Error("a session of more than 24 hours")
	}
	if b = sign(); !alive(b) {
		t.Fatal("no session after two factors")
	}
	h.Advance(66 * time.Minute) // the hour, and the life of an access token
	if alive(b) {
		t.Error("a session that was not used for an hour")
	}
	sign() // asked again in a browser that wished to be remembered
}

package gallery

import (
	"net/http"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/test/testworld"
)

// open are the forms that anybody may send, from any browser, with the reason.
var open = map[string]string{
	"/sign-up":         "it begins a sign-up",
	"/mail/authorize":  "it begins a sign-in",
	"/language":        "it chooses a language",
	"/password/forgot": "it mails a link",
	"/password/reset":  "who has the mailed link has the mailbox",
	"/account/stop":    "who has the mailed link has the mailbox",
	"/account/undo":    "who has the mailed link has the mailbox",
	"/account/confirm": "who has the mailed link has the mailbox",

	"/factors/recovery/download": "it gives back what it is sent",

	"/account/sign-out": "who has no session is signed out already",

	"magic.link-elsewhere /mail/callback": "the person has said that the link is for this browser",
}

func (s *step) isOpen(f form) bool {
	path := s.path(f)
	return open[path] != "" || open[s.page+" "+path] != ""
}

// bySession reports whether a form belongs to somebody who is signed in, and to no attempt.
func (s *step) bySession(f form) bool { return !f.names["state"] && !s.isOpen(f) }

// kept is a browser with some of the cookies of another.
func kept(b *testworld.Browser, keep func(name, value string) bool) *testworld.Browser {
	c := b.Clone()
	for name, value := range b.Cookies {
		if !keep(name, value) {
			delete(c.Cookies, name)
		}
	}
	return c
}

func hasSession(b *testworld.Browser) bool {
	for name, value := range b.Cookies {
		if isSession(name, value) {
			return true
		}
	}
	return false
}

// wrongBrowsers are those in which a form that is filled in well must do nothing.
func (w *sweep) wrongBrowsers(s *step, f form) (all []probe) {
	if s.isOpen(f) {
		return nil
	}
	body := formProbe("", w.good(s, f))
	add := func(name string, b *testworld.Browser) {
		p := body
		p.name, p.browser = name, b
		all = append(all, p)
	}
	add("without cookies", kept(s.browser, func(string, string) bool { return false }))
	add("in the browser of somebody else who is signed in", w.fixture.Browser)
	if hasSession(s.browser) {
		add("without the session", kept(s.browser, func(name, value string) bool { return !isSession(name, value) }))
		if !s.bySession(f) {
			add("with the session alone", kept(s.browser, isSession))
		}
	}
	if strings.HasPrefix(s.page, "admin.") {
		return all // another administrator may do it
	}
	n := 0
	for _, other := range w.steps {
		if other != s && n < 3 && (other.page == s.page || slices.ContainsFunc(other.forms, func(g form) bool { return other.path(g) == s.path(f) })) {
			n++
			add("in the browser of "+other.scene, other.browser)
		}
	}
	return all
}

// signOut ends the session of a browser, and returns the browser with the cookies of before.
func (w *sweep) signOut(s *step) (before *testworld.Browser) {
	before = s.browser.Clone()
	r := before.Request(http.MethodPost, "https://app.example/auth/signout", map[string][]string{})
	rec := s.browser.Clone().Do(r)
	if rec.Code >= 400 {
		w.Errorf("%s: the sign-out: %d %s", s.scene, rec.Code, rec.Body)
	}
	return before
}

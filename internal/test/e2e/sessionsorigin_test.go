package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestX2_BrowserOtherOrigins: a page of another origin makes the browser of a signed-in person send what it can. It
// can neither refresh nor end the session, nor read of it. The neighbour on another port is of the same site, so that
// SameSite=Lax alone would not stop it.
func TestX2_BrowserOtherOrigins(t *testing.T) {
	browser := startBrowser(t)
	evil := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.URL.Query().Get("target")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Evil</title>
<form method="post" action="%s/auth/refresh"><button id="refresh">x</button></form>
<form method="post" action="%[1]s/auth/signout"><button id="signout">x</button></form>
<form method="post" action="%[1]s/auth/signout/everywhere"><button id="everywhere">x</button></form>
<form method="post" enctype="text/plain" action="%[1]s/auth/signout"><button id="plain">x</button></form>
<form method="post" action="%[1]s/auth/sessions"><input name="_method" value="DELETE"><button id="others">x</button></form>`, target)
	}))
	evil.Config.ErrorLog = complaints(t)
	evil.StartTLS()
	t.Cleanup(evil.Close)
	neighbour := strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)

	for _, tc := range []struct {
		name, origin string
		sent         bool // the browser sends the cookies with what scripts and forms of the page post
	}{
		{"of another site", evil.URL, false},
		{"of the same site", neighbour, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClub(t)
			w := c.signIn(browser, ada)
			c.clock.Advance(6 * time.Minute) // the cookies could be refreshed now
			c.forget()
			before := c.withCookie.Load()
			page := tc.origin + "/?target=" + c.url
			untouched := func(what string) {
				t.Helper()
				if c.happened("session refreshed") != 0 || c.happened("subject revoked") != 0 || c.happened("others revoked") != 0 || c.reasons() != nil {
					t.Fatalf("%s: %+v", what, c.events)
				}
			}
			send := func(method, path, more string) string {
				t.Helper()
				var end string
				w.run(chromedp.Evaluate(fmt.Sprintf(`fetch('%s%s', {method: '%s', credentials: 'include', cache: 'no-store', %s}).then(r => r.type, err => err.name)`,
					c.url, path, method, more), &end, awaited))
				what := fmt.Sprintf("%s %s, %s", method, path, more)
				if end != "opaque" && end != "TypeError" { // not to be read, or not even sent
					t.Errorf("%s: the page reads the answer (%s)", what, end)
				}
				return what
			}
			w.open(page)
			for _, attack := range []struct{ method, path, more string }{
				{"POST", "/auth/refresh", `mode: 'no-cors'`},
				{"POST", "/auth/signout", `mode: 'no-cors'`},
				{"POST", "/auth/signout/everywhere", `mode: 'no-cors'`},
				{"POST", "/auth/signout", `mode: 'no-cors', body: new URLSearchParams({a: 'b'})`},
				{"POST", "/auth/signout", `mode: 'no-cors', body: '{}'`},
				{"POST", "/auth/refresh", `mode: 'cors'`},
				{"POST", "/auth/signout", `mode: 'cors', headers: {'Content-Type': 'application/json'}, body: '{}'`},
				{"DELETE", "/auth/sessions", `mode: 'cors'`},
				{"GET", "/auth/signout", `mode: 'no-cors'`},
			} {
				untouched(send(attack.method, attack.path, attack.more))
			}
			for _, button := range []string{"refresh", "signout", "everywhere", "plain", "others"} {
				w.open(page)
				w.press("#" + button)
				if !strings.HasPrefix(w.url(), c.url) || !strings.Contains(w.text(), `"error"`) {
					t.Errorf("the form %s ends at %s:\n%s", button, w.url(), w.text())
				}
				untouched("the form " + button)
			}
			if sent := c.withCookie.Load() > before; sent != tc.sent {
				t.Errorf("the browser sent the cookies: %v, want %v; the test shows nothing", sent, tc.sent)
			}
			// What only reads may renew cookies on its way, which takes nothing from anybody, but is not to be read
			// either.
			w.open(page)
			send("GET", "/auth/sessions", `mode: 'cors'`)
			send("GET", "/me", `mode: 'no-cors'`)
			if renewed := c.happened("session refreshed") > 0; renewed && !tc.sent {
				t.Error("a page of another site made the browser refresh")
			}
			// The person comes by a link of that page, and is signed in as ever.
			w.open(page)
			w.run(chromedp.Evaluate(fmt.Sprintf(`document.body.innerHTML = '<a href="%s/page">to the club</a>'; 0`, c.url), nil))
			w.link("to the club")
			w.shows("hello " + ada)
			w.says("/checked", 200, ada)
		})
	}
}

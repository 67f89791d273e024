package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
)

// thief opens a browser that holds a copy of the cookies of another.
func (c *club) thief(browser context.Context, owner *window) *window {
	c.t.Helper()
	w := newWindow(c.t, browser)
	w.trustLocalhost()
	access, refresh := owner.cookies(c.url)
	w.take(c.url, access, refresh)
	w.open(c.url + "/page")
	w.shows("hello " + ada) // within the life of the access token a copy is as good
	return w
}

// TestS5_BrowserStolenCookies: two browsers hold the same cookies. The second to use them gets an answer, for it may
// have lost one; the next use of the first ends the session for both, and both lose their cookies.
func TestS5_BrowserStolenCookies(t *testing.T) {
	browser := startBrowser(t)
	for _, ownerFirst := range []bool{true, false} {
		name := "the thief comes first"
		if ownerFirst {
			name = "the owner comes first"
		}
		t.Run(name, func(t *testing.T) {
			c := newClub(t)
			owner := c.signIn(browser, ada)
			elsewhere := c.signIn(browser, ada) // another session of the same person
			thief := c.thief(browser, owner)
			first, second := thief, owner
			if ownerFirst {
				first, second = owner, thief
			}
			c.forget()
			c.clock.Advance(6 * time.Minute)
			first.says("/me", 200, ada)
			c.clock.Advance(91 * time.Second)
			if c.happened("session refreshed") != 1 || c.reasons() != nil {
				t.Fatalf("%d rotations, ended %v", c.happened("session refreshed"), c.reasons())
			}

			second.says("/me", 200, ada) // it may have lost the answer
			if c.happened("lost answer") != 1 || c.reasons() != nil {
				t.Fatalf("%d lost answers, ended %v", c.happened("lost answer"), c.reasons())
			}
			c.clock.Advance(4 * time.Minute) // the access token of the first has run out
			first.says("/me", 401, `"session_ended"`)
			if got := c.reasons(); !slices.Equal(got, []string{"reuse"}) {
				t.Errorf("the session ended for %q", got)
			}
			first.signedOut(c.url)

			second.says("/checked", 401, `"session_ended"`) // at once, where the store is asked
			second.says("/me", 200, ada)                    // elsewhere when the access token ends
			c.clock.Advance(6 * time.Minute)
			second.says("/me", 401, `"session_ended"`)
			second.signedOut(c.url)
			if got := c.reasons(); len(got) != 1 {
				t.Errorf("a session that is over ended again: %q", got)
			}
			elsewhere.says("/checked", 200, ada)
		})
	}
}

// TestS5_BrowserStolenLater: a copy that is several tokens old, and one of the refresh token alone.
func TestS5_BrowserStolenLater(t *testing.T) {
	browser := startBrowser(t)
	c := newClub(t)
	owner := c.signIn(browser, ada)
	_, old := owner.cookies(c.url)
	for range 5 {
		c.clock.Advance(6 * time.Minute)
		owner.says("/me", 200, ada)
	}
	thief := newWindow(t, browser)
	thief.trustLocalhost()
	thief.open(c.url + "/")
	thief.take(c.url, old)
	if got := thief.fetch("POST", "/auth/refresh"); got.Status != 401 {
		t.Errorf("an old refresh token: %+v", got)
	}
	thief.signedOut(c.url)
	if got := c.reasons(); !slices.Equal(got, []string{"reuse"}) {
		t.Errorf("the session ended for %q", got)
	}
	owner.says("/checked", 401, `"session_ended"`)
	if got := owner.fetch("POST", "/auth/refresh"); got.Status != 401 {
		t.Errorf("the owner refreshes: %+v", got)
	}
	owner.signedOut(c.url)
}

// TestS9_BrowserSignOut: here, elsewhere, everywhere.
func TestS9_BrowserSignOut(t *testing.T) {
	browser := startBrowser(t)
	for _, tc := range []struct {
		name, method, path string
		here, there        bool // who is signed out
	}{
		{"here", "POST", "/auth/signout", true, false},
		{"all others", "DELETE", "/auth/sessions", false, true},
		{"everywhere", "POST", "/auth/signout/everywhere", true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClub(t)
			here, there := c.signIn(browser, ada), c.signIn(browser, ada)
			grace := c.signIn(browser, "grace@example.com")
			access, refresh := here.cookies(c.url)
			kept := []*network.Cookie{access, refresh}
			if got := here.fetch(tc.method, tc.path); got.Status != 204 {
				t.Fatalf("%s %s: %+v", tc.method, tc.path, got)
			}
			if tc.here {
				here.signedOut(c.url)
				here.says("/me", 401, `"unauthorized"`)
				here.take(c.url, kept...) // who kept a copy has nothing of it
				here.says("/checked", 401, `"session_ended"`)
			} else {
				here.says("/checked", 200, ada)
			}
			if tc.there {
				there.says("/checked", 401, `"session_ended"`) // at once
				there.says("/me", 200, ada)
			} else {
				there.says("/checked", 200, ada)
			}
			c.clock.Advance(6 * time.Minute)
			for _, who := range []struct {
				*window
				out bool
			}{{here, tc.here}, {there, tc.there}} {
				if who.out {
					who.says("/me", 401, `"session_ended"`)
				} else {
					who.says("/me", 200, ada)
				}
			}
			grace.says("/checked", 200, "grace@example.com")
		})
	}
}

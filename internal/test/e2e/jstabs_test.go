package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// A jsTest is a test of the JavaScript client in Chromium against a real Postern, in windows with separate cookies.
type jsTest struct {
	name string
	run  func(*testing.T, *town)
}

func runJS(t *testing.T, tests ...jsTest) {
	t.Helper()
	c := newTown(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

func TestS6_JSTabs(t *testing.T) {
	runJS(t, jsTest{"FiveTabs", jsFiveTabs}, jsTest{"WithoutWebLocks", jsWithoutWebLocks})
}

func TestS8_JSLostAnswer(t *testing.T) { runJS(t, jsTest{"LostAnswer", jsLostAnswer}) }

func TestI3_JSCode(t *testing.T) {
	runJS(t, jsTest{"CallbackForged", jsCallbackForged}, jsTest{"AuthorizeRequest", jsAuthorizeRequest},
		jsTest{"CallbackByLink", jsCallbackByLink})
}

func TestC12_JSReturnTo(t *testing.T) { runJS(t, jsTest{"ReturnTo", jsReturnTo}) }

func TestJS(t *testing.T) {
	runJS(t, jsTest{"EndElsewhere", jsEndElsewhere}, jsTest{"TokensAfterReload", jsTokensAfterReload}, jsTest{"StoreDown", jsStoreDown},
		jsTest{"ProxyDown", jsProxyDown}, jsTest{"OtherProcess", jsOtherProcess}, jsTest{"Repeat", jsRepeat}, jsTest{"OtherOriginsGetNothing", jsOtherOriginsGetNothing},
		jsTest{"RefreshAhead", jsRefreshAhead}, jsTest{"Refused", jsRefused}, jsTest{"MailedLink", jsMailedLink})
}

// bothSites runs a test for a page of the issuer's site with cookies, and for one of another site by the code flow.
func bothSites(t *testing.T, c *town, test func(t *testing.T, f *frontEnd)) {
	t.Run("same site", func(t *testing.T) { test(t, c.sameSite(t)) })
	t.Run("other site", func(t *testing.T) { test(t, c.otherSite(t, nil)) })
}

// jsFiveTabs: a person signs in and opens five tabs. After the access token has expired, each tab makes ten
// requests at once. All succeed by one refresh, and the sign-out in one tab ends the session in all.
func jsFiveTabs(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		if got := w.subject(); got != "nobody" {
			t.Fatalf("at first %s is signed in", got)
		}
		f.signsIn(w, "/orders/42?x=1&state=CA#notes")
		if f.origin == samePage {
			var all []*network.Cookie
			w.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
				all, err = network.GetCookies().WithURLs([]string{apiURL}).Do(ctx)
				return err
			}))
			if len(all) != 3 { // two of the session, and the one of the provider used last
				t.Errorf("%d cookies", len(all))
			}
			for _, c := range all {
				if !strings.HasPrefix(c.Name, "__Host-") || c.SameSite != network.CookieSameSiteLax || !c.HTTPOnly || !c.Secure || c.Domain != "api.example.com" {
					t.Errorf("cookie %+v", c)
				}
			}
		} else {
			w.cleanAddress()
		}
		w.cookieless()
		var kept int // nothing of the session or of the sign-in stays in the storage of the page
		w.js(`[...Object.values(localStorage), ...Object.values(sessionStorage)].filter((v) => v !== '[]').length`, &kept)
		if kept != 0 {
			t.Errorf("%d things are stored", kept)
		}
		tabs := f.tabs(w, 4)

		for round := range 3 {
			f.clock.Advance(6 * time.Minute)
			f.forget()
			together(t, tabs, func(i int, w *window) error {
				var statuses []int
				script := fmt.Sprintf(`Promise.all(Array.from({ length: 10 }, () => auth.fetch('%s/api/me').then((r) => r.status, (e) => -1)))`, apiURL)
				if err := chromedp.Run(w.ctx, chromedp.Evaluate(script, &statuses, awaited)); err != nil {
					return err
				}
				if len(statuses) != 10 || slices.ContainsFunc(statuses, func(s int) bool { return s != 200 }) {
					return fmt.Errorf("tab %d: %v", i, statuses)
				}
				return nil
			})
			if n, asked := f.happened("session refreshed"), f.count("POST", f.refreshPath()); n != 1 || asked != 1 {
				t.Errorf("round %d: %d rotations by %d refreshes", round, n, asked)
			}
			if n := f.happened("refresh retried") + f.happened("lost answer"); n != 0 || f.reasons() != nil {
				t.Errorf("round %d: %d retries, ended for %v", round, n, f.reasons())
			}
		}
		for _, tab := range tabs {
			if got := tab.gets(apiURL + "/checked"); got.Status != 200 || got.Body != "ada" {
				t.Errorf("at the store: %+v", got)
			}
		}

		f.forget()
		var done string
		tabs[2].js(`auth.signOut().then(() => 'done', (e) => e.code)`, &done)
		if got := f.reasons(); done != "done" || !slices.Equal(got, []string{"sign-out"}) {
			t.Fatalf("sign-out: %s, ended for %v", done, got)
		}
		for i, tab := range tabs {
			var ends []string
			tab.js(`new Promise((done) => { setTimeout(() => done(ends), 20e3); if (ends.length) done(ends); else auth.addEventListener('end', () => done(ends)) })`, &ends)
			if !slices.Equal(ends, []string{"signed_out"}) {
				t.Errorf("tab %d: ends %v", i, ends)
			}
			if got := tab.subject(); got != "nobody" {
				t.Errorf("tab %d: %s is signed in", i, got)
			}
			if got := tab.gets(apiURL + "/checked"); got.Status != 401 || !strings.Contains(got.Body, `"unauthorized"`) {
				t.Errorf("tab %d at the store: %+v", i, got)
			}
		}
		// And in again, for all tabs, as another person perhaps: each tab is informed, also if it knew a session.
		for range 2 {
			tabs[1].js(`starts = 0`, nil)
			f.signsIn(w, "/")
			var starts int
			tabs[1].js(`new Promise((done) => { setTimeout(() => done(starts), 20e3); if (starts) done(starts); else auth.addEventListener('start', () => done(1)) })`, &starts)
			if starts != 1 {
				t.Errorf("a tab had %d starts by the sign-in in another", starts)
			}
		}
		for i, tab := range tabs {
			if got := tab.subject(); got != "ada" {
				t.Errorf("tab %d after another sign-in: %s", i, got)
			}
		}
		var everywhere string
		w.js(`auth.signOutEverywhere().then(() => 'done', (e) => e.code)`, &everywhere)
		if got := w.subject(); everywhere != "done" || got != "nobody" || f.happened("subject revoked") != 1 {
			t.Errorf("sign-out everywhere: %s, then %s, %d events", everywhere, got, f.happened("subject revoked"))
		}
	})
}

// jsEndElsewhere: an administrator ends the session. The client learns it at its next request, passes the answer
// on, and reports the end once.
func jsEndElsewhere(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.signsIn(w, "/")
		if got := w.subject(); got != "ada" {
			t.Fatal(got)
		}
		if err := f.sessions.RevokeSubject(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		if got := w.gets(apiURL + "/checked"); got.Status != 401 || !strings.Contains(got.Body, `"session_ended"`) {
			t.Errorf("at the store: %+v", got)
		}
		f.clock.Advance(6 * time.Minute)
		for range 2 {
			if got := w.gets(apiURL + "/api/me"); got.Status != 401 {
				t.Errorf("later: %+v", got)
			}
		}
		var ends []string
		w.js(`ends`, &ends)
		if !slices.Equal(ends, []string{"session_ended"}) {
			t.Errorf("ends %v", ends)
		}
		if got := w.subject(); got != "nobody" {
			t.Errorf("%s is signed in", got)
		}
	})
}

// jsWithoutWebLocks: where the browser has no Web Locks, one refresh serves the requests of a tab.
func jsWithoutWebLocks(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.signsIn(w, "/x#without-locks")
		w.run(chromedp.Reload())
		w.loaded()
		var has bool
		if w.js(`navigator.locks !== undefined`, &has); has {
			t.Fatal("the page has Web Locks")
		}
		if f.origin == otherPage { // tokens are in memory, and no other tab has them
			f.signsIn(w, "/x#without-locks")
		}
		f.clock.Advance(6 * time.Minute)
		f.forget()
		var statuses []int
		w.js(fmt.Sprintf(`Promise.all(Array.from({ length: 10 }, () => auth.fetch('%s/api/me').then((r) => r.status)))`, apiURL), &statuses)
		if len(statuses) != 10 || slices.ContainsFunc(statuses, func(s int) bool { return s != 200 }) {
			t.Errorf("statuses %v", statuses)
		}
		if n, asked := f.happened("session refreshed"), f.count("POST", f.refreshPath()); n != 1 || asked != 1 {
			t.Errorf("%d rotations by %d refreshes", n, asked)
		}
	})
}

// jsTokensAfterReload: tokens in memory are gone when the last tab is, and come from another tab while there is
// one. In localStorage they outlive the page, and nothing of them is left after the sign-out.
func jsTokensAfterReload(t *testing.T, c *town) {
	reload := func(w *window) {
		w.run(chromedp.Reload())
		w.loaded()
	}
	t.Run("memory", func(t *testing.T) {
		f := c.otherSite(t, nil)
		w := f.page()
		f.signsIn(w, "/")
		other := f.tabs(w, 1)[1]
		reload(w)
		if got := w.subject(); got != "ada" {
			t.Errorf("after a reload beside another tab: %s", got)
		}
		other.run(page.Close())
		reload(w)
		if got := w.subject(); got != "nobody" {
			t.Errorf("after a reload alone: %s", got)
		}
	})
	t.Run("localStorage", func(t *testing.T) {
		f := c.otherSite(t, map[string]any{"storage": "localStorage"})
		w := f.page()
		f.signsIn(w, "/")
		for range 3 {
			f.clock.Advance(6 * time.Minute)
			reload(w)
			if got := w.gets(apiURL + "/api/me"); got.Status != 200 {
				t.Errorf("after a reload: %+v", got)
			}
		}
		if f.reasons() != nil || f.happened("session refreshed") != 3 {
			t.Errorf("%d rotations, ended for %v", f.happened("session refreshed"), f.reasons())
		}
		w.js(`auth.signOut().then(() => 0)`, nil)
		var left string
		w.js(`JSON.stringify({ ...localStorage })`, &left)
		if strings.Contains(left, "access") || strings.Contains(left, "refresh") || strings.Contains(left, "eyJ") {
			t.Errorf("after the sign-out there is %s", left)
		}
	})
}

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

const ada = "ada@example.com"

// TestS6_BrowserTabs: a dozen tabs and their scripts come back at once after the access token has expired. All are
// served, the session moves on once, and all remain signed in.
func TestS6_BrowserTabs(t *testing.T) {
	browser := startBrowser(t)
	c := newClub(t)
	first := c.signIn(browser, ada)
	tabs := []*window{first}
	for range 11 {
		w := first.tab()
		w.trustLocalhost()
		w.open(c.url + "/page")
		tabs = append(tabs, w)
	}
	_, born := first.cookies(c.url)
	last := born.Value
	// moved wants n rotations, and all tabs signed in without another one.
	moved := func(n int) {
		t.Helper()
		if got := c.happened("session refreshed"); got != n {
			t.Errorf("the session moved on %d times, want %d", got, n)
		}
		if ended := c.reasons(); ended != nil {
			t.Errorf("the session ended: %v", ended)
		}
		c.forget()
		for _, w := range tabs {
			w.says("/me", 200, ada)
			w.says("/checked", 200, ada)
		}
		if got := c.happened("session refreshed") + c.happened("refresh retried"); got != 0 {
			t.Errorf("%d refreshes more", got)
		}
		_, now := first.cookies(c.url)
		if (now.Value != last) != (n > 0) {
			t.Errorf("the browser has another refresh cookie: %v", now.Value != last)
		}
		last = now.Value
	}
	moved(0)

	// script makes 4 requests in each tab.
	script := func(method, path, body string) {
		t.Helper()
		all := c.gather(4 * len(tabs))
		together(t, tabs, func(_ int, w *window) error {
			var answers []answer
			if err := chromedp.Run(w.ctx, chromedp.Evaluate(fetches(4, method, path), &answers, awaited)); err != nil {
				return err
			}
			for _, a := range answers {
				if a.Status != 200 || !strings.Contains(a.Body, body) {
					return fmt.Errorf("%s %s answers %d %s", method, path, a.Status, a.Body)
				}
			}
			return nil
		})
		all.came()
	}

	t.Log("pages")
	c.clock.Advance(6 * time.Minute)
	all := c.gather(len(tabs))
	together(t, tabs, func(i int, w *window) error {
		var text string
		if err := chromedp.Run(w.ctx, chromedp.Navigate(fmt.Sprintf("%s/page?tab=%d", c.url, i)), chromedp.Text("p", &text)); err != nil {
			return err
		}
		if text != "hello "+ada {
			return fmt.Errorf("tab %d shows %q", i, text)
		}
		return nil
	})
	all.came()
	moved(1)

	t.Log("scripts")
	c.clock.Advance(6 * time.Minute)
	script("GET", "/me", ada)
	moved(1)

	t.Log("scripts, and the browser has dropped the access cookie")
	c.clock.Advance(6 * time.Minute)
	access, _ := first.cookies(c.url)
	first.drop(c.url, access)
	script("GET", "/checked", ada)
	moved(1)

	t.Log("scripts that refresh by hand, while the access token is good")
	c.clock.Advance(95 * time.Second)
	script("POST", "/auth/refresh", `{"expires_in":300}`)
	moved(1)

	t.Log("a week of idling")
	c.clock.Advance(7*24*time.Hour + time.Second)
	first.says("/me", 401, `"session_ended"`)
	if got := first.fetch("POST", "/auth/refresh"); got.Status != 401 || !strings.Contains(got.Body, `"session_ended"`) {
		t.Errorf("refresh: %+v", got)
	}
	first.signedOut(c.url)
	first.says("/me", 401, `"unauthorized"`)
}

// TestS3_BrowserCookies looks at the cookies as the browser does.
func TestS3_BrowserCookies(t *testing.T) {
	browser := startBrowser(t)
	c := newClub(t)
	w := c.signIn(browser, ada)
	w.cookieless()
	look := func() {
		t.Helper()
		access, refresh := w.cookies(c.url)
		if access == nil || refresh == nil {
			t.Fatal("the browser has no cookies")
		}
		for _, k := range []struct {
			*network.Cookie
			life time.Duration
		}{{access, 5 * time.Minute}, {refresh, 7 * 24 * time.Hour}} {
			if !strings.HasPrefix(k.Name, "__Host-") || !k.HTTPOnly || !k.Secure || k.SameSite != network.CookieSameSiteLax || k.Path != "/" || k.Domain != "localhost" || k.Session {
				t.Errorf("%s: HttpOnly %v, Secure %v, SameSite %s, Path %s, Domain %s, Session %v", k.Name, k.HTTPOnly, k.Secure, k.SameSite, k.Path, k.Domain, k.Session)
			}
			if left := time.Until(time.Unix(int64(k.Expires), 0)); left > k.life+time.Minute || left < k.life-time.Minute {
				t.Errorf("%s lives for %v, want %v", k.Name, left, k.life)
			}
			if size := len(k.Name) + len(k.Value); size > 4096 {
				t.Errorf("%s takes %d bytes", k.Name, size)
			}
		}
	}
	look()
	before, _ := w.cookies(c.url)
	c.clock.Advance(6 * time.Minute)
	w.says("/me", 200, ada)
	look()
	if after, _ := w.cookies(c.url); after.Value == before.Value {
		t.Error("the access cookie was not renewed")
	}
	w.cookieless()
}

// TestS8_BrowserLostAnswer: the session moved on, and the answer with the new cookies never arrives. However late the
// browser asks again, the person stays signed in and nothing raises an alarm.
func TestS8_BrowserLostAnswer(t *testing.T) {
	browser := startBrowser(t)
	for _, tc := range []struct {
		name  string
		lose  func(w *window)
		wait  time.Duration
		event string
	}{
		{"script, at once", func(w *window) { w.failsToFetch("GET", "/me") }, 0, "refresh retried"},
		{"script, at the end of the grace", func(w *window) { w.failsToFetch("GET", "/me") }, 90 * time.Second, "refresh retried"},
		{"refresh by hand", func(w *window) { w.failsToFetch("POST", "/auth/refresh") }, 45 * time.Second, "refresh retried"},
		{"page", func(w *window) { w.failsToOpen("/page") }, 45 * time.Second, "refresh retried"},
		{"script, after the grace", func(w *window) { w.failsToFetch("GET", "/me") }, 91 * time.Second, "lost answer"},
		{"page, two minutes later", func(w *window) { w.failsToOpen("/page") }, 2 * time.Minute, "lost answer"},
		{"page, a day later", func(w *window) { w.failsToOpen("/page") }, 24 * time.Hour, "lost answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClub(t)
			w := c.signIn(browser, ada)
			_, before := w.cookies(c.url)
			c.clock.Advance(6 * time.Minute)
			c.losing.Store(true)
			tc.lose(w)
			c.losing.Store(false)
			if c.lost.Load() == 0 || c.happened("session refreshed") != 1 {
				t.Fatalf("%d answers were lost, %d rotations", c.lost.Load(), c.happened("session refreshed"))
			}
			if _, now := w.cookies(c.url); now.Value != before.Value {
				t.Fatal("the answer arrived")
			}
			c.forget()
			c.clock.Advance(tc.wait)
			w.open(c.url + "/page")
			w.shows("hello " + ada)
			if got := c.happened(tc.event); got != 1 {
				t.Errorf("%d events %q", got, tc.event)
			}
			c.clock.Advance(6 * time.Minute)
			w.says("/checked", 200, ada)
			if ended := c.reasons(); ended != nil {
				t.Errorf("the session ended: %v", ended)
			}
		})
	}
}

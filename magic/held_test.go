package magic_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/magic"
)

// held asks for a mail that is not sent, and returns the text of the page that follows.
func (c *client) held(provider, address string) string {
	c.w.t.Helper()
	before := c.w.mailCount()
	a, _ := c.ask(provider, address, "")
	if c.w.mailCount() != before {
		c.w.t.Fatal("a mail was sent")
	}
	page := c.get(a.Header.Get("Location"))
	page.want(c.w.t, 200, "")
	return page.page.Text
}

// What is named at the limit is alive: not a dead mail of this browser, nor a link that was used.
func TestM6_OnlyLiveMailsAreNamed(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	for range 3 {
		c.mustAsk("link", ada, "")
	}
	w.Advance(15 * time.Minute)
	if text := c.held("link", ada); !strings.Contains(text, "enough have been sent") || strings.Contains(text, "this browser too") {
		t.Errorf("own mail is dead: %q", text)
	}
	w = newWorld(t, change{})
	for i := range 5 {
		c := w.browser()
		c.Addr = fmt.Sprintf("198.51.%d.1:1", i)
		_, m := c.mustAsk("link", ada, "")
		if i >= 2 { // the three that are alive in the end
			other := w.browser()
			other.press(other.open(m.Arg("link")).page)
			w.signedIn()
		}
		w.Advance(time.Second)
	}
	if text := w.browser().held("link", ada); strings.Contains(text, "this browser too") {
		t.Errorf("all links are used: %q", text)
	}
}

// Where only mails of known browsers are in the way, the page names the time until the first of them is dead.
func TestM6_WaitForKnownBrowsersMails(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 50}})
	for range 3 {
		c := w.browser()
		state, m := c.mustAsk("code", ada, "")
		c.guess("code", state, m.Arg("code"))
		w.signedIn()
		c.mustAsk("code", ada, "")
	}
	if text := w.browser().held("code", ada); !strings.Contains(text, "another mail in 10 minutes") {
		t.Errorf("page %q", text)
	}
}

// A browser that asked yesterday counts as one that has not asked today.
func TestM6_TheReserveComesBack(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	c.mustAsk("link", ada, "")
	w.Advance(25 * time.Hour)
	for range 3 {
		w.browser().mustAsk("link", ada, "")
	}
	c.Addr = "203.0.113.99:1"
	c.mustAsk("link", ada, "")
}

// Issuers that share a store and keys have limits apart.
func TestM6_IssuersAreApart(t *testing.T) {
	w := newWorld(t, change{})
	w.exhaust(ada)
	const other = "https://other.example.com/auth"
	elsewhere := newWorld(t, change{on: w, issuer: other})
	c := elsewhere.browser()
	c.post(other+"/link/authorize", url.Values{"email": {ada}})
	if elsewhere.mailCount() != 1 {
		t.Error("one issuer uses up the mails of another")
	}
}

package magic_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/magic"
)

// deviceCookie is the browser's cookie that says where it has signed in before.
func (c *client) deviceCookie() (name, value string) {
	for name, value := range c.Cookies {
		if strings.Contains(name, "postern-device-") {
			return name, value
		}
	}
	return "", ""
}

// exhaust lets strangers use up the mails of an address: everybody's three of the hour and the reserve of two.
func (w *world) exhaust(address string) {
	w.t.Helper()
	for i := range 5 {
		c := w.browser()
		c.Addr = fmt.Sprintf("198.51.%d.1:1", 100+i)
		c.mustAsk("link", address, "")
	}
	c := w.browser()
	c.Addr = "198.51.109.1:1"
	if !c.asksInVain("link", address) {
		w.t.Fatalf("a sixth mail to %s", address)
	}
}

// asksInVain reports whether the browser gets the answer of a mail that was sent, and no mail.
func (c *client) asksInVain(provider, address string) bool {
	c.w.t.Helper()
	before := c.w.mailCount()
	a, _ := c.ask(provider, address, "")
	if a.StatusCode != http.StatusSeeOther {
		c.w.t.Fatalf("asking for a mail: %d %s", a.StatusCode, a.body)
	}
	return c.w.mailCount() == before
}

// extra reports whether the browser gets a mail when strangers have used up those of the address.
func (c *client) extra(address string) bool {
	c.w.t.Helper()
	c.w.Advance(25 * time.Hour)
	c.w.exhaust(address)
	return !c.asksInVain("link", address)
}

func TestKnownBrowser(t *testing.T) {
	w := newWorld(t, change{})
	signIn := func(c *client, address string) {
		t.Helper()
		w.Advance(2 * time.Hour)
		_, m := c.mustAsk("link", address, "")
		c.press(c.open(m.Arg("link")).page)
		w.signedIn()
	}
	c := w.browser()
	if c.extra(ada) {
		t.Error("a new browser counts as known")
	}
	signIn(c, ada)
	name, value := c.deviceCookie()
	if !strings.HasPrefix(name, "__Host-") || strings.Contains(value, ada) {
		t.Errorf("cookie %s=%s", name, value)
	}
	if !c.extra(ada) || c.extra("bob@example.com") {
		t.Error("a browser must be known for its own address, and no other")
	}
	bad := c.copy()
	bad.Cookies[name] = value[:len(value)-4] + "AAAA"
	if bad.extra(ada) {
		t.Error("a changed cookie counts")
	}
	other := newWorld(t, change{on: w, issuer: "https://other.example.com/auth"}).browser()
	plain, err := seal.Open(t.Context(), w.ring, "magic/device", value, issuer, name)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := seal.Seal(context.Background(), w.ring, "magic/letter", plain, issuer, name)
	if err != nil {
		t.Fatal(err)
	}
	bad.Cookies[name] = forged
	if bad.extra(ada) {
		t.Error("what was sealed for another purpose counts")
	}
	other.Cookies[name] = value
	if a := other.get("https://other.example.com/auth/link/authorize"); a.StatusCode != 200 {
		t.Errorf("a cookie of another issuer: %d", a.StatusCode)
	}

	// Five addresses; the one longest ago is forgotten.
	for _, address := range []string{"b@example.com", "c@example.com", "d@example.com", "e@example.com"} {
		signIn(c, address)
	}
	if !c.extra(ada) {
		t.Error("the first of five addresses is forgotten")
	}
	signIn(c, "f@example.com")
	if c.extra(ada) || !c.extra("b@example.com") || !c.extra("f@example.com") {
		t.Error("of six addresses the oldest should be forgotten, and only it")
	}

	// 180 days, whatever the browser keeps.
	d := w.browser()
	signIn(d, ada)
	w.Advance(178*24*time.Hour - 2*time.Hour)
	if !d.extra(ada) {
		t.Error("forgotten after 179 days and 23 hours")
	}
	if d.extra(ada) {
		t.Error("known after 180 days and a day")
	}
}

// Of two cookies neither counts: one may be planted.
func TestKnownBrowser_TwoCookies(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	_, m := c.mustAsk("link", ada, "")
	c.press(c.open(m.Arg("link")).page)
	w.Advance(2 * time.Hour)
	w.exhaust(ada)
	name, value := c.deviceCookie()
	for n, want := range []int{0, 1} {
		before := w.mailCount()
		r := c.Request("POST", issuer+"/link/authorize", url.Values{"email": {ada}})
		if n == 0 {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if c.copy().do(r); w.mailCount()-before != want {
			t.Errorf("%d cookies: %d mails, want %d", 2-n, w.mailCount()-before, want)
		}
	}
}

// A browser that never signed in does not push out the mails of browsers that have.
func TestKnownBrowsersMailStays(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 50}})
	var links []string
	for range 3 {
		c := w.browser()
		_, m := c.mustAsk("link", ada, "")
		c.press(c.open(m.Arg("link")).page)
		w.signedIn()
		_, m = c.mustAsk("link", ada, "")
		links = append(links, m.Arg("link"))
	}
	stranger := w.browser()
	if !stranger.asksInVain("link", ada) {
		t.Error("a stranger's mail is sent while three of known browsers are alive")
	}
	for _, link := range links {
		stranger.open(link).want(t, 200, "")
	}
	w.Advance(10 * time.Minute)
	stranger.mustAsk("link", ada, "")
}

func TestM6_Total(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{Total: 7, PerClient: 100}})
	sent := 0
	for i := range 20 {
		if a, _ := w.browser().ask("link", string(rune('a'+i))+"x@example.com", ""); a.StatusCode == 303 {
			sent++
		} else if a.StatusCode != 429 {
			t.Fatalf("mail %d: %d", i, a.StatusCode)
		}
	}
	if sent != 7 || w.mailCount() != 7 {
		t.Errorf("%d mails, want 7", w.mailCount())
	}
}

// What a mail says is in Args as well, for a postern.Config.Mail that writes other texts.
func TestMailArgs(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{Name: "Example Shop\r\nBcc: eve@evil.example"}})
	c := w.browser()
	c.Header.Set("Accept-Language", "de-CH,de;q=0.9")
	state, m := c.mustAsk("both", ada, "?plan=gold")
	if m.To != ada || m.Name != "magic.sign-in" || m.Language != "de-CH" || m.Subject != "Sign in to Example Shop  Bcc: eve@evil.example" {
		t.Errorf("message %+v", m)
	}
	want := map[string]any{
		"app": "Example Shop\r\nBcc: eve@evil.example", "site": "auth.example.com", "device": postern.Phrase("Firefox on Linux"), "param.plan": "gold",
		"life": 10 * time.Minute, "time": w.Now().UTC(), "link": m.Arg("link"), "code": m.Arg("code"),
	}
	if !maps.Equal(m.Args, want) || !strings.Contains(m.Text, m.Arg("link")) || !strings.Contains(m.Text, m.Arg("code")) || m.Arg("life") != "" {
		t.Errorf("args %v, want %v", m.Args, want)
	}
	c.guess("both", state, m.Arg("code"))
	w.signedIn()
	if _, m := w.browser().mustAsk("link", "bob@example.com", ""); m.Args["code"] != nil || m.Args["link"] == nil {
		t.Errorf("a link alone: %v", m.Args)
	}
}

package magic_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/magic"
)

// deviceCookie is the browser's cookie that says where it has signed in before.
func (c *client) deviceCookie() (name, value string) {
	for name, value := range c.cookies {
		if strings.Contains(name, "postern-device-") {
			return name, value
		}
	}
	return "", ""
}

// extra reports whether the browser gets a mail when the address's three of the hour are gone.
func (c *client) extra(address string) bool {
	c.w.wait(2 * time.Hour)
	for range 3 {
		c.w.browser().mustAsk("link", address, "")
	}
	a, _ := c.ask("link", address, "")
	return a.StatusCode == 303
}

func TestKnownBrowser(t *testing.T) {
	w := newWorld(t, change{})
	signIn := func(c *client, address string) {
		t.Helper()
		w.wait(2 * time.Hour)
		_, m := c.mustAsk("link", address, "")
		c.press(c.open(m.Link).page)
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
	bad.cookies[name] = value[:len(value)-4] + "AAAA"
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
	bad.cookies[name] = forged
	if bad.extra(ada) {
		t.Error("what was sealed for another purpose counts")
	}
	other.cookies[name] = value
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
	w.wait(179 * 24 * time.Hour)
	if !d.extra(ada) {
		t.Error("forgotten after 179 days")
	}
	w.wait(24 * time.Hour)
	if d.extra(ada) {
		t.Error("known after 180 days")
	}
}

// Of two cookies neither counts: one may be planted.
func TestKnownBrowser_TwoCookies(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	_, m := c.mustAsk("link", ada, "")
	c.press(c.open(m.Link).page)
	w.wait(2 * time.Hour)
	for range 3 {
		w.browser().mustAsk("link", ada, "")
	}
	name, value := c.deviceCookie()
	for n, want := range []int{429, 303} {
		r := c.request("POST", issuer+"/link/authorize", url.Values{"email": {ada}})
		if n == 0 {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if a := c.copy().do(r); a.StatusCode != want {
			t.Errorf("%d cookies: %d, want %d", 2-n, a.StatusCode, want)
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
		c.press(c.open(m.Link).page)
		w.signedIn()
		_, m = c.mustAsk("link", ada, "")
		links = append(links, m.Link)
	}
	stranger := w.browser()
	if a, _ := stranger.ask("link", ada, ""); a.StatusCode != 429 || a.Header.Get("Retry-After") != "600" {
		t.Errorf("a stranger's mail: %d, Retry-After %q; want 429 while three of known browsers are alive", a.StatusCode, a.Header.Get("Retry-After"))
	}
	for _, link := range links {
		stranger.open(link).want(t, 200, "")
	}
	w.wait(10 * time.Minute)
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

// A Compose of one's own has the say over the words, not over where the mail goes.
func TestComposeOfOnesOwn(t *testing.T) {
	var got magic.Mail
	w := newWorld(t, change{config: magic.Config{Name: "Example Shop", Compose: func(m magic.Mail) magic.Message {
		got = m
		return magic.Message{To: "eve@evil.example", Subject: "Anmelden\r\nBcc: eve@evil.example", Text: "Code: " + m.Code, Code: "000000", Link: "https://evil.example"}
	}}})
	c := w.browser()
	c.header.Set("Accept-Language", "de-CH,de;q=0.9")
	state, m := c.mustAsk("both", ada, "?plan=gold")
	if m.To != ada || strings.ContainsAny(m.Subject, "\r\n") || m.Text != "Code: "+got.Code || m.Code != got.Code || m.Link != got.Link {
		t.Errorf("message %+v", m)
	}
	if got.Name != "Example Shop" || got.Language != "de-CH" || got.Device != "Firefox on Linux" || got.Claims["plan"] != "gold" || got.Life != 10*time.Minute || !got.Time.Equal(w.now()) || got.To != ada {
		t.Errorf("mail %+v", got)
	}
	if page := c.get(issuer + "/both/authorize").page; page.Title != "Sign in to Example Shop" {
		t.Errorf("title %q", page.Title)
	}
	c.guess("both", state, m.Code)
	w.signedIn()
}

package magic_test

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
)

func TestLink(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()

	a := c.get(issuer + "/link/authorize?email=Ada@Example.com&redirect_uri=" + url.QueryEscape(deep))
	a.want(t, 200, "")
	if f := a.page.Forms[0]; f.Fields[0].Name != "email" || f.Fields[0].Value != "Ada@Example.com" || f.Fields[0].Type != "email" {
		t.Fatalf("no form for the address: %+v", a.page)
	}
	a = c.post(a.page.Forms[0].Action, url.Values{"email": {"Ada@Example.com"}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("sending: %d\n%s", a.StatusCode, a.body)
	}
	a = c.get(a.Header.Get("Location"))
	a.want(t, 200, "")
	if len(a.page.Forms) > 0 || !strings.Contains(a.page.Text, "We sent a link to "+ada+".") {
		t.Errorf("page after sending: %+v", a.page)
	}

	m := w.mail()
	if m.To != ada || m.Arg("code") != "" || !strings.HasPrefix(m.Arg("link"), issuer+"/link/callback?state=") || !strings.Contains(m.Text, m.Arg("link")) {
		t.Errorf("mail: %+v", m)
	}
	a = c.open(m.Arg("link"))
	a.want(t, 200, "")
	if a.page.Title != "Continue as a…@example.com" || a.page.Forms[0].Hidden["browser"] != "" {
		t.Errorf("page of the link: %+v", a.page)
	}
	a = c.press(a.page)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != deep {
		t.Fatalf("pressing the button: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	in := w.signedIn()
	want := postern.Identity{
		Provider: "link", Issuer: magic.Issuer, Subject: ada,
		Addresses: []postern.Address{{Type: "email", Value: ada, Verified: true}},
	}
	if !reflect.DeepEqual(in.Identity, want) {
		t.Errorf("identity %+v, want %+v", in.Identity, want)
	}
	if !reflect.DeepEqual(in.Authentication.Methods, []string{"link"}) || !in.Authentication.Time.Equal(w.Now()) {
		t.Errorf("auth %+v", in.Authentication)
	}
}

// Link, code and both lead to one identity, and the code says so in amr.
func TestOneIdentityForAll(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("code", ada, "")
	c.guess("code", state, m.Arg("code"))
	byCode := w.signedIn()
	_, m = c.mustAsk("link", ada, "")
	c.press(c.open(m.Arg("link")).page)
	byLink := w.signedIn()
	if byCode.Identity.Issuer != byLink.Identity.Issuer || byCode.Identity.Subject != byLink.Identity.Subject {
		t.Errorf("code says %+v, link says %+v", byCode.Identity, byLink.Identity)
	}
	if byCode.Authentication.Methods[0] != "code" || byLink.Authentication.Methods[0] != "link" {
		t.Errorf("methods %v and %v", byCode.Authentication.Methods, byLink.Authentication.Methods)
	}
}

func TestM1_FetchingKeepsTheLink(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	_, m := c.mustAsk("both", ada, "")
	before := w.store.count()
	for i := range 100 {
		scanner := w.browser()
		if i%3 == 0 {
			scanner = c // the browser that asked may prefetch as well
		}
		method := []string{"GET", "HEAD"}[i%2]
		a := scanner.do(scanner.Request(method, m.Arg("link"), nil))
		if a.StatusCode != 200 {
			t.Fatalf("fetch %d: %d %s", i, a.StatusCode, a.body)
		}
		if len(a.Cookies()) != 0 || w.signInCount() != 0 {
			t.Fatalf("fetch %d got %v, %d sign-ins", i, a.Cookies(), w.signInCount())
		}
	}
	if after := w.store.count(); after != before {
		t.Errorf("fetching the link wrote to the store %d times", after-before)
	}
	c.press(c.open(m.Arg("link")).page)
	w.signedIn()
}

// 100 presses of the button, in the asking browser and in others, all of which have read the slot before the first one
// writes: one signs in.
func TestM2_OneUseOfALinkUnderRace(t *testing.T) {
	for name, ask := range map[string]func(w *world, c *client) func() answer{
		"asking browser": func(w *world, c *client) func() answer {
			page := c.open(w.mail().Arg("link")).page
			return func() answer { return c.copy().press(page) }
		},
		"other browsers": func(w *world, c *client) func() answer {
			page := w.browser().open(w.mail().Arg("link")).page
			return func() answer { return w.browser().press(page) }
		},
	} {
		for round := range 100 {
			w := newWorld(t, change{})
			c := w.browser()
			c.mustAsk("link", ada, "")
			press := ask(w, c)
			w.store.gather(100)
			results := race(100, press)
			if n := w.signInCount(); n != 1 || results[303] != 1 || results[400]+results[429] != 99 {
				t.Fatalf("%s, round %d: %d sign-ins, answers %v", name, round, n, results)
			}
		}
	}
}

func TestM2_LifeOfALink(t *testing.T) {
	for _, tc := range []struct {
		life, wait time.Duration
		code       string
	}{
		{0, 10*time.Minute - time.Second, ""},
		{0, 10 * time.Minute, "link_expired"},
		{0, 20 * time.Hour, "link_expired"},
		{0, 25 * time.Hour, "invalid_link"}, // not even its grave is left
		{2 * time.Minute, 2*time.Minute - time.Second, ""},
		{2 * time.Minute, 2 * time.Minute, "link_expired"},
	} {
		w := newWorld(t, change{config: magic.Config{Life: tc.life}})
		c := w.browser()
		_, m := c.mustAsk("link", ada, "")
		page := c.open(m.Arg("link")).page
		w.Advance(tc.wait)
		a := c.press(page)
		if tc.code == "" {
			if a.StatusCode != 303 {
				t.Errorf("life %v after %v: %d", tc.life, tc.wait, a.StatusCode)
			}
			continue
		}
		a.want(t, 400, tc.code)
		c.open(m.Arg("link")).want(t, 400, tc.code)
		if w.signInCount() != 0 {
			t.Errorf("life %v after %v: signed in", tc.life, tc.wait)
		}
	}
}

func TestM2_NewMailKillsTheOldOne(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, old := c.mustAsk("both", ada, "")
	_, fresh := c.mustAsk("both", ada, "")
	c.open(old.Arg("link")).want(t, 400, "invalid_link")
	c.guess("both", state, old.Arg("code")).want(t, 400, "code_expired")
	if w.signInCount() != 0 {
		t.Fatal("the old mail still signs in")
	}
	c.press(c.open(fresh.Arg("link")).page)
	w.signedIn()
}

// Other browsers of the person keep their mails: at most three are alive.
func TestM2_ThreeMailsAlive(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 10}})
	var links []string
	for range 4 {
		_, m := w.browser().mustAsk("link", ada, "")
		links = append(links, m.Arg("link"))
		w.Advance(time.Second)
	}
	visitor := w.browser()
	visitor.open(links[0]).want(t, 400, "invalid_link")
	for _, link := range links[1:] {
		visitor.open(link).want(t, 200, "")
	}
}

func TestM2_LinkAndCodeOfOneMailShareOneUse(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("both", ada, "")
	spare := c.copy()
	c.guess("both", state, m.Arg("code"))
	w.signedIn()
	spare.open(m.Arg("link")).want(t, 400, "link_used")

	c = w.browser()
	state, m = c.mustAsk("both", ada, "")
	spare = c.copy()
	c.press(c.open(m.Arg("link")).page)
	w.signedIn()
	spare.guess("both", state, m.Arg("code")).want(t, 400, "code_used")
	if w.signInCount() != 0 {
		t.Error("the code of a used mail signs in")
	}
}

// A mail that was sent before a new master secret took over is still good after.
func TestSecretsRotate(t *testing.T) {
	w := newWorld(t, change{})
	if err := w.ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := func() string {
		s, err := w.ring.Secret(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	w.Advance(3*time.Hour - 5*time.Minute)
	before := now()
	c, d := w.browser(), w.browser()
	state, byCode := c.mustAsk("code", ada, "")
	_, byLink := d.mustAsk("link", ada, "")
	w.Advance(6 * time.Minute)
	if now() == before {
		t.Fatal("the new secret did not take over")
	}
	c.guess("code", state, byCode.Arg("code"))
	w.signedIn()
	d.press(d.open(byLink.Arg("link")).page)
	w.signedIn()
}

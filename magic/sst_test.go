package magic_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// Holes that SST Auth had, each tried here.

// A link's token is no session, and a session is no link's token.
func TestSST_S3_OneKeyForEverything(t *testing.T) {
	w := newWorld(t, change{})
	sessions, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: w.ring, Store: w.store, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	user := session.NewKind[struct{}](sessions, "user")
	c := w.browser()
	state, m := c.mustAsk("both", ada, "?type=user")
	link, err := url.Parse(m.Arg("link"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{link.Query().Get("token"), state, m.Arg("code")}
	for _, cookie := range c.Cookies {
		secrets = append(secrets, cookie)
	}
	for _, s := range secrets {
		if _, err := user.Verify(t.Context(), s); err == nil {
			t.Errorf("%.12s… passes as a session", s)
		}
	}
	tokens, err := user.Create(t.Context(), session.Grant[struct{}]{Subject: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range []string{"link", "both"} {
		c.get(issuer+"/"+provider+"/callback?"+url.Values{"state": {state}, "token": {tokens.Access}}.Encode()).want(t, 400, "invalid_link")
	}
	c.guess("both", state, tokens.Access).want(t, 400, "invalid_code")
}

// Query parameters of authorize had a say in the life of a link.
func TestSST_S4_CallerControlsLife(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	_, m := c.mustAsk("link", ada, "?iat=4102444800&exp=4102444800&life=100h&expiresInMs=999999999&nbf=0")
	w.Advance(10 * time.Minute)
	w.browser().open(m.Arg("link")).want(t, 400, "link_expired")
}

func TestSST_S5_LinkReplay(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	_, m := c.mustAsk("link", ada, "")
	before := c.copy()
	page := c.open(m.Arg("link")).page
	c.press(page)
	w.signedIn()
	for name, b := range map[string]*client{"same": c, "same, cookies of before": before, "other": w.browser()} {
		b.open(m.Arg("link")).want(t, 400, "link_used")
		b.press(page).want(t, 400, "link_used")
		page.Forms[0].Hidden["browser"] = "this"
		b.press(page).want(t, 400, "link_used")
		delete(page.Forms[0].Hidden, "browser")
		if w.signInCount() != 0 {
			t.Errorf("%s browser: the link signed in again", name)
		}
	}
}

// Cookies that are changed by a bit are no cookies: the flow is refused, the device a stranger.
func TestSST_F1_TamperedCookies(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 1000, PerClient: 1000}})
	c := w.browser()
	state, m := c.mustAsk("code", ada, "")
	tried := 0
	for name, value := range c.Cookies {
		if !strings.Contains(name, "flow-") {
			continue
		}
		for i := 0; i < len(value); i += 3 {
			d := c.copy()
			b := []byte(value)
			if b[i] == 'A' {
				b[i] = 'B'
			} else {
				b[i] = 'A'
			}
			d.Cookies[name] = string(b)
			d.guess("code", state, m.Arg("code")).want(t, 400, "invalid_state")
			tried++
		}
	}
	if tried < 50 || w.signInCount() != 0 {
		t.Fatalf("%d cookies tried, %d sign-ins", tried, w.signInCount())
	}
	c.guess("code", state, m.Arg("code"))
	if in := w.signedIn(); in.Identity.Subject != ada {
		t.Errorf("signed in %q", in.Identity.Subject)
	}
}

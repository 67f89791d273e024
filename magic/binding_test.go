package magic_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/magic"
)

// Another browser gets a page that says so, must agree to just that, and does not go where the first one wanted.
func TestM3_OtherBrowserConfirms(t *testing.T) {
	w := newWorld(t, change{})
	asking := w.browser()
	_, m := asking.mustAsk("link", ada, "?redirect_uri="+url.QueryEscape(deep)+"&state=secret-of-the-app&plan=gold")

	phone := w.browser()
	phone.Header = http.Header{"User-Agent": {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1"}}
	a := phone.open(m.Arg("link"))
	a.want(t, 200, "")
	if !strings.Contains(a.page.Text, "another browser (Firefox on Linux)") || !strings.Contains(a.page.Text, "this browser only") ||
		a.page.Forms[0].Submit != "Sign in here as a…@example.com" || a.page.Forms[0].Hidden["browser"] != "this" {
		t.Errorf("page in the other browser: %+v", a.page)
	}
	// The button of the asking browser's page, pressed here, only leads to this page.
	there := asking.copy().open(m.Arg("link")).page
	a = phone.press(there)
	a.want(t, 200, "")
	if w.signInCount() != 0 || a.page.Forms[0].Hidden["browser"] != "this" {
		t.Fatalf("a page that did not speak of this browser signed it in")
	}
	a = phone.press(a.page)
	if got := a.Header.Get("Location"); a.StatusCode != 303 || got != home {
		t.Errorf("leads to %q, want %q: never where the other browser wanted", got, home)
	}
	in := w.signedIn()
	if in.Return.Target() != home || in.Return.State() != "" || in.Identity.Params["plan"] != "gold" {
		t.Errorf("return %q, state %q, claims %v", in.Return.Target(), in.Return.State(), in.Identity.Params)
	}
	// The asking browser got nothing, and lost nothing: its page says what happened, and it can sign in itself.
	if w.signInCount() != 0 {
		t.Error("the asking browser is signed in too")
	}
	a = asking.open(m.Arg("link"))
	if a.want(t, 200, ""); !strings.Contains(a.page.Text, "used in another browser") {
		t.Errorf("page in the asking browser: %+v", a.page)
	}
	if a = asking.press(a.page); a.Header.Get("Location") != deep+"?state=secret-of-the-app" {
		t.Errorf("the asking browser is led to %q", a.Header.Get("Location"))
	}
	w.signedIn()
}

func TestM3_SameBrowserOnly(t *testing.T) {
	t.Run("by its own setting", func(t *testing.T) { sameBrowserOnly(t, change{config: magic.Config{SameBrowserOnly: true}}, "") })
	// No other browser has the application that could redeem a code, so the link must not be used up there.
	t.Run("by PKCE", func(t *testing.T) {
		sameBrowserOnly(t, change{pkce: true}, "?code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
	})
}

func sameBrowserOnly(t *testing.T, how change, query string) {
	w := newWorld(t, how)
	c := w.browser()
	_, m := c.mustAsk("link", ada, query)
	page := c.open(m.Arg("link")).page

	other := w.browser()
	other.open(m.Arg("link")).want(t, 400, "other_browser")
	other.press(page).want(t, 400, "other_browser")
	page.Forms[0].Hidden["browser"] = "this"
	other.press(page).want(t, 400, "other_browser")
	if w.signInCount() != 0 {
		t.Fatal("signed in")
	}
	if a := c.press(page); a.StatusCode != 303 {
		t.Fatalf("the asking browser: %d %s", a.StatusCode, a.body)
	}
	w.signedIn()
}

// What one provider, issuer, person or attempt was sent opens nothing anywhere else.
func TestM3_BoundToProviderIssuerAddressAttempt(t *testing.T) {
	w := newWorld(t, change{})
	elsewhere := newWorld(t, change{on: w, issuer: "https://other.example.com/auth"})
	c := w.browser()
	stateA, mailA := c.mustAsk("link", ada, "")
	c2 := w.browser()
	stateB, mailB := c2.mustAsk("link", "bob@example.com", "")
	c3 := w.browser()
	stateC, mailC := c3.mustAsk("both", ada, "")
	token := func(link string) string {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("token")
	}
	for _, tc := range []struct{ name, provider, state, token string }{
		{"another provider", "both", stateA, token(mailA.Arg("link"))},
		{"another provider, the other way", "link", stateC, token(mailC.Arg("link"))},
		{"state of somebody else", "link", stateB, token(mailA.Arg("link"))},
		{"token of somebody else", "link", stateA, token(mailB.Arg("link"))},
		{"secret of somebody else", "link", stateA, token(mailA.Arg("link"))[:22] + token(mailB.Arg("link"))[22:]},
		{"secret of another mail to the same person", "link", stateA, token(mailA.Arg("link"))[:22] + token(mailC.Arg("link"))[22:]},
		{"secret of zeros", "link", stateA, token(mailA.Arg("link"))[:22] + strings.Repeat("A", 42)},
		{"last bit", "link", stateA, flip(token(mailA.Arg("link")), 63)},
		{"first bit of the secret", "link", stateA, flip(token(mailA.Arg("link")), 22)},
		{"tag of one, secret of the other", "link", stateA, token(mailB.Arg("link"))[:22] + token(mailA.Arg("link"))[22:]},
		{"no state", "link", "", token(mailA.Arg("link"))},
		{"no token", "link", stateA, ""},
	} {
		form := url.Values{"state": {tc.state}, "token": {tc.token}, "browser": {"this"}}
		for name, b := range map[string]*client{"asking": c.copy(), "other": w.browser()} {
			a := b.get(issuer + "/" + tc.provider + "/callback?" + form.Encode())
			a.want(t, 400, "invalid_link")
			a = b.post(issuer+"/"+tc.provider+"/callback", form)
			if a.want(t, 400, "invalid_link"); w.signInCount() != 0 {
				t.Fatalf("%s, %s browser: signed in", tc.name, name)
			}
		}
	}
	// The other issuer shares keys and store.
	b := elsewhere.browser()
	b.get(strings.Replace(mailA.Arg("link"), issuer, "https://other.example.com/auth", 1)).want(t, 400, "invalid_link")
	// A code is for its own attempt.
	stateD, mailD := c.mustAsk("code", ada, "")
	c3.guess("both", stateC, mailD.Arg("code")).want(t, 400, "invalid_code")
	w.browser().guess("code", stateD, mailD.Arg("code")).want(t, 400, "invalid_state")
	if w.signInCount() != 0 {
		t.Fatal("signed in")
	}
	c.guess("code", stateD, mailD.Arg("code"))
	w.signedIn()
}

// flip changes one character of a token to another of its alphabet.
func flip(token string, i int) string {
	c := byte('A')
	if token[i] == c {
		c = 'B'
	}
	return token[:i] + string(c) + token[i+1:]
}

// Nothing a client sends changes where a link leads.
func TestM4_LinkComesFromConfiguration(t *testing.T) {
	evil := []string{"evil.example", "evil.example:443", "https://evil.example/", "auth.example.com.evil.example"}
	names := []string{"Host", "X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Proto", "X-Original-Host", "X-Host", "Forwarded", "X-Forwarded-Prefix"}
	n := 0
	for _, name := range names {
		for _, value := range evil {
			w := newWorld(t, change{})
			c := w.browser()
			r := c.Request("POST", issuer+"/both/authorize", url.Values{"email": {ada}})
			if name == "Host" {
				r.Host = value
			} else {
				r.Header.Set(name, value)
			}
			a := c.do(r)
			if a.StatusCode != 303 || strings.Contains(a.Header.Get("Location"), "evil") {
				t.Fatalf("%s: %s: %d to %q", name, value, a.StatusCode, a.Header.Get("Location"))
			}
			m := w.mail()
			if !strings.HasPrefix(m.Arg("link"), issuer+"/both/callback?") || strings.Contains(m.Text+m.HTML+m.Subject, "evil") {
				t.Errorf("%s: %s: the mail says %+v", name, value, m)
			}
			n++
		}
	}
	if n < 30 {
		t.Errorf("%d combinations, want 30", n)
	}
}

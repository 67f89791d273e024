package magic_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// Another browser is told so, has to say yes to just that, and does not go where the first one wanted.
func TestM3_OtherBrowserConfirms(t *testing.T) {
	w := newWorld(t, change{})
	asking := w.browser()
	_, m := asking.mustAsk("link", ada, "?redirect_uri="+url.QueryEscape(deep)+"&state=secret-of-the-app&plan=gold")

	phone := w.browser()
	phone.header = http.Header{"User-Agent": {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1"}}
	a := phone.open(m.Link)
	a.want(t, 200, "")
	if !strings.Contains(a.page.Text, "another browser (Firefox on Linux)") || !strings.Contains(a.page.Text, "this browser only") ||
		a.page.Form.Submit != "Sign in here as a…@example.com" || a.page.Form.Hidden["browser"] != "this" {
		t.Errorf("page in the other browser: %+v", a.page)
	}
	// The button of the asking browser's page, pressed here, only leads to this page.
	there := asking.copy().open(m.Link).page
	a = phone.press(there)
	a.want(t, 200, "")
	if w.signInCount() != 0 || a.page.Form.Hidden["browser"] != "this" {
		t.Fatalf("a page that did not speak of this browser signed it in")
	}
	a = phone.press(a.page)
	if got := a.Header.Get("Location"); a.StatusCode != 303 || got != home {
		t.Errorf("leads to %q, want %q: never where the other browser wanted", got, home)
	}
	in := w.signedIn()
	if in.Return.Target() != home || in.Return.State() != "" || in.Identity.Claims["plan"] != "gold" {
		t.Errorf("return %q, state %q, claims %v", in.Return.Target(), in.Return.State(), in.Identity.Claims)
	}
	// The asking browser got nothing.
	asking.open(m.Link).want(t, 400, "link_used")
	if w.signInCount() != 0 {
		t.Error("the asking browser is signed in too")
	}
}

func TestM3_SameBrowserOnly(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{SameBrowserOnly: true}})
	c := w.browser()
	_, m := c.mustAsk("link", ada, "")
	page := c.open(m.Link).page

	other := w.browser()
	other.open(m.Link).want(t, 400, "other_browser")
	other.press(page).want(t, 400, "other_browser")
	page.Form.Hidden["browser"] = "this"
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
		{"another provider", "both", stateA, token(mailA.Link)},
		{"another provider, the other way", "link", stateC, token(mailC.Link)},
		{"state of somebody else", "link", stateB, token(mailA.Link)},
		{"token of somebody else", "link", stateA, token(mailB.Link)},
		{"tag of one, secret of the other", "link", stateA, token(mailB.Link)[:22] + token(mailA.Link)[22:]},
		{"no state", "link", "", token(mailA.Link)},
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
	b.get(strings.Replace(mailA.Link, issuer, "https://other.example.com/auth", 1)).want(t, 400, "invalid_link")
	// A code is for its own attempt.
	stateD, mailD := c.mustAsk("code", ada, "")
	c3.guess("both", stateC, mailD.Code).want(t, 400, "invalid_code")
	w.browser().guess("code", stateD, mailD.Code).want(t, 400, "invalid_state")
	if w.signInCount() != 0 {
		t.Fatal("signed in")
	}
	c.guess("code", stateD, mailD.Code)
	w.signedIn()
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
			r := c.request("POST", issuer+"/both/authorize", url.Values{"email": {ada}})
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
			if !strings.HasPrefix(m.Link, issuer+"/both/callback?") || strings.Contains(m.Text+m.HTML+m.Subject, "evil") {
				t.Errorf("%s: %s: the mail says %+v", name, value, m)
			}
			n++
		}
	}
	if n < 30 {
		t.Errorf("%d combinations, want 30", n)
	}
}

// A link's token is no session, and a session is no link's token.
func TestSST_S3_OneKeyForEverything(t *testing.T) {
	w := newWorld(t, change{})
	sessions, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: w.ring, Store: w.store, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	user := session.NewKind[struct{}](sessions, "user")
	c := w.browser()
	state, m := c.mustAsk("both", ada, "?type=user")
	link, err := url.Parse(m.Link)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{link.Query().Get("token"), state, m.Code}
	for _, cookie := range c.cookies {
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
	w.wait(10 * 60e9)
	w.browser().open(m.Link).want(t, 400, "link_expired")
}

func TestSST_S5_LinkReplay(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	_, m := c.mustAsk("link", ada, "")
	before := c.copy()
	page := c.open(m.Link).page
	c.press(page)
	w.signedIn()
	for name, b := range map[string]*client{"same": c, "same, cookies of before": before, "other": w.browser()} {
		b.open(m.Link).want(t, 400, "link_used")
		b.press(page).want(t, 400, "link_used")
		page.Form.Hidden["browser"] = "this"
		b.press(page).want(t, 400, "link_used")
		delete(page.Form.Hidden, "browser")
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
	for name, value := range c.cookies {
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
			d.cookies[name] = string(b)
			d.guess("code", state, m.Code).want(t, 400, "invalid_state")
			tried++
		}
	}
	if tried < 50 || w.signInCount() != 0 {
		t.Fatalf("%d cookies tried, %d sign-ins", tried, w.signInCount())
	}
	c.guess("code", state, m.Code)
	if in := w.signedIn(); in.Identity.Subject != ada {
		t.Errorf("signed in %q", in.Identity.Subject)
	}
}

func TestX2_GetSendsNothingAndFormsAreOwn(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	for _, provider := range []string{"link", "code", "both"} {
		for _, method := range []string{"GET", "HEAD"} {
			a := c.do(c.request(method, issuer+"/"+provider+"/authorize?email="+ada, nil))
			if a.StatusCode != 200 || len(a.Cookies()) != 0 {
				t.Errorf("%s: %d, cookies %v", method, a.StatusCode, a.Cookies())
			}
		}
		for _, path := range []string{"authorize", "callback"} {
			target := issuer + "/" + provider + "/" + path
			for name, set := range map[string]func(http.Header){
				"cross-site":   func(h http.Header) { h.Set("Sec-Fetch-Site", "cross-site") },
				"same-site":    func(h http.Header) { h.Set("Sec-Fetch-Site", "same-site") },
				"other origin": func(h http.Header) { h.Del("Sec-Fetch-Site"); h.Set("Origin", "https://evil.example") },
				"null origin":  func(h http.Header) { h.Del("Sec-Fetch-Site"); h.Set("Origin", "null") },
			} {
				r := c.request("POST", target, url.Values{"email": {ada}, "code": {"123456"}})
				set(r.Header)
				if a := c.do(r); a.StatusCode != http.StatusForbidden {
					t.Errorf("%s POST of %s: %d", name, path, a.StatusCode)
				}
			}
			for _, kind := range []string{"application/json", "text/plain", "multipart/form-data; boundary=x", ""} {
				r := httptest.NewRequest("POST", target, strings.NewReader(`{"email":"ada@example.com"}`))
				r.Header.Set("Content-Type", kind)
				if a := c.do(r); a.StatusCode != http.StatusUnsupportedMediaType {
					t.Errorf("POST of %q to %s: %d", kind, path, a.StatusCode)
				}
			}
			for _, method := range []string{"PUT", "DELETE", "PATCH"} {
				a := c.do(c.request(method, target, nil))
				if a.StatusCode != 405 || !strings.Contains(a.Header.Get("Allow"), "POST") {
					t.Errorf("%s %s: %d, Allow %q", method, path, a.StatusCode, a.Header.Get("Allow"))
				}
			}
		}
		if a := c.get(issuer + "/" + provider + "/elsewhere"); a.StatusCode != 404 {
			t.Errorf("unknown step: %d", a.StatusCode)
		}
	}
	if w.mailCount() != 0 || w.store.count() != 0 {
		t.Errorf("%d mails, %d writes", w.mailCount(), w.store.count())
	}
}

// Every answer, of all providers and steps, with the default drawing of pages.
func TestX3_HeadersOfEveryAnswer(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 100}, defaultPages: true})
	c := w.browser()
	check := func(a answer) {
		t.Helper()
		h := a.Header
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Strict-Transport-Security") == "" ||
			h.Get("Cross-Origin-Opener-Policy") != "same-origin" || (h.Get("Referrer-Policy") != "no-referrer" && h.Get("Referrer-Policy") != "same-origin") {
			t.Errorf("status %d: headers %v", a.StatusCode, h)
		}
		for _, k := range a.Cookies() {
			if !strings.HasPrefix(k.Name, "__Host-") || !k.HttpOnly || !k.Secure || k.Path != "/" || k.Domain != "" || k.SameSite != http.SameSiteLaxMode || len(k.Raw) > 4096 {
				t.Errorf("cookie %s", k.Raw)
			}
		}
	}
	for _, provider := range []string{"link", "code", "both"} {
		check(c.get(issuer + "/" + provider + "/authorize"))
		a, state := c.ask(provider, ada, "")
		check(a)
		check(c.get(a.Header.Get("Location")))
		check(c.guess(provider, state, "000000"))
		check(c.guess(provider, state, "x"))
		if m := w.mail(); m.Link != "" {
			check(c.get(m.Link))
			check(c.get(m.Link + "x"))
			check(w.browser().get(m.Link))
			u, _ := url.Parse(m.Link)
			a := c.post(issuer+"/"+provider+"/callback", u.Query())
			check(a)
			if a.StatusCode != 303 || strings.Contains(a.Header.Get("Location"), "token") {
				t.Errorf("the button: %d to %q", a.StatusCode, a.Header.Get("Location"))
			}
		} else {
			check(c.guess(provider, state, m.Code))
		}
		a, _ = c.ask(provider, "nobody", "")
		check(a)
	}
	if w.signInCount() != 3 {
		t.Errorf("%d sign-ins, want 3", w.signInCount())
	}
}

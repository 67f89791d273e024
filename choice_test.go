package postern_test

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// hrefs are the addresses of the links of a page, and texts what people read in order: links, labels and buttons.
func hrefs(page string) (all []string) {
	for _, m := range regexp.MustCompile(`<a href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}

func texts(page string) (all []string) {
	for _, m := range regexp.MustCompile(`<(?:a href="[^"]*"|label for="[^"]*"|button type="submit"|p class="or")>([^<]*)<`).FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}

// The page that lists the providers has them in the order of Config.Order, with the form for mail among them.
func TestChoose_Order(t *testing.T) {
	const mail, field = "Email me a link", "Email address"
	for name, tc := range map[string]struct {
		order []string
		want  []string
	}{
		"by name":     {nil, []string{"Continue with Code", "Continue with Desk", "Continue with Door", "or", field, mail, "Continue with Post"}},
		"mail last":   {[]string{"door", "post", "desk", "code", "link"}, []string{"Continue with Door", "Continue with Post", "Continue with Desk", "Continue with Code", "or", field, mail}},
		"mail first":  {[]string{"link", "post"}, []string{field, mail, "Continue with Post", "Continue with Code", "Continue with Desk", "Continue with Door"}},
		"in between":  {[]string{"door", "link"}, []string{"Continue with Door", "or", field, mail, "Continue with Code", "Continue with Desk", "Continue with Post"}},
		"two of mail": {[]string{"mail", "link"}, []string{field, "Email me a code", "Email me a link", "Continue with Desk", "Continue with Door", "Continue with Post"}},
	} {
		v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
			c.Order, c.Name = tc.order, "Example & Sons"
			c.Mail = func(context.Context, postern.Mail) error { return nil }
			c.Providers["link"] = magic.Link(magic.Config{})
			if name == "two of mail" {
				c.Providers["mail"] = magic.Code(magic.Config{})
				return
			}
			c.Providers["code"] = provider(func(f *postern.Flow) http.Handler { return desk{}.Handler(f) })
		})
		w := v.browser().get(issuer + "/authorize?redirect_uri=/welcome")
		if got := texts(w.Body.String()); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q\nwant %q", name, got, tc.want)
		}
		first := strings.HasPrefix(tc.want[0], "Email")
		if strings.Contains(w.Body.String(), "autofocus") != first {
			t.Errorf("%s: the field has the focus: %v, want %v", name, !first, first)
		}
		if !strings.Contains(w.Body.String(), "<h1>Sign in to Example &amp; Sons</h1>") || strings.Contains(w.Body.String(), "hgroup>") {
			t.Errorf("%s: heading\n%s", name, w.Body)
		}
		if got := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'self'") || w.Header().Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: CSP %s, Referrer-Policy %s", name, got, w.Header().Get("Referrer-Policy"))
		}
	}
}

// The form for mail on that page begins the same sign-in as the provider's own page: to the same address, with the
// same state, and by a POST of our own page only.
func TestChoose_MailForm(t *testing.T) {
	var sent []postern.Mail
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["link"] = magic.Link(magic.Config{})
		c.Mail = func(_ context.Context, m postern.Mail) error {
			sent = append(sent, m)
			return nil
		}
		c.Name = "Example Shop"
	})
	b := v.browser()
	const query = "redirect_uri=%2Fwelcome&state=s1"
	w := b.get(issuer + "/authorize?" + query + "&login_hint=ada%40example.com")
	page := w.Body.String()
	want := `<form method="post" action="` + issuer + `/link/authorize?redirect_uri=%2Fwelcome&amp;state=s1">`
	if !strings.Contains(page, want) || !strings.Contains(page, `value="ada@example.com" autocomplete="email" inputmode="email"`) {
		t.Fatalf("no form %s on\n%s", want, page)
	}
	if len(w.Result().Cookies()) != 0 || len(sent) != 0 {
		t.Error("the page alone begins something")
	}
	action := issuer + "/link/authorize?" + query
	b.Header.Set("Sec-Fetch-Site", "cross-site")
	refused(t, b.post(action, url.Values{"email": {"ada@example.com"}}), 403, "cross_origin")
	b.Header.Set("Sec-Fetch-Site", "same-origin")
	bad := b.post(action, url.Values{"email": {"ada"}})
	if got := hrefs(bad.Body.String()); bad.Code != 400 || !slices.Contains(got, issuer+"/authorize?redirect_uri=%2Fwelcome&state=s1") {
		t.Errorf("a wrong address: %d, links %q", bad.Code, got)
	}
	w = b.post(action, url.Values{"email": {"ada@example.com"}})
	if w.Code != 303 || len(sent) != 1 || sent[0].Subject != "Sign in to Example Shop" {
		t.Fatalf("%d, mails %+v", w.Code, sent)
	}
	if page := b.get(w.Header().Get("Location")).Body.String(); !strings.Contains(page, "We sent a link to ada@example.com.") ||
		!strings.Contains(page, "<p>Example Shop</p>\n<h1>Check your mail</h1>") || !slices.Contains(hrefs(page), action) {
		t.Errorf("the page after it:\n%s", page)
	}
	// Parameters that the provider refuses are refused by its page, so the list has a link to it.
	many := ""
	for _, x := range strings.Split("abcdefghijklmnopqrstuvwxy", "") {
		many += "&x" + x + "=1"
	}
	if page := b.get(issuer + "/authorize?redirect_uri=/welcome" + many).Body.String(); strings.Contains(page, "<form") || !strings.Contains(page, "Email me a link") {
		t.Errorf("with too many parameters:\n%s", page)
	}
}

func TestNew_Order(t *testing.T) {
	v := newWorld(t)
	for want, change := range map[string]func(*postern.Config){
		`Config.Order names "nobody", which is not a provider`: func(c *postern.Config) { c.Order = []string{"desk", "nobody"} },
		`Config.Order names "desk" twice`:                      func(c *postern.Config) { c.Order = []string{"desk", "desk"} },
		"Config.Name: write one line":                          func(c *postern.Config) { c.Name = "Shop\r\nBcc: eve@evil.example" },
		"Config.Name: write one line of":                       func(c *postern.Config) { c.Name = strings.Repeat("x", 201) },
		"Config.Name: write one":                               func(c *postern.Config) { c.Name = "\xff" },
	} {
		c := config(v.sessions, "/welcome")
		c.Providers = map[string]postern.Provider{"desk": desk{}}
		change(&c)
		if _, err := postern.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// No page is a dead end: each error page has a link, and the first one leads to a page that works.
func TestPage_NoDeadEnd(t *testing.T) {
	for _, pkce := range []bool{false, true} {
		v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.RequirePKCE = pkce })
		ask := "redirect_uri=/welcome&state=s"
		if pkce {
			ask += "&code_challenge_method=S256&code_challenge=" + challenge
		}
		used := v.browser()
		state := used.begin("door", ask)
		used.get(callback("door", state))
		no := v.browser()
		refusedState := no.begin("door", ask)
		down := v.browser()
		downState := down.begin("door", ask)
		for name, open := range map[string]func() *httptest.ResponseRecorder{
			"no such page":     func() *httptest.ResponseRecorder { return v.browser().get(issuer + "/nowhere") },
			"no such step":     func() *httptest.ResponseRecorder { return v.browser().get(issuer + "/door/nowhere") },
			"no such provider": func() *httptest.ResponseRecorder { return v.browser().get(issuer + "/authorize?provider=x&" + ask) },
			"another method":   func() *httptest.ResponseRecorder { return v.browser().send("PUT", issuer+"/door/authorize", nil) },
			"too long": func() *httptest.ResponseRecorder {
				return v.browser().get(issuer + "/door/authorize?x=" + strings.Repeat("x", 9000))
			},
			"a foreign return": func() *httptest.ResponseRecorder {
				return v.browser().get(issuer + "/door/authorize?redirect_uri=https://evil.example/")
			},
			"a wrong client": func() *httptest.ResponseRecorder {
				return v.browser().get(issuer + "/door/authorize?client_id=x&" + ask)
			},
			"a bad challenge":      func() *httptest.ResponseRecorder { return v.browser().get(issuer + "/door/authorize?code_challenge=x") },
			"another browser":      func() *httptest.ResponseRecorder { return v.browser().get(callback("door", state)) },
			"the same one again":   func() *httptest.ResponseRecorder { return used.get(callback("door", state) + "&x=1") },
			"refused by the other": func() *httptest.ResponseRecorder { return no.get(callback("door", refusedState) + "&error=x") },
			"an old ticket":        func() *httptest.ResponseRecorder { return v.browser().get(issuer + "/continue?ticket=x") },
			"another site's form": func() *httptest.ResponseRecorder {
				b := v.browser()
				b.Header.Set("Sec-Fetch-Site", "cross-site")
				return b.post(issuer+"/desk/authorize?"+ask, url.Values{"name": {"x"}})
			},
			"in a frame": func() *httptest.ResponseRecorder {
				b := v.browser()
				b.Header.Set("Sec-Fetch-Dest", "iframe")
				return b.get(issuer + "/door/authorize?" + ask)
			},
			"the store is down": func() *httptest.ResponseRecorder {
				v.store.set(errors.New("down"))
				defer v.store.set(nil)
				return down.get(callback("door", downState))
			},
		} {
			w := open()
			page, status := w.Body.String(), w.Code
			links := hrefs(page)
			if status < 400 && name != "the same one again" || status >= 400 && len(links) == 0 {
				t.Errorf("%s (PKCE %v): status %d, links %q", name, pkce, status, links)
				continue
			}
			if status < 400 {
				continue // signed in: it goes on
			}
			if links[0] == "https://app.example.com/" { // only the application can begin
				if !pkce || !strings.Contains(page, "Go to app.example.com") {
					t.Errorf("%s (PKCE %v): leads to the application\n%s", name, pkce, page)
				}
				continue
			}
			if w := v.browser().get(links[0]); w.Code >= 400 {
				t.Errorf("%s (PKCE %v): its link leads to %d at %s", name, pkce, w.Code, links[0])
			}
		}
	}
}

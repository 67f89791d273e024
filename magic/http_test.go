package magic_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
)

func TestX2_GetSendsNothingAndFormsAreOwn(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	for _, provider := range []string{"link", "code", "both"} {
		for _, method := range []string{"GET", "HEAD"} {
			a := c.do(c.Request(method, issuer+"/"+provider+"/authorize?email="+ada, nil))
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
				r := c.Request("POST", target, url.Values{"email": {ada}, "code": {"123456"}})
				set(r.Header)
				if a := c.do(r); a.StatusCode != http.StatusForbidden {
					t.Errorf("%s POST of %s: %d", name, path, a.StatusCode)
				}
			}
			for _, kind := range []string{"text/plain", "multipart/form-data; boundary=x", ""} {
				r := httptest.NewRequest("POST", target, strings.NewReader(`{"email":"ada@example.com"}`))
				r.Header.Set("Content-Type", kind)
				if a := c.do(r); a.StatusCode != http.StatusUnsupportedMediaType {
					t.Errorf("POST of %q to %s: %d", kind, path, a.StatusCode)
				}
			}
			for _, method := range []string{"PUT", "DELETE", "PATCH"} {
				a := c.do(c.Request(method, target, nil))
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
		if m := w.mail(); m.Arg("link") != "" {
			check(c.get(m.Arg("link")))
			check(c.get(m.Arg("link") + "x"))
			check(w.browser().get(m.Arg("link")))
			u, _ := url.Parse(m.Arg("link"))
			a := c.post(issuer+"/"+provider+"/callback", u.Query())
			check(a)
			if a.StatusCode != 303 || strings.Contains(a.Header.Get("Location"), "token") {
				t.Errorf("the button: %d to %q", a.StatusCode, a.Header.Get("Location"))
			}
		} else {
			check(c.guess(provider, state, m.Arg("code")))
		}
		a, _ = c.ask(provider, "nobody", "")
		check(a)
	}
	if w.signInCount() != 3 {
		t.Errorf("%d sign-ins, want 3", w.signInCount())
	}
}

// A provider that chooses by tenant hands the request to its own link; the mail comes back to it.
func TestChild(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	_, m := c.mustAsk("tenant", ada, "?redirect_uri="+url.QueryEscape(deep))
	if !strings.HasPrefix(m.Arg("link"), issuer+"/tenant/mail/callback?") {
		t.Fatalf("link %q", m.Arg("link"))
	}
	strange := strings.Replace(m.Arg("link"), "/tenant/mail/", "/link/", 1)
	c.open(strange).want(t, 400, "invalid_link")
	c.press(c.open(m.Arg("link")).page)
	if in := w.signedIn(); in.Identity.Provider != "tenant/mail" || in.Identity.Issuer != magic.Issuer || in.Return.Target() != deep {
		t.Errorf("signed in %+v", in)
	}
}

// tenant is a provider with one child.
type tenant struct{ mail postern.Provider }

func (p tenant) Handler(f *postern.Flow) http.Handler { return f.Child("mail").Use(p.mail) }

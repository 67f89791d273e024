package postern_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

const preview = ".preview.example.net"

// spellings are addresses that someone would like to slip past a function that looks at the end of the host.
var spellings = []string{
	"https://evil.example/.preview.example.net", "https://evil.example?.preview.example.net", "https://evil.example/?x=.preview.example.net", "https://evil.example#.preview.example.net",
	"https://evil.example/#.preview.example.net", `https://evil.example\.preview.example.net/`, `https://evil.example\@pr.preview.example.net/`, "https://evil.example@pr.preview.example.net/",
	"https://pr.preview.example.net@evil.example/", "https://u:p@pr.preview.example.net/", "https://@pr.preview.example.net/", "https://evil.example:@pr.preview.example.net/", "https://evil.example%2f.preview.example.net/",
	"https://evil.example%5c.preview.example.net/", "https://evil.example%23.preview.example.net/", "https://evil.example%3f.preview.example.net/", "https://evil.example%00.preview.example.net/", "https://evil.example%0d%0a.preview.example.net/",
	"https://evil.example%40pr.preview.example.net/", "https://evil.example\t.preview.example.net/", "https://evil.example\n.preview.example.net/", "https://evil.example .preview.example.net/", "https://evil.example\u3002preview.example.net/",
	"https://evil.example\uff0f.preview.example.net/", "https://evil.example\uff03.preview.example.net/", "https://pr\uff0epreview.example.net/", "https://pr.preview.example.net\u200b/", "https://\u202epr.preview.example.net/", "https://pr.previ\u0435w.example.net/",
	"http://pr.preview.example.net/", "HTTPS://pr.preview.example.net/", "https:pr.preview.example.net/", "https:/pr.preview.example.net/", "https:///pr.preview.example.net/", `https:\\pr.preview.example.net\`, "//pr.preview.example.net/",
	"/\\pr.preview.example.net/", "pr.preview.example.net/", "javascript://pr.preview.example.net/%0aalert(1)", "data:text/html,.preview.example.net", "ftp://pr.preview.example.net/", "ws://pr.preview.example.net/", "com.example.app://pr.preview.example.net/",
	"blob:https://pr.preview.example.net/1", "view-source:https://pr.preview.example.net/", "https://PR.preview.example.net/", "https://pr.preview.example.net./", "https://.preview.example.net/", "https://..preview.example.net/", "https://a..preview.example.net/",
	"https://-.preview.example.net/", "https://*.preview.example.net/", "https://pr.preview.example.net:443/", "https://pr.preview.example.net:/", "https://pr.preview.example.net:0/", "https://pr.preview.example.net:08443/", "https://pr.preview.example.net:8443:80/",
	"https://pr.preview.example.net:80@evil.example/", "https://pr.preview.example.net", "https://pr.preview.example.net?x", "https://pr.preview.example.net/#x", "https://pr.preview.example.net/../x", "https://pr.preview.example.net/./", "https://pr.preview.example.net/%2e%2e/x",
	"https://pr.preview.example.net//evil.example", "https://pr.preview.example.net/%2fevil.example", `https://pr.preview.example.net/\evil.example`, "https://pr.preview.example.net/%5Cevil.example", "https://pr.preview.example.net/%00", "https://pr.preview.example.net/%zz",
	"https://pr.preview.example.net/" + strings.Repeat("x", 1024), "https://evil.preview.example.net.evil.example/", "https://xpreview.example.net/", "https://[::1].preview.example.net/", "https://[::1%25.preview.example.net]/", "https://[.preview.example.net]/",
	" https://pr.preview.example.net/", "https://pr.preview.example.net/ ", "https://pr.preview.example.net/\x00", "https://pr.preview.example.net/|", "https://pr.preview.example.net/<script>",
}

// A function that looks at the end of the host, and nothing else, is safe: it sees https URLs of one spelling only, and
// a browser reads the same host in them.
func TestC12_RedirectAlso(t *testing.T) {
	if len(spellings) < 60 {
		t.Fatalf("only %d spellings", len(spellings))
	}
	var seen []string
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.RedirectAlso = func(u *url.URL) bool {
			seen = append(seen, u.String())
			return strings.HasSuffix(u.Hostname(), preview)
		}
	})
	for _, uri := range slices.Concat(spellings, hostile) {
		for _, path := range []string{"/door/authorize", "/authorize", "/desk/authorize"} {
			w := v.browser().get(issuer + path + "?provider=door&redirect_uri=" + url.QueryEscape(uri))
			if w.Code != 400 || w.Header().Get("Location") != "" || len(w.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s to %q: %d, Location %q", path, uri, w.Code, w.Header().Get("Location"))
			}
		}
	}
	for _, uri := range seen {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Host != strings.ToLower(u.Host) || strings.ContainsAny(uri, `\#@ `) || strings.HasSuffix(u.Hostname(), ".") || len(uri) > 1024 {
			t.Errorf("the function sees %q", uri)
		}
	}
	seen = nil
	for _, uri := range []string{"https://pr-12.preview.example.net/", "https://pr.preview.example.net/signed-in?from=x", "https://xn--bcher-kva.preview.example.net:8443/a/b"} {
		b := v.browser()
		w := b.get(callback("door", b.begin("door", "redirect_uri="+url.QueryEscape(uri), "state=s")))
		to, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != 303 || !strings.HasPrefix(to.String(), uri) || to.Query().Get("state") != "s" {
			t.Errorf("%q: %d to %q", uri, w.Code, w.Header().Get("Location"))
		}
	}
	if len(seen) < 6 {
		t.Errorf("the function was asked %d times, for the beginning and the end of three sign-ins", len(seen))
	}
	seen = nil
	for uri, want := range allowed { // the list alone decides about what is on it
		b := v.browser()
		if w := b.get(callback("door", b.begin("door", "redirect_uri="+url.QueryEscape(uri)))); w.Code != 303 || w.Header().Get("Location") != want {
			t.Errorf("%q: %d to %q", uri, w.Code, w.Header().Get("Location"))
		}
	}
	if len(seen) != 0 {
		t.Errorf("the function is asked about listed addresses: %q", seen)
	}
}

// An address that was allowed when the sign-in began is asked about again when it ends, before anybody is signed in.
func TestC12_RedirectAlsoEnds(t *testing.T) {
	var closed atomic.Bool
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.RedirectAlso = func(u *url.URL) bool { return !closed.Load() && strings.HasSuffix(u.Hostname(), preview) }
	})
	const target = "https://pr-12.preview.example.net/cb"
	first, second := v.browser(), v.browser()
	begun := first.begin("door", "redirect_uri="+target)
	done := second.begin("door", "redirect_uri="+target)
	if w := second.get(callback("door", done)); w.Code != 303 || w.Header().Get("Location") != target {
		t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
	}
	before := len(v.finished())
	closed.Store(true)
	refused(t, first.get(callback("door", begun)), 400, "invalid_redirect_uri")
	if len(v.finished()) != before || len(v.sessionsOf("u1")) != before {
		t.Error("somebody is signed in")
	}
	// Nor does a finished sign-in lead there again.
	if w := second.get(callback("door", done)); strings.Contains(w.Header().Get("Location"), "preview") {
		t.Errorf("again: %d to %q", w.Code, w.Header().Get("Location"))
	}
}

// Plain http is for hosts of development, and those are for an http issuer.
func TestRedirects_DevelopmentHosts(t *testing.T) {
	var seen []string
	v := newWorld(t, func(_ *world, s *session.Config, c *postern.Config) {
		s.Issuer, s.DevelopmentHosts = "http://api:8080/auth", []string{"api", "web", "192.168.1.20"}
		c.Redirects = []string{"http://web:3000/in", "/welcome"}
		c.RedirectAlso = func(u *url.URL) bool { seen = append(seen, u.Host); return true }
	})
	const base = "http://api:8080/auth"
	for uri, want := range map[string]int{
		"http://web:3000/in": 302, "http://web:3001/in": 302, "http://192.168.1.20:3000/x": 302, "http://api:8080/x": 302, "https://any.example/": 302,
		"http://other:3000/in": 400, "http://web.evil.example/": 400, "http://192.168.1.21/": 400, "http://web:80/": 400, "http://WEB:3000/in": 400, "http://u@web:3000/in": 400, "http://localhost:1/x": 400,
	} {
		w := v.browser().get(base + "/door/authorize?redirect_uri=" + url.QueryEscape(uri))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", uri, w.Code, want)
		}
	}
	if slices.ContainsFunc(seen, func(host string) bool {
		return strings.HasPrefix(host, "other") || strings.HasPrefix(host, "localhost")
	}) {
		t.Errorf("the function sees %q", seen)
	}
	plain := newWorld(t)
	for _, entry := range []string{"http://web:3000/in", "http://192.168.1.20/", "http://app.example.com/"} {
		_, err := postern.New(postern.Config{
			Sessions: plain.sessions, Redirects: []string{entry}, Providers: map[string]postern.Provider{"door": door{}},
			OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
		})
		if err == nil || !strings.Contains(err.Error(), "session.Config.DevelopmentHosts may do without https") {
			t.Errorf("%s: %v", entry, err)
		}
	}
}

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// chain is two more origins beside the application: every page of near redirects on to far, and far stays.
//
//	near /hop       what a landing page is that redirects on: to far /final with the same query
//	near /idp       a provider that hands the person to another host, which sends them back
//	far  /final     the end
type chain struct {
	near, far string
	mu        sync.Mutex
	hops      []string
}

func newChain(t *testing.T) *chain {
	t.Helper()
	c := &chain{}
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return strings.Replace(s.URL, "127.0.0.1", "localhost", 1) // the issuer's name: New accepts no other of this machine
	}
	c.far = serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/idp" {
			http.Redirect(w, r, r.URL.Query().Get("back")+"?state="+r.URL.Query().Get("state"), http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Final</title><p>You have arrived.</p>`)
	})
	c.near = serve(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.hops = append(c.hops, r.URL.RequestURI())
		c.mu.Unlock()
		to := "/final"
		if r.URL.Path == "/idp" {
			to = "/idp"
		}
		http.Redirect(w, r, c.far+to+"?"+r.URL.RawQuery, http.StatusFound)
	})
	return c
}

// walkIn is a provider with its page, whose form leads to a provider elsewhere.
type walkIn struct{ at string }

func (p walkIn) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			f.Page(w, r, postern.Page{Title: "Which company?", Forms: []postern.Form{{Action: f.URL("authorize") + "?" + r.URL.RawQuery}}})
		},
		"POST authorize": func(w http.ResponseWriter, r *http.Request) {
			state, err := f.Start(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			http.Redirect(w, r, p.at+"?"+url.Values{"state": {state}, "back": {f.URL("callback")}}.Encode(), http.StatusSeeOther)
		},
		"GET callback": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Resume(w, r, nil); err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Done(w, r, postern.Identity{Issuer: "https://id.example.com", Subject: "ada"}, "oauth")
		},
	})
}

// detour is a provider whose form leads to another step of the provider, which then redirects elsewhere.
type detour struct{ at string }

func (p detour) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			f.Page(w, r, postern.Page{Title: "Ready?", Forms: []postern.Form{{Action: f.URL("authorize")}}})
		},
		"POST authorize": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, f.URL("middle")+"?a=b", http.StatusSeeOther)
		},
		"GET middle": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "a=b" {
				http.Error(w, r.URL.RawQuery, http.StatusTeapot)
				return
			}
			http.Redirect(w, r, p.at, http.StatusFound)
		},
	})
}

// TestX5_BrowserRedirectsAfterForms: Chromium holds every redirect that follows a form to the form-action of the page
// with the form, those of the application's own pages too. A sign-in that ends after a form arrives wherever the
// application leads, however many origins are on the way.
func TestX5_BrowserRedirectsAfterForms(t *testing.T) {
	browser := startBrowser(t)
	c := newChain(t)
	a := newApp(t, keys.ES256)
	var mu sync.Mutex
	var last postern.Mail
	var deliver deliverer
	send := func(_ context.Context, m postern.Mail) error {
		mu.Lock()
		defer mu.Unlock()
		last = m
		return nil
	}
	mail := func() postern.Mail {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
	set := func(d deliverer) {
		mu.Lock()
		defer mu.Unlock()
		deliver = d
	}
	away := func(w http.ResponseWriter, r *http.Request, _ session.Grant[Member], _ session.Return) error {
		http.Redirect(w, r, c.near+"/hop?own=1", http.StatusFound)
		return nil
	}
	nothing := func(http.ResponseWriter, *http.Request, session.Grant[Member], session.Return) error { return nil }

	auth, err := postern.New(postern.Config{
		Sessions:  a.sessions,
		Redirects: []string{c.near + "/hop", "/hop", "com.example.app:/in"},
		Mail:      send,
		Providers: map[string]postern.Provider{
			"link": magic.Link(magic.Config{}), "code": magic.Code(magic.Config{}),
			"walkin": walkIn{c.near + "/idp"}, "detour": detour{c.near + "/hop"},
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			mu.Lock()
			d := deliver
			mu.Unlock()
			return d(w, r, session.Grant[Member]{Subject: "ada", Authentication: in.Authentication}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, c.near+"/hop", http.StatusFound) })
	mux.HandleFunc("GET /hop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, c.near+"/hop?"+r.URL.RawQuery, http.StatusFound)
	})
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "form-action 'self'") // the application's own
		fmt.Fprint(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>App</title><form method="post" action="/auth/signout"><button>Sign out</button></form>`)
	})
	a.serveHandler(t, mux)

	arrived := func(t *testing.T, w *window) {
		t.Helper()
		w.arrives(c.far + "/final")
		w.shows("You have arrived.")
	}
	people := 0
	// askLink signs in by a link as far as the page with the button.
	askLink := func(w *window, query string) {
		w.open(a.url + "/auth/link/authorize" + query)
		people++
		w.typeInto("email", fmt.Sprintf("ada.%d@example.com", people))
		w.press("button")
		w.shows("Check your mail")
		w.open(mail().Arg("link"))
		w.shows("Continue as")
	}
	const challenge = "?code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&state=xyz"
	for _, tc := range []struct {
		name    string
		deliver deliverer
		query   string
		carries string // in the address where it ends
	}{
		{"Cookie", a.member.Cookie, "?state=xyz", "state=xyz"},
		{"Code", a.member.Code, challenge, "code="},
		{"Parameter", a.member.Parameter, "", "token="},
		{"own redirect", away, "", "own=1"},
		{"nothing written", nothing, "?state=xyz", "state=xyz"},
		{"Cookie, by a page of this host", a.member.Cookie, "?redirect_uri=" + url.QueryEscape(a.url+"/hop"), ""},
	} {
		t.Run("link, "+tc.name, func(t *testing.T) {
			set(tc.deliver)
			w := newWindow(t, browser)
			askLink(w, tc.query)
			link, left := w.url(), w.tab()
			left.open(link)
			w.click("button")
			arrived(t, w)
			if !strings.Contains(w.url(), tc.carries) {
				t.Errorf("it ends at %s, without %s", w.url(), tc.carries)
			}

			// Back: to where the link was opened, or past it. Nowhere does it say that the sign-in failed.
			w.back()
			w.neverSays("failed", "not valid", "not started")
			// A second click, from a page that was left open.
			left.press("button")
			left.neverSays("failed", "not valid", "not started")
			if strings.HasPrefix(tc.name, "Cookie") { // the browser is signed in
				left.arrives(c.far + "/final")
			} else {
				left.shows("Already finished")
			}
			w.open(link)
			w.neverSays("failed", "not valid", "not started")
		})
	}
	t.Run("native app", func(t *testing.T) {
		set(a.member.Code)
		w := newWindow(t, browser)
		askLink(w, challenge+"&redirect_uri=com.example.app:/in")
		w.click("button")
		w.arrives(a.url + "/auth/continue?") // and stays there: no app of that name is installed
		w.shows("Continue to the application")
		var href string
		w.run(chromedp.AttributeValue("li a", "href", &href, nil, chromedp.ByQuery))
		if !strings.HasPrefix(href, "com.example.app:/in?code=") || !strings.HasSuffix(href, "&state=xyz") {
			t.Errorf("the link leads to %s", href)
		}
		w.picture("continue")
	})
	t.Run("code", func(t *testing.T) {
		set(a.member.Cookie)
		w := newWindow(t, browser)
		w.open(a.url + "/auth/code/authorize")
		w.typeInto("email", "grace@example.com")
		w.press("button")
		w.shows("Check your mail")
		w.typeInto("code", mail().Arg("code"))
		w.click("button")
		arrived(t, w)
		w.back()
		w.neverSays("failed", "not valid", "not started")
	})
	for _, name := range []string{"walkin", "detour"} {
		t.Run(name, func(t *testing.T) {
			set(a.member.Cookie)
			w := newWindow(t, browser)
			w.open(a.url + "/auth/" + name + "/authorize")
			w.click("button")
			arrived(t, w)
		})
	}
	t.Run("sign-out", func(t *testing.T) {
		w := newWindow(t, browser)
		w.open(a.url + "/page")
		w.click("button")
		arrived(t, w)
	})
}

// click clicks and does not wait: what follows may be several pages.
func (w *window) click(selector string) {
	w.t.Helper()
	w.run(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// arrives waits until the window is at an address that begins so.
func (w *window) arrives(prefix string) {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if strings.HasPrefix(w.url(), prefix) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("never at %s, but at %s:\n%s", prefix, w.url(), w.text())
}

// back presses Back and waits for the page that follows.
func (w *window) back() {
	w.t.Helper()
	w.run(chromedp.NavigateBack())
}

// neverSays fails the test if a page, or the pages that it leads on to, say one of the texts.
func (w *window) neverSays(texts ...string) {
	w.t.Helper()
	w.passOn()
	got := w.text()
	for _, bad := range texts {
		if strings.Contains(got, bad) {
			w.t.Errorf("%s says %q:\n%s", w.url(), bad, got)
		}
	}
}

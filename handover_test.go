package postern_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// formTo is a provider with a form whose POST redirects to wherever the form says.
type formTo struct{}

func (formTo) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"POST authorize": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.PostForm.Get("to"), http.StatusFound)
		},
		"POST raw": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.PostForm.Get("to"))
			w.Header().Set("Content-Length", "4")
			w.Header().Set("Referrer-Policy", "unsafe-url") // look wants that of the handler
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusTemporaryRedirect)
			_, _ = io.WriteString(w, "body")
		},
		"POST choices": func(w http.ResponseWriter, r *http.Request) { // a redirect that leaves the way to the client
			w.WriteHeader(http.StatusMultipleChoices)
			_, _ = io.WriteString(w, "two")
		},
		"POST hints": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		},
		"POST answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "made")
		},
		"GET middle": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "a=b" || r.Form.Get("a") != "b" || len(r.Form) != 1 {
				http.Error(w, r.URL.RawQuery, http.StatusTeapot)
				return
			}
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		},
	})
}

// toCounter is a world with a counter, and the browser's answer to its form.
func toCounter(t *testing.T, change ...func(v *world, s *session.Config, c *postern.Config)) *world {
	return newWorld(t, append([]func(v *world, s *session.Config, c *postern.Config){
		func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["counter"] = formTo{} },
	}, change...)...)
}

// A redirect that answers a form becomes a page that leads there, whatever wrote it: Chromium checks every redirect
// after a form against form-action.
func TestX5_FormRedirectEveryWay(t *testing.T) {
	type answer = func(v *world, w http.ResponseWriter, r *http.Request, in *postern.SignIn) error
	for name, tc := range map[string]struct {
		answer answer
		want   string // how the destination begins
	}{
		"Cookie": {func(v *world, w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return v.users.Cookie(w, r, session.Grant[user]{Subject: "u1"}, in.Return)
		}, "https://app.example.com/?state=s"},
		"Code": {func(v *world, w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return v.users.Code(w, r, session.Grant[user]{Subject: "u1"}, in.Return)
		}, "https://app.example.com/?code="},
		"Parameter": {func(v *world, w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return v.users.Parameter(w, r, session.Grant[user]{Subject: "u1"}, in.Return)
		}, "https://app.example.com/?token="},
		"nothing written": {func(*world, http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil }, "https://app.example.com/?state=s"},
		"own redirect": {func(_ *world, w http.ResponseWriter, r *http.Request, _ *postern.SignIn) error {
			http.Redirect(w, r, "/profile?a=1&b=2", http.StatusSeeOther)
			return nil
		}, "https://api.example.com/profile?a=1&b=2"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t, func(v *world, _ *session.Config, c *postern.Config) {
				c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error { return tc.answer(v, w, r, in) }
			})
			target := issuer + "/desk/authorize?state=s&code_challenge_method=S256&code_challenge=" + challenge
			b := v.browser()
			w := b.post(target, url.Values{"name": {"ann"}})
			if w.Body.Len() != 0 || w.Header().Get("Referrer-Policy") != "no-referrer" || strings.Contains(w.Header().Get("Location"), "app.example") {
				t.Errorf("the answer to the form: %v\n%s", w.Header(), w.Body)
			}
			page := b.get(w.Header().Get("Location"))
			to := b.refresh(page)
			if !strings.HasPrefix(to, tc.want) {
				t.Errorf("leads to %s, want %s", to, tc.want)
			}
			if h := page.Header(); !strings.HasSuffix(h.Get("Content-Security-Policy"), "; form-action 'none'") ||
				h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("headers of the page: %v", h)
			}
			if secret := strings.TrimPrefix(to, "https://app.example.com/?"); strings.Contains(v.Log.String(), secret) {
				t.Errorf("the log holds the destination: %s", v.Log.String())
			}

			// A program gets JSON; a script that fetches gets a redirect, which it follows without regard to
			// form-action.
			b = v.browser()
			b.Header.Set("Accept", "application/json")
			if w := b.post(target, url.Values{"name": {"ann"}}); w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"redirect_uri":"https://a`) ||
				w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Location") != "" {
				t.Errorf("JSON: %d %v\n%s", w.Code, w.Header(), w.Body)
			}
			b = v.browser()
			b.Header.Set("Sec-Fetch-Mode", "cors")
			if w := b.post(target, url.Values{"name": {"ann"}}); w.Code/100 != 3 || strings.Contains(w.Header().Get("Location"), "ticket") {
				t.Errorf("fetch: %d to %s", w.Code, w.Header().Get("Location"))
			}
			// Without a form before it, the redirect stays one.
			b = v.browser()
			if w := b.get(callback("door", b.begin("door", "state=s", "code_challenge_method=S256", "code_challenge="+challenge))); w.Code/100 != 3 || strings.Contains(w.Header().Get("Location"), "ticket") {
				t.Errorf("GET callback: %d to %s", w.Code, w.Header().Get("Location"))
			}
		})
	}
}

// The ticket of the page opens nothing in another browser, a second time, or late. Only the page uses it up.
func TestX5_FormRedirectTicketIsBound(t *testing.T) {
	v := newWorld(t)
	issue := func() (*browser, string) {
		b := v.browser()
		w := b.post(issuer+"/desk/authorize", url.Values{"name": {"ann"}})
		for _, k := range w.Result().Cookies() {
			if strings.Contains(k.Name, "continue-") && (k.MaxAge != 60 || k.SameSite != http.SameSiteLaxMode) {
				t.Errorf("the cookie of a ticket: %s", k.Raw)
			}
		}
		return b, w.Header().Get("Location")
	}
	closed := func(name string, b *browser, ticket string) {
		t.Helper()
		w := b.get(ticket)
		if w.Code != 400 || strings.Contains(w.Body.String(), "app.example") || refresh.MatchString(w.Body.String()) || strings.Contains(w.Body.String(), "failed") {
			t.Errorf("%s: %d\n%s", name, w.Code, w.Body)
		}
	}
	b, ticket := issue()
	cookies := maps.Clone(b.Cookies)
	closed("another browser", v.browser(), ticket)
	other, otherTicket := issue()
	closed("another browser with another ticket", other, ticket)
	closed("no ticket", b, issuer+"/continue")
	closed("a malformed ticket", b, ticket+"x")
	closed("another ticket", b, otherTicket)
	for name, value := range cookies { // the cookie of one ticket under the name of another one
		for foreign := range other.Cookies {
			if strings.Contains(name, "continue") && strings.Contains(foreign, "continue") {
				swapped := v.browser()
				swapped.Cookies[foreign] = value
				closed("a cookie under another name", swapped, otherTicket)
			}
		}
	}
	if w := b.send("HEAD", ticket, nil); w.Code != 405 {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := b.post(ticket, url.Values{}); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	v.store.set(errors.New("down"))
	if w := b.get(ticket); w.Code != 503 {
		t.Errorf("without the store: %d", w.Code)
	}
	v.store.set(nil)
	if got := b.refresh(b.get(ticket)); got != "https://app.example.com/" {
		t.Errorf("leads to %s", got)
	}
	closed("a second time", b, ticket)
	b.Cookies = cookies
	closed("a second time, with the cookies of before", b, ticket)
	for name := range b.Cookies {
		if strings.Contains(name, "continue") && !strings.HasPrefix(name, "__Host-") {
			t.Errorf("cookie %s", name)
		}
	}
	for _, late := range []time.Duration{time.Minute, time.Hour, 100 * 24 * time.Hour, -2 * time.Minute} {
		b, ticket := issue()
		v.Advance(late)
		closed("after "+late.String(), b, ticket)
	}
	for _, e := range v.outcomes() {
		if strings.Contains(e, "failed") && !strings.Contains(e, "method_not_allowed") && !strings.Contains(e, "temporarily_unavailable") {
			t.Errorf("event %q: no sign-in failed", e)
		}
	}
	// A program that opens it learns as much as a person.
	b, ticket = issue()
	b.get(ticket)
	b.Header.Set("Accept", "application/json")
	refused(t, b.get(ticket), 400, "invalid_ticket")
}

// A redirect becomes a link, so what may stand in a Location and not in a link leads nowhere.
func TestX5_FormRedirectUnsafeDestination(t *testing.T) {
	v := toCounter(t)
	for _, to := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "view-source:https://x/", "blob:https://x/1", "file:///etc/passwd", "about:blank",
		" javascript:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)", "intent://x#Intent;end", "https://[::1",
	} {
		for _, step := range []string{"authorize", "raw"} {
			b := v.browser()
			b.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := b.post(issuer+"/counter/"+step, url.Values{"to": {to}})
			for range 2 {
				if location := w.Header().Get("Location"); location != "" {
					w = b.get(location)
				}
			}
			if m := refresh.FindStringSubmatch(w.Body.String()); m != nil && !strings.HasPrefix(m[1], issuer+"/counter/") ||
				strings.Contains(w.Body.String(), `href="j`) || strings.Contains(w.Body.String(), `href="d`) {
				t.Errorf("%q by %s leads to %v\n%s", to, step, m, w.Body)
			}
			// The default drawing leaves such an address out. Programs, and a Render of the application, get none.
			b.Header.Set("Accept", "application/json")
			w = b.post(issuer+"/counter/"+step, url.Values{"to": {to}})
			if !strings.HasPrefix(w.Body.String(), `{"redirect_uri":"`+issuer+`/counter/`) && w.Code < 400 {
				t.Errorf("%q by %s, JSON: %d %s", to, step, w.Code, w.Body)
			}
		}
	}
	for to, want := range map[string]string{
		"https://idp.example/a?b=c&d=%20;url=x#e":    "https://idp.example/a?b=c&d=%20;url=x#e",
		"//idp.example/x":                            "https://idp.example/x",
		"/path":                                      "https://api.example.com/path",
		"claude://callback?code=1":                   "claude://callback?code=1",
		"com.example.app:/in?a='b'":                  "com.example.app:/in?a='b'",
		"https://idp.example/\u00fc?q=\u00fc":        "https://idp.example/%C3%BC?q=%C3%BC",
		`https://idp.example/"><script>x</script>`:   "https://idp.example/%22%3E%3Cscript%3Ex%3C/script%3E",
		"https://idp.example/?x=\"><script>alert(1)": "https://idp.example/?x=\"><script>alert(1)",
	} {
		b := v.browser()
		w := b.post(issuer+"/counter/raw", url.Values{"to": {to}})
		if w.Header().Get("Content-Length") != "" || w.Header().Get("Content-Type") != "" || w.Body.Len() != 0 {
			t.Errorf("%q: the body of the redirect is left: %v", to, w.Header())
		}
		w = b.get(w.Header().Get("Location"))
		if got := b.refresh(w); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
		if strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%q: a script on the page", to)
		}
	}
	if w := v.browser().post(issuer+"/counter/choices", url.Values{}); w.Code != 300 || w.Body.String() != "two" {
		t.Errorf("a redirect without Location: %d %v\n%s", w.Code, w.Header(), w.Body)
	}
	if w := v.browser().post(issuer+"/counter/answer", url.Values{}); w.Code != 201 || w.Body.String() != "made" || w.Header().Get("Location") == "" {
		t.Errorf("an answer that is not a redirect: %d %v", w.Code, w.Header())
	}
}

// Answers of status 1xx come before the answer itself: a redirect after them becomes a page as well.
func TestX5_FormRedirectAfterEarlyHints(t *testing.T) {
	server := httptest.NewServer(toCounter(t).auth)
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.PostForm(server.URL+"/auth/counter/hints", url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if to := res.Header.Get("Location"); res.StatusCode != 303 || !strings.HasPrefix(to, issuer+"/continue?ticket=") {
		t.Errorf("%d to %q", res.StatusCode, to)
	}
}

// From a form to a step of the same handler no page is needed. Where that step redirects in turn, the chain is still
// one that began with a form.
func TestX5_FormRedirectByAnotherStep(t *testing.T) {
	v := toCounter(t)
	b := v.browser()
	w := b.post(issuer+"/counter/authorize", url.Values{"to": {issuer + "/counter/middle?a=b"}})
	if w.Code != 303 || unmarked(t, w.Header().Get("Location")) != issuer+"/counter/middle?a=b" {
		t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
	}
	if got := b.landing(b.get(w.Header().Get("Location"))); got != "https://elsewhere.example/" {
		t.Errorf("leads to %q", got)
	}
	// By the choice of providers and a provider's own redirect, too.
	w = b.post(issuer+"/counter/authorize", url.Values{"to": {"/auth/authorize?provider=door"}})
	for _, want := range []string{issuer + "/authorize?provider=door", issuer + "/door/authorize"} {
		if w.Code != 303 || unmarked(t, w.Header().Get("Location")) != want {
			t.Fatalf("%d to %q, want %q", w.Code, w.Header().Get("Location"), want)
		}
		w = b.get(w.Header().Get("Location"))
	}
	if got := b.landing(w); !strings.HasPrefix(got, "https://door.example/authorize?") {
		t.Errorf("leads to %q", got)
	}
	// What only looks like a step of this handler is another place.
	for _, to := range []string{"https://api.example.com.evil.example/auth/door/authorize", "http://api.example.com/auth/door/authorize", "https://api.example.com/welcome", "https://api.example.com/auth/nobody/x", "https://api.example.com/authx/door/authorize"} {
		b := v.browser()
		if got := b.landing(b.post(issuer+"/counter/authorize", url.Values{"to": {to}})); got != to {
			t.Errorf("%s leads to %s", to, got)
		}
	}
}

// Whatever keeps a ticket from being made, a finished sign-in arrives: the answer to the form is the page itself.
func TestX5_FormRedirectWithoutTicket(t *testing.T) {
	t.Run("too long for a cookie", func(t *testing.T) {
		v := toCounter(t)
		b := v.browser()
		to := "https://elsewhere.example/?q=" + strings.Repeat("a", 4000)
		if got := b.refresh(b.post(issuer+"/counter/authorize", url.Values{"to": {to}})); got != to {
			t.Errorf("leads to %s", got)
		}
	})
	t.Run("no secrets", func(t *testing.T) {
		v := toCounter(t, func(_ *world, s *session.Config, _ *postern.Config) { s.Secrets = noSecrets{} })
		b := v.browser()
		if got := b.refresh(b.post(issuer+"/counter/authorize", url.Values{"to": {"https://elsewhere.example/"}})); got != "https://elsewhere.example/" {
			t.Errorf("leads to %s", got)
		}
	})
}

// After the form of a sign-out too, the application's front page may lead to another origin.
func TestX5_FormRedirectSignOut(t *testing.T) {
	v := newWorld(t)
	b := v.browser()
	b.get(callback("door", b.begin("door")))
	b.Header.Set("Accept", "text/html")
	if got := b.landing(b.post(issuer+"/signout", url.Values{})); got != "https://api.example.com/" {
		t.Errorf("leads to %s", got)
	}
	b.Header = http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}}
	if w := b.post(issuer+"/signout", url.Values{}); w.Code != 204 {
		t.Errorf("a script: %d", w.Code)
	}
}

// The redirects of ForwardAuth are for a proxy, whatever the method of the request it asks about.
func TestX5_FormRedirectNotOfForwardAuth(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.ForwardAuth = http.RedirectHandler("https://elsewhere.example/", http.StatusSeeOther)
	})
	if w := v.browser().post(issuer+"/verify", nil); w.Code != 303 || w.Header().Get("Location") != "https://elsewhere.example/" {
		t.Errorf("%d to %s", w.Code, w.Header().Get("Location"))
	}
}

// A Render gets the destination as Next, and as a link for one that does not know Next.
func TestX5_FormRedirectRender(t *testing.T) {
	v := toCounter(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Render = func(w http.ResponseWriter, _ *http.Request, p postern.Page) {
			w.WriteHeader(p.Status)
			fmt.Fprintf(w, "%d %s %s", p.Status, p.Title, p.Next)
			for _, l := range p.Links {
				fmt.Fprintf(w, " [%s %s %s]", l.Name, l.Text, l.URL)
			}
		}
	})
	for to, want := range map[string]string{
		"https://elsewhere.example/a": "200 Continue to elsewhere.example https://elsewhere.example/a [continue Continue https://elsewhere.example/a]",
		"claude://x":                  "200 Continue to the application claude://x [continue Continue claude://x]",
	} {
		b := v.browser()
		w := b.get(b.post(issuer+"/counter/authorize", url.Values{"to": {to}}).Header().Get("Location"))
		if w.Body.String() != want {
			t.Errorf("%s", w.Body)
		}
	}
}

// spent is a provider whose page works once, as a link does.
type spent struct{}

func (spent) Handler(f *postern.Flow) http.Handler {
	show := func(w http.ResponseWriter, r *http.Request) {
		f.Fail(w, r, &postern.Error{Code: "page_used", Text: "This page works once.", Finished: true})
	}
	return f.Steps(map[string]http.HandlerFunc{"GET callback": show, "POST callback": show})
}

// A page that did its work leads a person who is signed in on, after Back and after a second click. Others read that
// it is used, and nothing says that a sign-in failed. Programs get the refusal.
func TestFinished_LeadsOn(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["spent"] = spent{} })
	b := v.browser()
	b.get(callback("door", b.begin("door", "redirect_uri=/welcome")))
	const first = "https://app.example.com/" // of Config.Redirects: this page belongs to no sign-in of this browser
	if w := b.get(issuer + "/spent/callback"); w.Code != 303 || w.Header().Get("Location") != first {
		t.Errorf("Back: %d to %q", w.Code, w.Header().Get("Location"))
	}
	if got := b.landing(b.post(issuer+"/spent/callback", url.Values{})); got != first {
		t.Errorf("a second click leads to %q", got)
	}
	stranger := v.browser()
	for _, w := range []*httptest.ResponseRecorder{stranger.get(issuer + "/spent/callback"), stranger.post(issuer+"/spent/callback", url.Values{})} {
		if w.Code != 400 || !strings.Contains(w.Body.String(), "<h1>Already finished</h1>") || !strings.Contains(w.Body.String(), "This page works once.") || strings.Contains(w.Body.String(), "failed") {
			t.Errorf("a stranger: %d\n%s", w.Code, w.Body)
		}
	}
	b.Header.Set("Accept", "application/json")
	refused(t, b.get(issuer+"/spent/callback"), 400, "page_used")
}

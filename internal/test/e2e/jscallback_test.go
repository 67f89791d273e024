package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// begins leaves for the sign-in by the code flow and returns the address that it would come back to. The answer is held
// back: the page is at the address of another path of its origin, with the attempt still open.
func (f *frontEnd) begins(w *window) string {
	f.t.Helper()
	f.mu.Lock()
	f.forwarded = ""
	f.hold = true
	f.mu.Unlock()
	f.leaves(w, `{ provider: 'once', returnTo: '/deep' }`)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = false
	if f.forwarded == "" {
		f.t.Fatal("no answer of the issuer came")
	}
	return f.forwarded
}

// jsCallbackForged: an answer that the tab did not ask for, or that was changed on its way, gives no session, sends
// nothing to the token endpoint where the client can see it, and leaves the address bar clean.
func jsCallbackForged(t *testing.T, c *town) {
	f := c.otherSite(t, nil)
	change := func(name, value string) func(*window, string) string {
		return func(_ *window, back string) string {
			u, _ := url.Parse(back)
			q := u.Query()
			if value == "" {
				q.Del(name)
			} else {
				q.Set(name, value)
			}
			u.RawQuery = q.Encode()
			return u.String()
		}
	}
	attempts := func(script string) func(*window, string) string {
		return func(w *window, back string) string {
			w.js(`(() => { const key = Object.keys(sessionStorage)[0], begun = JSON.parse(sessionStorage[key]); `+script+`; sessionStorage[key] = JSON.stringify(begun); return 0 })()`, nil)
			return back
		}
	}
	w := f.page()
	other := w.tab()
	for name, c := range map[string]struct {
		change func(w *window, back string) string
		code   string // of the error; empty: callback returns null
		asked  int    // requests to the token endpoint
	}{
		"another state":            {change("state", "11111111-2222-3333-4444-555555555555"), "invalid_state", 0},
		"a state of the prototype": {change("state", "constructor"), "invalid_state", 0},
		"no state":                 {change("state", ""), "", 0},
		"another issuer":           {change("iss", "https://evil.example/auth"), "invalid_issuer", 0},
		"no issuer":                {change("iss", ""), "invalid_issuer", 0},
		"an error":                 {change("error", "access_denied"), "access_denied", 0},
		"an error instead of code": {func(w *window, back string) string {
			return change("error", "access_denied")(w, change("code", "")(w, back))
		}, "access_denied", 0},
		"an error, another state": {func(w *window, back string) string {
			return change("error", "access_denied")(w, change("state", "x")(w, back))
		}, "invalid_state", 0},
		"neither code nor error": {change("code", ""), "", 0},
		"another code":           {change("code", "xyz"), "invalid_grant", 1},
		"the verifier is gone":   {attempts(`begun[0][1] = ''`), "invalid_state", 0},
		"another verifier":       {attempts(`begun[0][1] = 'v'.repeat(64)`), "invalid_grant", 1},
		"the attempt is gone":    {attempts(`begun.length = 0`), "invalid_state", 0},
		"the storage is damaged": {func(w *window, back string) string {
			w.js(`(() => { sessionStorage[Object.keys(sessionStorage)[0]] = '{['; return 0 })()`, nil)
			return back
		}, "invalid_state", 0},
		"in another tab": {nil, "invalid_state", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w.load(otherPage + "/")
			back := f.begins(w)
			at := w
			if c.change == nil {
				at = other
			} else {
				back = c.change(w, back)
			}
			f.forget()
			at.open(back)
			came := at.loaded()
			if came.Code != c.code || came.To != nil {
				t.Errorf("callback: %+v, want %q", came, c.code)
			}
			if n := f.count("POST", "/auth/token"); n != c.asked {
				t.Errorf("%d requests to the token endpoint", n)
			}
			if c.code != "" {
				at.cleanAddress()
			}
			if got := at.subject(); got != "nobody" {
				t.Errorf("%s is signed in", got)
			}
		})
	}

	// The answer itself works, once.
	w.load(otherPage + "/")
	back := f.begins(w)
	f.forget()
	w.open(back)
	if came := w.loaded(); came.To == nil || *came.To != otherPage+"/deep" || w.url() != otherPage+"/deep" {
		t.Fatalf("callback: %+v at %s", came, w.url())
	}
	w.open(back)
	if came := w.loaded(); came.Code != "invalid_state" {
		t.Errorf("the same address again: %+v", came)
	}
	if n := f.count("POST", "/auth/token"); n != 1 || f.reasons() != nil {
		t.Errorf("%d requests to the token endpoint, ended for %v", n, f.reasons())
	}
	w.run(chromedp.NavigateBack())
	w.loaded()
	w.cleanAddress()
	// A copy of the whole request to the token endpoint buys nothing, and ends the session that it bought.
	f.mu.Lock()
	body := f.calls[slices.IndexFunc(f.calls, func(c call) bool { return c.path == "/auth/token" })].body
	f.mu.Unlock()
	var again string
	w.js(fmt.Sprintf(`fetch('%s/auth/token', { method: 'POST', body: new URLSearchParams(%q) }).then((r) => r.text())`, apiURL, body), &again)
	if !strings.Contains(again, `"invalid_grant"`) || strings.Contains(again, "access_token") || !slices.Equal(f.reasons(), []string{"code replayed"}) {
		t.Errorf("the request again: %s, ended for %v", again, f.reasons())
	}

	// The answer to the code is lost: the client does not send it again, because that would end the session.
	w.load(otherPage + "/")
	back = f.begins(w)
	f.forget()
	f.loses("/auth/token", 1)
	w.open(back)
	if came := w.loaded(); came.Code != "network" || f.count("POST", "/auth/token") != 1 || f.reasons() != nil {
		t.Errorf("a lost answer: %+v, %d requests, ended for %v", came, f.count("POST", "/auth/token"), f.reasons())
	}
	f.signsIn(w, "/")
}

// jsAuthorizeRequest: the sign-in of the code flow asks with PKCE (S256), a new state of 244
// random bits and a new verifier of 366 bits each time.
func jsAuthorizeRequest(t *testing.T, c *town) {
	f := c.otherSite(t, nil)
	w := f.page()
	seen := map[string]bool{}
	for range 7 {
		f.begins(w)
		f.mu.Lock()
		asked := f.calls[slices.IndexFunc(f.calls, func(c call) bool { return c.path == "/auth/once/authorize" })]
		f.mu.Unlock()
		f.forget()
		q, err := url.ParseQuery(asked.query)
		if err != nil {
			t.Fatal(err)
		}
		if q.Get("response_type") != "code" || q.Get("client_id") != "spa" || q.Get("redirect_uri") != otherPage+"/" || q.Get("code_challenge_method") != "S256" ||
			!regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(q.Get("code_challenge")) || len(q.Get("state")) != 72 {
			t.Errorf("authorize %v", q)
		}
		if seen[q.Get("state")] || seen[q.Get("code_challenge")] {
			t.Error("a state or a challenge came twice")
		}
		seen[q.Get("state")], seen[q.Get("code_challenge")] = true, true
		w.load(otherPage + "/")
	}
	var stored string
	w.js(`sessionStorage[Object.keys(sessionStorage)[0]]`, &stored)
	var begun [][]string
	if err := json.Unmarshal([]byte(stored), &begun); err != nil || len(begun) != 5 {
		t.Fatalf("%d attempts are kept, want 5: %v", len(begun), err)
	}
	for _, b := range begun {
		if len(b[1]) != 108 || !regexp.MustCompile(`^[A-Za-z0-9._~-]+$`).MatchString(b[1]) {
			t.Errorf("verifier %q", b[1])
		}
	}
}

// jsReturnTo: a sign-in leads back to addresses of the page's origin alone, also by a link that a stranger wrote.
func jsReturnTo(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		for _, to := range []string{
			"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "javascript:alert(1)", "data:text/html,x", "blob:" + f.origin + "/x",
			f.origin + ".evil.example/", f.origin + "@evil.example/", "https://ada@" + strings.TrimPrefix(f.origin, "https://") + "/", "http" + strings.TrimPrefix(f.origin, "https"), f.origin + ":444/", "https://", "/\t/evil.example/", "\n//evil.example",
			// A path that begins with two slashes is an address of another host, once the origin is cut off.
			f.origin + "//evil.example/", f.origin + "/x/..//evil.example/", f.origin + `/\evil.example/`, "/.//evil.example/", f.origin + "//",
		} {
			var name string
			w.js(fmt.Sprintf(`auth.signIn({ returnTo: %q }).then(() => 'left', (e) => e.name)`, to), &name)
			if name != "TypeError" {
				t.Fatalf("returnTo %q: %s", to, name)
			}
		}
		if w.url() != f.origin+"/" {
			t.Fatalf("the page is at %s", w.url())
		}
		f.signsIn(w, "//evil.example/"[1:]+"?a=//evil.example")
		if f.origin != samePage {
			return
		}
		// With cookies the state is the way back, and anybody can write a link with one.
		for _, state := range []string{"https://evil.example/", "//evil.example/", f.origin + "//evil.example/", "/deep", "javascript:alert(1)", "CA"} {
			address := f.origin + "/?state=" + url.QueryEscape(state)
			w.open(address)
			if came := w.loaded(); came.To != nil || came.Code != "" || w.url() != address {
				t.Errorf("state %q: %+v at %s", state, came, w.url())
			}
		}
		// An address that is too long for a state leads to the page's front door instead of to an error.
		f.leaves(w, fmt.Sprintf(`{ provider: 'once', returnTo: '/%s' }`, strings.Repeat("x", 2000)))
		if came := w.loaded(); came.To == nil || *came.To != f.origin+"/" {
			t.Errorf("a long address: %+v at %s", came, w.url())
		}
	})
}

// jsCallbackByLink: with cookies the state is an address, so anybody can write a link that looks like the answer of a
// sign-in. It gives events in no tab: not while nobody is signed in, and not while a person is.
func jsCallbackByLink(t *testing.T, c *town) {
	f := c.sameSite(t)
	w := f.page()
	other := w.tab()
	other.load(f.origin + "/tab")
	link := f.origin + "/?state=" + url.QueryEscape(f.origin+"/deep")
	follows := func(name string) {
		t.Helper()
		other.js(`starts = 0, ends.length = 0, new Promise((ready) => {
			window.arrived = new Promise((done) => {
				const c = new BroadcastChannel('postern:`+apiURL+`/auth')
				c.onmessage = ({ data }) => data.fence && (c.close(), done(0))
			})
			ready(0)
		})`, nil)
		w.open(link)
		if came := w.loaded(); came.To == nil || *came.To != f.origin+"/deep" || w.url() != f.origin+"/deep" {
			t.Errorf("%s: callback %+v at %s", name, came, w.url())
		}
		w.js(`new BroadcastChannel('postern:`+apiURL+`/auth').postMessage({ fence: 1 }), 0`, nil) // follows what the client has sent
		var got string
		other.js(`arrived.then(() => starts + ' starts, ' + ends.length + ' ends')`, &got)
		if got != "0 starts, 0 ends" {
			t.Errorf("%s: the other tab had %s", name, got)
		}
	}
	follows("nobody is signed in")
	var got string
	if w.js(`starts + ' starts, ' + ends.length + ' ends'`, &got); got != "0 starts, 0 ends" {
		t.Errorf("nobody is signed in: the tab of the link had %s", got)
	}
	f.signsIn(w, "/")
	if sub := other.subject(); sub != "ada" {
		t.Fatalf("the other tab is of %s", sub)
	}
	follows("ada is signed in")
	if w.js(`starts + ' starts, ' + ends.length + ' ends'`, &got); got != "1 starts, 0 ends" {
		t.Errorf("ada is signed in: the tab of the link had %s", got)
	}
	// While the session is unavailable, the link leads on and gives no event.
	f.down.Store(true)
	f.clock.Advance(6 * time.Minute)
	follows("the store is down")
	f.down.Store(false)
}

// jsRefused: a provider that refuses gives a page of the issuer, not an answer to the application, and another
// sign-in can begin.
func jsRefused(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.leaves(w, `{ provider: 'refuses' }`)
		w.shows("You did not agree.")
		if !strings.HasPrefix(w.url(), apiURL+"/auth/refuses/authorize?") {
			t.Errorf("the page is %s", w.url())
		}
		w.load(f.origin + "/")
		if got := w.subject(); got != "nobody" {
			t.Errorf("%s is signed in", got)
		}
		f.signsIn(w, "/")
	})
}

// jsMailedLink: a mailed link opens in a new tab. With cookies that is enough. With the code flow the new tab needs
// the verifier, which localStorage has and the sessionStorage of the old tab has not.
func jsMailedLink(t *testing.T, houses *town) {
	for name, c := range map[string]struct {
		front func(*testing.T) *frontEnd
		code  string
	}{
		"same site": {houses.sameSite, ""},
		"other site, localStorage": {func(t *testing.T) *frontEnd {
			return houses.otherSite(t, map[string]any{"attempts": "localStorage"})
		}, ""},
		"other site, sessionStorage": {func(t *testing.T) *frontEnd { return houses.otherSite(t, nil) }, "invalid_state"},
	} {
		t.Run(name, func(t *testing.T) {
			f := c.front(t)
			w := f.page()
			f.leaves(w, `{ provider: 'link', returnTo: '/inbox' }`)
			w.typeInto("email", ada)
			w.press("button")
			w.shows("Check your mail")
			f.mu.Lock()
			link := f.links[0]
			f.mu.Unlock()
			tab := w.tab()
			tab.open(link)
			tab.press("button")
			tab.arrives(f.origin)
			came := tab.loaded()
			if came.Code != c.code || (c.code == "" && (came.To == nil || *came.To != f.origin+"/inbox" || tab.url() != f.origin+"/inbox")) {
				t.Errorf("callback: %+v at %s", came, tab.url())
			}
			if signedIn := tab.subject() != "nobody"; signedIn != (c.code == "") {
				t.Errorf("signed in: %v", signedIn)
			}
		})
	}
}

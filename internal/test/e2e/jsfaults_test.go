package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
)

// jsLostAnswer: the server makes the next token, and the answer never arrives. The client asks again with the same
// token and goes on, also if both answers are lost and the next request comes much later.
func jsLostAnswer(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.signsIn(w, "/")
		f.clock.Advance(6 * time.Minute)
		f.forget()
		f.loses(f.refreshPath(), 1)
		if got := w.gets(apiURL + "/api/me"); got.Status != 200 || got.Body != "ada" {
			t.Errorf("one lost answer: %+v", got)
		}
		if f.happened("session refreshed") != 1 || f.happened("refresh retried") != 1 || f.count("POST", f.refreshPath()) != 2 {
			t.Errorf("%d rotations, %d retries, %d requests", f.happened("session refreshed"), f.happened("refresh retried"), f.count("POST", f.refreshPath()))
		}

		for _, wait := range []time.Duration{0, 2 * time.Minute, 24 * time.Hour} {
			f.clock.Advance(6 * time.Minute)
			f.forget()
			f.loses(f.refreshPath(), 2)
			if got := w.gets(apiURL + "/api/me"); got.Code != "network" || got.Status != 0 {
				t.Errorf("%v: two lost answers: %+v", wait, got)
			}
			f.clock.Advance(wait)
			if got := w.gets(apiURL + "/api/me"); got.Status != 200 || got.Body != "ada" {
				t.Errorf("%v later: %+v", wait, got)
			}
			if lost := f.happened("lost answer"); (lost == 1) != (wait > 90*time.Second) {
				t.Errorf("%v: %d events lost answer", wait, lost)
			}
		}
		f.clock.Advance(6 * time.Minute)
		if got := w.gets(apiURL + "/checked"); got.Status != 200 {
			t.Errorf("at last: %+v", got)
		}
		var ends []string
		if w.js(`ends`, &ends); len(ends) != 0 || f.reasons() != nil {
			t.Errorf("ends %v, ended for %v", ends, f.reasons())
		}

		// A tab is closed while it refreshes: the lock is free again, and another tab goes on with the older token.
		other := f.tabs(w, 1)[1]
		f.clock.Advance(6 * time.Minute)
		f.forget()
		stalled := make(chan struct{})
		f.mu.Lock()
		f.stall = stalled
		f.mu.Unlock()
		other.js(fmt.Sprintf(`auth.fetch('%s/api/me').catch(() => 0), 0`, apiURL), nil)
		select {
		case <-stalled:
		case <-time.After(time.Minute):
			t.Fatal("the other tab did not refresh")
		}
		other.run(page.Close())
		if got := w.gets(apiURL + "/api/me"); got.Status != 200 || got.Body != "ada" {
			t.Errorf("after a tab was closed: %+v", got)
		}
		if f.happened("session refreshed") != 1 || f.reasons() != nil {
			t.Errorf("%d rotations, ended for %v", f.happened("session refreshed"), f.reasons())
		}

		// The answer of a sign-out may be lost too.
		f.loses("/auth/signout", 1)
		var done string
		w.js(`auth.signOut().then(() => 'done', (e) => e.code)`, &done)
		if got := f.reasons(); done != "done" || !slices.Equal(got, []string{"sign-out"}) || w.subject() != "nobody" {
			t.Errorf("sign-out: %s, ended for %v", done, got)
		}
	})
}

// jsStoreDown: while the store is down, requests fail with 503 and the time to wait, nobody is signed out, and the
// refresh is not asked for before that time, by any tab. Then it goes on.
func jsStoreDown(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.signsIn(w, "/")
		other := f.tabs(w, 1)[1]
		f.clock.Advance(6 * time.Minute)
		f.forget()
		f.down.Store(true)
		if got := w.gets(apiURL + "/api/me"); got.Code != "temporarily_unavailable" || got.Status != 503 || got.RetryAfter != 5 {
			t.Errorf("store down: %+v", got)
		}
		for _, tab := range []*window{w, other} {
			if got := tab.gets(apiURL + "/api/me"); got.Code != "temporarily_unavailable" || got.Status != 503 || got.RetryAfter < 1 || got.RetryAfter > 5 {
				t.Errorf("again: %+v", got)
			}
		}
		if n := f.count("POST", f.refreshPath()); n != 1 {
			t.Errorf("%d refreshes while the store is down", n)
		}
		if got := w.gets(apiURL + "/checked"); got.Status != 503 && got.Code == "" {
			t.Errorf("the store itself: %+v", got)
		}
		var code string
		w.js(`auth.signOut().then(() => 'done', (e) => e.code + ' ' + e.status)`, &code)
		if code != "temporarily_unavailable 503" {
			t.Errorf("sign-out while the store is down: %s", code)
		}
		w.js(`auth.session().then(() => 'done', (e) => e.code + ' ' + e.status)`, &code)
		if code != "temporarily_unavailable 503" {
			t.Errorf("session while the store is down: %s", code)
		}

		f.down.Store(false)
		for _, tab := range []*window{w, other} {
			tab.later(6 * time.Second)
			if got := tab.gets(apiURL + "/api/me"); got.Status != 200 || got.Body != "ada" {
				t.Errorf("the store is back: %+v", got)
			}
		}
		var ends []string
		if w.js(`ends`, &ends); len(ends) != 0 || f.reasons() != nil || f.happened("session refreshed") != 1 {
			t.Errorf("ends %v, ended for %v, %d rotations", ends, f.reasons(), f.happened("session refreshed"))
		}
	})
}

// jsProxyDown: a proxy in front of the issuer answers with a page of its making. That is neither the end of the
// session nor a token.
func jsProxyDown(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.signsIn(w, "/")
		f.clock.Advance(6 * time.Minute)
		f.answer(f.refreshPath(), 502, "<h1>Bad gateway</h1>")
		if got := w.gets(apiURL + "/api/me"); got.Code != "server_error" || got.Status != 502 {
			t.Errorf("%+v", got)
		}
		f.answer(f.refreshPath(), 0, "")
		if got := w.gets(apiURL + "/api/me"); got.Status != 200 {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

// jsOtherProcess: the refresh reaches a process that does not know the token, and answers try_refresh or 503. That is
// not the end of the session: the request fails after one try, no tab signs out, and the next request goes on.
func jsOtherProcess(t *testing.T, c *town) {
	test := func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.signsIn(w, "/")
		other := f.tabs(w, 1)[1]
		for code, status := range map[string]int{"try_refresh": 401, "temporarily_unavailable": 503} {
			f.clock.Advance(6 * time.Minute)
			f.forget()
			f.answer(f.refreshPath(), status, `{"error":"`+code+`"}`)
			if got := w.gets(apiURL + "/api/me"); got.Code != code || got.Status != status {
				t.Errorf("%s: %+v", code, got)
			}
			if n := f.count("POST", f.refreshPath()); n != 1 {
				t.Errorf("%s: %d refreshes by one request", code, n)
			}
			if got := other.gets(apiURL + "/api/me"); got.Code != code || got.Status != status {
				t.Errorf("%s, the other tab: %+v", code, got)
			}
			f.answer(f.refreshPath(), 0, "")
			for _, tab := range []*window{w, other} {
				if got := tab.gets(apiURL + "/api/me"); got.Status != 200 || got.Body != "ada" {
					t.Errorf("after %s: %+v", code, got)
				}
				var ends []string
				if tab.js(`ends`, &ends); len(ends) != 0 {
					t.Errorf("after %s: ends %v", code, ends)
				}
			}
		}
		// Any other 401 is the end.
		f.clock.Advance(6 * time.Minute)
		f.answer(f.refreshPath(), 401, `{"error":"session_ended"}`)
		w.gets(apiURL + "/api/me")
		var ends []string
		if w.js(`ends`, &ends); !slices.Equal(ends, []string{"session_ended"}) {
			t.Errorf("after session_ended: ends %v", ends)
		}
	}
	bothSites(t, c, test)
	t.Run("other site, localStorage", func(t *testing.T) {
		test(t, c.otherSite(t, map[string]any{"storage": "localStorage"}))
	})
}

// jsRepeat: a request that is sent again after a refresh is the same request: method, headers and the whole body,
// whether it is a text, a form or a stream. A request that was aborted is not sent again.
func jsRepeat(t *testing.T, c *town) {
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.signsIn(w, "/")
		big := strings.Repeat("0123456789abcdef", 16<<10)
		for name, c := range map[string]struct{ script, body string }{
			"text":   {`auth.fetch(url, { method: 'PUT', body: 'a text' })`, "a text"},
			"form":   {`auth.fetch(url, { method: 'POST', body: new URLSearchParams({ a: 'b c' }) })`, "a=b+c"},
			"stream": {`auth.fetch(url, { method: 'POST', duplex: 'half', body: new Blob(['0123456789abcdef'.repeat(16384)]).stream() })`, big},
			"slow stream": {`(async () => {
				const body = new ReadableStream({ async pull(c) {
					for (let i = 0; i < 3; i++) { await new Promise((d) => setTimeout(d, 20)); c.enqueue(new TextEncoder().encode('part' + i)) }
					c.close()
				} })
				return auth.fetch(url, { method: 'POST', duplex: 'half', body })
			})()`, "part0part1part2"},
			"Request": {`auth.fetch(new Request(url, { method: 'POST', body: 'of a request' }))`, "of a request"},
			"URL":     {`auth.fetch(new URL(url), { method: 'POST', body: 'x' })`, "x"},
		} {
			f.clock.Advance(6 * time.Minute)
			f.forget()
			var got result
			w.js(fmt.Sprintf(`(() => { const url = '%s/api/echo'; return %s })().then(async (r) => ({ status: r.status, body: await r.text() }), failure)`, apiURL, c.script), &got)
			if got.Status != 200 || got.Body != c.body {
				t.Errorf("%s: %d %s, %d bytes", name, got.Status, got.Code, len(got.Body))
			}
			f.mu.Lock()
			var bodies int
			for _, c := range f.calls {
				if c.path == "/api/echo" {
					bodies++
				}
			}
			f.mu.Unlock()
			if bodies != 2 {
				t.Errorf("%s: sent %d times", name, bodies)
			}
		}
		f.clock.Advance(6 * time.Minute)
		f.forget()
		var name string
		w.js(fmt.Sprintf(`(() => {
			const abort = new AbortController()
			const answer = auth.fetch('%s/api/echo', { method: 'POST', body: 'x', signal: abort.signal }).then(() => 'an answer', (e) => e.name)
			abort.abort()
			return answer
		})()`, apiURL), &name)
		if name != "AbortError" {
			t.Errorf("aborted: %s", name)
		}
	})
}

// jsOtherOriginsGetNothing: the token and the cookies go to the issuer and to the named origins, and nowhere else.
func jsOtherOriginsGetNothing(t *testing.T, c *town) {
	const elsewhere = "https://cdn.example.com/foreign"
	bothSites(t, c, func(t *testing.T, f *frontEnd) {
		w := f.page()
		f.signsIn(w, "/")
		if got := w.gets(elsewhere); got.Status != 200 || got.Body != `"" ""` {
			t.Errorf("%s got %s %+v", elsewhere, got.Body, got)
		}
		if got := w.gets("/foreign"); got.Status != 200 || got.Body != `"" ""` {
			t.Errorf("the page's own origin got %s", got.Body)
		}
		// A header of the caller stays.
		f.forget()
		w.js(fmt.Sprintf(`auth.fetch('%s/api/me', { headers: { Authorization: 'Bearer mine' } }).then((r) => r.status)`, apiURL), nil)
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.calls) != 1 || f.calls[0].authorization != "Bearer mine" {
			t.Errorf("calls %+v", f.calls)
		}
	})
}

// jsRefreshAhead: a page that holds its token knows when it expires, and refreshes before the request, so that
// gateways that answer in their way are served too.
func jsRefreshAhead(t *testing.T, c *town) {
	f := c.otherSite(t, nil)
	w := f.page()
	f.signsIn(w, "/")
	f.clock.Advance(6 * time.Minute)
	w.later(6 * time.Minute)
	f.forget()
	if got := w.gets(apiURL + "/api/me"); got.Status != 200 {
		t.Errorf("%+v", got)
	}
	if f.count("GET", "/api/me") != 1 || f.count("POST", "/auth/token") != 1 {
		t.Errorf("%d requests, %d refreshes", f.count("GET", "/api/me"), f.count("POST", "/auth/token"))
	}
}

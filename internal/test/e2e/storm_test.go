package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// storm is a page that makes a visitor's browser begin sign-ins by everything a page can send without asking.
func storm(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Evil</title><p id="end">running</p><script>
const at = %q, waits = []
const load = (tag, props) => waits.push(new Promise(done => {
	const e = Object.assign(document.createElement(tag), props)
	e.onload = e.onerror = done
	document.body.append(e)
}))
addEventListener('load', async () => {
	for (let i = 0; i < 125; i++) {
		const provider = i %% 2 ? 'once' : 'post'
		load('img', {src: at + '/auth/' + provider + '/authorize?state=image' + i})
		waits.push(fetch(at + '/auth/' + provider + '/authorize?state=fetch' + i, {mode: 'no-cors', credentials: 'include', cache: 'no-store'}).catch(() => {}))
	}
	for (let i = 0; i < 5; i++) {
		load('script', {src: at + '/auth/post/authorize?state=script' + i})
		load('link', {rel: 'stylesheet', href: at + '/auth/post/authorize?state=style' + i})
		load('iframe', {src: at + '/auth/post/authorize?state=frame' + i})
		load('link', {rel: 'prefetch', href: at + '/auth/post/authorize?state=ahead' + i})
		navigator.sendBeacon(at + '/auth/post/authorize', 'x')
	}
	await Promise.all(waits)
	document.getElementById('end').textContent = 'the storm is over'
})
</script>`, apiURL)
}

// TestS3_BrowserCookieBomb: a page of another site, and one of a neighbour, make the browser of a signed-in person send
// hundreds of requests to authorize. The session's cookies stay, no attempt begins, and the next sign-in works.
func TestS3_BrowserCookieBomb(t *testing.T) {
	s := newStreet(t)
	s.serve(evilURL, http.HandlerFunc(storm))
	s.serve(blogURL, http.HandlerFunc(storm))
	for _, from := range []string{evilURL, blogURL} {
		t.Run(strings.TrimPrefix(from, "https://"), func(t *testing.T) {
			w := s.window()
			w.quiet = true // the browser blocks frames of ours, and says so
			w.open(apiURL + "/auth/once/authorize")
			w.shows("hello ada")
			_, before := w.jar()
			if len(before) != 3 { // two of the session, and the one of the provider used last
				t.Fatalf("cookies of the session: %d", len(before))
			}
			s.mu.Lock()
			s.seen = nil
			s.mu.Unlock()
			w.open(from)
			w.run(chromedp.WaitVisible(`//p[.="the storm is over"]`, chromedp.BySearch))
			s.mu.Lock()
			sent := len(s.seen)
			s.mu.Unlock()
			if sent < 250 {
				t.Fatalf("the page made the browser send %d requests: the test shows nothing", sent)
			}
			attempts, after := w.jar()
			if len(attempts) > 0 {
				t.Errorf("%d attempts were begun", len(attempts))
			}
			if !maps.Equal(before, after) {
				t.Errorf("cookies of the session: %d before, %d after", len(before), len(after))
			}
			w.open(apiURL + "/page")
			w.shows("hello ada")
			w.open(apiURL + "/auth/once/authorize")
			w.shows("hello ada")
		})
	}
}

// TestS3_BrowserTossedCookies: a neighbour plants cookies for the whole domain: of the names of a running attempt, of
// names like it, and many. The browser refuses those of our names, and the sign-in works among the others.
func TestS3_BrowserTossedCookies(t *testing.T) {
	s := newStreet(t)
	var name string // of the attempt
	s.serve(blogURL, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, n := range []string{name, strings.ToLower(name), name + " ", strings.TrimPrefix(name, "__Host-")} {
			for _, path := range []string{"/", "/auth", "/auth/post/callback"} {
				w.Header().Add("Set-Cookie", n+"=planted; Domain=example.com; Secure; Path="+path)
			}
		}
		w.Header().Add("Set-Cookie", "="+name+"=planted; Domain=example.com; Secure; Path=/auth")
		for i := range 50 {
			w.Header().Add("Set-Cookie", fmt.Sprintf("planted%d=%s; Domain=example.com; Secure; Path=/", i, strings.Repeat("x", 1000)))
		}
		writePage(w, "planted")
	}))
	w := s.window()
	w.open(apiURL + "/auth/post/authorize")
	attempts, _ := w.jar()
	for n := range attempts {
		name = n
	}
	if len(attempts) != 1 {
		t.Fatalf("%d attempts", len(attempts))
	}
	w.tab().open(blogURL)
	after, planted := w.jar()
	if after[name] != attempts[name] || len(after) != 1 {
		t.Errorf("the attempt was replaced: %v", after)
	}
	if len(planted) < 50 {
		t.Fatalf("%d cookies were planted: the test shows nothing", len(planted))
	}
	w.press("button")
	w.shows("hello grace")
	w.open(apiURL + "/auth/once/authorize")
	w.shows("hello ada")
}

// TestS3_BrowserServiceWorker: an application whose service worker passes every request on can sign people in.
func TestS3_BrowserServiceWorker(t *testing.T) {
	s := newStreet(t)
	s.mu.Lock()
	app := s.hosts["api.example.com"]
	s.mu.Unlock()
	var passed []string
	s.serve(apiURL, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/worker.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `addEventListener('install', () => skipWaiting())
addEventListener('activate', e => e.waitUntil(clients.claim()))
addEventListener('fetch', e => e.respondWith(fetch(e.request)))`)
		case "/":
			writePage(w, "front page")
		default:
			s.mu.Lock()
			passed = append(passed, r.URL.Path+" "+r.Header.Get("Sec-Fetch-Mode")+" "+r.Header.Get("Sec-Fetch-Dest"))
			s.mu.Unlock()
			app.ServeHTTP(w, r)
		}
	}))
	w := s.window()
	w.open(apiURL + "/")
	var controlled bool
	w.run(chromedp.Evaluate(`(async () => {
		await navigator.serviceWorker.register('/worker.js')
		await navigator.serviceWorker.ready
		return await new Promise(done => {
			const check = () => navigator.serviceWorker.controller && done(true)
			navigator.serviceWorker.addEventListener('controllerchange', check)
			check()
		})
	})()`, &controlled, awaited))
	w.open(apiURL + "/auth/once/authorize")
	w.shows("hello ada")
	if len(passed) == 0 || passed[0] != "/auth/once/authorize navigate empty" {
		t.Errorf("the worker passed on %q: the test shows something else", passed)
	}
}

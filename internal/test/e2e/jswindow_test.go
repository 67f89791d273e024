package e2e

import (
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// page opens the page in a window with separate cookies.
func (f *frontEnd) page() *window {
	f.t.Helper()
	w := newWindow(f.t, f.browser)
	w.load(f.origin + "/")
	return w
}

// load opens a page with the client and waits until its script has run.
func (w *window) load(url string) {
	w.t.Helper()
	w.open(url)
	w.loaded()
}

// loaded waits until the page has its client, and callback has ended.
func (w *window) loaded() (came result) {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		var ready bool // an error means that the page is being left
		if err := chromedp.Run(w.ctx, chromedp.Evaluate(`window.ready === true`, &ready)); err == nil && ready {
			w.js(`first.then(() => came)`, &came)
			return came
		}
	}
	w.t.Fatalf("no client at %s:\n%s", w.url(), w.text())
	return came
}

// js evaluates an expression of the page, and waits for its promise.
func (w *window) js(script string, out any) {
	w.t.Helper()
	w.run(chromedp.Evaluate(script, out, awaited))
}

// A result is the outcome of a method of the client.
type result struct {
	To         *string `json:"to"`
	Body       string  `json:"body"`
	Code       string  `json:"code"`
	Status     int     `json:"status"`
	RetryAfter int     `json:"retryAfter"`
}

// gets makes a request by the client's fetch.
func (w *window) gets(url string) (got result) {
	w.t.Helper()
	w.js(fmt.Sprintf(`auth.fetch(%q).then(async (r) => ({ status: r.status, body: await r.text() }), failure)`, url), &got)
	return got
}

// subject is the person that the client's session is of.
func (w *window) subject() (sub string) {
	w.t.Helper()
	w.js(`auth.session().then((s) => s === null ? 'nobody' : s.sub, (e) => e.code)`, &sub)
	return sub
}

// signsIn signs in at the provider that asks nothing, and comes back to a path.
func (f *frontEnd) signsIn(w *window, to string) {
	f.t.Helper()
	f.leaves(w, fmt.Sprintf(`{ provider: 'once', returnTo: %q }`, to))
	if came := w.loaded(); came.To == nil || *came.To != f.origin+to {
		f.t.Fatalf("the sign-in ends with %+v at %s", came, w.url())
	}
	if w.url() != f.origin+to {
		f.t.Fatalf("the sign-in ends at %s, want %s", w.url(), f.origin+to)
	}
}

// leaves calls signIn and waits until the page was left.
func (f *frontEnd) leaves(w *window, options string) {
	f.t.Helper()
	w.js(`window.ready = 'leaving'; auth.signIn(`+options+`).then(() => 0)`, nil)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		var left bool
		if err := chromedp.Run(w.ctx, chromedp.Evaluate(`window.ready !== 'leaving' && document.readyState === 'complete'`, &left)); err == nil && left {
			return
		}
	}
	f.t.Fatalf("the page was not left: %s", w.url())
}

// tabs opens n more tabs beside w at the page, and returns all.
func (f *frontEnd) tabs(w *window, n int) []*window {
	f.t.Helper()
	all := []*window{w}
	for i := range n {
		tab := w.tab()
		tab.load(fmt.Sprintf("%s/tab/%d", f.origin, i))
		var first string // the first answer, as an application asks for it
		if tab.js(`first`, &first); first != "ada" {
			f.t.Fatalf("a new tab is of %s", first)
		}
		all = append(all, tab)
	}
	return all
}

// later lets d pass for the page, as far as Date.now goes.
func (w *window) later(d time.Duration) {
	w.t.Helper()
	w.js(fmt.Sprintf(`(() => { const now = Date.now; Date.now = () => now() + %d; return 0 })()`, d.Milliseconds()), nil)
}

// cleanAddress fails if the answer of a sign-in is in the address bar.
func (w *window) cleanAddress() {
	w.t.Helper()
	if url := w.url(); strings.Contains(url, "code=") || strings.Contains(url, "iss=") {
		w.t.Errorf("the address bar has %s", url)
	}
}

package e2e

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
)

// trustLocalhost makes the browser take the certificate of a test server.
func (w *window) trustLocalhost() {
	w.t.Helper()
	w.run(security.SetIgnoreCertificateErrors(true))
}

// An answer is what a script of a page got.
type answer struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

// fetches is the script that makes n requests at once, none of them answered from a cache.
func fetches(n int, method, path string) string {
	return `Promise.all(Array.from({length: ` + strconv.Itoa(n) + `}, async () => {
		const r = await fetch(` + strconv.Quote(path) + `, {method: ` + strconv.Quote(method) + `, cache: 'no-store'})
		return {status: r.status, body: await r.text()}
	}))`
}

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// fetch makes one request from a script of the page.
func (w *window) fetch(method, path string) answer {
	w.t.Helper()
	var answers []answer
	w.run(chromedp.Evaluate(fetches(1, method, path), &answers, awaited))
	return answers[0]
}

// says fails unless a script of the page gets this answer from a path.
func (w *window) says(path string, status int, body string) {
	w.t.Helper()
	if got := w.fetch("GET", path); got.Status != status || !strings.Contains(got.Body, body) {
		w.t.Errorf("%s answers %d %s, want %d %s", path, got.Status, got.Body, status, body)
	}
}

// cookies are what the browser keeps for an address: flow cookies left out.
func (w *window) cookies(url string) (access, refresh *network.Cookie) {
	w.t.Helper()
	var all []*network.Cookie
	w.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		all, err = network.GetCookies().WithURLs([]string{url}).Do(ctx)
		return err
	}))
	for _, c := range all {
		if strings.HasSuffix(c.Name, refreshSuffix) {
			refresh = c
		}
	}
	for _, c := range all {
		if refresh != nil && c.Name == strings.TrimSuffix(refresh.Name, refreshSuffix) {
			access = c
		}
	}
	return access, refresh
}

// refreshSuffix ends the name of the cookie of a refresh token.
const refreshSuffix = "-refresh"

// take puts cookies of another browser into this one, as a thief would.
func (w *window) take(url string, cookies ...*network.Cookie) {
	w.t.Helper()
	for _, c := range cookies {
		w.run(network.SetCookie(c.Name, c.Value).WithURL(url).WithPath(c.Path).WithSecure(c.Secure).WithHTTPOnly(c.HTTPOnly).WithSameSite(c.SameSite))
	}
}

// drop removes a cookie, as a browser does when its time is up.
func (w *window) drop(url string, c *network.Cookie) {
	w.t.Helper()
	w.run(network.DeleteCookies(c.Name).WithURL(url))
}

// together does the same in several tabs at once.
func together(t *testing.T, tabs []*window, do func(i int, w *window) error) {
	t.Helper()
	failed := make([]error, len(tabs))
	var wait sync.WaitGroup
	for i, w := range tabs {
		wait.Go(func() { failed[i] = do(i, w) })
	}
	wait.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
}

// failsToFetch makes a request from a script whose answer must not arrive.
func (w *window) failsToFetch(method, path string) {
	w.t.Helper()
	var name string
	script := fetches(1, method, path) + `.then(() => 'an answer', err => err.name)`
	w.run(chromedp.Evaluate(script, &name, awaited))
	if name != "TypeError" { // what fetch says when the network fails
		w.t.Fatalf("%s %s ends with %s", method, path, name)
	}
}

// failsToOpen goes to a page of the same site that must not arrive, and back to a blank one.
func (w *window) failsToOpen(path string) {
	w.t.Helper()
	var origin string
	w.run(chromedp.Evaluate("location.origin", &origin))
	if err := chromedp.Run(w.ctx, chromedp.Navigate(origin+path)); err == nil || !strings.Contains(err.Error(), "net::ERR_") {
		w.t.Fatalf("%s: %v", path, err)
	}
}

// signedOut fails if the browser keeps a cookie of a session.
func (w *window) signedOut(url string) {
	w.t.Helper()
	if access, refresh := w.cookies(url); access != nil || refresh != nil {
		w.t.Errorf("cookies that can never be of use again are kept: access %v, refresh %v", access != nil, refresh != nil)
	}
}

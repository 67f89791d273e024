package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// What Chromium sends from a page with a form, under the two policies that pages of the handler have. Under no-referrer
// the Origin of a form is "null", so that a browser without Sec-Fetch-Site could not prove where the form comes from:
// hence pages with a form have same-origin. Under neither does another site learn the address of the page.
func TestX3_ReferrerOfPages(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	note := func(name string, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[name] = fmt.Sprintf("origin %q, referer %q, site %q", r.Header.Get("Origin"), r.Referer(), r.Header.Get("Sec-Fetch-Site"))
	}
	const done = `<!doctype html><title>x</title><link rel="icon" href="data:,"><p id="done">done</p>`
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note("link "+r.URL.Query().Get("from"), r)
		_, _ = w.Write([]byte(done))
	}))
	t.Cleanup(other.Close)
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		policy := r.URL.Query().Get("policy")
		if r.Method == http.MethodPost {
			note("form "+policy, r)
			_, _ = w.Write([]byte(done))
			return
		}
		w.Header().Set("Referrer-Policy", policy)
		_, _ = fmt.Fprintf(w, `<!doctype html><title>x</title><link rel="icon" href="data:,">
<form method="post" action="/take?policy=%[1]s"><button id="send">Send</button></form><a id="leave" href="%[2]s/?from=%[1]s">Leave</a>`, policy, elsewhere)
	}))
	t.Cleanup(here.Close)

	w := newWindow(t, startBrowser(t))
	for _, policy := range []string{"no-referrer", "same-origin"} {
		for _, button := range []string{"#send", "#leave"} {
			page := here.URL + "/page?token=secret&policy=" + policy
			if err := chromedp.Run(w.ctx, chromedp.Navigate(page), chromedp.Click(button, chromedp.ByQuery), chromedp.WaitVisible("#done", chromedp.ByQuery)); err != nil {
				t.Fatal(err)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for name, want := range map[string]string{
		"form no-referrer": `origin "null", referer "", site "same-origin"`,
		"form same-origin": fmt.Sprintf(`origin %q, referer %q, site "same-origin"`, here.URL, here.URL+"/page?token=secret&policy=same-origin"),
		"link no-referrer": `origin "", referer "", site "cross-site"`,
		"link same-origin": `origin "", referer "", site "cross-site"`,
	} {
		if seen[name] != want {
			t.Errorf("%s: %s, want %s", name, seen[name], want)
		}
	}
}

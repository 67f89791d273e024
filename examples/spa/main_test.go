package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/posterntest"
)

// browse starts Chromium. The test fails if a page breaks its Content-Security-Policy, or a script fails.
func browse(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		path = testneed.Binary(t, "google-chrome", "Debian package chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	return ctx
}

// A tab is one of the browser's. Tabs share cookies and localStorage.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func newTab(t *testing.T, browser context.Context) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	var mu sync.Mutex
	var bad []string
	complain := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		bad = append(bad, text)
	}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Source == log.SourceSecurity || strings.Contains(e.Entry.Text, "Content Security Policy") {
				complain(e.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			complain(e.ExceptionDetails.Error())
		}
	})
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, text := range bad {
			t.Errorf("the browser complains: %s", text)
		}
	})
	return tab{t, ctx}
}

func (w tab) run(actions ...chromedp.Action) {
	w.t.Helper()
	if err := chromedp.Run(w.ctx, actions...); err != nil {
		w.t.Fatal(err)
	}
}

func (w tab) click(selector string) {
	w.t.Helper()
	w.run(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// shows waits until the page shows a text.
func (w tab) shows(text string) {
	w.t.Helper()
	var got, url string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		// An error means that the page is being left.
		err := chromedp.Run(w.ctx, chromedp.Location(&url), chromedp.Evaluate(`document.body ? document.body.innerText : ''`, &got))
		if err == nil && strings.Contains(got, text) {
			return
		}
	}
	w.t.Fatalf("%s does not show %q:\n%s", url, text, got)
}

func (w tab) at(url string) {
	w.t.Helper()
	var got string
	if w.run(chromedp.Location(&got)); got != url {
		w.t.Errorf("the page is %s, want %s", got, url)
	}
}

// serve serves a handler that is known later on a port of this machine.
func serve(t *testing.T) (url string, handle func(http.Handler)) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second}
	t.Cleanup(func() { server.Close() })
	return "http://localhost:" + port, func(h http.Handler) {
		server.Handler = h
		go func() { _ = server.Serve(listener) }() // ends by Close
	}
}

// TestApp uses the app as a person does, in both set-ups: sign-in from a deep link by a mailed link that opens in a new
// tab, a note, a second tab, and the sign-out for both.
func TestApp(t *testing.T) {
	browser := browse(t)
	for _, split := range []bool{false, true} {
		t.Run(map[bool]string{false: "one origin", true: "two origins"}[split], func(t *testing.T) {
			api, handle := serve(t)
			page, handlePage := api, func(http.Handler) {}
			if split {
				page, handlePage = serve(t)
			}
			var mail posterntest.Mail
			apiHandler, pageHandler, err := newHandlers(api, page, mail.Send)
			if err != nil {
				t.Fatal(err)
			}
			handle(apiHandler)
			handlePage(pageHandler)

			first := newTab(t, browser)
			first.run(chromedp.Navigate(page + "/notes/1?from=mail#top"))
			first.shows("You are signed out.")
			first.click("#signin")
			first.shows("mail")
			first.run(chromedp.SendKeys(`input[name="email"]`, "ada@example.com", chromedp.ByQuery, chromedp.NodeVisible))
			first.click("button")
			first.shows("Check your mail")

			second := newTab(t, browser)
			second.run(chromedp.Navigate(mail.Last(t, "ada@example.com").Arg("link")))
			second.click("button")
			second.shows("Hello, ada@example.com.")
			second.at(page + "/notes/1?from=mail#top")
			second.run(chromedp.SendKeys(`input[name="text"]`, "Write the minutes", chromedp.ByQuery, chromedp.NodeVisible))
			second.click("form button")
			second.shows("Write the minutes")

			first.run(chromedp.Navigate(page + "/notes/1"))
			first.shows("Write the minutes")
			var asked string
			first.run(chromedp.Text("li.asked", &asked, chromedp.ByQuery, chromedp.NodeVisible))
			if asked != "Write the minutes" {
				t.Errorf("the note of the address is %q", asked)
			}
			first.click("#signout")
			first.shows("You are signed out.")
			second.shows("You are signed out.")
		})
	}
}

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/browser"
)

// startBrowser starts Chromium for the test. Its context opens windows. rules are further host-resolver-rules, see
// street.
func startBrowser(t *testing.T, rules ...string) context.Context {
	t.Helper()
	if len(rules) > 0 { // the servers of those hosts are the test's, and so is their certificate
		return browser.Start(t, rules, chromedp.Flag("ignore-certificate-errors", true))
	}
	return browser.Start(t, nil)
}

// window is a tab of a browser with separate cookies.
type window struct {
	t       *testing.T
	browser context.Context
	profile cdp.BrowserContextID
	ctx     context.Context
	quiet   bool // complaints are expected
	mu      sync.Mutex
	bad     []string // what the pages complained about
}

// newWindow opens one. The test fails if a page in it breaks its own Content-Security-Policy or a script fails.
func newWindow(t *testing.T, running context.Context) *window {
	t.Helper()
	return openTarget(t, running, "")
}

// tab opens another one beside it, with the same cookies.
func (w *window) tab() *window {
	w.t.Helper()
	return openTarget(w.t, w.browser, w.profile)
}

func openTarget(t *testing.T, running context.Context, profile cdp.BrowserContextID) *window {
	t.Helper()
	ctx, cancel, profile, err := browser.Open(running, profile)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute) // the machine may be busy
	w := &window{t: t, browser: running, profile: profile, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Source == log.SourceSecurity || strings.Contains(e.Entry.Text, "Content Security Policy") {
				w.complain(e.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			w.complain(e.ExceptionDetails.Error())
		}
	})
	t.Cleanup(func() {
		stop()
		cancel()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, text := range w.bad {
			if w.quiet {
				continue
			}
			t.Errorf("the browser complains: %s", text)
		}
	})
	w.run(emulation.SetDeviceMetricsOverride(1100, 800, 1, false))
	return w
}

func (w *window) complain(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = append(w.bad, text)
}

func (w *window) run(actions ...chromedp.Action) {
	w.t.Helper()
	if err := chromedp.Run(w.ctx, actions...); err != nil {
		w.t.Fatalf("%v\nat %s:\n%s", err, w.url(), w.text())
	}
}

// open goes to an address.
func (w *window) open(url string) {
	w.t.Helper()
	w.run(chromedp.Navigate(url))
}

// press clicks what is named by a CSS selector and waits for the page that follows.
func (w *window) press(selector string) {
	w.t.Helper()
	if _, err := chromedp.RunResponse(w.ctx, chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible)); err != nil {
		w.t.Fatalf("pressing %s: %v\nat %s:\n%s", selector, err, w.url(), w.text())
	}
	w.passOn()
}

// passOn waits while the window is at the page between a form and another page.
func (w *window) passOn() {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		var there bool // an error means that the page is being left
		err := chromedp.Run(w.ctx, chromedp.Evaluate(`document.readyState === "complete" && !location.pathname.endsWith("/continue")`, &there))
		if err == nil && there {
			return
		}
	}
	w.t.Fatalf("still at %s:\n%s", w.url(), w.text())
}

// link clicks the first link with a text.
func (w *window) link(text string) {
	w.t.Helper()
	if _, err := chromedp.RunResponse(w.ctx, chromedp.Click(fmt.Sprintf(`//a[contains(., %q)]`, text), chromedp.BySearch, chromedp.NodeVisible)); err != nil {
		w.t.Fatalf("following the link %q: %v\nat %s:\n%s", text, err, w.url(), w.text())
	}
}

// typeInto types a text into the input with a name.
func (w *window) typeInto(name, text string) {
	w.t.Helper()
	w.run(chromedp.SendKeys(`input[name="`+name+`"]`, text, chromedp.ByQuery, chromedp.NodeVisible))
}

func (w *window) url() string {
	var url string
	_ = chromedp.Run(w.ctx, chromedp.Location(&url)) // for messages; a window that is gone has none
	return url
}

func (w *window) text() string {
	var text string
	_ = chromedp.Run(w.ctx, chromedp.Evaluate("document.body ? document.body.innerText : ''", &text))
	return text
}

// shows fails unless the page shows all of the texts.
func (w *window) shows(texts ...string) {
	w.t.Helper()
	got := w.text()
	for _, want := range texts {
		if !strings.Contains(got, want) {
			w.t.Fatalf("%s does not show %q:\n%s", w.url(), want, got)
		}
	}
}

// picture writes the page as it looks in light and dark, wide and narrow, if POSTERN_SCREENSHOTS names a folder. It
// always checks that a narrow window needs no scrolling to the side (WCAG 2.2, 1.4.10).
func (w *window) picture(name string) {
	w.t.Helper()
	dir := os.Getenv("POSTERN_SCREENSHOTS")
	for _, width := range []int64{1100, 360, 320} {
		var across int64
		w.run(emulation.SetDeviceMetricsOverride(width, 800, 1, width < 500), chromedp.Evaluate("document.documentElement.scrollWidth", &across))
		if across > width {
			w.t.Errorf("%s is %d wide in a window of %d", w.url(), across, width)
		}
		if dir == "" {
			continue
		}
		for _, scheme := range []string{"light", "dark"} {
			var png []byte
			w.run(
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.FullScreenshot(&png, 100),
			)
			file := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
			if err := os.WriteFile(file, png, 0o600); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.run(emulation.SetDeviceMetricsOverride(1100, 800, 1, false), emulation.SetEmulatedMedia())
}

// cookieless checks that scripts see no cookie: all are HttpOnly.
func (w *window) cookieless() {
	w.t.Helper()
	var cookies string
	w.run(chromedp.Evaluate("document.cookie", &cookies))
	if cookies != "" {
		w.t.Errorf("scripts can read cookies: %s", cookies)
	}
}

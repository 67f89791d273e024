// Package browser starts Chromium for the browser tests, and reads what it draws.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/testneed"
)

// Path returns the path of Chromium, or of Chrome. Without one the test skips, see [testneed].
func Path(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return testneed.Binary(t, "chromium", "Debian package chromium")
}

// Start starts Chromium for the test. The context that it returns opens windows. Hosts are host-resolver-rules for the
// only hosts that exist beside localhost, such as "MAP *.example 127.0.0.1:8443": a page that wants something from
// elsewhere does not get it. more are further options.
func Start(t testing.TB, hosts []string, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := Path(t)
	rules := append(append([]string{}, hosts...), "MAP * ~NOTFOUND", "EXCLUDE localhost", "EXCLUDE 127.0.0.1")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", strings.Join(rules, ", ")),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	options = append(options, more...)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, _ := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits until the browser has ended
			t.Errorf("ending the browser: %v", err)
		}
	})
	if err := chromedp.Run(ctx); err != nil { // without a time limit, which would be that of the browser
		t.Fatalf("starting %s: %v", path, err)
	}
	return ctx
}

// Open opens a window with the cookies of profile, or a new profile if that is empty. It returns the context of the
// window and its profile.
func Open(browser context.Context, profile cdp.BrowserContextID) (context.Context, context.CancelFunc, cdp.BrowserContextID, error) {
	var id target.ID
	// Not chromedp.WithNewBrowserContext: today's Chromium needs the setting that this is a window and not a tab of
	// one.
	err := chromedp.Run(browser, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		ctx = cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
		first := profile == ""
		if first {
			if profile, err = target.CreateBrowserContext().WithDisposeOnDetach(true).Do(ctx); err != nil {
				return err
			}
		}
		id, err = target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(first).Do(ctx)
		return err
	}))
	if err != nil {
		return nil, nil, profile, fmt.Errorf("opening a window: %w", err)
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	return ctx, cancel, profile, nil
}

// ReadQR returns what another program reads from a picture of the page, as Chromium draws it.
func ReadQR(t testing.TB, window context.Context, selector string) string {
	t.Helper()
	zbar := testneed.Binary(t, "zbarimg", "Debian package zbar-tools")
	var png []byte
	if err := chromedp.Run(window, chromedp.Screenshot(selector, &png, chromedp.ByQuery, chromedp.NodeVisible)); err != nil {
		t.Fatalf("taking the picture: %v", err)
	}
	file := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(window, zbar, "--quiet", "--raw", "--oneshot", "--nodbus", file).Output()
	if err != nil {
		t.Fatalf("reading the picture: %v", err)
	}
	return strings.TrimSuffix(string(out), "\n")
}

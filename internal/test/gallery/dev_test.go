package gallery

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/browser"
)

// startDev builds the command, starts postern dev and returns its URL.
func startDev(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	command := filepath.Join(dir, "postern")
	build := exec.Command("go", "build", "-o", command, "./cmd/postern")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dev := exec.Command(command, "dev", "--addr", "127.0.0.1:0", "--data", filepath.Join(dir, "data"))
	out, err := dev.StdoutPipe()
	if err == nil {
		err = dev.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dev.Process.Signal(os.Interrupt)
		_ = dev.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("postern dev printed nothing")
	}
	url := lines.Text()
	go func() { _, _ = io.Copy(io.Discard, out) }() // until the command ends, so that it can go on printing
	return url
}

// A devStop is a page of postern dev: an address, what is done there, and whether its HTML can be read without cookies.
type devStop struct {
	name, path string
	do         []chromedp.Action
	open       bool
	says       string // what Chromium says of an answer that is a refusal
}

// submit sends the form that a field belongs to, and waits for the page that follows.
func submit(field string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := chromedp.RunResponse(ctx, chromedp.Submit(field, chromedp.ByQuery))
		return err
	})
}

// TestDev: the pages of postern dev that are not the handler's are held to what holds for its pages: no fault of
// axe-core or html-validate, light and dark, nothing lost at 320 pixels, no complaint of the browser.
func TestDev(t *testing.T) {
	url := startDev(t)
	s := &studio{TB: t, origin: url, ctx: browser.Start(t, nil, chromedp.Flag("hide-scrollbars", true))}
	s.open()
	s.axe()
	type typed = chromedp.Action
	in := func(field, text string) typed { return chromedp.SetValue(field, text, chromedp.ByQuery) }
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"somebody"}`)) + "."
	sources := t.TempDir()
	for _, stop := range []devStop{
		{name: "home", path: "/", open: true},
		{name: "inbox-empty", path: "/inbox", open: true},
		{name: "mailed", path: "/auth/link/authorize", do: []typed{in(`[name=email]`, "lee@example.com"), submit(`[name=email]`)}},
		{name: "inbox", path: "/inbox", open: true},
		{name: "provider", path: "/auth/google/authorize"},
		{name: "signed-in", path: "/auth/password/authorize", do: []typed{in(`[name=identifier]`, "kim@example.com"),
			in(`[name=password]`, "only-for-development"), submit(`[name=password]`), chromedp.WaitVisible(`[action$="/renew"]`, chromedp.ByQuery)}},
		{name: "token", path: "/token", open: true},
		{name: "token-wrong", path: "/token", do: []typed{in(`textarea`, "nothing of the kind"), submit(`textarea`)}},
		{name: "token-unsigned", path: "/token", do: []typed{in(`textarea`, unsigned), submit(`textarea`)}},
		{name: "nothing", path: "/nothing", open: true, says: "status of 404"},
	} {
		t.Run(stop.name, func(t *testing.T) {
			s.TB = t
			s.window(1280, 800, "light")
			s.run(append([]chromedp.Action{chromedp.Navigate(url + stop.path)}, stop.do...)...)
			s.run(chromedp.Poll(`document.readyState === "complete"`, nil))
			for _, scheme := range []string{"light", "dark"} {
				s.window(1280, 800, scheme)
				var faults []string
				s.evaluate(strings.Replace(audit, "runOnly:", "iframes: false, runOnly:", 1), &faults) // a mail in a frame runs no script
				for _, fault := range faults {
					t.Errorf("%s: %s", scheme, fault)
				}
			}
			s.window(320, 256, "light")
			for _, change := range []string{"0", spaced} {
				var faults []string
				s.evaluate(change, nil)
				s.evaluate(measure, &faults)
				for _, fault := range faults {
					t.Errorf("at 320 pixels: %s", fault)
				}
			}
			for _, text := range s.complaints() {
				if stop.says == "" || !strings.Contains(text, stop.says) {
					t.Errorf("the browser complains: %s", text)
				}
			}
			if stop.open {
				save(t, url+stop.path, filepath.Join(sources, stop.name+".html"))
			}
		})
	}
	s.TB = t
	validate(t, sources, "testdata/htmlvalidate.json")
}

// save writes what an address answers into a file.
func save(t *testing.T, url, file string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil {
		err = os.WriteFile(file, body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

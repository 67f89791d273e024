package gallery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/browser"
)

const site = "https://app.example"

// A studio is Chromium in front of a world, at its real host names. Beside the world it serves the shots of the
// gallery, each with the headers of its answer.
type studio struct {
	testing.TB
	ctx    context.Context
	world  *world
	origin string // no page asks another for anything
	port   string // of the debugging protocol, for Lighthouse
	shelf  *shelf

	mu  sync.Mutex
	bad []string // what the browser complained about
}

// A shelf has the shots that are served.
type shelf struct {
	mu    sync.Mutex
	shots map[string]shot // by address
}

func (s *shelf) put(shot shot) (address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	address = "/gallery/" + shot.language + "/" + shot.name()
	s.shots[address] = shot
	return address
}

func (s *shelf) get(address string) (shot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.shots[address]
	return one, ok
}

func newStudio(t testing.TB, v *world) *studio {
	t.Helper()
	s := &studio{TB: t, world: v, origin: site, shelf: &shelf{shots: map[string]shot{}}}
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	spki := sha256.Sum256(server.Certificate().RawSubjectPublicKeyInfo)
	s.port = freePort(t)
	s.ctx = browser.Start(t, []string{fmt.Sprintf("MAP *.example %s", server.Listener.Addr())},
		chromedp.Flag("remote-debugging-port", s.port),
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("hide-scrollbars", true),
		// The certificate is as good as any, so that passkeys work.
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(spki[:])),
	)
	s.open()
	return s
}

// open begins to listen to the window, and gives it a size.
func (s *studio) open() {
	s.Helper()
	s.listen(s.ctx)
	s.run(log.Enable(), network.Enable(), runtime.Enable(), emulation.SetFocusEmulationEnabled(true)) // of several windows one has the focus
	s.window(1280, 800, "light")
}

// tab returns a window more of the same browser, for a test that runs beside others.
func (s *studio) tab(t testing.TB) *studio {
	t.Helper()
	ctx, closed, _, err := browser.Open(s.ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closed)
	if err := chromedp.Run(ctx); err != nil { // without a time limit, which would be that of the window
		t.Fatal(err)
	}
	tab := &studio{TB: t, ctx: ctx, world: s.world, origin: s.origin, port: s.port, shelf: s.shelf}
	tab.open()
	return tab
}

// each looks at shots, each in one of several tabs. begin is for each tab; nil: nothing.
func (s *studio) each(t *testing.T, shots []shot, begin func(tab *studio), look func(tab *studio, shot shot)) {
	t.Helper()
	queue := make(chan shot, len(shots))
	for _, shot := range shots {
		queue <- shot
	}
	close(queue)
	t.Run("tabs", func(t *testing.T) {
		for i := range 2 { // as many run at once on two cores
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				tab := s.tab(t)
				if begin != nil {
					begin(tab)
				}
				for shot := range queue {
					look(tab, shot)
				}
			})
		}
	})
}

// axe lets the checks of axe-core be on each page from now on, before the page: it allows no script.
func (s *studio) axe() {
	s.Helper()
	script, err := os.ReadFile(filepath.Join(modules(s), "axe-core", "axe.min.js"))
	if err != nil {
		s.Fatal(err)
	}
	s.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(string(script)).Do(ctx)
		return err
	}))
}

// faults runs axe-core.
func (s *studio) faults() (faults []string) {
	s.Helper()
	s.evaluate(audit, &faults)
	return faults
}

// freePort is one that nobody listens to at this moment.
func freePort(t testing.TB) string {
	t.Helper()
	l := httptest.NewServer(nil)
	defer l.Close()
	_, port, _ := strings.Cut(l.Listener.Addr().String(), ":")
	return port
}

// listen keeps what the browser complains about: a broken Content-Security-Policy, a failed script, a message on the
// console, a request to another origin.
func (s *studio) listen(ctx context.Context) {
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			s.complain(string(e.Entry.Level) + ": " + e.Entry.Text)
		case *runtime.EventExceptionThrown:
			s.complain(e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			s.complain("a message on the console: " + string(e.Type))
		case *page.EventJavascriptDialogOpening:
			s.complain("a dialog: " + e.Message)
			go func() { _ = chromedp.Run(ctx, page.HandleJavaScriptDialog(false)) }()
		case *network.EventRequestWillBeSent:
			if e.Type != network.ResourceTypeDocument && !strings.HasPrefix(e.Request.URL, s.origin+"/") && !strings.HasPrefix(e.Request.URL, "data:") {
				s.complain("a request to " + e.Request.URL)
			}
		}
	})
}

func (s *studio) complain(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad = append(s.bad, text)
}

// complaints returns what the browser complained about since the last call.
func (s *studio) complaints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	bad := s.bad
	s.bad = nil
	return bad
}

func (s *studio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	shot, ok := s.shelf.get(r.URL.Path)
	switch {
	case ok:
		for name, values := range shot.header {
			w.Header()[name] = values
		}
		w.Header().Del("Set-Cookie")
		w.Header().Del("Content-Length")
		_, _ = w.Write([]byte(shot.body)) // with the status 200: Chromium complains about others
	case r.Host == "other.example":
		w.WriteHeader(http.StatusNoContent) // the page that leads on stays in view
	default:
		s.world.ServeHTTP(w, r)
	}
}

func (s *studio) run(actions ...chromedp.Action) {
	s.Helper()
	ctx, stop := context.WithTimeout(s.ctx, time.Minute)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		s.Fatalf("%v", err)
	}
}

// evaluate runs a script in the page.
func (s *studio) evaluate(script string, answer any) {
	s.Helper()
	s.run(chromedp.Evaluate(script, answer, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
}

// window sets its size and what its person prefers: "light" or "dark", and more, such as "forced-colors: active".
func (s *studio) window(width, height int64, scheme string, more ...string) {
	s.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	for _, one := range more {
		name, value, _ := strings.Cut(one, ": ")
		features = append(features, &emulation.MediaFeature{Name: name, Value: value})
	}
	s.run(emulation.SetDeviceMetricsOverride(width, height, 1, width < 500), emulation.SetEmulatedMedia().WithFeatures(features))
}

// show opens a shot.
func (s *studio) show(shot shot) {
	s.Helper()
	s.run(chromedp.Navigate(site + s.shelf.put(shot)))
}

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/js"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A frontEnd is an application whose front end is a page with the JavaScript client, under real host names with TLS:
//
//	https://api.example.com   /auth: the issuer; /api: a program without the store; /checked: a route that asks it
//	https://app.example.com   the page of the same site, for cookies
//	https://app.example.net   the page of another site, for the code flow
//
// Every path of a page's host has the page, under a strict Content-Security-Policy. The page's script has the client as
// auth, the events as ends and starts, the result of callback as came, and that of the session after it as first.
type frontEnd struct {
	t       *testing.T
	origin  string // of the page
	browser context.Context
	clock   *posterntest.Clock
	options map[string]any // of createClient

	sessions *session.Sessions
	member   *session.Kind[Member]
	api      *http.ServeMux

	down atomic.Bool // the store does not answer

	mu      sync.Mutex
	lose    map[string]int   // path: answers that are lost on their way
	stall   chan struct{}    // the answer to the next refresh is held back until its client has gone; closed when it is
	answers map[string]reply // path: the answer of a proxy in front of it
	calls   []call
	events  []session.Event
	links   []string // of mails

	hold      bool // the page's host keeps the answer of a sign-in from the page
	forwarded string
}

// A reply is an answer that is not of the issuer under test.
type reply struct {
	status int
	body   string
}

// A call is a request to api.example.com.
type call struct{ method, path, query, authorization, cookie, body string }

const (
	samePage  = "https://app.example.com"
	otherPage = "https://app.example.net"
)

// A town is a browser and the hosts that it knows, for one frontEnd after another.
type town struct {
	browser context.Context
	now     atomic.Pointer[frontEnd]
}

func newTown(t *testing.T) *town {
	t.Helper()
	c := &town{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.now.Load().ServeHTTP(w, r) }))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = complaints(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	c.browser = startBrowser(t, fmt.Sprintf(hostRule, "*.example.com", server.Listener.Addr()), fmt.Sprintf(hostRule, "*.example.net", server.Listener.Addr()))
	return c
}

func (c *town) sameSite(t *testing.T) *frontEnd {
	t.Helper()
	return c.build(t, samePage, nil)
}

func (c *town) otherSite(t *testing.T, options map[string]any) *frontEnd {
	t.Helper()
	return c.build(t, otherPage, options)
}

func (c *town) build(t *testing.T, origin string, options map[string]any) *frontEnd {
	t.Helper()
	f := &frontEnd{t: t, origin: origin, browser: c.browser, clock: posterntest.NewClock(time.Time{}), api: http.NewServeMux(),
		options: map[string]any{"base": apiURL + "/auth"}, lose: map[string]int{}, answers: map[string]reply{}}
	byCode := origin == otherPage
	if byCode {
		f.options["flow"], f.options["clientID"] = "code", "spa"
	}
	maps.Copy(f.options, options)
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256, Now: f.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	config := session.Config{
		Issuer: apiURL + "/auth", Audience: "api", ClientID: "spa", Keys: ring, Now: f.clock.Now, Origins: []string{origin}, Site: "example.com",
		Logger: slog.New(slog.DiscardHandler),
		OnEvent: func(_ context.Context, e session.Event) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.events = append(f.events, e)
		},
	}
	without, err := session.New(config)
	if err != nil {
		t.Fatal(err)
	}
	config.Store = switchedStore{&store.Memory{Now: f.clock.Now}, &f.down}
	if f.sessions, err = session.New(config); err != nil {
		t.Fatal(err)
	}
	f.member = session.NewKind[Member](f.sessions, "member")
	reader := session.NewKind[Member](without, "member")
	deliver := f.member.Cookie
	if byCode {
		deliver = f.member.Code
	}
	auth, err := postern.New(postern.Config{
		Sessions: f.sessions, Redirects: []string{origin + "/"}, RequirePKCE: byCode, Logger: slog.New(slog.DiscardHandler),
		Mail:      f.send,
		Providers: map[string]postern.Provider{"once": atOnce{}, "refuses": refuses{}, "link": magic.Link(magic.Config{})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return deliver(w, r, session.Grant[Member]{
				Subject: in.Identity.Subject, Properties: Member{UserID: in.Identity.Subject}, Scopes: []string{"orders:read"}, Authentication: in.Authentication,
			}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	auth.Mount(f.api)
	whoami := func(k *session.Kind[Member]) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s, _ := k.From(r.Context())
			_, _ = io.WriteString(w, s.Subject)
		}
	}
	f.api.Handle("/api/me", without.CORS(reader.Require(whoami(reader))))
	f.api.Handle("/api/echo", without.CORS(reader.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))))
	f.api.Handle("/checked", f.sessions.CORS(f.member.Require(whoami(f.member), session.CheckStore)))
	c.now.Store(f)
	return f
}

func (f *frontEnd) send(_ context.Context, m postern.Mail) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links = append(f.links, m.Arg("link"))
	return nil
}

// refuses is a provider at which the person says no.
type refuses struct{}

func (refuses) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		f.Fail(w, r, postern.Deny("access_denied", "You did not agree."))
	}})
}

// switchedStore is a store that does not answer while it is down.
type switchedStore struct {
	store.Store
	down *atomic.Bool
}

var errDown = errors.New("the store is down")

func (s switchedStore) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.Store.Get(ctx, keys...)
}

func (s switchedStore) Write(ctx context.Context, changes ...store.Change) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Write(ctx, changes...)
}

func (s switchedStore) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if s.down.Load() {
		return 0, errDown
	}
	return s.Store.Add(ctx, k, delta, expires)
}

// ServeHTTP is the street with the three houses.
func (f *frontEnd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case "https://"+r.Host == apiURL:
		f.serveAPI(w, r)
	case r.URL.Path == "/postern.js":
		js.Handler().ServeHTTP(w, r)
	case r.URL.Path == "/page.js":
		w.Header().Set("Content-Type", "text/javascript")
		options, _ := json.Marshal(f.options)
		fmt.Fprintf(w, pageScript, options)
	case r.URL.Path == "/foreign":
		w.Header().Set("Access-Control-Allow-Origin", f.origin)
		fmt.Fprintf(w, "%q %q", r.Header.Get("Authorization"), r.Header.Get("Cookie"))
	case f.holds(r):
		http.Redirect(w, r, "/held", http.StatusFound)
	default:
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self' "+apiURL+" https://cdn.example.com; img-src data:; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Page</title><script type="module" src="/page.js"></script>`)
	}
}

// holds reports whether the answer of a sign-in is kept from the page, and keeps its address.
func (f *frontEnd) holds(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.hold || r.URL.Query().Get("state") == "" {
		return false
	}
	f.forwarded = "https://" + r.Host + r.URL.String()
	return true
}

const pageScript = `import { createClient } from '/postern.js'
const options = %s
for (const name of ['storage', 'attempts']) if (options[name]) options[name] = window[options[name]]
if (location.hash === '#without-locks') Object.defineProperty(navigator, 'locks', { value: undefined })
Object.assign(window, { auth: createClient(options), createClient, options, starts: 0, ends: [] })
auth.addEventListener('start', () => starts++)
auth.addEventListener('end', (event) => ends.push(event.detail))
window.failure = (e) => ({ code: e.code || e.name, status: e.status || 0, retryAfter: e.retryAfter || 0 })
window.came = auth.callback().then((to) => ({ to }), failure)
window.first = came.then(() => auth.session()).then((s) => (s ? s.sub : 'nobody'), (e) => e.code)
window.ready = true
`

func (f *frontEnd) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	f.mu.Lock()
	answer := f.answers[r.URL.Path]
	lose := false
	var stall chan struct{}
	if r.Method != http.MethodOptions {
		f.calls = append(f.calls, call{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Authorization"), r.Header.Get("Cookie"), string(body)})
		lose = f.lose[r.URL.Path] > 0
		if lose {
			f.lose[r.URL.Path]--
		}
		if r.URL.Path == f.refreshPath() {
			stall, f.stall = f.stall, nil
		}
	}
	f.mu.Unlock()
	switch {
	case stall != nil:
		f.api.ServeHTTP(httptest.NewRecorder(), r)
		close(stall)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case lose:
		f.api.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case answer.status != 0 && r.Method != http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Origin", f.origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, answer.body)
	default:
		f.api.ServeHTTP(w, r)
	}
}

// answer makes a path give an answer that is not of the issuer. With status 0 the issuer answers again.
func (f *frontEnd) answer(path string, status int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = reply{status, body}
}

// count returns how many calls of a method and path came since the last forget.
func (f *frontEnd) count(method, path string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.method == method && c.path == path {
			n++
		}
	}
	return n
}

func (f *frontEnd) happened(name string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.Name == name {
			n++
		}
	}
	return n
}

func (f *frontEnd) reasons() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.Name == "session ended" {
			all = append(all, e.Reason)
		}
	}
	return all
}

func (f *frontEnd) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events, f.calls = nil, nil
}

// refreshPath is where the client refreshes.
func (f *frontEnd) refreshPath() string {
	if f.origin == otherPage {
		return "/auth/token"
	}
	return "/auth/refresh"
}

// loses makes the next n answers to a path get lost.
func (f *frontEnd) loses(path string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose[path] = n
}

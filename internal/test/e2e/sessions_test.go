package e2e

import (
	"bytes"
	"context"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/inbox"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A club is an application whose people stay signed in: behind https, as in production, with a clock to set by hand and
// with troubles to order. It speaks HTTP/2, so that a browser sends as many requests at a time as it likes.
//
//	/page    a page for members        /me       who it is
//	/        a page for everybody      /checked  the same, and the store is asked
//	/inbox   the mail                  /wait     lets ?seconds= pass
type club struct {
	t        *testing.T
	url      string // https://localhost:PORT
	clock    *posterntest.Clock
	sessions *session.Sessions
	member   *session.Kind[Member]
	mux      *http.ServeMux

	losing atomic.Bool  // answers are lost on their way
	lost   atomic.Int64 // how many were
	crowd  atomic.Pointer[crowd]

	withCookie atomic.Int64 // requests to change something that carried a refresh token

	mu     sync.Mutex
	events []session.Event
}

func newClub(t *testing.T) *club {
	t.Helper()
	return openClub(t, (*httptest.Server).StartTLS)
}

// newPlainClub makes one without TLS, for clients that would not believe in its certificate.
func newPlainClub(t *testing.T) *club {
	t.Helper()
	return openClub(t, (*httptest.Server).Start)
}

func openClub(t *testing.T, start func(*httptest.Server)) *club {
	t.Helper()
	c := &club{t: t, clock: posterntest.NewClock(time.Time{}), mux: http.NewServeMux()}
	server := httptest.NewUnstartedServer(c)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = complaints(t)
	start(server)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	c.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)

	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256, Now: c.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	c.sessions, err = session.New(session.Config{
		Issuer: c.url + "/auth", Audience: "api", ClientID: "spa", Keys: ring, Store: &store.Memory{Now: c.clock.Now}, Now: c.clock.Now,
		OnEvent: func(_ context.Context, e session.Event) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.events = append(c.events, e)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.member = session.NewKind[Member](c.sessions, "member")
	mail := inbox.New()
	auth, err := postern.New(postern.Config{
		Sessions: c.sessions, Redirects: []string{c.url + "/page", c.url + "/callback"},
		Providers: map[string]postern.Provider{"once": atOnce{}, "link": magic.Link(magic.Config{})},
		Mail: func(_ context.Context, m postern.Mail) error {
			mail.Add(inbox.Message{To: m.To, Subject: m.Subject, Text: m.Text, Link: m.Arg("link"), Time: c.clock.Now()})
			return nil
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			deliver := c.member.Cookie
			if in.Return.Challenge() != "" {
				deliver = c.member.Code
			}
			return deliver(w, r, session.Grant[Member]{
				Subject: in.Identity.Subject, Properties: Member{UserID: in.Identity.Subject}, Authentication: in.Authentication, Scopes: []string{"orders:read"},
			}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	auth.Mount(c.mux)
	c.mux.Handle("/inbox", mail)
	c.mux.HandleFunc("POST /wait", c.wait)
	c.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { writePage(w, "hello") })
	c.mux.Handle("GET /page", c.member.Require(http.HandlerFunc(c.page)))
	c.mux.Handle("GET /me", c.member.Require(http.HandlerFunc(c.me)))
	c.mux.Handle("GET /checked", c.member.Require(http.HandlerFunc(c.me), session.CheckStore))
	return c
}

// ServeHTTP is the way to the application, and back.
func (c *club) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && carries(r) {
		c.withCookie.Add(1)
	}
	if crowd := c.crowd.Load(); crowd != nil && r.URL.Path != "/favicon.ico" {
		crowd.enter(r)
	}
	if c.losing.Load() {
		c.mux.ServeHTTP(httptest.NewRecorder(), r)
		c.lost.Add(1)
		panic(http.ErrAbortHandler)
	}
	c.mux.ServeHTTP(w, r)
}

// carries reports whether a refresh token came with a request.
func carries(r *http.Request) bool {
	return slices.ContainsFunc(r.Cookies(), func(k *http.Cookie) bool { return strings.HasSuffix(k.Name, refreshSuffix) })
}

// complaints makes what a server complains about fail the test. Connections that the browser closes before it sends a
// request are no fault: it does so to ask about the certificate, and when it opened more of them than HTTP/2 needs.
func complaints(t *testing.T) *log.Logger { return log.New(complainer{t}, "", 0) }

type complainer struct{ t *testing.T }

func (c complainer) Write(line []byte) (int, error) {
	if !bytes.Contains(line, []byte("TLS handshake error")) && !bytes.Contains(line, []byte("error reading preface")) {
		c.t.Errorf("the server complains: %s", line)
	}
	return len(line), nil
}

func (c *club) page(w http.ResponseWriter, r *http.Request) {
	s, _ := c.member.From(r.Context())
	writePage(w, "hello "+s.Subject)
}

func writePage(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Club</title><p>`+html.EscapeString(text))
}

func (c *club) wait(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.Atoi(r.URL.Query().Get("seconds"))
	if err != nil {
		http.Error(w, "how many seconds?", http.StatusBadRequest)
		return
	}
	c.clock.Advance(time.Duration(seconds) * time.Second)
}

func (c *club) me(w http.ResponseWriter, r *http.Request) {
	s, _ := c.member.From(r.Context())
	_, _ = w.Write([]byte(s.Subject))
}

// happened counts the events of a name since the last forget.
func (c *club) happened(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, e := range c.events {
		if e.Name == name {
			n++
		}
	}
	return n
}

// reasons are why sessions ended since the last forget.
func (c *club) reasons() (reasons []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e.Name == "session ended" {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

func (c *club) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = nil
}

// A crowd holds requests back until all are there, so that they race indeed.
type crowd struct {
	club *club
	full chan struct{}

	mu      sync.Mutex
	missing int
	tokens  []string // the refresh tokens they carried, each once
}

// gather holds the next n requests back.
func (c *club) gather(n int) *crowd {
	g := &crowd{club: c, full: make(chan struct{}), missing: n}
	c.crowd.Store(g)
	return g
}

func (g *crowd) enter(r *http.Request) {
	g.mu.Lock()
	for _, k := range r.Cookies() {
		if strings.HasSuffix(k.Name, refreshSuffix) && !slices.Contains(g.tokens, k.Value) {
			g.tokens = append(g.tokens, k.Value)
		}
	}
	if g.missing--; g.missing == 0 {
		g.club.crowd.Store(nil)
		close(g.full)
	}
	g.mu.Unlock()
	select {
	case <-g.full:
	case <-r.Context().Done():
	}
}

// came fails unless all came, with one and the same refresh token.
func (g *crowd) came() {
	g.club.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.missing != 0 || len(g.tokens) != 1 {
		g.club.t.Fatalf("%d requests did not come; the others carried %d refresh tokens", g.missing, len(g.tokens))
	}
}

// signIn signs a person in by a mailed link, in a window with separate cookies.
func (c *club) signIn(browser context.Context, address string) *window {
	c.t.Helper()
	w := newWindow(c.t, browser)
	w.trustLocalhost()
	w.open(c.url + "/auth/link/authorize")
	w.typeInto("email", address)
	w.press(`button`)
	w.shows("Check your mail")
	w.open(c.url + "/inbox?to=" + address)
	w.link("Open the link")
	w.shows("Continue as")
	w.press(`button`)
	if w.url() != c.url+"/page" {
		c.t.Fatalf("the sign-in ends at %s:\n%s", w.url(), w.text())
	}
	w.shows("hello " + address)
	return w
}

package magic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	issuer = "https://auth.example.com/auth"
	home   = "https://app.example.com/"
	deep   = "https://app.example.com/orders/7"
	ada    = "ada@example.com"
)

// A world is a whole sign-in handler with a clock that only the test moves. It has the providers link, code and both.
type world struct {
	t     testing.TB
	ring  *keys.Ring
	store *witness
	auth  *postern.Auth
	log   lockedBuffer

	noSecrets atomic.Bool // the master secrets cannot be read

	mu      sync.Mutex
	time    time.Time
	mails   []magic.Message
	signIns []*postern.SignIn
	events  []session.Event
	sendErr func(magic.Message) error
}

// change lets a test alter what a world is made of.
type change struct {
	issuer string
	config magic.Config
	on     *world // share its store and keys

	defaultPages bool // HTML instead of the JSON that tests read
}

func newWorld(t testing.TB, c change) *world {
	t.Helper()
	w := &world{t: t, time: time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC)}
	if c.on != nil {
		w.ring, w.store, w.time = c.on.ring, c.on.store, c.on.now()
	} else {
		w.store = &witness{Store: &store.Memory{Now: w.now}}
		ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.ES256, Now: w.now})
		if err != nil {
			t.Fatal(err)
		}
		w.ring = ring
	}
	if c.issuer == "" {
		c.issuer = issuer
	}
	logger := slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sessions, err := session.New(session.Config{
		Issuer: c.issuer, Audience: "api", Keys: w.ring, Secrets: secrets{w}, Store: w.store, Now: w.now, Logger: logger,
		OnEvent: func(_ context.Context, e session.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.config.Send, c.config.Logger = w.send, logger
	var render func(http.ResponseWriter, *http.Request, postern.Page)
	if !c.defaultPages {
		render = func(rw http.ResponseWriter, _ *http.Request, p postern.Page) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(p.Status)
			if err := json.NewEncoder(rw).Encode(p); err != nil {
				t.Error(err)
			}
		}
	}
	w.auth, err = postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{home, deep}, Logger: logger, Render: render,
		Providers: map[string]postern.Provider{
			"link": magic.Link(c.config), "code": magic.Code(c.config), "both": magic.Both(c.config),
		},
		OnSuccess: func(rw http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.signIns = append(w.signIns, in)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// secrets are those of the ring, unless they cannot be read.
type secrets struct{ w *world }

func (s secrets) Secret(ctx context.Context, kid string) (keys.Secret, error) {
	if s.w.noSecrets.Load() {
		return keys.Secret{}, keys.ErrUnavailable
	}
	return s.w.ring.Secret(ctx, kid)
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func (w *world) send(_ context.Context, m magic.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sendErr != nil {
		if err := w.sendErr(m); err != nil {
			return err
		}
	}
	w.mails = append(w.mails, m)
	return nil
}

func (w *world) mailCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.mails)
}

func (w *world) mail() magic.Message {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.mails) == 0 {
		w.t.Fatal("no mail was sent")
	}
	return w.mails[len(w.mails)-1]
}

func (w *world) signInCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.signIns)
}

// signedIn returns the one sign-in there was since the last call.
func (w *world) signedIn() *postern.SignIn {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.signIns) != 1 {
		w.t.Fatalf("%d sign-ins, want 1", len(w.signIns))
	}
	in := w.signIns[0]
	w.signIns = nil
	return in
}

// reasons counts the events of a name by reason.
func (w *world) reasons(name string) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	for _, e := range w.events {
		if e.Name == name {
			n[e.Reason]++
		}
	}
	return n
}

// A client is a browser: cookies, an address, a name.
type client struct {
	w       *world
	cookies map[string]string
	addr    string
	header  http.Header
}

func (w *world) browser() *client {
	return &client{w: w, cookies: map[string]string{}, addr: "192.0.2.1:4711", header: http.Header{
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
	}}
}

// An answer is a response, and the page in it if there is one.
type answer struct {
	*http.Response
	body string
	page postern.Page
}

func (c *client) get(target string) answer { return c.do(c.request("GET", target, nil)) }

func (c *client) post(target string, form url.Values) answer {
	return c.do(c.request("POST", target, form))
}

func (c *client) request(method, target string, form url.Values) *http.Request {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	r.RemoteAddr = c.addr
	for name, values := range c.header {
		r.Header[name] = values
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func (c *client) do(r *http.Request) answer {
	c.w.t.Helper()
	rec := httptest.NewRecorder()
	c.w.auth.ServeHTTP(rec, r)
	a := answer{Response: rec.Result(), body: rec.Body.String()}
	for _, k := range a.Cookies() {
		if k.MaxAge < 0 {
			delete(c.cookies, k.Name)
		} else {
			c.cookies[k.Name] = k.Value
		}
	}
	if a.Header.Get("Content-Type") == "application/json" && r.Method != "HEAD" {
		_ = json.Unmarshal([]byte(a.body), &a.page) // the JSON of clients without pages is no page
	}
	return a
}

// ask asks a provider for a mail and returns the answer and the state of the attempt.
func (c *client) ask(provider, address, query string) (a answer, state string) {
	c.w.t.Helper()
	a = c.post(issuer+"/"+provider+"/authorize"+query, url.Values{"email": {address}})
	if a.StatusCode == http.StatusSeeOther {
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil {
			c.w.t.Fatal(err)
		}
		state = to.Query().Get("state")
	}
	return a, state
}

// mustAsk is ask for a mail that has to be sent.
func (c *client) mustAsk(provider, address, query string) (state string, m magic.Message) {
	c.w.t.Helper()
	before := c.w.mailCount()
	a, state := c.ask(provider, address, query)
	if a.StatusCode != http.StatusSeeOther || c.w.mailCount() != before+1 {
		c.w.t.Fatalf("asking for a mail: status %d, %d mails\n%s", a.StatusCode, c.w.mailCount()-before, a.body)
	}
	return state, c.w.mail()
}

// open opens a link, and press presses the button on the page.
func (c *client) open(link string) answer { c.w.t.Helper(); return c.get(link) }

func (c *client) press(page postern.Page) answer {
	c.w.t.Helper()
	if page.Form == nil {
		c.w.t.Fatalf("the page has no form: %+v", page)
	}
	form := url.Values{}
	for name, value := range page.Form.Hidden {
		form.Set(name, value)
	}
	return c.post(page.Form.Action, form)
}

func (c *client) guess(provider, state, code string) answer {
	c.w.t.Helper()
	return c.post(issuer+"/"+provider+"/callback", url.Values{"state": {state}, "code": {code}})
}

// wrong is a code other than the right one.
func wrong(code string) string {
	return string('0'+(code[0]-'0'+1)%10) + code[1:]
}

func (a answer) want(t testing.TB, status int, code string) {
	t.Helper()
	if a.StatusCode != status || a.page.Code != code {
		t.Errorf("status %d, code %q; want %d, %q\n%s", a.StatusCode, a.page.Code, status, code, a.body)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

package faults

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	issuer = flowtest.Issuer
	app    = "https://app.example/"
	me     = "https://app.example/me"
	// verifier is the application's, and challenge what it sent to authorize (RFC 7636 appendix B).
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

type user struct {
	Name string `json:"name"`
}

// A house is a server with sign-in by a provider and by mail, and a page for those who are signed in.
type house struct {
	testing.TB
	world    *flowtest.World // providers and clock
	store    *unlucky
	ring     *keys.Ring
	sessions *session.Sessions
	user     *session.Kind[user]
	known    *session.Kind[user] // the same, with keys that never fail
	mux      *http.ServeMux

	log     testworld.Buffer
	mail    posterntest.Mail
	signIns testworld.List[*postern.SignIn]

	mu      sync.Mutex
	tokens  map[string]bool // sessions that were handed out
	secrets map[string]bool // what no log may hold
}

// plans lets a test alter what a house is made of.
type plans struct {
	vault     keys.Vault
	store     store.Store
	session   func(*session.Config)
	postern   func(*postern.Config)
	providers map[string]postern.Provider
}

// newWorld makes providers without a house.
func newWorld(t testing.TB) *flowtest.World {
	return flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		return map[string]postern.Provider{"one": oidc.New(client(w))}
	})
}

// client is the configuration of a client of the world's provider.
func client(w *flowtest.World) oidc.Config {
	return oidc.Config{Issuer: flowtest.IdP, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP}
}

// door is a provider that believes everybody: what happens once there, happens once because of the flow alone.
type door struct{}

func (door) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			state, err := f.Start(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			w.Header().Set("Location", f.URL("callback")+"?state="+state)
			w.WriteHeader(http.StatusFound)
		},
		"GET callback": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Resume(w, r, nil); err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Done(w, r, postern.Identity{Issuer: "https://door.example", Subject: "anybody"}, "door")
		},
	})
}

// newHouse has the providers one, two (the same again), door, link and code.
func newHouse(t testing.TB, w *flowtest.World, p plans) *house {
	t.Helper()
	h := &house{TB: t, world: w, mux: http.NewServeMux(), tokens: map[string]bool{}, secrets: map[string]bool{flowtest.Secret: true}}
	if p.store == nil {
		p.store = &store.Memory{Now: w.Now}
	}
	h.store = &unlucky{Store: p.store, leave: func() {}}
	h.ring = w.Ring(t, p.vault)
	logger := slog.New(slog.NewJSONHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sc := session.Config{Issuer: issuer, Audience: "api", Keys: h.ring, Store: h.store, Now: w.Now, Logger: logger}
	if p.session != nil {
		p.session(&sc)
	}
	var err error
	if h.sessions, err = session.New(sc); err != nil {
		t.Fatal(err)
	}
	h.user = session.NewKindConfig(h.sessions, session.KindConfig[user]{Name: "user", Stateless: true})
	steady, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: h.ring, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.known = session.NewKindConfig(steady, session.KindConfig[user]{Name: "user", Stateless: true})
	pc := postern.Config{Sessions: h.sessions, Redirects: []string{app}, OnSuccess: h.onSuccess, Logger: logger, Mail: h.mail.Send, Providers: map[string]postern.Provider{
		"one": oidc.New(client(w)), "two": oidc.New(client(w)),
		"link": magic.Link(magic.Config{Logger: logger}), "code": magic.Code(magic.Config{Logger: logger}),
		"door": door{},
	}}
	for name, provider := range p.providers {
		pc.Providers[name] = provider
	}
	if p.postern != nil {
		p.postern(&pc)
	}
	auth, err := postern.New(pc)
	if err != nil {
		t.Fatal(err)
	}
	auth.Mount(h.mux)
	h.mux.Handle("GET /me", h.user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := h.user.From(r.Context())
		_, _ = io.WriteString(w, s.Subject)
	})))
	h.mux.Handle("POST /me", h.user.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	return h
}

// lastMail returns the newest mail.
func (h *house) lastMail() postern.Mail {
	h.Helper()
	all := h.mail.Messages()
	if len(all) == 0 {
		h.Fatal("no mail was sent")
	}
	return all[len(all)-1]
}

// onSuccess is the application: a code for those who can redeem one, a cookie for the others.
func (h *house) onSuccess(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
	h.signIns.Add(in)
	g := session.Grant[user]{Subject: in.Identity.Subject, Properties: user{in.Identity.Name}, Authentication: in.Authentication}
	if in.Return.Challenge() != "" {
		return h.user.Code(w, r, g, in.Return)
	}
	return h.user.Cookie(w, r, g, in.Return)
}

// secret adds to what no log may hold.
func (h *house) secret(values ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range values {
		if len(v) >= 6 {
			h.secrets[v] = true
		}
	}
}

// handedOut counts sessions that came out, and sign-ins the application heard of.
func (h *house) handedOut() (tokens, signIns int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.tokens), len(h.signIns.All())
}

// silent checks that no log line holds a secret.
func (h *house) silent() {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	text := h.log.String()
	for s := range h.secrets {
		if len(s) == 6 { // a mailed code: six digits may be part of anything
			if regexp.MustCompile(`\b` + s + `\b`).MatchString(text) {
				h.Errorf("the log holds the code %s:\n%s", s, text)
			}
		} else if strings.Contains(text, s) {
			h.Errorf("the log holds %q:\n%s", s, text)
		}
	}
}

// A browser keeps cookies, and what a test remembers on the way.
type browser struct {
	*house
	*testworld.Browser
	waits  time.Duration // for an answer; 0: patience
	at     *url.URL      // where the provider's page is
	back   string        // the callback
	state  string        // of a mail
	code   string        // one to redeem
	bearer string        // an access token
}

func (h *house) browser() *browser {
	return &browser{house: h, Browser: testworld.NewBrowser(h.mux)}
}

// clone is another tab, or a replay.
func (b *browser) clone() *browser {
	c := *b
	c.Browser = b.Clone()
	return &c
}

type answer struct {
	status   int
	header   http.Header
	body     string
	location *url.URL
}

// patience is how long a client waits for this server.
const patience = 5 * time.Second

func (b *browser) get(target string) *answer { return b.do(http.MethodGet, target, nil) }

func (b *browser) post(target string, form url.Values) *answer {
	return b.do(http.MethodPost, target, form)
}

func (b *browser) do(method, target string, form url.Values) *answer {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(b.waits, patience))
	defer cancel()
	b.store.request(cancel)
	r := b.Request(method, target, form).WithContext(ctx)
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json")
	}
	if b.bearer != "" && r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+b.bearer)
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	rec := b.Do(r)
	res := rec.Result()
	a := &answer{status: res.StatusCode, header: res.Header, body: rec.Body.String()}
	for _, k := range res.Cookies() {
		if k.MaxAge >= 0 {
			b.secret(k.Value)
			b.token(k.Value)
		}
	}
	var out struct {
		Access   string `json:"access_token"`
		Location string `json:"redirect_uri"`
	}
	if json.Unmarshal(rec.Body.Bytes(), &out) == nil && out.Access != "" {
		b.token(out.Access)
	}
	if text := cmp.Or(res.Header.Get("Location"), out.Location); text != "" {
		u, err := url.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		a.location = u
		b.secret(u.Query().Get("state"), u.Query().Get("code"))
	}
	a.decent(b)
	return a
}

// token remembers a session that was handed out, if it is one.
func (b *browser) token(text string) {
	if _, err := b.known.Verify(context.Background(), text); err != nil {
		return
	}
	b.secret(text)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens[text] = true
}

// decent is what holds for every answer: it is right or a clear refusal, and leaks nothing.
func (a *answer) decent(b *browser) {
	b.Helper()
	switch {
	case a.status < 400:
		return
	case a.status >= 500 && a.status != http.StatusServiceUnavailable && a.status != http.StatusBadGateway:
		b.Errorf("status %d\n%s\nlog: %s", a.status, a.body, b.log.String())
	case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "":
		b.Errorf("503 without Retry-After: %s", a.body)
	}
	if page := strings.HasPrefix(a.header.Get("Content-Type"), "text/html"); a.code() == "" && !page && a.header.Get("WWW-Authenticate") == "" {
		b.Errorf("status %d without a code: %s", a.status, a.body)
	}
	if a.location != nil {
		b.Errorf("status %d leads to %s", a.status, a.location)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	body := strings.ReplaceAll(a.body, `"hidden":{"state":"`+b.state+`"}`, "") // the form again, for the same browser
	for s := range b.secrets {
		if strings.Contains(body, s) {
			b.Errorf("a refusal shows %q: %s", s, a.body)
		}
	}
	if strings.Contains(a.body, errDisk.Error()) || strings.Contains(a.body, "goroutine ") {
		b.Errorf("a refusal shows the cause: %s", a.body)
	}
}

// code is the stable code of a refusal.
func (a *answer) code() string {
	var refusal struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(a.body), &refusal) != nil {
		return ""
	}
	return refusal.Error
}

func (a *answer) ok() bool { return a.status < 400 }

func (a *answer) want(t testing.TB, status int, codes ...string) {
	t.Helper()
	if a.status != status || len(codes) > 0 && !slices.Contains(codes, a.code()) {
		t.Errorf("%d %q, want %d %q\n%s", a.status, a.code(), status, codes, a.body)
	}
}

// must goes on only if the answer is good.
func (a *answer) must(t testing.TB) *answer {
	t.Helper()
	if !a.ok() {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	return a
}

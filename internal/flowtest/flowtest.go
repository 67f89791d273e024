// Package flowtest is the surroundings in which the sign-in packages are tested: a handler of package postern, local
// providers and a browser without a screen, all in memory, under one clock.
package flowtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/fakeidp"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Where things are, and what the application is called at the providers.
const (
	Issuer   = "https://app.example/auth"
	IdP      = "https://idp.example"
	ClientID = "app"
	Secret   = "s3cret: of/the app+%"
)

// A World is a handler with what surrounds it.
type World struct {
	testing.TB
	Auth *postern.Auth
	IdP  *fakeidp.IdP // at the URL IdP

	// HTTP reaches the provider, and whatever Serve added, in memory.
	HTTP *http.Client

	mu       sync.Mutex
	hosts    map[string]http.Handler
	now      time.Time
	log      bytes.Buffer
	signIns  []*postern.SignIn
	events   []session.Event
	observed func(fakeidp.Endpoint, url.Values)
}

// New makes a World. providers is called when World.HTTP and World.IdP are there.
func New(t testing.TB, providers func(*World) map[string]postern.Provider) *World {
	t.Helper()
	w := &World{TB: t, hosts: map[string]http.Handler{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.HTTP = &http.Client{Transport: transport{w}}
	w.IdP = w.NewIdP(IdP, "RS256")

	st := &store.Memory{Now: w.Now}
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: Issuer, Audience: "api", Keys: ring, Store: st, Now: w.Now, OnEvent: w.onEvent})
	if err != nil {
		t.Fatal(err)
	}
	w.Auth, err = postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"https://app.example/"}, Providers: providers(w), OnSuccess: w.onSuccess,
		Logger: slog.New(slog.NewJSONHandler(logWriter{w}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// NewIdP makes another provider at issuer, which is served there. alg signs its ID tokens: RS256 or ES256.
func (w *World) NewIdP(issuer, alg string) *fakeidp.IdP {
	w.Helper()
	u, err := url.Parse(issuer)
	if err != nil {
		w.Fatal(err)
	}
	var callbacks []string
	for _, name := range []string{"one", "two", "tenant/acme", "google", "github", "twitch", "post"} {
		callbacks = append(callbacks, Issuer+"/"+name+"/callback")
	}
	idp, err := fakeidp.New(fakeidp.Config{
		Issuer: issuer, Auto: true, Now: w.Now, Algorithm: alg,
		Clients: []fakeidp.Client{{ID: ClientID, Secret: Secret, RedirectURIs: callbacks}, {ID: "public", RedirectURIs: callbacks}},
		Observe: func(e fakeidp.Endpoint, v url.Values) {
			w.mu.Lock()
			observe := w.observed
			w.mu.Unlock()
			if observe != nil {
				observe(e, v)
			}
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Serve(u.Host, idp)
	return idp
}

// Serve makes HTTP and browsers reach h at a host.
func (w *World) Serve(host string, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[host] = h
}

// Observe makes see get the parameters of requests to the authorization and token endpoints.
func (w *World) Observe(see func(fakeidp.Endpoint, url.Values)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.observed = see
}

// Now is the one clock.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Advance moves it.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Log is what the handler logged.
func (w *World) Log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// SignIns are the sign-ins that reached the application.
func (w *World) SignIns() []*postern.SignIn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*postern.SignIn(nil), w.signIns...)
}

// Events are the names and reasons of the events so far.
func (w *World) Events() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, e := range w.events {
		all = append(all, strings.TrimSpace(e.Name+" "+e.Reason))
	}
	return all
}

func (w *World) onEvent(_ context.Context, e session.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *World) onSuccess(rw http.ResponseWriter, _ *http.Request, in *postern.SignIn) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signIns = append(w.signIns, in)
	_, err := fmt.Fprintf(rw, "signed in: %s %s", in.Identity.Issuer, in.Identity.Subject)
	return err
}

type logWriter struct{ w *World }

func (l logWriter) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(p)
}

// transport is the network.
type transport struct{ w *World }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.w.mu.Lock()
	h := t.w.hosts[r.URL.Host]
	t.w.mu.Unlock()
	if h == nil {
		return nil, fmt.Errorf("nobody is at %s://%s", r.URL.Scheme, r.URL.Host)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host, in.RemoteAddr = r.URL.Host, "192.0.2.1:1234"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	if down(func() { h.ServeHTTP(rec, in) }) {
		return nil, fmt.Errorf("%s hung up", r.URL.Host)
	}
	return rec.Result(), nil
}

// down reports whether serve ended the connection.
func down(serve func()) (down bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			down = true
		} else if p != nil {
			panic(p)
		}
	}()
	serve()
	return false
}

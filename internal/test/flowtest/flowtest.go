// Package flowtest is the surroundings in which the sign-in packages are tested: a handler of package postern, local
// providers and a browser without a screen, all in memory, under one clock.
package flowtest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/testworld"
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
	testworld.World
	Auth     *postern.Auth
	Sessions *session.Sessions
	Mails    testworld.List[postern.Mail]
	IdP      *fakeidp.IdP // at the URL IdP

	// HTTP reaches the provider, and whatever Serve added, in memory.
	HTTP *http.Client

	// Silent makes OnSuccess write nothing, so that the answer is a redirect to where the sign-in leads.
	Silent bool

	// Cookies makes OnSuccess start a session in cookies and redirect to where the sign-in leads.
	Cookies bool

	users   *session.Kind[struct{}]
	signIns testworld.List[*postern.SignIn]

	mu       sync.Mutex
	hosts    map[string]http.Handler
	observed func(fakeidp.Endpoint, url.Values)
}

// New makes a World. providers is called when World.HTTP and World.IdP are there.
func New(t testing.TB, providers func(*World) map[string]postern.Provider) *World {
	t.Helper()
	return build(t, nil, func(w *World, c *postern.Config) {
		c.Providers, c.OnSuccess = providers(w), w.onSuccess
		w.users = session.NewKind[struct{}](c.Sessions, "user")
	})
}

// NewUsers is New for a handler with Config.Session. complete sets Providers, Session and whatever else. Mail is set,
// and Mails has the mails.
func NewUsers(t testing.TB, complete func(*World, *postern.Config)) *World {
	t.Helper()
	return build(t, nil, complete)
}

// NewUsersOn is NewUsers on a store, which engine makes. It gets the clock of the World.
func NewUsersOn(t testing.TB, engine func(now func() time.Time) store.Store, complete func(*World, *postern.Config)) *World {
	t.Helper()
	return build(t, engine, complete)
}

func build(t testing.TB, engine func(now func() time.Time) store.Store, complete func(*World, *postern.Config)) *World {
	t.Helper()
	w := &World{TB: t, hosts: map[string]http.Handler{}}
	w.Set(testworld.Start)
	w.HTTP = &http.Client{Transport: transport{w}}
	w.IdP = w.NewIdP(IdP, "RS256")

	sc := w.Config(Issuer)
	sc.Keys, sc.Logger = w.Ring(t, nil), nil
	if engine != nil {
		sc.Store = engine(w.Now)
	}
	sessions, err := session.New(sc)
	if err != nil {
		t.Fatal(err)
	}
	w.Sessions = sessions
	c := postern.Config{
		Sessions: sessions, Redirects: []string{"https://app.example/"}, Logger: w.Logger(),
		Mail: func(_ context.Context, m postern.Mail) error {
			w.Mails.Add(m)
			return nil
		},
	}
	complete(w, &c)
	if w.Auth, err = postern.New(c); err != nil {
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

// Log returns what the handler logged.
func (w *World) Log() string { return w.World.Log.String() }

// SignIns returns the sign-ins that reached the application.
func (w *World) SignIns() []*postern.SignIn { return w.signIns.All() }

func (w *World) onSuccess(rw http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
	w.signIns.Add(in)
	switch {
	case w.Silent:
		return nil
	case w.Cookies:
		return w.users.Cookie(rw, r, session.Grant[struct{}]{Subject: in.Identity.Key(), Authentication: in.Authentication}, in.Return)
	}
	_, err := fmt.Fprintf(rw, "signed in: %s %s", in.Identity.Issuer, in.Identity.Subject)
	return err
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

package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Member is what a session of the test's application says.
type Member struct {
	UserID string `json:"userID"`
	Email  string `json:"email"`
}

// app is an application as a user of the library writes it.
type app struct {
	url      string // http://localhost:PORT
	listener net.Listener
	sessions *session.Sessions
	member   *session.Kind[Member]
}

// newApp makes an application that signs with alg. It answers once it is served.
func newApp(t *testing.T, alg keys.Algorithm) *app {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a := &app{url: "http://localhost:" + port, listener: listener}
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: alg})
	if err != nil {
		t.Fatal(err)
	}
	a.sessions, err = session.New(session.Config{Issuer: a.url + "/auth", Audience: "api", ClientID: "spa", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	a.member = session.NewKind[Member](a.sessions, "member")
	return a
}

// serve answers until the test ends: sign-in at /auth, and /me, which answers with the name of the person.
func (a *app) serve(t *testing.T, name string, p postern.Provider, deliver deliverer) {
	t.Helper()
	auth, err := postern.New(postern.Config{
		Sessions:  a.sessions,
		Redirects: []string{a.url + "/me", a.url + "/callback"},
		Providers: map[string]postern.Provider{name: p},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, _ := in.Identity.Email()
			return deliver(w, r, session.Grant[Member]{
				Subject:        in.Identity.Key(),
				Properties:     Member{UserID: in.Identity.Issuer + "#" + in.Identity.Subject, Email: email},
				Scopes:         []string{"orders:read"},
				Authentication: in.Authentication,
			}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /me", a.member.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := a.member.From(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_ = json.NewEncoder(w).Encode(s.Properties)
	})))
	a.serveHandler(t, mux)
}

// serveHandler answers by h until the test ends.
func (a *app) serveHandler(t *testing.T, h http.Handler) {
	t.Helper()
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(a.listener) // ends by Close
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
}

// deliverer is user.Cookie, or user.Code.
type deliverer func(http.ResponseWriter, *http.Request, session.Grant[Member], session.Return) error

// token issues one without a sign-in.
func (a *app) token(t *testing.T, subject string) string {
	t.Helper()
	tokens, err := a.member.Create(context.Background(), session.Grant[Member]{
		Subject: subject, Properties: Member{UserID: subject, Email: subject + "@example.com"}, Scopes: []string{"orders:read", "orders:write"},
		Authentication: session.Authentication{Time: time.Now(), Methods: []string{"pwd"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens.Access
}

// atOnce is a provider without a page: every visitor is the same person. It goes through a callback, as
// real ones do.
type atOnce struct{}

func (atOnce) Handler(f *postern.Flow) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch f.Step(r) {
		case "authorize":
			state, err := f.Start(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			http.Redirect(w, r, f.URL("callback")+"?state="+state, http.StatusFound)
		case "callback":
			if err := f.Resume(w, r, nil); err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Done(w, r, postern.Identity{Issuer: "https://id.example.com", Subject: "ada"}, "pwd")
		default:
			http.NotFound(w, r)
		}
	})
}

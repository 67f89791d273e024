package magic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
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
	pkce   bool   // postern.Config.RequirePKCE

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
		Sessions: sessions, Redirects: []string{home, deep}, Logger: logger, Render: render, RequirePKCE: c.pkce,
		Providers: map[string]postern.Provider{
			"link": magic.Link(c.config), "code": magic.Code(c.config), "both": magic.Both(c.config),
			"tenant": tenant{magic.Link(c.config)},
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

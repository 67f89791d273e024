// Package testworld is what the tests of several packages share: an issuer of sessions in memory, a record of its log
// and events, and a browser without a screen.
package testworld

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Start is the time that the clock of a new World shows.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A World has a clock that stands still, and keeps what is logged and reported. The zero value shows the zero time.
type World struct {
	testclock.Clock
	Log    Buffer
	Events List[session.Event]
}

// New returns a World whose clock shows Start.
func New() *World {
	w := &World{}
	w.Set(Start)
	return w
}

// Logger writes JSON of every level to w.Log.
func (w *World) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(&w.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Config returns the configuration of an issuer in w, for the audience "api". It has a store in memory and no keys.
func (w *World) Config(issuer string) session.Config {
	return session.Config{
		Issuer: issuer, Audience: "api", Store: &store.Memory{Now: w.Now}, Now: w.Now, Logger: w.Logger(),
		OnEvent: func(_ context.Context, e session.Event) { w.Events.Add(e) },
	}
}

// Ring opens a key ring of ES256 keys. A nil vault stands for a new one in memory.
func (w *World) Ring(t testing.TB, vault keys.Vault) *keys.Ring {
	t.Helper()
	if vault == nil {
		vault = new(keys.MemoryVault)
	}
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: vault, Algorithm: keys.ES256, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// Static gives c the one signing key, and a secret that is the same in every test.
func Static(t testing.TB, c *session.Config, key keys.SigningKey) {
	t.Helper()
	signer, err := keys.StaticSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keys.NewSecret("s1", bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := keys.StaticSecrets(secret)
	if err != nil {
		t.Fatal(err)
	}
	c.Keys, c.Secrets = signer, secrets
}

// A Buffer is a bytes.Buffer that is safe for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A List keeps values in their order. It is safe for concurrent use.
type List[T any] struct {
	mu  sync.Mutex
	all []T
}

// Add appends v.
func (l *List[T]) Add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, v)
}

// All returns a copy of the list.
func (l *List[T]) All() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// Take returns the list and empties it.
func (l *List[T]) Take() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.all
	l.all = nil
	return all
}

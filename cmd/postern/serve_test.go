package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	server "github.com/posternauth/postern/internal/serve"
	serving "github.com/posternauth/postern/internal/serve/run"
)

// TestServe_OneRotates: of the servers that share a ring, one makes the key that is due, and all publish it.
func TestServe_OneRotates(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	logger := slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))
	now := noon
	w := world{out: io.Discard, err: io.Discard, now: func() time.Time { return now }}
	t.Setenv("POSTERN_VAULT_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	t.Setenv("STORE", "sqlite:"+filepath.Join(t.TempDir(), "postern.db"))
	var houses []servedHouse
	for range 3 {
		config, err := server.Parse("postern.toml", []byte(rotatingConfig), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		house, err := server.Open(t.Context(), config, serveParts(w, config, serving.Tools{Logger: logger}, &auditSinks{}))
		if err != nil {
			t.Fatal(err)
		}
		defer house.Close()
		houses = append(houses, servedHouse{house, w.now, logger})
	}
	maintained := func(keys int) {
		t.Helper()
		var all sync.WaitGroup
		for _, h := range houses {
			all.Go(func() {
				if err := h.Maintain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i, h := range houses {
			listed, err := h.Ring().Keys(t.Context())
			if err != nil || len(listed) != keys {
				t.Errorf("house %d: %d keys, want %d: %v", i, len(listed), keys, err)
			}
			if created, err := h.KeyCreated(t.Context()); err != nil || now.Sub(created) > 30*24*time.Hour {
				t.Errorf("house %d: the newest key was made at %v, now is %v: %v", i, created, now, err)
			}
		}
	}
	maintained(1)
	now = now.Add(30*24*time.Hour - time.Minute)
	maintained(1)
	now = now.Add(time.Minute)
	maintained(2)
	maintained(2)
	mu.Lock()
	defer mu.Unlock()
	if made := strings.Count(log.String(), "a new signing key was made"); made != 1 {
		t.Errorf("%d keys in the log:\n%s", made, &log)
	}
}

const rotatingConfig = `issuer = "http://localhost:8080/auth"
audience = "https://api.example.com"
name = "Example"
redirects = ["/app"]
[store]
url = "${STORE}"
migrate = true
[keys]
seal = "secret:POSTERN_VAULT_KEY"
rotate = "30d"
[users]
admit = "open"
usernames = true
[providers.password]
type = "password"
[mail]
url = "smtp://127.0.0.1:9"
from = "Example <no-reply@example.com>"
`

// lockedWriter lets several loggers write.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// TestServe_Introduce: the commands that the server prints name the socket, without its mode.
func TestServe_Introduce(t *testing.T) {
	var out strings.Builder
	serveCommand{}.introduce(world{out: &out}, serving.Settings{Issuer: "https://auth.example.com/auth", LocalListen: "unix:/run/local?mode=0600"},
		&net.UnixAddr{Name: "/run/public", Net: "unix"}, &net.UnixAddr{Name: "/run/local", Net: "unix"})
	if !strings.Contains(out.String(), "listens on /run/public.\n") || !strings.Contains(out.String(), "curl --unix-socket /run/local http://localhost/readyz\n") {
		t.Error(out.String())
	}
}

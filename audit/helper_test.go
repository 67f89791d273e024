package audit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/session"
)

var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// event returns the event of a sign-in with all fields.
func event(user string) session.Event {
	return session.Event{
		Name: "sign-in failed", Time: start, Kind: "user", Subject: "google:1", UserID: user, SessionID: "s1", Actor: "a1",
		Provider: "google", Reason: "access_denied", Addr: "203.0.113.9", Agent: "Firefox", Err: errors.New("the provider refused"),
	}
}

// logPath returns the path of a log in a new folder.
func logPath(t testing.TB) string { return filepath.Join(t.TempDir(), "audit.jsonl") }

func newFile(t testing.TB, c audit.FileConfig) *audit.File {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	f, err := audit.NewFile(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// writeLog writes a log of n events and closes it.
func writeLog(t testing.TB, c audit.FileConfig, n int) audit.Head {
	t.Helper()
	f := newFile(t, c)
	for range n {
		f.Event(context.Background(), event(rand.Text()))
	}
	if s := f.Stats(); s.Lost != 0 || s.Err != nil {
		t.Fatalf("events were lost: %+v", s)
	}
	head := f.Head()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return head
}

// lines returns the whole lines of a file, with their ends.
func lines(t testing.TB, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.SplitAfter(string(data), "\n")
	return all[:len(all)-1]
}

func write(t testing.TB, path string, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files returns all files of a log but the lock.
func files(t testing.TB, path string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.jsonl"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no files: %v", err)
	}
	return all
}

func verify(t testing.TB, path string, key []byte) audit.Report {
	t.Helper()
	r, err := audit.Verify(audit.VerifyConfig{Files: files(t, path), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// logTo returns a logger whose lines are in b.
func logTo(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewJSONHandler(b, nil)) }

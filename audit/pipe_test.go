//go:build unix

package audit_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posternauth/postern/audit"
)

// within fails the test if f hangs.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s hangs", what)
	}
}

// TestPipes: a pipe under the name of a full file holds up neither the program that writes, nor a start, nor Verify.
func TestPipes(t *testing.T) {
	path := logPath(t)
	f := newFile(t, audit.FileConfig{Path: path, MaxBytes: 1}) // each event begins a file
	f.Event(t.Context(), event("u1"))
	pipe := strings.Replace(path, ".jsonl", "-999999999999.jsonl", 1)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, "an event", func() { f.Event(t.Context(), event("u2")) })
	if s := f.Stats(); s.Lost != 0 || s.Err != nil {
		t.Errorf("events of a program that runs: %+v", s)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	const refused = "-999999999999.jsonl is not a regular file: move it"
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	within(t, "a start", func() {
		if _, err := audit.NewFile(audit.FileConfig{Path: path}); err == nil || !strings.Contains(err.Error(), refused) {
			t.Errorf("a start: %v", err)
		}
	})
	within(t, "Verify", func() {
		if _, err := audit.Verify(audit.VerifyConfig{Files: files(t, path)}); err == nil || !strings.Contains(err.Error(), refused) {
			t.Errorf("Verify: %v", err)
		}
	})
}

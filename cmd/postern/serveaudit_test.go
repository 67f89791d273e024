package main

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/audit"
	server "github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestServeAudit_Key: with audit.file_key, only a holder of the key can make the hashes of the file.
func TestServeAudit_Key(t *testing.T) {
	const hexKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	logger := slog.New(slog.DiscardHandler)
	var sinks auditSinks
	emit, done, err := sinks.open(server.AuditRequest{Audit: server.Audit{File: path}, Key: hexKey + "\n"}, logger, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	emit(t.Context(), session.Event{Name: "sign-in", Time: noon})
	// A reload opens the file again before it closes the old house.
	emitNext, doneNext, err := sinks.open(server.AuditRequest{Audit: server.Audit{File: path}, Key: hexKey}, logger, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"another": strings.Repeat("ff", 32), "no hex": "not hex", "none": ""} {
		_, _, err := sinks.open(server.AuditRequest{Audit: server.Audit{File: path}, Key: key}, logger, time.Now)
		if err == nil || !strings.Contains(err.Error(), "file_key") {
			t.Errorf("%s key for an open file: %v", name, err)
		}
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	emitNext(t.Context(), session.Event{Name: "sign-in", Time: noon})
	if err := doneNext(); err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "audit.key")
	if err := os.WriteFile(keyFile, []byte(hexKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, status := call(t, "", "audit", "verify", path, "--key-file", keyFile); status != statusOK || !strings.Contains(out, "records  3 ") {
		t.Errorf("%d %s%s", status, out, errs)
	}
	if _, err := audit.Verify(audit.VerifyConfig{Files: []string{path}}); err == nil {
		t.Error("the file has no key")
	}
	if _, _, err := sinks.open(server.AuditRequest{Audit: server.Audit{File: path}, Key: "short"}, logger, time.Now); err == nil || !strings.Contains(err.Error(), "file_key") {
		t.Errorf("a short key: %v", err)
	}
}

// brokenStore takes no writes.
type brokenStore struct{ store.Memory }

func (*brokenStore) Write(context.Context, ...store.Change) error { return errors.New("no space left") }

// TestServeAudit_Lost: what a webhook and a file lost is counted once, before and after they are closed.
func TestServeAudit_Lost(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	folder := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	now := noon
	var sinks auditSinks
	request := server.AuditRequest{Store: &brokenStore{}, Secrets: []string{"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))},
		Audit: server.Audit{File: filepath.Join(folder, "audit.jsonl"), Webhook: "https://events.example.com/"}}
	lost := func(file, webhook uint64) {
		t.Helper()
		if got := sinks.lostEvents(); len(got) != 2 || got["file"] != file || got["webhook"] != webhook {
			t.Errorf("lost: %v, want %d and %d", got, file, webhook)
		}
	}
	lost(0, 0)
	for round := range uint64(2) {
		emit, done, err := sinks.open(request, logger, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		emit(t.Context(), session.Event{Name: "sign-in", Time: noon})
		lost(round*2, round*3+1)
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
		emit(t.Context(), session.Event{Name: "sign-in", Time: noon})
		emit(t.Context(), session.Event{Name: "sign-in", Time: noon})
		lost(round*2+2, round*3+3)
		if err := done(); err != nil {
			t.Fatal(err)
		}
		lost(round*2+2, round*3+3)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServeAudit_Hung: while a disk hangs under an event, and a reload waits for it, the lost events are counted, and a
// file on another disk opens and closes.
func TestServeAudit_Hung(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	hang, inside := make(chan struct{}), make(chan struct{}, 8)
	now := func() time.Time { // a File asks for the time where it writes
		inside <- struct{}{}
		<-hang
		return noon
	}
	var sinks auditSinks
	emit, done, err := sinks.open(server.AuditRequest{Audit: server.Audit{File: path}}, slog.New(slog.DiscardHandler), now)
	if err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() { emit(t.Context(), session.Event{Name: "sign-in", Time: noon}) })
	<-inside
	count := func(when string) {
		t.Helper()
		counted := make(chan map[string]uint64, 1)
		go func() { counted <- sinks.lostEvents() }()
		select {
		case got := <-counted:
			if got["file"] != 0 {
				t.Errorf("%s: %v", when, got)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s the count waits for the disk", when)
		}
	}
	count("while an event hangs")
	waiting.Go(func() { _ = done() }) // its error is that of another test
	for at := sinks.at(path); at.mu.TryLock(); {
		at.mu.Unlock()
		time.Sleep(time.Millisecond) // until the end of the house waits for the file
	}
	count("while a close hangs")
	next := make(chan error, 1)
	go func() { // a reload that names a file on another disk
		_, done, err := sinks.open(server.AuditRequest{Audit: server.Audit{File: filepath.Join(t.TempDir(), "audit.jsonl")}}, slog.New(slog.DiscardHandler), func() time.Time { return noon })
		if err == nil {
			err = done()
		}
		next <- err
	}()
	select {
	case err := <-next:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("another file waits for the one that hangs")
	}
	close(hang)
	waiting.Wait()
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "sign-in") {
		t.Errorf("%s, %v", text, err)
	}
}

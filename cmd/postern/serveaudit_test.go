package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/audit"
	server "github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/session"
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

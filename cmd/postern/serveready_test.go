package main

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	server "github.com/posternauth/postern/internal/serve"
	serving "github.com/posternauth/postern/internal/serve/run"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestServe_ReadyWhileLocked: while another program holds the write lock of SQLite, readiness answers at its deadline, and
// not when SQLite gives up.
func TestServe_ReadyWhileLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.db")
	t.Setenv("POSTERN_VAULT_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	t.Setenv("STORE", "sqlite:"+path)
	config, err := server.Parse("postern.toml", []byte(rotatingConfig), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	w := world{out: io.Discard, err: io.Discard, now: time.Now}
	house, err := server.Open(t.Context(), config, serveParts(w, config, serving.Tools{Logger: slog.New(slog.DiscardHandler)}, &auditSinks{}))
	if err != nil {
		t.Fatal(err)
	}
	defer house.Close()
	db, err := sql.Open("sqlite", sqlstore.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.BeginTx(t.Context(), nil) // BEGIN IMMEDIATE
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback() }() // after a failure
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // as /readyz
		defer cancel()
		return house.Ready(ctx)
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "a write takes too long: context deadline exceeded") {
		t.Errorf("with a lock: %v", err)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) { // the failure counts for a second
		if err = ask(); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatalf("without the lock: %v", err)
		}
	}
}

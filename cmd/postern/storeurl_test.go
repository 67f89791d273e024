package main

import (
	"bytes"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/redisstore"
)

// A program may keep its sessions under another prefix. Without it they are not found, and the command says so.
func TestStore_RedisPrefix(t *testing.T) {
	addr := testserver.Redis(t).Addr()
	client := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { client.Close() })
	if err := client.Do(t.Context(), "ACL", "SETUSER", "ann", "on", ">p@ss/?w", "~*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	st, err := redisstore.New(redisstore.Config{Client: client, Prefix: "shop & co:", Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	s, user := program(t, st)
	tokens, err := user.Create(t.Context(), session.Grant[map[string]string]{Subject: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	at := "redis://ann:p%40ss%2F%3Fw@" + addr + "/0?max_retries=1"
	out, errs, status := call(t, "", "sessions", "revoke", "--issuer", issuerURL, "--store", at, "--subject", "u1")
	if status != 1 || out != "" || !strings.Contains(errs, "no live session of u1") {
		t.Errorf("revoke without the prefix: %d %s%s", status, out, errs)
	}
	if _, errs, status = call(t, "", "sessions", "show", "--issuer", issuerURL, "--store", at, tokens.SessionID); status != 1 || !strings.Contains(errs, "there is no session") {
		t.Errorf("show without the prefix: %d %s", status, errs)
	}
	if tokens, err = s.Refresh(t.Context(), tokens.Refresh); err != nil {
		t.Fatalf("after a revoke that could not find it: %v", err)
	}
	at += "&prefix=shop+%26%20co%3A"
	if out, errs, status = call(t, "", "sessions", "list", "--issuer", issuerURL, "--store", at, "u1"); status != 0 || !strings.Contains(out, tokens.SessionID) {
		t.Errorf("list: %d %s%s", status, out, errs)
	}
	if out, errs, status = call(t, "", "sessions", "revoke", "--issuer", issuerURL, "--store", at, "--subject", "u1"); status != 0 || !strings.Contains(out, "(1 live session found)") {
		t.Errorf("revoke: %d %s%s", status, out, errs)
	}
	if _, err := s.Refresh(t.Context(), tokens.Refresh); session.Reason(err) != "ended" {
		t.Errorf("after revoke: %v", err)
	}
}

// What is not the program's database is said to be so, and is left as it was.
func TestStore_NotPosterns(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.db")
	db, err := sql.Open("sqlite", other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE notes (text TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"empty.db": "", "text.db": strings.Repeat("no database at all\n", 100)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"empty.db": "this database has no tables of Postern: name the one your program uses with --store",
		"other.db": "this database has no tables of Postern: name the one your program uses with --store",
		"text.db":  "file is not a database",
	} {
		path := filepath.Join(dir, name)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, errs, status := call(t, "", "sessions", "list", "--issuer", issuerURL, "--store", "sqlite:"+path, "u1")
		if status != 1 || !strings.Contains(errs, want) || strings.Contains(errs, "SkipMigrations") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: %d %s", name, status, errs)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s was written to, %v", name, err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("files were left: %v, %v", files, err)
	}

	dsn := testserver.Postgres(t).DSN()
	_, errs, status := call(t, "", "sessions", "list", "--issuer", issuerURL, "--store", dsn, "u1")
	if status != 1 || errs != "postern: this database has no tables of Postern: name the one your program uses with --store, or make them: postern migrate --store URL\n" {
		t.Errorf("Postgres: %d %s", status, errs)
	}
}

// Drivers that log by themselves write to the process's standard error: one line of the command's own is enough.
func TestStore_Unreachable(t *testing.T) {
	binary := buildBinary(t)
	// A program without credentials asks a machine in AWS for its own.
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer metadata.Close()
	env := append(os.Environ(), "AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_PROFILE=",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+metadata.URL)
	for url, want := range map[string]string{
		"redis://127.0.0.1:1?max_retries=-1": "127.0.0.1:1: connect",
		"dynamodb:sessions":                  "get credentials",
	} {
		cmd := exec.Command(binary, "sessions", "list", "--issuer", issuerURL, "--store", url, "u1")
		cmd.Env = env
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err == nil || cmd.ProcessState.ExitCode() != 1 || len(out) != 0 {
			t.Errorf("%s: %v %s", url, err, out)
		}
		if text := errs.String(); !strings.HasPrefix(text, "postern: ") || strings.Count(text, "\n") != 1 || !strings.Contains(text, want) {
			t.Errorf("%s: %s", url, text)
		}
	}
}

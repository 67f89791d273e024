package main

import (
	"encoding/base64"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	serving "github.com/posternauth/postern/internal/serve/run"
)

// TestE5_HalfAFile: a file that is cut off behind any line may be whole to TOML, without its last rules. What is read
// while another program still writes it does not serve.
func TestE5_HalfAFile(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "postern.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	half := "issuer = \"http://localhost:8080/auth\"\naudience = \"api\"\nredirects = [\"/app\"]\n[store]\nurl = \"sqlite:" + filepath.Join(folder, "auth.db") + "\"\nmigrate = true\n" +
		"[keys]\nseal = \"secret:POSTERN_VAULT_KEY\"\n[users]\nroles.editor = [\"posts:write\"]\n[providers.github]\ntype = \"github\"\nclient_id = \"id\"\nclient_secret = \"secret:GITHUB\"\n[forward_auth]\nenabled = true\n"
	whole := half + "[[forward_auth.rules]]\npath = \"/settings\"\nroles = [\"editor\"]\n"
	t.Setenv(vaultKeyEnv, base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	t.Setenv("GITHUB", "x")

	open := func(meanwhile func()) (serving.House, error) {
		t.Helper()
		plan, err := serveCommand{Config: file}.load(world{strings.NewReader(""), io.Discard, io.Discard, time.Now}, &auditSinks{})
		if err != nil {
			t.Fatal(err)
		}
		meanwhile()
		return plan.Open(t.Context(), serving.Tools{Logger: slog.New(slog.DiscardHandler)})
	}
	write(half)
	house, err := open(func() { write(whole) })
	if err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("half a file: %v", err)
	}
	if house != nil && err == nil {
		house.Close()
	}
	if _, err = open(func() { os.Remove(file) }); err == nil {
		t.Error("a file that is gone serves")
	}
	write(whole)
	house, err = open(func() { write(whole) }) // the same again
	if err != nil {
		t.Fatal(err)
	}
	house.Close()
}

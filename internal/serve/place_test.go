package serve

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestOpen_FilesAreBesideTheConfiguration: from another working directory a server opens the same ring, database,
// audit log and secrets.
func TestOpen_FilesAreBesideTheConfiguration(t *testing.T) {
	folder := t.TempDir()
	text := strings.NewReplacer(`sources = ["ssm"]`, `sources = ["env", "sealed:dev"]`, `seal = "secret:SEAL"`,
		"seal = \"secret:SEAL\"\nvault = \"file:ring\"").Replace(secretsFile)
	env := environment{"STAGE": "pr-7", "SEAL": vaultKey(), "AUDIT_KEY": strings.Repeat("00112233", 8), "GOOGLE": "g", "DATABASE_URL": "sqlite:app.db"}
	for _, url := range []string{"secret:DATABASE_URL", "sqlite:app.db"} {
		t.Chdir(t.TempDir())
		c, err := Parse(filepath.Join(folder, "postern.toml"), []byte(strings.Replace(text, "secret:DATABASE_URL", url, 1)), env.lookup)
		if err != nil {
			t.Fatal(err)
		}
		opened := map[string]string{}
		p := Parts{
			LookupEnv: env.lookup, ReadFile: os.ReadFile,
			OpenStore: func(_ context.Context, url string) (store.Store, func(), error) {
				opened["store"] = url
				return &store.Memory{}, func() {}, nil
			},
			OpenSecrets: func(_ context.Context, s SourceRequest) (secrets.Source, error) {
				opened["secrets"] = s.Name
				return shelf{}, nil
			},
			OpenAudit: func(_ context.Context, a AuditRequest) (func(context.Context, session.Event), func() error, error) {
				opened["audit"] = a.File
				return func(context.Context, session.Event) {}, func() error { return nil }, nil
			},
		}
		h, err := Open(t.Context(), c, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		look, err := Examine(t.Context(), c, p)
		if err != nil {
			t.Fatal(err)
		}
		opened["look at the store"], opened["look at the vault"] = look.StoreURL, look.Vault.URL
		for what, want := range map[string]string{
			"store": "sqlite:" + filepath.Join(folder, "app.db"), "secrets": "sealed:" + filepath.Join(folder, "dev"),
			"audit": filepath.Join(folder, "audit.jsonl"), "look at the store": "sqlite:" + filepath.Join(folder, "app.db"),
			"look at the vault": "file:" + filepath.Join(folder, "ring"),
		} {
			if opened[what] != want {
				t.Errorf("%s: opened %q, want %q", what, opened[what], want)
			}
		}
		if _, err := os.Stat(filepath.Join(folder, "ring")); err != nil {
			t.Errorf("the ring is not beside the configuration: %v", err)
		}
		if _, err := os.Stat("ring"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a ring is in the working directory: %v", err)
		}
	}
}

//go:build unix

package secrets_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/posternauth/postern/secrets"
)

// TestE1_EnvironmentPipe: a pipe in the place of a file is an error, and does not hold up a start.
func TestE1_EnvironmentPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "PIPE"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"PIPE_FILE", "CREDENTIALS_DIRECTORY"} {
		env := secrets.Environment{LookupEnv: func(name string) (string, bool) {
			return map[string]string{"PIPE_FILE": filepath.Join(dir, "PIPE"), "CREDENTIALS_DIRECTORY": dir}[name], name == variable
		}}
		_, err := env.Lookup(t.Context(), []secrets.Key{{App: "a", Stage: "dev", Kind: secrets.Secret, Name: "PIPE"}})
		if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

//go:build unix

package regular_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/posternauth/postern/internal/regular"
)

// A pipe that nobody writes is refused, and is not waited for.
func TestOpen_Pipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := regular.Open(pipe); !errors.Is(err, regular.Err) {
		t.Error(err)
	}
}

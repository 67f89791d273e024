//go:build unix

package keys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/vaulttest"
)

// TestFileVault_NoRegularFile: a pipe that nobody writes, a device or a folder in the place of the ring is an error at
// once, and no empty vault. A link to the file is good.
func TestFileVault_NoRegularFile(t *testing.T) {
	dir := t.TempDir()
	pipe, ring, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "ring"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, os.DevNull, dir} {
		v := keys.FileVault{Path: path, Sealer: keys.MasterKey(vaultKey)}
		if _, err := keys.Open(t.Context(), keys.RingConfig{Vault: v, Logger: silent}); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	vaulttest.Unreadable(t, keys.FileVault{Path: pipe, Sealer: keys.MasterKey(vaultKey)})
	openRing(t, keys.FileVault{Path: ring, Sealer: keys.MasterKey(vaultKey)})
	if err := os.Symlink(ring, link); err != nil {
		t.Fatal(err)
	}
	if _, version, err := (keys.FileVault{Path: link, Sealer: keys.MasterKey(vaultKey)}).Load(t.Context()); err != nil || version == "" {
		t.Errorf("a link: %q, %v", version, err)
	}
}

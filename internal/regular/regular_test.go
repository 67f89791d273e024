package regular_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/posternauth/postern/internal/regular"
)

func TestOpen(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "file")
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, info, err := regular.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(f); string(text) != "text" || err != nil || info.Size() != 4 {
		t.Errorf("%q, %v, %d bytes", text, err, info.Size())
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for _, other := range []string{folder, os.DevNull} {
		if _, _, err := regular.Open(other); !errors.Is(err, regular.Err) {
			t.Errorf("%s: %v", other, err)
		}
	}
	if _, _, err := regular.Open(filepath.Join(folder, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

package infra_test

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/internal/test/testneed"
)

// TestBuild: two builds have the same bytes, and an archive has a program that Lambda can start.
func TestBuild(t *testing.T) {
	bash := testneed.Binary(t, "bash", "Debian package bash")
	testneed.Binary(t, "zip", "Debian package zip")
	var builds [2][]byte
	for i := range builds {
		out := t.TempDir()
		cmd := exec.CommandContext(t.Context(), bash, filepath.Join(infra.Root(t), "infra", "build.sh"))
		cmd.Env = append(os.Environ(), "OUT="+out, "ONLY=authorizer")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build.sh: %v\n%s", err, text)
		}
		var err error
		if builds[i], err = os.ReadFile(filepath.Join(out, "authorizer.zip")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(builds[0], builds[1]) {
		t.Error("two builds have different bytes")
	}
	archive, err := zip.NewReader(bytes.NewReader(builds[0]), int64(len(builds[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.File) != 1 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode().Perm() != 0o755 {
		t.Errorf("the archive has %v", archive.File)
	}
}

package infra_test

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/internal/test/npm"
	"github.com/posternauth/postern/internal/test/testneed"
)

// TestCDK_Binding generates the Go binding of infra/cdk anew: that of the repository is the same. The archive in it is
// compared by its files, because compression may differ between versions of Node.
func TestCDK_Binding(t *testing.T) {
	testneed.Binary(t, "node", "Debian package nodejs")
	testneed.Binary(t, "npm", "Debian package npm")
	root, out := infra.Root(t), filepath.Join(t.TempDir(), "posterncdk")
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "infra", "cdk-go", "generate.sh"))
	cmd.Env = append(os.Environ(), "OUT="+out, "MODULES="+npm.Modules(t, filepath.Join(root, "infra", "cdk")))
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("infra/cdk-go/generate.sh: %v\n%s", err, printed)
	}
	got, want := readBinding(t, filepath.Join(root, "infra", "cdk-go", "posterncdk")), readBinding(t, out)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("infra/cdk-go/posterncdk/%s is not what infra/cdk/lib gives: run infra/cdk-go/generate.sh", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("infra/cdk-go/posterncdk/%s is not generated: remove it", name)
	}
	if len(want) < 20 || want["jsii/posternauth-cdk-0.0.0.tgz/package/dist/lib/auth.js"] == "" {
		t.Errorf("only %v were generated", slices.Sorted(maps.Keys(want)))
	}
}

// readBinding returns the files of a binding, and those of its archive below the name of the archive.
func readBinding(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(folder, path)
		name = filepath.ToSlash(name)
		if strings.HasSuffix(name, ".tgz") {
			return readArchive(path, func(inside, content string) { files[name+"/"+inside] = content })
		}
		data, err := os.ReadFile(path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readArchive(path string, add func(name, content string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		add(h.Name, string(data))
	}
}

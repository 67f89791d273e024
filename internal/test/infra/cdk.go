package infra

import (
	"archive/zip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/npm"
	"github.com/posternauth/postern/internal/test/testneed"
)

// CompileCDK compiles a copy of infra/cdk, with the packages of its package-lock.json, and returns the folder. Without
// Node or npm the test skips.
func CompileCDK(t testing.TB) string {
	t.Helper()
	node := testneed.Binary(t, "node", "Debian package nodejs")
	source, folder := filepath.Join(Root(t), "infra", "cdk"), t.TempDir()
	modules := npm.Modules(t, source)
	for _, part := range []string{"lib", "test", "example"} {
		if err := os.CopyFS(filepath.Join(folder, part), os.DirFS(filepath.Join(source, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"package.json", "tsconfig.json"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(modules, filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(modules, "typescript", "bin", "tsc"))
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tsc: %v\n%s", err, out)
	}
	return folder
}

// SynthCDK synthesises the example of a compiled infra/cdk, and returns the templates of its stacks by their names.
func SynthCDK(t testing.TB, folder string, context map[string]string) map[string][]byte {
	t.Helper()
	dist, out := t.TempDir(), t.TempDir()
	for _, name := range []string{"auth", "authorizer", "api"} {
		writeZip(t, filepath.Join(dist, name+".zip"))
	}
	settings, err := json.Marshal(context)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(folder, "dist", "example", "app.js"))
	cmd.Dir = folder
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CDK_") }),
		"POSTERN_DIST="+dist, "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON="+string(settings), "CDK_DEFAULT_ACCOUNT="+Account, "CDK_DEFAULT_REGION="+Region)
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("synthesising: %v\n%s", err, printed)
	}
	found, err := filepath.Glob(filepath.Join(out, "*.template.json"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no templates in %s: %v", out, err)
	}
	templates := map[string][]byte{}
	for _, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		templates[strings.TrimSuffix(filepath.Base(path), ".template.json")] = data
	}
	return templates
}

// writeZip makes an archive with an empty bootstrap: a template has only its hash.
func writeZip(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	if _, err := w.Create("bootstrap"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

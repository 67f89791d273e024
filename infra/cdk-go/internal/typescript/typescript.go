// Package typescript runs the construct of infra/cdk as applications in TypeScript do, for tests that compare.
package typescript

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Compile compiles a copy of infra/cdk without its tests, with the packages of its package-lock.json, and returns the
// folder. cdk is the path of infra/cdk. Without Node or npm, or without the registry of npm, the test skips, or fails
// under POSTERN_TEST_REQUIRE=all.
func Compile(t testing.TB, cdk string) string {
	t.Helper()
	folder := t.TempDir()
	for _, part := range []string{"lib", "example"} {
		if err := os.CopyFS(filepath.Join(folder, part), os.DirFS(filepath.Join(cdk, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"package.json", "tsconfig.json"} {
		copyFile(t, filepath.Join(cdk, name), filepath.Join(folder, name))
	}
	if err := os.Symlink(modules(t, cdk), filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	Run(t, folder, nil, filepath.Join("node_modules", "typescript", "bin", "tsc"))
	return folder
}

// Run runs a script with Node in a folder, with variables of the environment besides those of the test.
func Run(t testing.TB, folder string, variables []string, script string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, "node"), append([]string{script}, args...)...)
	cmd.Dir = folder
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CDK_") }), variables...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// modules returns a node_modules folder as package-lock.json wants it, in the user's cache folder. The tests of the
// repository's own module use the same one.
func modules(t testing.TB, cdk string) string {
	t.Helper()
	npm := program(t, "npm")
	lock, err := os.ReadFile(filepath.Join(cdk, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	done := filepath.Join(cache, "postern-npm-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(filepath.Join(done, "node_modules")); err == nil {
		return filepath.Join(done, "node_modules")
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp(cache, "postern-npm-work-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	for _, name := range []string{"package.json", "package-lock.json"} {
		copyFile(t, filepath.Join(cdk, name), filepath.Join(work, name))
	}
	cmd := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		skip(t, "npm ci: "+err.Error()+"\n"+string(out))
	}
	if err := os.Rename(work, done); err != nil { // another test process may have been faster
		if _, serr := os.Stat(filepath.Join(done, "node_modules")); serr != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(done, "node_modules")
}

// program returns the path of a program.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, "needs "+name+": install the Debian packages nodejs and npm")
	}
	return path
}

func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("POSTERN_TEST_REQUIRE") == "all" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Same compares two templates, got in Go and wanted as in TypeScript, byte by byte.
func Same(t testing.TB, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	one, other := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range max(len(one), len(other)) {
		if i >= len(one) || i >= len(other) || one[i] != other[i] {
			from := max(i-3, 0)
			t.Errorf("%s differs in line %d. Go:\n%s\nTypeScript:\n%s", filepath.Base(got), i+1,
				strings.Join(one[min(from, len(one)):min(i+4, len(one))], "\n"), strings.Join(other[min(from, len(other)):min(i+4, len(other))], "\n"))
			return
		}
	}
}

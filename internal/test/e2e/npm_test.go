package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testneed"
)

// unreachable is what npm says when the registry cannot be reached, and then the test skips.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT`)

// scripts returns a folder with the scripts of testdata, ready to run.
func scripts(t *testing.T) string {
	t.Helper()
	testneed.Binary(t, "node", "Debian package nodejs")
	npm := testneed.Binary(t, "npm", "Debian package npm")
	modules := installed(t, npm, "testdata")
	dir := t.TempDir()
	files, err := filepath.Glob("testdata/*.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range append(files, "testdata/package.json") {
		copyFile(t, f, filepath.Join(dir, filepath.Base(f)))
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// installed returns a node_modules folder as the package-lock.json of a folder wants it. Each lock has its folder,
// which appears when it is whole.
func installed(t *testing.T, npm, folder string) string {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	sum := sha256.Sum256(lock)
	done := filepath.Join(cache, "postern-e2e-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(filepath.Join(done, "node_modules")); err == nil {
		return filepath.Join(done, "node_modules")
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp(cache, "postern-e2e-work-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	for _, f := range []string{"package.json", "package-lock.json"} {
		copyFile(t, filepath.Join(folder, f), filepath.Join(work, f))
	}
	cmd := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		if unreachable.Match(out) {
			testneed.Skip(t, "needs packages from npm, and the registry cannot be reached")
		}
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(work, done); err != nil { // another test process may have been faster
		if _, serr := os.Stat(filepath.Join(done, "node_modules")); serr != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(done, "node_modules")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// node runs a script with a task as JSON and reads its answer.
func node(t *testing.T, dir, script string, task, answer any) {
	t.Helper()
	in, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(dir, script))
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), answer); err != nil {
		t.Fatalf("%s answers %q: %v", script, out.String(), err)
	}
}

// nodeServer starts a script that serves until the test ends, and returns the one line it says when it is ready.
func nodeServer(t *testing.T, dir, script string, args ...string) string {
	t.Helper()
	cmd := exec.Command("node", append([]string{filepath.Join(dir, script)}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said: %s", script, errs.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v\n%s", script, err, errs.String())
	}
	return strings.TrimSpace(line)
}

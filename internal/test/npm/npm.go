// Package npm installs the packages from npm that tests use.
package npm

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/posternauth/postern/internal/test/testneed"
)

// unreachable is what npm says when the registry cannot be reached.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT`)

// Modules returns a node_modules folder as the package-lock.json of a folder wants it. Each lock has its folder in the
// user's cache folder, which is made once and appears when it is whole. Without npm, or without its registry, the test
// skips, see [testneed].
func Modules(t testing.TB, folder string) string {
	t.Helper()
	npm := testneed.Binary(t, "npm", "Debian package npm")
	lock, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	sum := sha256.Sum256(lock)
	done := filepath.Join(cache, "postern-npm-"+hex.EncodeToString(sum[:8]))
	modules := filepath.Join(done, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules
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
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(work, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
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
		if _, serr := os.Stat(modules); serr != nil {
			t.Fatal(err)
		}
	}
	return modules
}

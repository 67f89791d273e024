// Package testneed says what a test needs beyond Go, and what to install when it is missing.
//
// On a machine that has only Go such a test skips, and the skip names the package to install. Where everything is meant
// to be installed, POSTERN_TEST_REQUIRE=all turns every such skip into a failure, so that none goes unnoticed.
package testneed

import (
	"os"
	"os/exec"
	"testing"
)

// Binary returns the path of the program called name. Where there is none the test skips, or fails under
// POSTERN_TEST_REQUIRE=all, and says how to get it: install is a phrase such as "Debian package nodejs".
func Binary(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Skip(t, "needs "+name+": install "+install)
	}
	return path
}

// Skip ends the test as skipped, or as failed under POSTERN_TEST_REQUIRE=all. The reason says what is missing and how
// to get it.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("POSTERN_TEST_REQUIRE") == "all" {
		t.Fatalf("%s (POSTERN_TEST_REQUIRE=all allows no skip)", why)
	}
	t.Skip(why)
}

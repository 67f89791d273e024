// Package testneed says what a test needs beyond Go, and what to install when it is missing.
//
// On a machine that has only Go such a test skips, and the skip names the package to install. Where everything is meant
// to be installed, POSTERN_TEST_REQUIRE=all turns every such skip into a failure, so that none goes unnoticed.
// POSTERN_TEST_UNREACHABLE names a program whose servers cannot be reached from that machine, such as terraform.
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
		unreachable(t, name)
		Skip(t, "needs "+name+": install "+install)
	}
	return path
}

// unreachable skips the test if the servers of a program cannot be reached.
func unreachable(t testing.TB, name string) {
	t.Helper()
	if name == os.Getenv("POSTERN_TEST_UNREACHABLE") {
		t.Skip(name + " or what it needs cannot be reached from here")
	}
}

// Server ends the test as skipped if the servers of a program are known to be out of reach, or else as Skip does.
func Server(t testing.TB, name, why string) {
	t.Helper()
	unreachable(t, name)
	Skip(t, why)
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

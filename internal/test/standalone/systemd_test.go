package standalone

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testneed"
)

// TestUnits: systemd has nothing to say about the units of packaging, and they start the program where it is.
func TestUnits(t *testing.T) {
	analyze := testneed.Binary(t, "systemd-analyze", "Debian package systemd")
	dir := t.TempDir()
	var units []string
	for _, name := range []string{"postern.service", "postern.socket"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "packaging", name))
		if err != nil {
			t.Fatal(err)
		}
		const installed = "/usr/local/bin/postern "
		if name == "postern.service" && strings.Count(string(text), installed) != 1 {
			t.Fatalf("%s does not start %s once", name, installed)
		}
		unit := filepath.Join(dir, name)
		if err := os.WriteFile(unit, []byte(strings.Replace(string(text), installed, program(t)+" ", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		units = append(units, unit)
	}
	if out, err := exec.Command(analyze, append([]string{"verify"}, units...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

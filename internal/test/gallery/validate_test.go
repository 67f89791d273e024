package gallery

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestHTML: html-validate finds no fault in the HTML of any page. Its rules are in testdata/htmlvalidate.json: those of
// the standard and of accessibility, without those of a style of writing.
func TestHTML(t *testing.T) {
	dir := t.TempDir()
	for _, shot := range reached(t) {
		if err := os.WriteFile(filepath.Join(dir, shot.name()+".html"), []byte(shot.body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	validate(t, dir, "testdata/htmlvalidate.json")
}

// validate runs html-validate with a configuration over the files of a folder.
func validate(t *testing.T, dir, config string) {
	t.Helper()
	bin := node(t)
	rules, err := filepath.Abs(config)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, filepath.Join(modules(t), "html-validate", "bin", "html-validate.mjs"), "--config", rules, "--formatter", "text", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

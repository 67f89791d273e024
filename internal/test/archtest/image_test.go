package archtest

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// ignoredBy reports whether a .dockerignore excludes a file. It knows the forms that ours has: a path from the root,
// and **/ before a name at any depth.
func ignoredBy(t *testing.T, rules []string, file string) bool {
	t.Helper()
	for _, rule := range rules {
		name, anywhere := strings.CutPrefix(rule, "**/")
		if strings.Contains(name, "**") || strings.HasPrefix(name, "!") || anywhere && strings.Contains(name, "/") {
			t.Fatalf("this test does not know the form of %q", rule)
		}
		for at := file; at != "."; at = path.Dir(at) { // a folder that is excluded takes its files along
			what := at
			if anywhere {
				what = path.Base(at)
			}
			if ok, err := path.Match(name, what); err != nil || ok {
				return ok
			}
		}
	}
	return false
}

// TestImage_Context: the files that go into the build of the image have no secret that the documents let people make in
// the repository, and everything that the program is built of.
func TestImage_Context(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.Fields(string(text))
	for _, file := range []string{
		".git/config", "postern.toml", "vault.key", "signing-key.pem", ".postern/session.json", "examples/standalone/vault.key", "examples/standalone/postern.db",
		"examples/standalone/postern.db-wal", "examples/standalone/.postern/session.json", "a/b/c.pem", "js/node_modules/a/b.js",
	} {
		if !ignoredBy(t, rules, file) {
			t.Errorf("%s goes into the build of the image", file)
		}
	}
	list := exec.Command("go", "list", "-deps", "-f",
		`{{if not .Standard}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}`, "./cmd/postern")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	needed := []string{"go.mod", "go.sum"}
	for line := range strings.Lines(string(out)) {
		if name, ours := strings.CutPrefix(filepath.ToSlash(strings.TrimSpace(line)), filepath.ToSlash(top)+"/"); ours {
			needed = append(needed, name)
		}
	}
	if len(needed) < 100 {
		t.Fatalf("go lists %d files", len(needed))
	}
	for _, file := range needed {
		if ignoredBy(t, rules, file) {
			t.Errorf("%s is missing in the build of the image", file)
		}
	}
}

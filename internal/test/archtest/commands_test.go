package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// endless are commands that serve until they are stopped. The tests of cmd/postern and of the example run them.
var endless = []string{"go run ./cmd/postern dev", "go run ./cmd/postern lambda", "go run ./examples/", "go run -C examples/"}

// TestDocs_CommandsRun runs every `go run ./cmd/postern` of the documents, in order, in one empty folder, where
// jwks.json is what `keys jwks` printed. Commands that read standard input get a token that is none.
func TestDocs_CommandsRun(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "postern.bin")
	if out, err := exec.Command("go", "build", "-o", binary, module+"/cmd/postern").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ran := 0
	for name, doc := range documents(t) {
		for _, f := range fences(doc) {
			if f.lang != "sh" {
				continue
			}
			for line := range strings.Lines(f.text) {
				line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
				rest, isPostern := strings.CutPrefix(line, "go run ./cmd/postern ")
				if !isPostern || known(line) {
					if strings.HasPrefix(line, "go run") && !known(line) {
						t.Errorf("%s:%d: no test runs %q", name, f.line, line)
					}
					continue
				}
				cmd := exec.Command(binary, strings.Fields(rest)...)
				cmd.Dir = dir
				cmd.Stdin = strings.NewReader(`"no.token"`)
				var out, errs bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &errs
				err := cmd.Run()
				refused := strings.HasPrefix(rest, "token ") && cmd.ProcessState.ExitCode() == 1 // it is none, after all
				if err != nil && !refused {
					t.Errorf("%s:%d: %q: %v\n%s", name, f.line, line, err, errs.String())
				}
				if strings.HasPrefix(rest, "keys jwks") {
					if err := os.WriteFile(filepath.Join(dir, "jwks.json"), out.Bytes(), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				ran++
			}
		}
	}
	if ran == 0 {
		t.Fatal("no command was run: this test would test nothing")
	}
}

func known(line string) bool {
	for _, e := range endless {
		if strings.HasPrefix(line, e) {
			return true
		}
	}
	return false
}

package cdkgo_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/posternauth/postern/infra/cdk-go/internal/typescript"
)

// TestTemplates_SameAsTypeScript synthesises the same application in Go and in TypeScript, for each set of props. The
// one in TypeScript has the sources of infra/cdk, so a binding that is older shows here too.
func TestTemplates_SameAsTypeScript(t *testing.T) {
	folder := typescript.Compile(t, filepath.Join("..", "cdk"))
	script, err := os.ReadFile("testdata/sets.js")
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "sets.js"), script, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	sets, err := filepath.Abs("testdata/sets.json")
	if err != nil {
		t.Fatal(err)
	}
	code, out := newCode(t), t.TempDir()
	typescript.Run(t, folder, nil, "sets.js", sets, code, out)
	for name, s := range readSets(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, s, code)
			directory := *w.app.Synth(nil).Directory()
			for _, stack := range []string{"Auth", "Apis"} {
				typescript.Same(t, filepath.Join(directory, stack+".template.json"), filepath.Join(out, name, stack+".template.json"))
			}
		})
	}
}

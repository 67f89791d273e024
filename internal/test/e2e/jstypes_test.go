package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/npm"
	"github.com/posternauth/postern/internal/test/testneed"
)

const client = "../../../js"

// TestJSTypes: the compiler tsc accepts the client's types in strict mode, a program that uses each of them by
// the name of the package, and the programs of the documents. It refuses the uses that must be refused.
func TestJSTypes(t *testing.T) {
	testneed.Binary(t, "node", "Debian package nodejs")
	modules := npm.Modules(t, "testdata/typescript")
	dir := t.TempDir()
	scope := filepath.Join(dir, "node_modules", "@posternauth", "client")
	if err := os.MkdirAll(scope, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "postern.js", "postern.d.ts"} {
		copyFile(t, filepath.Join(client, name), filepath.Join(scope, name))
	}
	copyFile(t, "testdata/typescript/client.ts", filepath.Join(dir, "client.ts"))
	files := []string{filepath.Join(dir, "client.ts"), filepath.Join(scope, "postern.d.ts")}
	for _, document := range []string{"../../../js/README.md", "../../../docs/single-page-apps.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		programs := regexp.MustCompile("(?s)```js\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		if len(programs) == 0 {
			t.Errorf("%s shows no program", document)
		}
		for _, program := range programs {
			file := filepath.Join(dir, fmt.Sprintf("document%d.mts", len(files)))
			text := strings.ReplaceAll(program[1], "'/postern.js'", "'@posternauth/client'")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(modules, "typescript", "bin", "tsc"), "--noEmit", "--strict", "--target", "es2022",
		"--lib", "es2022,dom,dom.iterable", "--module", "nodenext")
	cmd.Args, cmd.Dir = append(cmd.Args, files...), dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestJSTypesNameWhatIsThere: the types and the module have the same options, methods, events and exports.
func TestJSTypesNameWhatIsThere(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(client, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	types, module := read("postern.d.ts"), read("postern.js")
	between := func(text, from, to string) string {
		_, text, ok := strings.Cut(text, from)
		text, _, end := strings.Cut(text, to)
		if !ok || !end {
			t.Fatalf("there is no %q", from)
		}
		return text
	}
	names := func(text, pattern string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			if m[1] != "addEventListener" && !slices.Contains(all, m[1]) {
				all = append(all, m[1])
			}
		}
		slices.Sort(all)
		return all
	}
	for what, pair := range map[string][2][]string{
		"options": {names(between(types, "interface Options {", "\n}"), `(?m)^\t(\w+)\??:`), names(between(module, "createClient({", "})"), `(\w+)(?: = [^,]+)?(?:,| $)`)},
		"methods": {names(between(types, "interface Client extends EventTarget {", "\n}"), `(?m)^\t(\w+)[(<]`), names(between(module, "Object.assign(events, {", "\n\t})"), `(?m)^\t\t(?:async )?(\w+)[(:]`)},
		"events":  {names(types, `addEventListener\(type: '(\w+)'`), names(between(module, "new CustomEvent(", ","), `'(\w+)'`)},
		"exports": {names(types, `export (?:class|function) (\w+)`), names(module, `export (?:class|function) (\w+)`)},
	} {
		if len(pair[0]) == 0 || !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: the types have %v, the module %v", what, pair[0], pair[1])
		}
	}
}

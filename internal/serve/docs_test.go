package serve

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// TestDocs_AreTheDocument: docs/configuration.md is what Docs writes. After a change of a setting run
//
//	go test ./internal/serve -run TestDocs_AreTheDocument -update
func TestDocs_AreTheDocument(t *testing.T) {
	const file = "../../docs/configuration.md"
	var b strings.Builder
	if err := Docs(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != b.String() {
		t.Errorf("%s is not what postern config docs prints (%v): run this test with -update", file, err)
	}
}

// TestDocs_EverySettingIsExplained: a meaning, an example, and either a default or what takes its place.
func TestDocs_EverySettingIsExplained(t *testing.T) {
	n := 0
	var walk func(reflect.Type, string)
	walk = func(rt reflect.Type, path string) {
		for f := range settings(rt) {
			at := join(path, f.Tag.Get("toml"))
			n++
			if help := f.Tag.Get("help"); !strings.HasSuffix(help, ".") {
				t.Errorf("%s: the meaning %q is no sentence", at, help)
			}
			if isTable(f.Type) {
				inner := f.Type
				if inner.Kind() != reflect.Struct {
					inner = inner.Elem()
				}
				walk(inner, at)
				continue
			}
			if f.Tag.Get("example") == "" {
				t.Errorf("%s has no example", at)
			}
			_, has := f.Tag.Lookup("default")
			if has && f.Tag.Get("otherwise") != "" || has && f.Tag.Get("need") != "" {
				t.Errorf("%s has two defaults", at)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	if n < 150 {
		t.Errorf("only %d settings found", n)
	}
}

// TestDocs_FilesPassTheCheck: the files that docs/standalone.md shows start, as far as the file decides it.
func TestDocs_FilesPassTheCheck(t *testing.T) {
	doc, err := os.ReadFile("../../docs/standalone.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, block := range strings.Split(string(doc), "```toml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		c := parse(t, text)
		if err := Check(t.Context(), c, Parts{LookupEnv: environment{}.lookup, ReadFile: os.ReadFile}); err != nil {
			t.Error(err)
		}
		n++
	}
	if n == 0 {
		t.Error("no file found")
	}
}

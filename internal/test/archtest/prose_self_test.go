package archtest

import (
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestProse_FindsEachKind: the checks find what they are for, and take what is right.
func TestProse_FindsEachKind(t *testing.T) {
	const source = `// Package door opens doors. See [Door.Open], [Door.Shut] and [Opened].
package door

import "net/http"

// Door is a door, an [http.Handler]. Door.Slam and Door.Open are methods; ReadyMade is not, and [http.Handel] neither.
type Door struct{ Hinge }

// unlock opens it.
func (d *Door) Open() http.Handler { return nil }

// Shut is of the hinge.
type Hinge interface{ Shut() }

// whoever is told, tells a TrustConfig: ` + "`it is no door`" + `.
var err = "it is no door of its own"

// LONG

// https://example.com/LONG
`
	long := strings.Repeat("a b ", 40)
	r := newRepository(map[string]string{"docs/a.md": "A `door.Door` and a `door.Gate`.", "CHANGELOG.md": "`door.Gate` is gone."})
	text := strings.Replace(source, "// LONG", "// "+long, 1)
	text = strings.Replace(text, "example.com/LONG", "example.com/"+strings.ReplaceAll(long, " ", ""), 1)
	r.read(t, token.NewFileSet(), "door/door.go", []byte(text))
	r.dirs["net/http"] = standardDir(t, "net/http")

	var got []string
	for _, f := range slices.Concat(r.wideComments(), r.unknownNames(), r.wordFindings()) {
		got = append(got, kindNames[f.kind]+" "+f.text)
	}
	want := []string{
		"wide 163 columns",
		"unknown [Opened]", "unknown [http.Handel]", "unknown Door.Slam", "unknown ReadyMade", "unknown TrustConfig",
		"unknown unlock begins the comment of Open", "unknown whoever begins the comment of err", "unknown door.Gate",
		"old TrustConfig", "phrase whoever", "phrase is told", "phrase tells", "phrase it is no door", "phrase it is no door", "phrase of its own",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwanted\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func standardDir(t *testing.T, importPath string) string {
	t.Helper()
	r := readRepository(t)
	if r.dirs[importPath] == "" {
		t.Fatalf("%s is not among the packages of the repository", importPath)
	}
	return r.dirs[importPath]
}

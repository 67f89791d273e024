package archtest

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestProse checks how the repository reads: comment width, names that do not exist, names that were replaced, and a
// short list of phrases that are hard to read. Run
//
//	go test ./internal/test/archtest -run Prose -v -show session
//
// to see every finding of one folder. testdata/prose.txt lists the folders that may still have findings, and how many;
// a folder that is not listed may have none. -update lowers the numbers and never raises one.
var show = flag.String("show", "", "print every finding of this folder (\"all\" for all of them)")

// Kinds of findings, in the order of the columns of testdata/prose.txt.
const (
	wide    = iota // a comment line of more than 120 columns
	unknown        // an identifier that does not exist
	old            // a name that was replaced
	phrase         // a phrase of the list below
	kinds
)

var kindNames = [kinds]string{"wide", "unknown", "old", "phrase"}

// finding is one place that reads badly.
type finding struct {
	folder, file string
	line, kind   int
	text         string
}

const maxColumns = 120

// oldNames are identifiers and import paths that were replaced. Each is matched as a whole word.
var oldNames = alternatives("",
	"Foreign", "NewForeign", "ForeignConfig", "KindClaim", "ListClaim",
	"TrustConfig", `session\.Trust`, "VerifyInto", `Kind\.Accept`, `Info\.Seen`, `Info\.Absolute`, `Grant\.Place`,
	`gateway\.Trusted`, `gateway\.Kind`, `lambdahttp\.Kind`, `lambdatest\.Kind`, `session\.Auth`, `session\.Renew`, `session\.Method`,
	`session\.Behind`, "internal/house", "internal/local", "internal/handover", "internal/fakeidp", "internal/torture", "internal/hostile",
	"internal/flowtest", "internal/functiontest", "internal/testserver", "internal/testneed", "internal/faults", "internal/e2e", "internal/inbox",
)

// phrases are verbs of speech for programs, and relative clauses that lack their noun.
var phrases = alternatives("(?i)",
	"(?:is|are|was|were|been|be|being) told", "tells?", "telling", "hears?", "whoever", "whose it is", "but for", "holds? to",
	`(?:could not|cannot|can't|can not) be had`, "of (?:its|their|his) own", "nobody is told", "(?:it|that|this|which|who) is no [a-z]+",
)

// allowedPhrases are ordinary uses of the words above.
var allowedPhrases = regexp.MustCompile(`(?i)\b(?:is no (?:longer|more|less|better|worse)|there is no)\b`)

func alternatives(flags string, words ...string) *regexp.Regexp {
	return regexp.MustCompile(flags + `\b(` + strings.Join(words, "|") + `)\b`)
}

func TestProse(t *testing.T) {
	r := readRepository(t)
	all := slices.Concat(r.wideComments(), r.unknownNames(), r.wordFindings())
	counts := map[string][kinds]int{}
	for _, f := range all {
		c := counts[f.folder]
		c[f.kind]++
		counts[f.folder] = c
		if *show == f.folder || *show == "all" {
			t.Logf("%s:%d: %s: %s", f.file, f.line, kindNames[f.kind], f.text)
		}
	}
	if len(r.files) < 100 || len(r.documents) < 5 {
		t.Fatalf("only %d Go files and %d documents read: the walk is wrong", len(r.files), len(r.documents))
	}
	allowed := readAllowed(t)
	var total [kinds]int
	for _, folder := range slices.Sorted(maps.Keys(counts)) {
		c, limit := counts[folder], allowed[folder]
		for kind, n := range c {
			total[kind] += n
			if n > limit[kind] {
				t.Errorf("%s: %d × %s, allowed are %d: see them with -show %s", folder, n, kindNames[kind], limit[kind], folder)
			}
		}
		t.Logf("%-28s wide %3d  unknown %3d  old %3d  phrase %3d", folder, c[wide], c[unknown], c[old], c[phrase])
	}
	t.Logf("%-28s wide %3d  unknown %3d  old %3d  phrase %3d", "total", total[wide], total[unknown], total[old], total[phrase])
	if *update {
		writeAllowed(t, allowed, counts)
	}
}

func (r *repository) wideComments() []finding {
	var all []finding
	for _, f := range r.files {
		output := false // in what an Example prints, which can't wrap either
		for i, line := range strings.Split(string(f.source), "\n") {
			trimmed := strings.TrimSpace(line)
			comment := strings.HasPrefix(trimmed, "//")
			output = comment && (output || strings.HasPrefix(trimmed, "// Output:"))
			if !comment || output || len(strings.Fields(trimmed)) <= 2 { // one long address can't wrap
				continue
			}
			if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); n > maxColumns && !directive(trimmed) {
				all = append(all, finding{f.folder, f.path, i + 1, wide, fmt.Sprintf("%d columns", n)})
			}
		}
	}
	return all
}

var isDirective = regexp.MustCompile(`^//[a-z]+:[a-z]|^// Output:|^// \+build`)

func directive(comment string) bool { return isDirective.MatchString(comment) }

// wordFindings looks for old names in comments and documents, and for phrases in comments, documents and strings.
func (r *repository) wordFindings() []finding {
	var all []finding
	look := func(folder, file string, line, kind int, words *regexp.Regexp, text string) {
		for i, l := range strings.Split(text, "\n") {
			if kind == phrase {
				l = allowedPhrases.ReplaceAllString(l, "")
			}
			for _, m := range words.FindAllStringSubmatch(l, -1) {
				all = append(all, finding{folder, file, line + i, kind, m[1]})
			}
		}
	}
	for _, f := range r.files {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				line := f.line(c.Pos())
				look(f.folder, f.path, line, old, oldNames, c.Text)
				look(f.folder, f.path, line, phrase, phrases, c.Text)
			}
		}
		if f.folder == "internal/test/archtest" { // its strings are the lists
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING && strings.Count(s.Value, " ") > 1 {
				look(f.folder, f.path, f.line(s.Pos()), phrase, phrases, s.Value)
			}
			return true
		})
	}
	for name, text := range r.documents {
		if name == "CHANGELOG.md" { // it names what was replaced
			continue
		}
		look(path.Dir(name), name, 1, old, oldNames, text)
		look(path.Dir(name), name, 1, phrase, phrases, text)
	}
	return all
}

const allowedFile = "testdata/prose.txt"

func readAllowed(t *testing.T) map[string][kinds]int {
	t.Helper()
	data, err := os.ReadFile(allowedFile)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	allowed := map[string][kinds]int{}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var folder string
		var c [kinds]int
		if _, err := fmt.Sscan(line, &folder, &c[wide], &c[unknown], &c[old], &c[phrase]); err != nil {
			t.Fatalf("%s: %q: %v", allowedFile, line, err)
		}
		allowed[folder] = c
	}
	return allowed
}

// writeAllowed lowers the allowed numbers to what was counted. With no file, what was counted becomes the file.
func writeAllowed(t *testing.T, allowed, counts map[string][kinds]int) {
	t.Helper()
	if len(allowed) == 0 {
		allowed = counts
	}
	var b bytes.Buffer
	b.WriteString("# What testing Prose still allows: folder, wide, unknown, old, phrase. Numbers fall; an absent folder has none.\n")
	for _, folder := range slices.Sorted(maps.Keys(allowed)) {
		c := allowed[folder]
		for kind := range c {
			c[kind] = min(c[kind], counts[folder][kind])
		}
		if c != [kinds]int{} {
			fmt.Fprintf(&b, "%s %d %d %d %d\n", folder, c[wide], c[unknown], c[old], c[phrase])
		}
	}
	if err := os.MkdirAll(path.Dir(allowedFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(allowedFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

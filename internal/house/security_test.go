package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// rows are the requirements of priority 0 that the packages of this repository answer for; docs/security.md explains
// each and names its tests. A new row comes with its package.
var rows = strings.Fields(`
	J1 J2 J3 J4 J5 J6 J7 J8 J9 J10 J11 J12 J13 J14 J15 J16
	C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12
	I1 I2 I3 I4 I11
	A1 A2 A4 A5 A8
	M1 M2 M3 M4 M5 M6 M9
	S2 S3 X1 X2 X3 K1 K2 K3 K4 L1 L2 D1 D3 T1 T2 T3 T5`)

// tests returns the names of the test and fuzz functions of the repository, and of the subtests that a suite names
// with string literals.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		suite := strings.Contains(filepath.ToSlash(path), "store/storetest/")
		if d.IsDir() || !strings.HasSuffix(path, ".go") || !suite && !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if strings.HasPrefix(n.Name.Name, "Test") || strings.HasPrefix(n.Name.Name, "Fuzz") {
					names[n.Name.Name] = true
				}
			case *ast.BasicLit:
				if suite && n.Kind == token.STRING && suiteName.MatchString(n.Value) {
					names[strings.Trim(n.Value, `"`)] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var (
	suiteName = regexp.MustCompile(`^"T\d_\w+"$`)
	tableRow  = regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|(.*)\|$`)
	testName  = regexp.MustCompile("`((?:Test|Fuzz|T\\d_)\\w+)`")
)

// TestDocs_SecurityTable: every row has a line in docs/security.md, every test it names exists, and at least one of
// them carries the row's id.
func TestDocs_SecurityTable(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := tests(t)
	lines := map[string]string{}
	for _, m := range tableRow.FindAllStringSubmatch(string(doc), -1) {
		if lines[m[1]] != "" {
			t.Errorf("row %s stands twice", m[1])
		}
		lines[m[1]] = m[2]
	}
	for _, row := range rows {
		line, ok := lines[row]
		if !ok {
			t.Errorf("row %s is missing in docs/security.md", row)
			continue
		}
		carries := false
		for _, m := range testName.FindAllStringSubmatch(line, -1) {
			if !known[m[1]] {
				t.Errorf("row %s names %s, which does not exist", row, m[1])
			}
			if strings.HasPrefix(m[1], "Test"+row+"_") || strings.HasPrefix(m[1], row+"_") {
				carries = true
			}
		}
		if !carries {
			t.Errorf("row %s names no test that carries its id", row)
		}
	}
}

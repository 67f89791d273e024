package archtest

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/security.md anew")

// tests returns the test functions of the repository by name, with the package each is in. The subtests of the store
// contract count too: they run for every engine.
func tests(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		suite := strings.HasPrefix(rel, "store/storetest/")
		if d.IsDir() || !strings.HasSuffix(rel, ".go") || !suite && !strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		if pkg == "." {
			pkg = "postern"
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if strings.HasPrefix(n.Name.Name, "Test") && n.Recv == nil {
					names[n.Name.Name] = pkg
				}
			case *ast.BasicLit:
				if suite && n.Kind == token.STRING && suiteName.MatchString(n.Value) {
					names[strings.Trim(n.Value, `"`)] = pkg
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

var suiteName = regexp.MustCompile(`^"T\d_\w+"$`)

// table draws the catalogue with the tests that carry each row's id.
func table(t *testing.T) string {
	t.Helper()
	known := tests(t)
	var b strings.Builder
	for _, group := range catalogue {
		fmt.Fprintf(&b, "\n### %s\n\n| row | what holds | tests |\n| --- | --- | --- |\n", group.title)
		for _, r := range group.rows {
			byPackage := map[string][]string{}
			for name, pkg := range known {
				if strings.HasPrefix(name, "Test"+r.id+"_") || strings.HasPrefix(name, r.id+"_") {
					byPackage[pkg] = append(byPackage[pkg], "`"+name+"`")
				}
			}
			if len(byPackage) == 0 {
				t.Errorf("row %s has no test that carries its id", r.id)
			}
			var cells []string
			for _, pkg := range slices.Sorted(maps.Keys(byPackage)) {
				slices.Sort(byPackage[pkg])
				cells = append(cells, pkg+": "+strings.Join(byPackage[pkg], ", "))
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.id, r.holds, strings.Join(cells, "; "))
		}
	}
	return b.String()
}

// TestDocs_SecurityRows: a test that carries the id of a row is in the table.
func TestDocs_SecurityRows(t *testing.T) {
	rows := map[string]bool{"B61": true} // a corpus of other issuers, not a row
	for _, group := range catalogue {
		for _, r := range group.rows {
			rows[r.id] = true
		}
	}
	for name, pkg := range tests(t) {
		if m := rowName.FindStringSubmatch(name); m != nil && !rows[m[1]] {
			t.Errorf("%s: %s has no row %s in rows_test.go", pkg, name, m[1])
		}
	}
}

var rowName = regexp.MustCompile(`^Test([A-Z]\d+)_`)

// TestDocs_SecurityTable: docs/security.md names for every row exactly the tests that carry its id.
func TestDocs_SecurityTable(t *testing.T) {
	const begin, end = "<!-- table: go test ./internal/test/archtest -run SecurityTable -update -->\n", "<!-- end of table -->"
	path := filepath.Join(root, "docs/security.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(doc), begin)
	old, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", path)
	}
	want := table(t)
	if old == want {
		return
	}
	if !*update {
		t.Fatal("the table of docs/security.md is not that of the tests: go test ./internal/test/archtest -run SecurityTable -update")
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestDocs_PageNames: docs/json.md names every page of package postern, since a front end decides by the name.
func TestDocs_PageNames(t *testing.T) {
	doc := documents(t)["docs/json.md"]
	files, err := filepath.Glob(root + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			page, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if kind, ok := page.Type.(*ast.Ident); !ok || kind.Name != "Page" {
				return true
			}
			for _, e := range page.Elts {
				pair, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				key, isName := pair.Key.(*ast.Ident)
				value, isText := pair.Value.(*ast.BasicLit)
				if !isName || key.Name != "Name" || !isText {
					continue
				}
				named++
				if name, err := strconv.Unquote(value.Value); err != nil || !strings.Contains(doc, "`"+name+"`") {
					t.Errorf("%s: the page %s is not in docs/json.md", filepath.Base(path), value.Value)
				}
			}
			return true
		})
	}
	if named < 15 {
		t.Errorf("only %d pages found", named)
	}
}

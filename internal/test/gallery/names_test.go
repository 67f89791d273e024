package gallery

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../../.."

var pageName = regexp.MustCompile(`^(admin|postern|magic|password|passkey|totp|recovery)\.[a-z-]+$`)

// writers of mails take names of mails, which look like those of pages.
var writers = []string{"notify", "Notify", "notice", "notifyFirst", "noticeAll", "verifyMail", "NoticeMail"}

// pagesOf reads the names of all pages out of the code: texts of the form of a page's name, except those of mails.
func pagesOf(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	for _, folder := range []string{"", "magic", "password", "passkey", "totp", "users"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool { return pagesIn(n, found) })
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// pagesIn adds the name that a node is. It reports whether the nodes below can have some.
func pagesIn(n ast.Node, found map[string]bool) bool {
	switch n := n.(type) {
	case *ast.CompositeLit:
		return nameOf(n.Type) != "Mail" && nameOf(n.Type) != "notice" && nameOf(n.Type) != "Notice"
	case *ast.KeyValueExpr:
		return nameOf(n.Key) != "Notice" && nameOf(n.Key) != "Mail"
	case *ast.CallExpr:
		return !slices.Contains(writers, nameOf(n.Fun))
	case *ast.AssignStmt:
		if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && nameOf(to.X) == "m" {
			return false // a mail
		}
	case *ast.CaseClause:
		for _, s := range n.Body {
			ast.Inspect(s, func(n ast.Node) bool { return pagesIn(n, found) })
		}
		return false
	case *ast.BasicLit:
		if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && pageName.MatchString(text) && text != "passkey.js" {
			found[text] = true
		}
	case *ast.GenDecl:
		return n.Tok != token.CONST
	}
	return true
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// TestScenes_Complete: every page that is in the code is in the gallery, and no scene is there twice.
func TestScenes_Complete(t *testing.T) {
	shown, seen := map[string]bool{}, map[string]bool{}
	for _, s := range scenes() {
		shown[s.page] = true
		if seen[s.name()] {
			t.Errorf("%s is there twice", s.name())
		}
		seen[s.name()] = true
	}
	pages := pagesOf(t)
	for _, name := range pages {
		if !shown[name] && !slices.Contains(alone, name) {
			t.Errorf("the page %s is not in the gallery", name)
		}
	}
	for name := range shown {
		if !slices.Contains(pages, name) {
			t.Errorf("the gallery has %s, which is not in the code", name)
		}
	}
	if len(pages) < 45 {
		t.Errorf("only %d pages found: %s", len(pages), pages)
	}
}

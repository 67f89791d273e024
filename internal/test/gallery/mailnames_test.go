package gallery

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// namedMails reads the names of all mails out of the code: those in a Mail or a notice, and those that a writer takes.
func namedMails(t *testing.T) []string {
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
			ast.Inspect(file, func(n ast.Node) bool {
				for _, e := range namesIn(n) {
					if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
						if text, err := strconv.Unquote(l.Value); err == nil && pageName.MatchString(text) {
							found[text] = true
						}
					}
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// namesIn are the expressions of a node that can be the name of a mail.
func namesIn(n ast.Node) (list []ast.Expr) {
	switch n := n.(type) {
	case *ast.CompositeLit:
		for _, e := range n.Elts {
			pair, ok := e.(*ast.KeyValueExpr)
			if ok && strings.EqualFold(nameOf(pair.Key), "name") && (nameOf(n.Type) == "Mail" || strings.EqualFold(nameOf(n.Type), "notice")) {
				list = append(list, pair.Value)
			}
		}
	case *ast.CallExpr:
		if slices.Contains(writers, nameOf(n.Fun)) {
			return n.Args
		}
	case *ast.AssignStmt:
		if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && nameOf(to.X) == "m" && to.Sel.Name == "Name" {
			return n.Rhs
		}
	case *ast.ValueSpec:
		if n.Names[0].Name == "nameMail" {
			return n.Values
		}
	}
	return list
}

var mailLink = regexp.MustCompile(`href="(https://app\.example` + base + `/admin/mail/([a-z]+)/([a-z-]+)(-\d)?)"`)

// TestMails_Complete: the console shows every mail that is in the code, in each language, and nothing in one of them
// runs, or comes from elsewhere.
func TestMails_Complete(t *testing.T) {
	v := newWorld(t)
	p := v.person(t, "en").office("mails").open("/admin/mail")
	shown := map[string]bool{}
	all := mailLink.FindAllStringSubmatch(p.body, -1)
	for _, one := range all {
		shown[strings.TrimSuffix(one[2]+"."+one[3], "-by-admin")] = true
		for _, language := range []string{"en", "ar-XB"} {
			p.open(strings.TrimPrefix(one[1], "https://app.example"+base) + "/html?language=" + language)
			if p.status != http.StatusOK || !strings.Contains(p.body, `<html lang="`+language) {
				t.Errorf("%s: %d\n%s", one[1], p.status, p.body)
			}
			for _, bad := range []string{"<script", "<img", "<link", "url(", "@import", "<form", "src="} {
				if strings.Contains(p.body, bad) {
					t.Errorf("%s has %s", one[1], bad)
				}
			}
			for _, address := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(p.body, -1) {
				if !strings.HasPrefix(address[1], "https://app.example"+base+"/") && !strings.HasPrefix(address[1], "https://shop.example/") { // of the theme
					t.Errorf("%s leads to %s", one[1], address[1])
				}
			}
			p.open(strings.TrimPrefix(one[1], "https://app.example"+base) + "/text?language=" + language)
			if p.status != http.StatusOK || !strings.HasPrefix(p.header.Get("Content-Type"), "text/plain") || strings.ContainsAny(p.body, "{}") {
				t.Errorf("%s: %d %s\n%s", one[1], p.status, p.header.Get("Content-Type"), p.body)
			}
		}
	}
	names := namedMails(t)
	for _, name := range names {
		if !shown[name] {
			t.Errorf("the console does not show the mail %s", name)
		}
	}
	for name := range shown {
		if !slices.Contains(names, name) {
			t.Errorf("the console shows %s, which is not in the code", name)
		}
	}
	if len(names) < 35 {
		t.Errorf("only %d mails found: %s", len(names), names)
	}
}

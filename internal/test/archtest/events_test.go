package archtest

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// namedElsewhere are the places where the name of an event is a variable, with the names it has there.
// A function that passes a name on has none: its callers have literals.
var namedElsewhere = map[string][]string{
	"enroll.go: e.Event":                nil,
	"factorwait.go: p.Event":            nil,
	"outcome.go: name":                  {"sign-in failed", "limited"},
	"password/change.go: event":         nil,
	"users/admin.go: name":              nil,
	"users/admin_credentials.go: event": nil,
}

// eventNames returns the names of the events that the library emits, each with a file that does, and the places where a
// name is not a constant.
func eventNames(r *repository) (names map[string]string, unresolved []string) {
	names = map[string]string{}
	constants := map[string]string{} // folder and name
	for _, f := range r.files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names) != len(spec.Values) {
				return true
			}
			for i, name := range spec.Names {
				if text, ok := literal(spec.Values[i]); ok {
					constants[f.folder+"."+name.Name] = text
				}
			}
			return true
		})
	}
	for _, f := range r.files {
		if strings.HasSuffix(f.path, "_test.go") || within(f.folder, "internal/test", "bench", "examples", "cmd", "posterntest", "provision", "lambdahttp", "audit") {
			continue
		}
		found := func(e ast.Expr) {
			text, ok := literal(e)
			if id, isName := e.(*ast.Ident); !ok && isName {
				text, ok = constants[f.folder+"."+id.Name]
			}
			if ok && text != "" {
				names[text] = f.path
				return
			}
			key := f.path + ": " + types.ExprString(e)
			if more, known := namedElsewhere[key]; known {
				for _, name := range more {
					names[name] = f.path
				}
			} else if !ok {
				unresolved = append(unresolved, key)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				member := map[string]string{"Event": "Name", "Enrolment": "Event", "Passing": "Event"}[lastName(n.Type)]
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && member != "" && lastName(kv.Key) == member {
						found(kv.Value)
					}
				}
			case *ast.CallExpr:
				of, method := n.Fun.(*ast.SelectorExpr)
				if !method {
					return true
				}
				switch fun := lastName(n.Fun); {
				case fun == "emit" && len(n.Args) == 2, f.folder == "users" && (fun == "removedWay" || fun == "done" && lastName(of.X) == "c"):
					found(n.Args[0])
				case fun == "deed" && f.folder == "password":
					found(n.Args[3])
				}
			case *ast.AssignStmt: // e.Name = "…"
				if s, ok := n.Lhs[0].(*ast.SelectorExpr); ok && s.Sel.Name == "Name" && lastName(s.X) == "e" {
					if _, ok := literal(n.Rhs[0]); ok {
						found(n.Rhs[0])
					}
				}
			}
			return true
		})
	}
	return names, unresolved
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// lastName returns the last name of an expression such as session.Event.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// TestEvents_Documented: docs/audit.md has a row for each event that the code emits, and no other.
func TestEvents_Documented(t *testing.T) {
	emitted, unresolved := eventNames(readRepository(t))
	for _, place := range unresolved {
		t.Errorf("%s: the name of this event is not a constant; add it to namedElsewhere", place)
	}
	if len(emitted) < 50 {
		t.Fatalf("only %d events found: the search is wrong", len(emitted))
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs/audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## The events")
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z -]+)` \\|").FindAllStringSubmatch(table, -1) {
		if rows[m[1]] {
			t.Errorf("docs/audit.md has %q twice", m[1])
		}
		rows[m[1]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(emitted)) {
		if !rows[name] {
			t.Errorf("docs/audit.md has no row for %q (%s)", name, emitted[name])
		}
	}
	for name := range rows {
		if emitted[name] == "" {
			t.Errorf("docs/audit.md has a row for %q, which nothing emits", name)
		}
	}
}

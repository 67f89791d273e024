package postern

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestHistoryEntry_Text: each event that the code writes into a history has a text for people, and each text has an
// event.
func TestHistoryEntry_Text(t *testing.T) {
	kept, named := keptEvents(t)
	for event := range historyOf {
		if !named[event] {
			t.Errorf("nothing emits %q", event)
		}
		kept[event] = true
	}
	for event := range kept {
		if _, ok := (HistoryEntry{Event: strings.ReplaceAll(event, " ", "_")}).Text().(Phrase); !ok {
			t.Errorf("%q has no text", event)
		}
	}
	for event := range eventTexts {
		if !kept[strings.ReplaceAll(event, "_", " ")] {
			t.Errorf("no code writes %q into a history", event)
		}
	}
	if len(kept) < 35 {
		t.Errorf("%d events: the search is wrong", len(kept))
	}
	if got := (HistoryEntry{Event: "bike_lent"}).Text(); got != "bike lent" {
		t.Errorf("an event of the application: %v", got)
	}
}

// keptEvents reads the code: kept are the events of an Enrolment or a Passing, and named is every text in the code but
// for the list of the history.
func keptEvents(t *testing.T) (kept, named map[string]bool) {
	t.Helper()
	kept, named = map[string]bool{}, map[string]bool{}
	for _, folder := range []string{".", "users", "password", "passkey", "totp", "magic", "oidc", "oauth"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || name == "account_history.go" {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
						named[s] = true
					}
				case *ast.CompositeLit:
					eventOf(t, name, n, kept)
				}
				return true
			})
		}
	}
	return kept, named
}

// eventOf adds the event of an Enrolment or a Passing.
func eventOf(t *testing.T, file string, l *ast.CompositeLit, kept map[string]bool) {
	t.Helper()
	kind := ""
	switch e := l.Type.(type) {
	case *ast.Ident:
		kind = e.Name
	case *ast.SelectorExpr:
		kind = e.Sel.Name
	}
	if kind != "Enrolment" && kind != "Passing" {
		return
	}
	for _, e := range l.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok || pair.Key.(*ast.Ident).Name != "Event" {
			continue
		}
		switch v := pair.Value.(type) {
		case *ast.BasicLit:
			s, _ := strconv.Unquote(v.Value)
			kept[s] = true
		case *ast.SelectorExpr: // of a Passing, which is looked at where it is made
		default:
			t.Errorf("%s: the event is no constant", file)
		}
	}
}

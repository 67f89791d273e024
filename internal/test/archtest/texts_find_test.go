package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strings"
)

// textFields are the fields that people read, by the type that has them. They hold templates: package ui finds the text
// of another language by the whole template, so it must be a constant.
var textFields = map[string][]string{
	"Page": {"Title", "Text", "Notice", "Error", "ScriptTexts"}, "Section": {"Title", "Text"}, "Figure": {"Text"}, "Line": {"Label", "Note"},
	"Table": {"Columns", "Empty"}, "Form": {"Title", "Text", "Submit"}, "Field": {"Label", "Hint"}, "Option": {"Text"}, "Link": {"Text", "Note"},
	"Mail": {"Subject"}, "MailSample": {"When"}, "MailPart": {"Text"}, "Error": {"Text"}, "FieldError": {"Text"}, "FactorInfo": {"Label", "SetUp"},
	"Notice": {"Subject", "Text"}, "notice": {"subject", "text", "button", "end"},
}

// assigned are those fields that a statement may set, whatever the type: the names mean nothing else here.
var assigned = []string{"Title", "Text", "Notice", "Label", "Hint", "Submit", "Note", "Empty", "ScriptTexts"}

// textArguments are functions of other packages with the place of their argument that is a text. Those of a package
// itself are found.
var textArguments = map[string]int{"Deny": 1, "Phrase": 0}

// accepted are expressions that are no constants, and why they may stand for a text.
var accepted = map[string]string{
	"useragent.Device": "names of browsers and systems",
	"deviceName":       "from useragent.Device",
	"m.device":         "from useragent.Device",
	"b.Device":         "from useragent.Device",
	"models[…]":        "names of products",
}

// writers are the files that fill the templates: their texts are those of others.
var writers = []string{"page_texts.go", "mail_body.go"}

// A foundText is a constant text in the code.
type foundText struct{ at, text string }

// A textFinder reads the texts of one package.
type textFinder struct {
	fset  *token.FileSet
	files []*ast.File
	funcs map[string][]*ast.FuncDecl
	vars  map[string]ast.Expr // constants and variables of the package
	args  map[string][]int
	known int // arguments in args
	done  map[string]bool

	texts  []foundText
	faults []string
}

// findTexts returns the constant texts of the package in a folder, and what stands in the place of a text and is none.
func findTexts(files fs.FS, folder string) (*textFinder, error) {
	f := &textFinder{fset: token.NewFileSet(), funcs: map[string][]*ast.FuncDecl{}, vars: map[string]ast.Expr{}, args: map[string][]int{}, known: 1, done: map[string]bool{}}
	names, err := fs.Glob(files, strings.TrimPrefix(folder+"/*.go", "./"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(writers, name) {
			continue
		}
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(f.fset, name, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		f.files = append(f.files, file)
	}
	for _, file := range f.files {
		for _, d := range file.Decls {
			f.declare(d)
		}
	}
	for name, i := range textArguments {
		f.args[name] = []int{i}
	}
	for before := 0; before != f.known; { // an argument that is a text can be that of another function
		before = f.known
		f.texts, f.faults, f.done = nil, nil, map[string]bool{}
		for _, file := range f.files {
			f.file(file)
		}
	}
	return f, nil
}

func (f *textFinder) declare(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		f.funcs[d.Name.Name] = append(f.funcs[d.Name.Name], d)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if s, ok := s.(*ast.ValueSpec); ok {
				for i, name := range s.Names {
					if i < len(s.Values) {
						f.vars[name.Name] = s.Values[i]
					}
				}
			}
		}
	}
}

// file looks at every expression of a file with the function that it is in.
func (f *textFinder) file(file *ast.File) {
	for _, d := range file.Decls {
		in, _ := d.(*ast.FuncDecl)
		elided := map[*ast.CompositeLit]string{}
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				f.literal(n, elided, in)
			case *ast.CallExpr:
				for _, i := range append(f.args[nameOf(n.Fun)], f.args[inside(in, nameOf(n.Fun))]...) {
					if i < len(n.Args) {
						f.text(n.Args[i], in)
					}
				}
			case *ast.AssignStmt:
				f.assignment(n, in)
			}
			return true
		})
	}
}

// nameOf is the last name of an expression: "Page" of postern.Page.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.StarExpr:
		return nameOf(e.X)
	}
	return ""
}

// literal looks at the fields of a struct. elided are the types of literals that are written without one.
func (f *textFinder) literal(l *ast.CompositeLit, elided map[*ast.CompositeLit]string, in *ast.FuncDecl) {
	kind := elided[l]
	switch t := l.Type.(type) {
	case *ast.ArrayType:
		f.elide(l, nameOf(t.Elt), elided)
		return
	case *ast.MapType:
		f.elide(l, nameOf(t.Value), elided)
		return
	case nil:
	default:
		kind = nameOf(t)
	}
	if last := len(l.Elts) - 1; kind == "FieldError" && last == 1 || kind == "Error" && last == 0 { // perhaps without names
		if _, named := l.Elts[last].(*ast.KeyValueExpr); !named {
			f.text(l.Elts[last], in)
			return
		}
	}
	fields := textFields[kind]
	foreign := slices.ContainsFunc(l.Elts, func(e ast.Expr) bool { return keyOf(e) == "Lang" })
	for _, e := range l.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok && slices.Contains(fields, keyOf(e)) && !foreign {
			f.text(pair.Value, in)
		}
	}
}

func keyOf(e ast.Expr) string {
	if pair, ok := e.(*ast.KeyValueExpr); ok {
		return nameOf(pair.Key)
	}
	return ""
}

func (f *textFinder) elide(l *ast.CompositeLit, kind string, elided map[*ast.CompositeLit]string) {
	for _, e := range l.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Value
		}
		if c, ok := e.(*ast.CompositeLit); ok && c.Type == nil {
			elided[c] = kind
		}
	}
}

func (f *textFinder) assignment(s *ast.AssignStmt, in *ast.FuncDecl) {
	for i, left := range s.Lhs {
		field, ok := left.(*ast.SelectorExpr)
		if !ok || !slices.Contains(assigned, field.Sel.Name) || len(s.Lhs) != len(s.Rhs) {
			continue
		}
		if s.Tok == token.ADD_ASSIGN && !f.begins(s.Rhs[i]) {
			f.fault(s.Rhs[i], "a text is put together")
			continue
		}
		f.text(s.Rhs[i], in)
	}
}

func (f *textFinder) argument(function string, place int) {
	if !slices.Contains(f.args[function], place) {
		f.args[function] = append(f.args[function], place)
		f.known++
	}
}

func (f *textFinder) fault(e ast.Expr, what string) {
	f.faults = append(f.faults, fmt.Sprintf("%v: %s", f.fset.Position(e.Pos()), what))
}

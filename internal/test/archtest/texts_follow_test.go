package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/words"
)

// text follows an expression in the place of a text to the constants that it can be.
func (f *textFinder) text(e ast.Expr, in *ast.FuncDecl) {
	if s, ok := f.constant(e); ok {
		f.add(e, s)
		return
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		f.text(e.X, in)
		return
	case *ast.BinaryExpr:
		if f.paragraphs(e) {
			f.text(e.X, in)
			f.text(e.Y, in)
			return
		}
	case *ast.CompositeLit: // []string
		for _, one := range e.Elts {
			if pair, ok := one.(*ast.KeyValueExpr); ok {
				one = pair.Value
			}
			f.text(one, in)
		}
		return
	case *ast.Ident:
		if f.name(e, in) {
			return
		}
	case *ast.SelectorExpr:
		owner := nameOf(e.X) + "." + e.Sel.Name
		if accepted[owner] != "" || isTextField(e.Sel.Name) {
			return // it is looked at where it is set
		}
	case *ast.IndexExpr:
		if accepted[source(e)] == "" {
			f.text(e.X, in)
		}
		return
	case *ast.CallExpr:
		if list, ok := f.passed(e); ok {
			for _, one := range list {
				f.text(one, in)
			}
			return
		}
		if s, ok := e.Fun.(*ast.SelectorExpr); ok && accepted[nameOf(s.X)+"."+s.Sel.Name] != "" {
			return
		}
		if f.results(nameOf(e.Fun), 0) {
			return
		}
	}
	f.fault(e, "the text is no constant: "+source(e))
}

func isTextField(name string) bool {
	for _, fields := range textFields {
		for _, field := range fields {
			if strings.EqualFold(field, name) {
				return true
			}
		}
	}
	return false
}

// add keeps a constant text. Each paragraph is a text by itself.
func (f *textFinder) add(e ast.Expr, s string) {
	for text := range strings.SplitSeq(s, "\n\n") {
		if text == "" {
			continue
		}
		if _, err := words.Names(text); err != nil {
			f.fault(e, err.Error())
		}
		f.texts = append(f.texts, foundText{f.fset.Position(e.Pos()).String(), text})
	}
}

// constant returns the value of a constant text, over lines and by name.
func (f *textFinder) constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, left := f.constant(e.X)
		b, right := f.constant(e.Y)
		return a + b, left && right && e.Op == token.ADD
	}
	return "", false
}

// name follows a name to what it can be: a constant, a variable, or an argument. It reports whether it is one of them.
func (f *textFinder) name(id *ast.Ident, in *ast.FuncDecl) bool {
	if in != nil {
		place := 0
		for _, field := range in.Type.Params.List {
			for _, name := range field.Names {
				if name.Name == id.Name {
					f.argument(in.Name.Name, place)
					return true
				}
				place++
			}
		}
		if f.local(id.Name, in) || f.closure(id.Name, in) {
			return true
		}
	}
	value, ok := f.vars[id.Name]
	if ok && !f.done[id.Name] {
		f.done[id.Name] = true
		f.text(value, nil)
	}
	return ok
}

// local follows a variable of a function to everything that is put into it.
func (f *textFinder) local(name string, in *ast.FuncDecl) (found bool) {
	id := in.Name.Name + "." + name + strconv.Itoa(int(in.Pos()))
	if f.done[id] {
		return true
	}
	sources := func(lefts, rights []ast.Expr, tok token.Token) {
		for i, left := range lefts {
			if l, ok := left.(*ast.Ident); !ok || l.Name != name {
				continue
			}
			found, f.done[id] = true, true
			switch {
			case tok == token.ADD_ASSIGN && !f.begins(rights[i]):
				f.fault(rights[i], "a text is put together")
			case len(lefts) == len(rights):
				f.text(rights[i], in)
			default:
				call, ok := rights[0].(*ast.CallExpr)
				if !ok || !f.results(nameOf(call.Fun), i) {
					f.fault(rights[0], "the text is no constant: "+source(rights[0]))
				}
			}
		}
	}
	ast.Inspect(in.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			sources(n.Lhs, n.Rhs, n.Tok)
		case *ast.ValueSpec:
			lefts := []ast.Expr{}
			for _, name := range n.Names {
				lefts = append(lefts, name)
			}
			if len(n.Values) > 0 {
				sources(lefts, n.Values, token.DEFINE)
			}
		case *ast.RangeStmt:
			if l, ok := n.Value.(*ast.Ident); ok && l.Name == name {
				found, f.done[id] = true, true
				f.text(n.X, in)
			}
		}
		return true
	})
	return found
}

// begins reports whether an expression begins a paragraph: texts are looked up by the paragraph.
func (f *textFinder) begins(e ast.Expr) bool {
	if b, ok := e.(*ast.BinaryExpr); ok {
		return f.begins(b.X)
	}
	s, _ := f.constant(e)
	return strings.HasPrefix(s, "\n\n")
}

// paragraphs reports whether a sum is one of whole paragraphs.
func (f *textFinder) paragraphs(sum *ast.BinaryExpr) bool {
	left := sum.X
	for {
		b, ok := left.(*ast.BinaryExpr)
		if !ok {
			break
		}
		left = b.Y
	}
	before, _ := f.constant(left)
	return sum.Op == token.ADD && (strings.HasSuffix(before, "\n\n") || f.begins(sum.Y))
}

// passed returns the arguments that a call passes on as texts.
func (f *textFinder) passed(call *ast.CallExpr) ([]ast.Expr, bool) {
	switch name := source(call.Fun); name {
	case "Phrase", "postern.Phrase", "string", "strings.Split", "strings.SplitSeq":
		return call.Args[:1], true
	case "append":
		return call.Args[1:], true
	case "cmp.Or", "words.Paragraphs":
		return call.Args, true
	case "strings.Join":
		between, _ := f.constant(call.Args[1])
		return call.Args[:1], between == "\n\n"
	}
	return nil, false
}

// inside names a function that is in a variable of another.
func inside(in *ast.FuncDecl, name string) string {
	if in == nil {
		return ""
	}
	return in.Name.Name + strconv.Itoa(int(in.Pos())) + "." + name
}

// closure follows a name to an argument of a function in a variable.
func (f *textFinder) closure(name string, in *ast.FuncDecl) (found bool) {
	ast.Inspect(in.Body, func(n ast.Node) bool {
		s, ok := n.(*ast.AssignStmt)
		if !ok || len(s.Rhs) != 1 {
			return true
		}
		if lit, ok := s.Rhs[0].(*ast.FuncLit); ok {
			place := 0
			for _, field := range lit.Type.Params.List {
				for _, arg := range field.Names {
					if arg.Name == name {
						found = true
						f.argument(inside(in, nameOf(s.Lhs[0])), place)
					}
					place++
				}
			}
		}
		return true
	})
	return found
}

// results follows what functions of a name return at a place.
func (f *textFinder) results(name string, place int) bool {
	for _, d := range f.funcs[name] {
		if id := d.Name.Name + "()" + strconv.Itoa(int(d.Pos())); f.done[id] {
			continue
		} else {
			f.done[id] = true
		}
		ast.Inspect(d.Body, func(n ast.Node) bool {
			if _, inner := n.(*ast.FuncLit); inner {
				return false
			}
			if r, ok := n.(*ast.ReturnStmt); ok && place < len(r.Results) {
				f.text(r.Results[place], d)
			}
			return true
		})
	}
	return len(f.funcs[name]) > 0
}

func source(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return source(e.X) + e.Op.String() + source(e.Y)
	case *ast.CallExpr:
		return source(e.Fun) + "(…)"
	case *ast.SelectorExpr:
		return source(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return source(e.X) + "[…]"
	case *ast.Ident:
		return e.Name
	case *ast.BasicLit:
		return e.Value
	}
	return fmt.Sprintf("%T", e)
}

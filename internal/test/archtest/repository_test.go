package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// repository is every Go file and document of the repository, read once.
type repository struct {
	files     []*file // without generated ones
	documents map[string]string
	scopes    map[string]*scope   // by folder; the files of one folder, tests included
	byName    map[string][]string // package name to folders of this module
	imported  map[string]*scope   // packages of others, by import path
	dirs      map[string]string   // where their sources are
	words     map[string]bool     // identifiers, and words in strings, of all files
}

// file is one Go file.
type file struct {
	folder, path string // from the root of the repository
	source       []byte
	fset         *token.FileSet
	syntax       *ast.File
	imports      map[string]string // local name to import path
}

func (f *file) line(p token.Pos) int { return f.fset.Position(p).Line }

func newRepository(documents map[string]string) *repository {
	return &repository{
		documents: documents, scopes: map[string]*scope{}, byName: map[string][]string{},
		imported: map[string]*scope{}, dirs: map[string]string{}, words: map[string]bool{},
	}
}

func readRepository(t *testing.T) *repository {
	t.Helper()
	r := newRepository(documents(t))
	out, err := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "*.go").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	fset := token.NewFileSet()
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		source, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) { // deleted, not committed yet
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		r.read(t, fset, name, source)
	}
	out, err = exec.Command("go", "list", "-deps", "-test", "-f", "{{.ImportPath}}\t{{.Dir}}", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		importPath, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		r.dirs[importPath] = dir
	}
	return r
}

// read parses one Go file and adds it.
func (r *repository) read(t *testing.T, fset *token.FileSet, name string, source []byte) {
	t.Helper()
	syntax, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	f := &file{folder: path.Dir(name), path: name, source: source, fset: fset, syntax: syntax, imports: map[string]string{}}
	for _, spec := range syntax.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		local := packageName(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		f.imports[local] = imported
	}
	if !ast.IsGenerated(syntax) { // its words are not ours
		r.files = append(r.files, f)
	}
	r.add(f)
}

// packageName guesses the name of a package from its import path: the last part that is not a version.
func packageName(importPath string) string {
	name := path.Base(importPath)
	if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
		name = path.Base(path.Dir(importPath))
	}
	name = strings.TrimPrefix(name, "go-")
	name, _, _ = strings.Cut(name, ".")
	return name
}

func (r *repository) add(f *file) {
	s := r.scopes[f.folder]
	if s == nil {
		s = newScope()
		r.scopes[f.folder] = s
		if name := strings.TrimSuffix(f.syntax.Name.Name, "_test"); name != "main" && !within(f.folder, "bench") {
			r.byName[name] = append(r.byName[name], f.folder)
		}
	}
	s.add(f.syntax)
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			r.words[n.Name] = true
		case *ast.BasicLit:
			for _, w := range word.FindAllString(n.Value, -1) {
				r.words[w] = true
			}
		}
		return true
	})
}

// scope is what a package declares: its top-level names, and the fields and methods of its types.
type scope struct {
	names    map[string]bool
	members  map[string]map[string]bool
	embedded map[string][]string // type to the types whose members it has, too
}

func newScope() *scope {
	return &scope{map[string]bool{}, map[string]map[string]bool{}, map[string][]string{}}
}

func (s *scope) add(syntax *ast.File) {
	for _, d := range syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				s.names[d.Name.Name] = true
			} else if len(d.Recv.List) > 0 {
				s.member(typeName(d.Recv.List[0].Type), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						s.names[n.Name] = true
					}
				case *ast.TypeSpec:
					s.names[spec.Name.Name] = true
					s.typ(spec.Name.Name, spec.Type)
				}
			}
		}
	}
}

func (s *scope) member(typ, name string) {
	if s.members[typ] == nil {
		s.members[typ] = map[string]bool{}
	}
	s.members[typ][name] = true
}

func (s *scope) typ(name string, t ast.Expr) {
	var fields *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		fields = t.Fields
	case *ast.InterfaceType:
		fields = t.Methods
	default:
		s.embedded[name] = append(s.embedded[name], typeName(t)) // an alias, or a type with another's fields
		return
	}
	for _, f := range fields.List {
		for _, n := range f.Names {
			s.member(name, n.Name)
		}
		if len(f.Names) == 0 {
			e := typeName(f.Type)
			s.member(name, e[strings.LastIndex(e, ".")+1:])
			s.embedded[name] = append(s.embedded[name], e)
		}
	}
}

// typeName returns T for T, a pointer to T and an instance of T, "p.T" for a type of package p,
// and "?" for anything else.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.ParenExpr:
		return typeName(t.X)
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.IndexListExpr:
		return typeName(t.X)
	case *ast.SelectorExpr:
		if x, ok := t.X.(*ast.Ident); ok {
			return x.Name + "." + t.Sel.Name
		}
	}
	return "?"
}

// has reports whether a type has a field or method. What is embedded from another package is taken to have it.
func (s *scope) has(typ, member string) bool {
	if s.members[typ][member] {
		return true
	}
	for _, e := range s.embedded[typ] {
		if strings.Contains(e, ".") || e == "?" || e != typ && s.has(e, member) {
			return true
		}
	}
	return false
}

// outside returns the scope of a package outside this repository, or nil where its source is not on this machine.
func (r *repository) outside(importPath string) *scope {
	if s, read := r.imported[importPath]; read {
		return s
	}
	r.imported[importPath] = nil
	entries, err := os.ReadDir(r.dirs[importPath])
	if err != nil {
		return nil
	}
	s := newScope()
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			if syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(r.dirs[importPath], name), nil, parser.SkipObjectResolution); err == nil {
				s.add(syntax)
			}
		}
	}
	r.imported[importPath] = s
	return s
}

package archtest

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	word     = regexp.MustCompile(`[A-Za-z_]\w*`)
	docLink  = regexp.MustCompile(`(?:^|[^\w\]])\[\*?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*){0,2})\](?:[^\w(\[:]|$)`)
	dotted   = regexp.MustCompile(`(?:^|[\s("'` + "`" + `])\*?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*){1,2})`)
	camel    = regexp.MustCompile(`(?:^|[\s(\["'` + "`" + `])([A-Za-z]+[a-z0-9][A-Z]\w*)`)
	address  = regexp.MustCompile(`\b\w+://\S+|\S+@\S+|\S*/\S*`)
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// unknownNames returns the identifiers in comments and in code spans of documents that do not exist: names, methods and
// names of packages, as doc links or without the brackets; a doc comment that begins with another name than the one
// it is for; and words with an inner capital that no file of the repository uses.
func (r *repository) unknownNames() []finding {
	var all []finding
	for _, f := range r.files {
		all = append(all, r.commentNames(f)...)
		all = append(all, r.otherBeginnings(f)...)
	}
	for name, text := range r.documents {
		if name == "CHANGELOG.md" {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			for _, span := range codeSpan.FindAllStringSubmatch(line, -1) {
				for _, m := range dotted.FindAllStringSubmatch(span[1], -1) {
					if parts := strings.Split(m[1], "."); upper(parts[1]) && r.byName[parts[0]] != nil && !r.inModule(parts) {
						all = append(all, finding{path.Dir(name), name, i + 1, unknown, m[1]})
					}
				}
			}
		}
	}
	return all
}

func (r *repository) commentNames(f *file) []finding {
	var all []finding
	for _, group := range f.syntax.Comments {
		for _, c := range group.List {
			for i, text := range strings.Split(c.Text, "\n") {
				if directive(text) || strings.HasPrefix(text, "//\t") || !strings.HasPrefix(text, "//") { // code in a comment
					continue
				}
				add := func(name string) {
					all = append(all, finding{f.folder, f.path, f.line(c.Pos()) + i, unknown, name})
				}
				links := docLink.FindAllStringSubmatch(text, -1)
				for _, m := range links {
					if len(m[1]) > 1 && !r.resolves(f, strings.Split(m[1], ".")) { // [T] is a type parameter
						add("[" + m[1] + "]")
					}
				}
				text = address.ReplaceAllString(docLink.ReplaceAllString(text, " "), " ")
				for _, m := range dotted.FindAllStringSubmatch(text, -1) {
					if parts := strings.Split(m[1], "."); r.judged(f, parts) && !r.resolves(f, parts) && !slices.Contains(properNames, m[1]) {
						add(m[1])
					}
				}
				for _, m := range camel.FindAllStringSubmatch(text, -1) {
					if !r.used(m[1]) && !slices.Contains(properNames, m[1]) {
						add(m[1])
					}
				}
			}
		}
	}
	return all
}

// used reports whether a file of the repository uses the word, its singular, or, where it ends in a number as TestS6
// does, a longer name that begins with it.
func (r *repository) used(w string) bool {
	if r.words[w] || r.words[strings.TrimSuffix(w, "s")] {
		return true
	}
	if !strings.HasPrefix(w, "Test") {
		return false
	}
	prefix := strings.TrimSuffix(w, "_") + "_"
	for known := range r.words {
		if strings.HasPrefix(known, prefix) {
			return true
		}
	}
	return false
}

// properNames are words with an inner capital that are not identifiers of this repository.
var properNames = []string{
	"GraphQL", "TypeScript", "OpenAuth", "TikTok", "W3C", "PgBouncer", "CloudFormation", "OpenTelemetry", "JSONTestSuite", "AuthKey_ABC123DEFG", // products, and a file as Apple names it
	"apiKeySource", "binaryMediaTypes", "identityValidationExpression", "NotAction", "AuthType", "Runtime.ExitError", // of AWS
	"FlushStageAuthorizersCache", "ResetAuthorizersCache",
	"ResponseController", // of net/http
}

// judged reports whether a dotted word without brackets claims to be an identifier: its first part is a type of the
// package, or a package, and then the second part is capitalised.
func (r *repository) judged(f *file, parts []string) bool {
	if r.scopes[f.folder].names[parts[0]] && upper(parts[0]) {
		return parts[1] != "go" && parts[1] != "md"
	}
	_, imported := f.imports[parts[0]]
	return upper(parts[1]) && (imported || r.byName[parts[0]] != nil)
}

// resolves reports whether the parts name something: Name, Type.Member, pkg.Name or pkg.Type.Member.
func (r *repository) resolves(f *file, parts []string) bool {
	own := r.scopes[f.folder]
	if own.names[parts[0]] {
		if len(parts) == 1 || own.has(parts[0], parts[1]) {
			return true
		}
	}
	if len(parts) == 1 {
		return r.byName[parts[0]] != nil || f.imports[parts[0]] != ""
	}
	if importPath, ok := f.imports[parts[0]]; ok {
		if folder, ours := ours(importPath); ours {
			if folder == "" {
				folder = "."
			}
			return found(r.scopes[folder], parts[1:])
		}
		s := r.outside(importPath)
		return s == nil || found(s, parts[1:])
	}
	return r.inModule(parts) || r.inStandardLibrary(parts) || r.local(f, parts)
}

func (r *repository) inModule(parts []string) bool {
	return slices.ContainsFunc(r.byName[parts[0]], func(folder string) bool { return found(r.scopes[folder], parts[1:]) })
}

func (r *repository) inStandardLibrary(parts []string) bool {
	for importPath := range r.dirs {
		if path.Base(importPath) == parts[0] {
			if _, own := ours(importPath); own {
				continue
			}
			if s := r.outside(importPath); s != nil && found(s, parts[1:]) {
				return true
			}
		}
	}
	return false
}

// local reports whether the words are a selector that the file's own code has, such as a field of a variable.
func (r *repository) local(f *file, parts []string) bool {
	if upper(parts[0]) {
		return false
	}
	ok := false
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if s, is := n.(*ast.SelectorExpr); is {
			if x, is := s.X.(*ast.Ident); is && x.Name == parts[0] && s.Sel.Name == parts[1] {
				ok = true
			}
		}
		return !ok
	})
	return ok
}

func found(s *scope, parts []string) bool {
	if s == nil || !s.names[parts[0]] {
		return false
	}
	return len(parts) == 1 || s.has(parts[0], parts[1])
}

func upper(s string) bool { return unicode.IsUpper(rune(s[0])) }

var firstWord = regexp.MustCompile(`^//\s*\*?([A-Za-z_]\w*)`)

// otherBeginnings returns doc comments that begin with a lower-case word, as those of private names do, which is not
// the name that is declared below.
func (r *repository) otherBeginnings(f *file) []finding {
	var all []finding
	check := func(doc *ast.CommentGroup, names ...string) {
		if doc == nil || directive(doc.List[0].Text) {
			return
		}
		m := firstWord.FindStringSubmatch(doc.List[0].Text)
		if m == nil || upper(m[1]) || slices.Contains(names, m[1]) {
			return
		}
		all = append(all, finding{f.folder, f.path, f.line(doc.Pos()), unknown, m[1] + " begins the comment of " + names[0]})
	}
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			check(d.Doc, d.Name.Name)
		case *ast.GenDecl:
			var names []string
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					names = append(names, s.Name.Name)
				case *ast.ValueSpec:
					for _, n := range s.Names {
						names = append(names, n.Name)
					}
				}
			}
			if len(names) > 0 {
				check(d.Doc, names...)
			}
		}
	}
	return all
}

package openapi

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// routes reads the routes out of the code that serves them: by path, the methods; none where the code does not list
// them.
func routes(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	add := func(path, method string) {
		if method != "" {
			all[path] = append(all[path], method)
		} else if all[path] == nil {
			all[path] = []string{}
		}
	}
	// body returns the text of a declaration, up to the line that ends it.
	body := func(file, begin string) string {
		text, err := os.ReadFile("../../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(text), "\n"+begin)
		rest, _, end := strings.Cut(rest, "\n}\n")
		if !ok || !end {
			t.Fatalf("%s has no %q", file, begin)
		}
		return rest
	}
	each := func(text, pattern string, f func(m []string)) {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
		if len(found) == 0 {
			t.Fatalf("no route is found by %s", pattern)
		}
		for _, m := range found {
			f(m)
		}
	}
	table := func(text, base, variable string) {
		each(text, `(?m)^\t\t"([^"]*)":\s*\{(.*)\}`, func(m []string) {
			path := base + m[1]
			if strings.HasSuffix(path, "/") {
				path += variable
			}
			each(m[2], `"([A-Z]+)":`, func(method []string) { add(path, method[1]) })
		})
	}
	table(body("account.go", "func (a *Auth) accountRoutes()"), "/account", "{id}")
	table(body("mount.go", "func (a *Auth) roomRoutes()"), "", "{provider}")
	each(body("users/admin.go", "var adminRoutes"), `"([A-Z]+) ([^"]+)":`, func(m []string) { add("/admin/"+m[2], m[1]) })
	for _, file := range []string{"password/config.go", "passkey/config.go"} {
		each(body(file, "func (p *provider) Handler"), `"([A-Z]+) ([^" ]+)"`, func(m []string) {
			if m[2] != "authorize" && m[2] != "callback" { // other providers have more methods there
				add("/{provider}/"+m[2], m[1])
			}
		})
	}
	for file, begin := range map[string]string{"totp/app.go": "func newApp", "totp/recovery.go": "func newRecovery"} {
		each(body(file, begin), `"([A-Z]+) ([^"]+)"`, func(m []string) {
			if path := "/factors/{factor}/" + m[2]; !slices.Contains(all[path], m[1]) {
				add(path, m[1])
			}
		})
	}
	each(body("magic/magic.go", "func (h *handler) ServeHTTP"), `case "([^"]+)":`, func(m []string) {
		add("/{provider}/"+m[1], "GET")
		add("/{provider}/"+m[1], "POST")
	})
	constants := map[string]string{}
	for _, file := range []string{"session/handler.go", "openapi.go"} {
		text, err := os.ReadFile("../../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		each(string(text), `(?m)^\t(path\w+)\s*= "([^"]+)"`, func(m []string) { constants[m[1]] = m[2] })
	}
	path := func(term string) string {
		if text := strings.Trim(term, `"`); text != term {
			return text
		}
		if constants[term] == "" {
			t.Fatalf("there is no constant %s", term)
		}
		return constants[term]
	}
	each(body("session/handler.go", "func (s *Sessions) Handler()"), `step == ("[^"]*"|path\w+)`, func(m []string) { add(path(m[1]), "") })
	each(body("session/handler.go", "func (s *Sessions) Handler()"), `HasPrefix\(step, (path\w+)\+"/"\)`, func(m []string) { add(path(m[1])+"/{id}", "") })
	each(body("auth.go", "func (a *Auth) ServeHTTP"), `CutPrefix\(path, "(/[^"]+/)"\)`, func(m []string) { add(m[1]+"{file}", "") })
	each(body("auth.go", "func (a *Auth) ServeHTTP"), `path == ("/[^"]*"|path\w+)`, func(m []string) { add(path(m[1]), "") })
	return all
}

// TestEveryRoute: the document has every route of the handlers with its methods, and no other.
func TestEveryRoute(t *testing.T) {
	v := newTown(t)
	served := routes(t)
	documented := map[string][]string{}
	for name := range v.operations() {
		method, path, _ := strings.Cut(name, " ")
		documented[path] = append(documented[path], method)
	}
	for path, methods := range served {
		if documented[path] == nil {
			t.Errorf("%s %s is served, and not in openapi.json", methods, path)
		}
	}
	for path, methods := range documented {
		slices.Sort(methods)
		want, ok := served[path]
		if !ok {
			t.Errorf("%s %s is in openapi.json, and not served", methods, path)
			continue
		}
		if len(want) == 0 {
			want = v.allowed(path)
		}
		slices.Sort(want)
		if !slices.Equal(methods, slices.Compact(want)) {
			t.Errorf("%s: openapi.json has %v, served is %v", path, methods, want)
		}
	}
	if len(documented) < 40 {
		t.Errorf("only %v", slices.Sorted(maps.Keys(documented)))
	}
}

// TestOperationIDs: no two operations have one name, since generators make methods of the names.
func TestOperationIDs(t *testing.T) {
	seen := map[string]string{}
	for name, op := range newDocument(t).operations() {
		id, _ := op["operationId"].(string)
		if id == "" || seen[id] != "" {
			t.Errorf("%s and %q have the operationId %q", name, seen[id], id)
		}
		seen[id] = name
	}
}

// allowed asks a path with a method that none has, and returns the methods that the answer allows.
func (v *town) allowed(path string) (methods []string) {
	v.Helper()
	c := v.client()
	c.Handler = v.Auth
	a := c.must(405, "BREW", strings.NewReplacer("{id}", "x", "{file}", "x").Replace(path), nil)
	for method := range strings.SplitSeq(a.Header().Get("Allow"), ", ") {
		if method != "HEAD" {
			methods = append(methods, method)
		}
	}
	return methods
}

// TestDocs_EveryRoute: docs/http-api.md has a row for each operation, with its summary, and no other.
func TestDocs_EveryRoute(t *testing.T) {
	text, err := os.ReadFile("../../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]*)` \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = m[2]
	}
	operations := newDocument(t).operations()
	for name, op := range operations {
		if rows[name] != op["summary"] {
			t.Errorf("%s: docs/http-api.md has %q, openapi.json %q", name, rows[name], op["summary"])
		}
	}
	if len(rows) != len(operations) {
		t.Errorf("docs/http-api.md has %d routes, openapi.json %d", len(rows), len(operations))
	}
}

// Package openapi compares the file openapi.json with the handlers, both ways.
package openapi

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

type object = map[string]any

// A document is openapi.json, and which of its answers were seen.
type document struct {
	t    testing.TB
	root object

	mu   sync.Mutex
	seen map[string]map[int]int // by operation, such as "GET /account": how often a status came
}

func newDocument(t testing.TB) *document {
	t.Helper()
	text, err := os.ReadFile("../../../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	d := &document{t: t, seen: map[string]map[int]int{}}
	if err := json.Unmarshal(text, &d.root); err != nil {
		t.Fatal(err)
	}
	return d
}

// operations returns all operations by name, such as "GET /account".
func (d *document) operations() map[string]object {
	all := map[string]object{}
	for path, methods := range d.root["paths"].(object) {
		for method, op := range methods.(object) {
			all[strings.ToUpper(method)+" "+path] = op.(object)
		}
	}
	return all
}

// find returns the operation of a request; a path without a variable part comes first, as the specification has it.
func (d *document) find(method, path string) (name string, op object) {
	best := -1
	for candidate := range d.root["paths"].(object) {
		if n, ok := matches(candidate, path); ok && n > best {
			if op, _ := d.root["paths"].(object)[candidate].(object)[strings.ToLower(method)].(object); op != nil {
				best, name = n, method+" "+candidate
			}
		}
	}
	if best < 0 {
		return "", nil
	}
	return name, d.operations()[name]
}

// matches reports whether a path fits a template, and how many of its parts are written out.
func matches(template, path string) (plain int, ok bool) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return 0, false
	}
	for i := range want {
		switch {
		case want[i] == got[i]:
			plain++
		case !strings.HasPrefix(want[i], "{") || got[i] == "":
			return 0, false
		}
	}
	return plain, true
}

func (d *document) resolve(v any) object {
	o, _ := v.(object)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	var at any = d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(object)[part]
	}
	found, _ := at.(object)
	if found == nil {
		d.t.Fatalf("%s leads nowhere", ref)
	}
	return found
}

// watch returns a handler that checks each answer of h against the document. base is the path of the issuer.
func (d *document) watch(base string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
		path, ok := strings.CutPrefix(r.URL.Path, base)
		if path == "" {
			path = "/"
		}
		if name, op := d.find(r.Method, path); ok && op != nil {
			d.judge(name, op, rec)
		}
	})
}

// judge checks one answer.
func (d *document) judge(name string, op object, rec *httptest.ResponseRecorder) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[name] == nil {
		d.seen[name] = map[int]int{}
	}
	d.seen[name][rec.Code]++
	answer, ok := op["responses"].(object)[fmt.Sprint(rec.Code)]
	if !ok {
		d.t.Errorf("%s: the status %d is not in the document: %s", name, rec.Code, rec.Body)
		return
	}
	content, _ := d.resolve(answer)["content"].(object)
	if content == nil {
		if rec.Body.Len() > 0 {
			d.t.Errorf("%s: %d has a body that is not in the document: %s", name, rec.Code, rec.Body)
		}
		return
	}
	media, _, _ := mime.ParseMediaType(rec.Header().Get("Content-Type"))
	if content["*/*"] != nil { // a file
		return
	}
	schema, ok := content[media].(object)
	if !ok {
		d.t.Errorf("%s: %d is of the media type %q: %s", name, rec.Code, media, rec.Body)
		return
	}
	if media == "text/plain" {
		return
	}
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		d.t.Errorf("%s: %d: %v: %s", name, rec.Code, err, rec.Body)
		return
	}
	if err := d.check(schema["schema"], v, "body"); err != nil {
		d.t.Errorf("%s: %d: %v: %s", name, rec.Code, err, rec.Body)
	}
}

// check compares a value with a schema. It knows the keywords that the document uses, and refuses others.
func (d *document) check(schema, v any, at string) error {
	s := d.resolve(schema)
	for keyword, want := range s {
		if err := d.keyword(s, keyword, want, v, at); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) keyword(s object, keyword string, want, v any, at string) error {
	o, isObject := v.(object)
	text, isText := v.(string)
	list, isList := v.([]any)
	number, isNumber := v.(float64)
	switch keyword {
	case "description":
	case "type":
		if !slices.ContainsFunc(listOf(want), func(t any) bool { return isOf(t, v) }) {
			return fmt.Errorf("%s is %v, want %v", at, v, want)
		}
	case "const":
		if v != want {
			return fmt.Errorf("%s is %v, want %v", at, v, want)
		}
	case "enum":
		if !slices.Contains(want.([]any), v) {
			return fmt.Errorf("%s is %v, want one of %v", at, v, want)
		}
	case "format":
		if _, err := time.Parse(time.RFC3339, text); want == "date-time" && isText && err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if u, err := url.Parse(text); want == "uri" && isText && (err != nil || !u.IsAbs()) {
			return fmt.Errorf("%s is %q, want a URL", at, text)
		}
	case "minimum":
		if isNumber && number < want.(float64) {
			return fmt.Errorf("%s is %v", at, v)
		}
	case "maximum":
		if isNumber && number > want.(float64) {
			return fmt.Errorf("%s is %v", at, v)
		}
	case "required":
		for _, name := range want.([]any) {
			if _, ok := o[name.(string)]; isObject && !ok {
				return fmt.Errorf("%s has no %v", at, name)
			}
		}
	case "properties":
		for name, value := range o {
			if property, ok := want.(object)[name]; ok {
				if err := d.check(property, value, at+"."+name); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		known, _ := s["properties"].(object)
		for name, value := range o {
			if _, ok := known[name]; ok {
				continue
			}
			if want == false {
				return fmt.Errorf("%s has %s, which is not in the document", at, name)
			}
			if err := d.check(want, value, at+"."+name); want != true && err != nil {
				return err
			}
		}
	case "items":
		for i, value := range list {
			if err := d.check(want, value, fmt.Sprintf("%s[%d]", at, i)); isList && err != nil {
				return err
			}
		}
	case "anyOf":
		var errs []string
		for _, one := range want.([]any) {
			err := d.check(one, v, at)
			if err == nil {
				return nil
			}
			errs = append(errs, err.Error())
		}
		return fmt.Errorf("%s fits none: %s", at, strings.Join(errs, "; "))
	default:
		return fmt.Errorf("%s: this test does not know the keyword %q", at, keyword)
	}
	return nil
}

func listOf(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

func isOf(kind, v any) bool {
	switch v := v.(type) {
	case object:
		return kind == "object"
	case []any:
		return kind == "array"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	}
	return kind == "null"
}

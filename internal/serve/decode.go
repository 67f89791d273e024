package serve

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/text"
)

// A decoder fills a Config from a tree. It goes on after a mistake.
type decoder struct {
	lookup   func(string) (string, bool)
	problems *problems
	lines    map[string]int

	variables variables
}

var (
	secretType   = reflect.TypeFor[Secret]()
	locationType = reflect.TypeFor[Location]()
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
)

// table fills the struct v. n is nil for a table that the file does not have.
func (d *decoder) table(n *node, path string, v reflect.Value) {
	known := map[string]bool{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, set := f.Tag.Lookup("toml")
		if !set {
			continue
		}
		known[key] = true
		var child *node
		if n != nil {
			child = n.table[key]
		}
		d.field(child, f, join(path, key), v.Field(i), n)
	}
	if n == nil {
		return
	}
	for _, key := range n.keys {
		if known[key] {
			continue
		}
		if d.problems.full() {
			return
		}
		next := "remove it; postern config docs lists all settings"
		if near := nearest(key, known); near != "" {
			next = "write " + near + ", or remove it"
		}
		d.problems.add(n.table[key].line, join(path, key), "there is no such setting", next)
	}
}

func (d *decoder) field(n *node, f reflect.StructField, path string, v reflect.Value, parent *node) {
	if n != nil {
		d.lines[path] = n.line
	}
	if f.Type.Kind() == reflect.Struct && f.Type != secretType && f.Type != locationType && f.Type != timeType {
		if n != nil && n.kind != aTable {
			d.wrong(n, path, "a table", "["+path+"]")
			n = nil
		}
		d.table(n, path, v)
		return
	}
	filled := n != nil && d.value(n, path, v)
	switch {
	case filled:
	case n != nil && n.kind == aText && f.Tag.Get("empty") == "refused":
		d.problems.add(n.line, path, "is empty, and what it demands would not be demanded", "set the variable, or remove the line")
	case n != nil && v.Kind() != reflect.Slice && v.Kind() != reflect.Map && n.kind != aText: // was reported
	case f.Tag.Get("need") == "always":
		line := 0
		if parent != nil {
			line = parent.line
		}
		if n != nil {
			line = n.line
		}
		d.problems.add(line, path, "is missing, and is required", "set it, for example: "+exampleLine(f, path))
	default:
		setDefault(f, v)
	}
}

// setDefault sets the value of the tag `default`.
func setDefault(f reflect.StructField, v reflect.Value) {
	text, has := f.Tag.Lookup("default")
	if !has {
		return
	}
	if err := setText(v, text, true); err != nil {
		panic(fmt.Sprintf("serve: default of %s: %v", f.Name, err))
	}
}

func exampleLine(f reflect.StructField, path string) string {
	key := path[strings.LastIndexByte(path, '.')+1:]
	if f.Type.Kind() == reflect.Map {
		return "[" + path + ".NAME]"
	}
	return key + " = " + quoted(f.Type, f.Tag.Get("example"))
}

// quoted returns an example as TOML.
func quoted(t reflect.Type, example string) string {
	switch {
	case t == durationType, t.Kind() == reflect.String, t == secretType, t == locationType:
		return `"` + example + `"`
	case t.Kind() == reflect.Map:
		return "{ " + example + " }"
	}
	return example
}

// value fills v from a node, and reports whether it did. A value from an empty variable counts as none.
func (d *decoder) value(n *node, path string, v reflect.Value) bool {
	d.lines[path] = n.line
	if n.kind == aText {
		return d.text(n, path, v)
	}
	switch {
	case v.Type() == timeType && n.kind == aTime, v.Kind() == reflect.Bool && n.kind == aBool, v.Kind() == reflect.Int && n.kind == anInt:
		if err := setText(v, n.text, true); err != nil {
			d.problems.add(n.line, path, err.Error(), nextOf(v.Type()))
		}
		return true
	case v.Kind() == reflect.Slice && n.kind == aList:
		return d.list(n, path, v)
	case v.Kind() == reflect.Map && n.kind == aTable:
		return d.entries(n, path, v)
	}
	d.wrong(n, path, typeName(v.Type()), nextOf(v.Type()))
	return true
}

func (d *decoder) wrong(n *node, path, want, next string) {
	d.problems.add(n.line, path, fmt.Sprintf("is %s, and must be %s", n.kind, want), "write "+strings.TrimPrefix(next, "write "))
}

// text fills v from text. Values of all types may come from a variable.
func (d *decoder) text(n *node, path string, v reflect.Value) bool {
	value, from, p := expand(n.text, d.lookup)
	if p != nil {
		d.problems.add(n.line, path, p.Text, p.Next)
		return true
	}
	if len(from) > 0 {
		d.variables[path] = strings.Join(from, ", ")
	}
	takes := v.Kind() == reflect.String || v.Type() == durationType || v.Type() == secretType || v.Type() == locationType || isList(v.Type())
	switch {
	case !takes && len(from) == 0 || v.Kind() == reflect.Map || v.Kind() == reflect.Slice && !isList(v.Type()):
		d.wrong(n, path, typeName(v.Type()), nextOf(v.Type()))
	case value == "" && len(from) > 0:
		return false
	case strings.TrimSpace(value) == "":
		d.problems.add(n.line, path, "is empty", "set it, or remove the line")
	case strings.HasPrefix(value, secretPrefix) && v.Type() != secretType && v.Type() != locationType && path != "keys.seal":
		d.problems.add(n.line, path, "takes no secret", "write the value itself, or ${NAME} for a variable")
	default:
		if v.Type() == locationType && !strings.HasPrefix(value, secretPrefix) && len(from) > 0 && writesPassword(n.text) {
			d.problems.add(n.line, path, "the URL has a password in it", nextOf(v.Type()))
			return true
		}
		if isList(v.Type()) && addsComma(n.text, value) {
			d.problems.add(n.line, path, "a variable that is a part of the text has a comma, which could add an entry", "write the entries as a list, "+`["...${NAME}"]`+", or the whole text as one variable")
			return true
		}
		if path == "redirects" && ambiguousComma(value) {
			d.problems.add(n.line, path, "has a comma behind a query, which could be a part of it or separate two addresses", `write ["https://app.example.com/?a=1,2"], also in a variable, or a space after each comma that separates`)
			return true
		}
		if err := setText(v, value, len(from) == 0); err != nil {
			text := err.Error()
			if len(from) > 0 { // the value of a variable may be a secret
				text = fmt.Sprintf("the variable %s does not give %s", strings.Join(from, ", "), typeName(v.Type()))
			}
			d.problems.add(n.line, path, text, nextOf(v.Type()))
		}
	}
	return true
}

// list fills a slice from a list.
func (d *decoder) list(n *node, path string, v reflect.Value) bool {
	if len(n.items) == 0 {
		d.problems.add(n.line, path, "is empty", "set it, or remove the line")
		return true
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at, field := fmt.Sprintf("%s[%d]", path, i), out.Index(i)
		switch {
		case field.Kind() == reflect.Struct && item.kind == aTable:
			d.lines[at] = item.line
			d.table(item, at, field)
		case field.Kind() == reflect.String && item.kind == aText:
			if !d.text(item, at, field) {
				d.problems.add(item.line, at, "is empty", "set the variable, or remove the entry")
			}
		default:
			d.wrong(item, at, typeName(field.Type()), nextOf(field.Type()))
		}
	}
	v.Set(out)
	return true
}

// entries fills a map from a table.
func (d *decoder) entries(n *node, path string, v reflect.Value) bool {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.keys)))
	for _, key := range n.keys {
		item, at, field := n.table[key], join(path, key), reflect.New(v.Type().Elem()).Elem()
		d.lines[at] = item.line
		switch {
		case strings.TrimSpace(key) == "":
			d.problems.add(item.line, at, "has no name", "name it")
		case field.Kind() == reflect.Struct && item.kind == aTable:
			d.table(item, at, field)
		case field.Kind() == reflect.Struct:
			d.wrong(item, at, "a table", "["+at+"]")
		default:
			d.value(item, at, field)
		}
		v.SetMapIndex(reflect.ValueOf(key), field)
	}
	return len(n.keys) > 0
}

func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String
}

// setText sets v from text. literal is false if a variable gave a piece of it.
func setText(v reflect.Value, text string, literal bool) error {
	switch {
	case v.Type() == secretType:
		s, err := reference(text)
		v.Set(reflect.ValueOf(s))
		return err
	case v.Type() == locationType:
		l, err := location(text, literal)
		v.Set(reflect.ValueOf(l))
		return err
	case v.Type() == durationType:
		d, err := duration(text)
		v.SetInt(int64(d))
		return err
	case v.Type() == timeType:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return fmt.Errorf("%.40q is no time", text)
		}
		v.Set(reflect.ValueOf(t))
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil || text != "true" && text != "false" {
			return fmt.Errorf("%.40q is neither true nor false", text)
		}
		v.SetBool(b)
	case v.Kind() == reflect.Int:
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 32)
		if err != nil {
			return fmt.Errorf("%.40q is no whole number", text)
		}
		v.SetInt(n)
	case isList(v.Type()):
		parts, err := splitList(text)
		v.Set(reflect.ValueOf(parts))
		return err
	default:
		v.SetString(text)
	}
	return nil
}

func typeName(t reflect.Type) string {
	switch {
	case t == secretType:
		return "secret:NAME"
	case t == locationType:
		return "a URL or secret:NAME"
	case t == durationType:
		return "a duration"
	case t == timeType:
		return "a time"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case isList(t):
		return "a list of texts"
	case t.Kind() == reflect.Slice:
		return "tables"
	case t.Kind() == reflect.Map || t.Kind() == reflect.Struct:
		return "a table"
	}
	return "text"
}

// nextOf is how a value of a type is written.
func nextOf(t reflect.Type) string {
	switch {
	case t == secretType:
		return "write secret:NAME, and keep the value where [secrets] sources looks: the variable NAME, for example"
	case t == locationType:
		return "write secret:NAME and keep the whole URL as a secret, or leave the password out"
	case t == durationType:
		return `write a duration such as "90s", "5m", "12h" or "30d"`
	case t == timeType:
		return "write a time with its zone, such as 2026-11-30T00:00:00Z"
	case t.Kind() == reflect.Bool:
		return "write true or false, without quotes"
	case t.Kind() == reflect.Int:
		return "write a whole number, without quotes"
	case isList(t):
		return `write ["a", "b"], or "a, b"; a variable may hold either`
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Struct:
		return "write a table; postern config docs shows it"
	}
	return "write text in quotes"
}

// nearest returns the known name that differs from key by one or two bytes, and by less than half of it; empty if there
// is none.
func nearest(key string, known map[string]bool) string {
	best, least := "", 3
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if n := text.Distance(key, name); n < least && 2*n < len(name) {
			best, least = name, n
		}
	}
	return best
}

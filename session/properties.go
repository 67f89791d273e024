package session

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/jose"
)

// A layout lists the fields of a struct that is simple enough to be filled without encoding/json, which takes longer
// than the rest of reading a token. nil: the struct is not.
//
// The result is that of encoding/json. Where it might differ, encoding/json is used: for a member whose name differs
// from a field in letter case alone, and for a value of another type.
type layout []field

type field struct {
	name  string
	index int
	kind  reflect.Kind // String, Bool, Int64 (signed), Uint64 (unsigned), Slice (of string)
}

// layoutOf returns the layout of a type.
func layoutOf(t reflect.Type) layout {
	if t.Kind() != reflect.Struct || decodesItself(t) {
		return nil
	}
	out := layout{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			return nil
		case !f.IsExported() || name == "-" && options == "":
			continue
		case name == "":
			name = f.Name
		}
		kind, ok := plainKind(f.Type)
		if !ok || !plainName(name) || options != "" && options != "omitempty" && options != "omitzero" || out.find(name) != nil {
			return nil
		}
		out = append(out, field{name, i, kind})
	}
	return out
}

func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func plainKind(t reflect.Type) (reflect.Kind, bool) {
	switch k := t.Kind(); {
	case t == reflect.TypeFor[[]string]():
		return reflect.Slice, true
	case decodesItself(t):
		return 0, false
	case k == reflect.String || k == reflect.Bool:
		return k, true
	case k >= reflect.Int && k <= reflect.Int64:
		return reflect.Int64, true
	case k >= reflect.Uint && k <= reflect.Uint64:
		return reflect.Uint64, true
	}
	return 0, false
}

// plainName refuses names with unusual characters, some of which encoding/json ignores.
func plainName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !tokenByte(c) || c == '+' || c == '/' || c == '~' {
			return false
		}
	}
	return s != "" && s != "-"
}

func (l layout) find(name string) *field {
	for i := range l {
		if l[i].name == name {
			return &l[i]
		}
	}
	return nil
}

// decodeProperties fills out, which is zero, with a JSON value.
func decodeProperties[T any](l layout, properties string, out *T) error {
	if l != nil {
		if l.fill(properties, reflect.ValueOf(out).Elem()) == nil {
			return nil
		}
		*out = *new(T)
	}
	return json.Unmarshal([]byte(properties), out)
}

var errUnsure = errors.New("session: left to encoding/json")

func (l layout) fill(properties string, out reflect.Value) error {
	return jose.FoldedObject(properties, func(name, value string) error {
		f := l.find(name)
		if f == nil {
			for i := range l {
				if strings.EqualFold(l[i].name, name) {
					return errUnsure
				}
			}
			return nil
		}
		if value == "null" {
			return nil
		}
		return f.set(out.Field(f.index), value)
	})
}

func (f *field) set(out reflect.Value, value string) error {
	switch f.kind {
	case reflect.String:
		s, err := jose.String(value)
		if err != nil {
			return err
		}
		out.SetString(s)
	case reflect.Bool:
		b, err := jose.Bool(value)
		if err != nil {
			return err
		}
		out.SetBool(b)
	case reflect.Int64:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || out.OverflowInt(n) {
			return errUnsure
		}
		out.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil || out.OverflowUint(n) {
			return errUnsure
		}
		out.SetUint(n)
	case reflect.Slice:
		names := []string{}
		err := jose.Array(value, func(element string) error {
			s, err := jose.String(element)
			names = append(names, s)
			return err
		})
		if err != nil {
			return err
		}
		out.Set(reflect.ValueOf(names))
	}
	return nil
}

package gateway

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/session"
)

// ErrStrings is returned if the session cannot be read with certainty, because the claims have lost their types: a
// JWT authorizer of an HTTP API turns them into strings, and the type of the session has other fields. It is a
// mistake in the program or the deployment, not in the token.
var ErrStrings = errors.New("gateway: a JWT authorizer of an HTTP API passes claims on as strings")

// A reader makes claims of an authorizer's context, for sessions of one type.
type reader struct {
	own    bool                    // the type is of a session.Kind, whose tokens this module writes
	fields func() ([]field, error) // of the type of an External; of a Kind, one for the type itself
}

func readerOf[T any](k any) *reader {
	_, own := k.(*session.Kind[T])
	t := reflect.TypeFor[T]()
	return &reader{own, sync.OnceValues(func() ([]field, error) {
		if own {
			if s := shapeOf(t, true); s != lost {
				return []field{{"", s}}, nil
			}
			return nil, fmt.Errorf("%w, and properties of type %v can't be read from strings: use a struct, or put a Lambda authorizer or a REST API in front", ErrStrings, t)
		}
		return fieldsOf(t)
	})}
}

// A shape is the form that a text must have to become a value of a type.
type shape uint8

const (
	text shape = iota
	boolean
	number
	object
	lost // can't be read from a text
)

// A field is a member of JSON that a type has a field for.
type field struct {
	name string
	shape
}

// shapeOf returns the shape of a type. own means that encoding/json wrote the text from the same type.
func shapeOf(t reflect.Type, own bool) shape {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	p := reflect.PointerTo(t)
	switch {
	case t == reflect.TypeFor[time.Time]():
		return text
	case t == reflect.TypeFor[json.Number]():
		return number
	case own && p.Implements(reflect.TypeFor[json.Marshaler]()), !own && p.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return lost
	case own && p.Implements(reflect.TypeFor[encoding.TextMarshaler]()), !own && p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return text
	}
	switch k := t.Kind(); {
	case k == reflect.String:
		return text
	case k == reflect.Bool:
		return boolean
	case k >= reflect.Int && k <= reflect.Float64 && k != reflect.Uintptr:
		return number
	case own && (k == reflect.Struct || k == reflect.Map): // JSON text: a T that is a string would have another shape
		return object
	}
	return lost
}

// fieldsOf returns the fields of the type of an External.
func fieldsOf(t reflect.Type) (all []field, err error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil, unsure("a payload of type", t)
	}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" { // its fields are there, too
			if e := f.Type; e.Kind() == reflect.Struct || e.Kind() == reflect.Pointer && e.Elem().Kind() == reflect.Struct {
				continue
			}
		}
		if !f.IsExported() || name == "-" && options == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		s := shapeOf(f.Type, false)
		if slices.Contains(strings.Split(options, ","), "string") {
			s = text // the issuer writes a string, which encoding/json decodes again
		}
		for _, other := range all {
			if s != other.shape && strings.EqualFold(name, other.name) {
				s = lost
			}
		}
		if s == lost && !strings.EqualFold(name, "aud") {
			return nil, unsure(fmt.Sprintf("the claim %q of type", name), f.Type)
		}
		all = append(all, field{name, s})
	}
	return all, nil
}

func unsure(what string, t reflect.Type) error {
	return fmt.Errorf("%w, and %s %v can't be read from strings: leave it out, make it a string, or put a Lambda authorizer or a REST API in front", ErrStrings, what, t)
}

// strings makes claims of those that a JWT authorizer of an HTTP API passes on: all are strings, the list of a and b is
// "[a b]", and an object is JSON text. A claim that was a string may look like any of these.
func (from *reader) strings(token members) ([]byte, error) {
	fields, err := from.fields()
	if err != nil {
		return nil, err
	}
	out := make(members, len(token))
	for name, raw := range token {
		var s string
		if json.Unmarshal(raw, &s) != nil || len(raw) > 0 && raw[0] == 'n' { // null
			out[name] = raw
			continue
		}
		switch name {
		case "exp", "nbf", "iat", "auth_time":
			raw = numberOf(s)
		case "aud": // an audience with a space would pass for two; API Gateway has compared it whole
			raw = listOr(s, raw)
		default:
			if from.own {
				raw = ownClaim(name, s, raw, fields[0].shape)
			} else {
				raw = externalClaim(name, s, raw, fields)
			}
		}
		if raw != nil {
			out[name] = raw
		}
	}
	return join(out), nil
}

// ownClaim returns a claim of a session.Kind. Create wrote it, so a name in a list has no space.
func ownClaim(name, s string, raw json.RawMessage, properties shape) json.RawMessage {
	switch name {
	case "roles", "amr":
		return listOr(s, raw)
	case keyRights:
		return numberOf(s)
	case "claims", "act":
		return shaped(object, s, raw)
	case "properties":
		return shaped(properties, s, raw)
	}
	return raw
}

// externalClaim returns a claim of a session.External. roles and amr stay strings, which an External does not read.
func externalClaim(name, s string, raw json.RawMessage, fields []field) json.RawMessage {
	composed := s != "" && (s[0] == '[' || s[0] == '{') || strings.HasPrefix(s, "map[")
	switch name {
	case "scope", "scp": // names separated by spaces: parts of a list or an object must not become names
		if composed || json.Valid([]byte(s)) {
			return nil
		}
		return raw
	case "sub", "sid", "jti", "client_id", "azp":
		if composed {
			return nil
		}
		return raw
	}
	for _, f := range fields {
		if strings.EqualFold(f.name, name) {
			return shaped(f.shape, s, raw)
		}
	}
	return raw
}

// shaped returns s as a value of a shape, or else the string that it is, which is refused later.
func shaped(to shape, s string, raw json.RawMessage) json.RawMessage {
	switch {
	case to == boolean && (s == "true" || s == "false"), to == object && strings.HasPrefix(s, "{") && json.Valid([]byte(s)):
		return json.RawMessage(s)
	case to == number:
		return numberOf(s)
	}
	return raw
}

// listOr returns the list that became the string s, or else raw.
func listOr(s string, raw json.RawMessage) json.RawMessage {
	if inner, found := strings.CutPrefix(s, "["); found && strings.HasSuffix(inner, "]") {
		return list(strings.TrimSuffix(inner, "]"))
	}
	return raw
}

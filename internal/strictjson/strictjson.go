// Package strictjson decodes the JSON body of a request into a struct, and refuses whatever the struct does not have.
// encoding/json takes a member in another letter case for the field, and the last of two members of one name: two
// programs would then read one body in two ways.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// What can be wrong with a body. The texts fit an answer to the client.
var (
	ErrForm    = errors.New("the body is not one JSON object")
	ErrTwice   = errors.New("a member is given more than once, or in two letter cases")
	ErrUnknown = errors.New("the object has a member that is not known here")
	ErrType    = errors.New("a member has a value of another type")
)

const maxDepth = 64 // of arrays and objects

// Decode decodes one JSON object into the struct that v points to. The names of members are compared exactly with the
// names of the fields' json tags. It refuses an object, at whatever depth, with two members whose names differ in
// letter case alone. An empty body is an empty object.
func Decode(data []byte, v any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}")
	}
	if !utf8.Valid(data) {
		return ErrForm
	}
	names, err := members(data)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for field := range reflect.TypeOf(v).Elem().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = name != ""
	}
	for _, name := range names {
		if !known[name] {
			return ErrUnknown
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields() // in structs inside the struct
	if err := d.Decode(v); err != nil {
		return ErrType
	}
	return nil
}

// members checks the form of the whole body, and returns the names of the outer object.
func members(data []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	first, err := d.Token()
	if err != nil || first != json.Delim('{') {
		return nil, ErrForm
	}
	names, err := object(d, 1)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrForm
	}
	return names, nil
}

// object reads an object to its end, after its first token.
func object(d *json.Decoder, depth int) (names []string, err error) {
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, ErrForm
		}
		text, _ := name.(string)
		folded := strings.ToLower(strings.ToUpper(text)) // both: for letters whose two cases are not one pair
		if seen[folded] {
			return nil, ErrTwice
		}
		seen[folded] = true
		names = append(names, text)
		if err := value(d, depth); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, ErrForm
	}
	return names, nil
}

func value(d *json.Decoder, depth int) error {
	token, err := d.Token()
	switch {
	case err != nil || depth > maxDepth:
		return ErrForm
	case token == json.Delim('{'):
		_, err := object(d, depth+1)
		return err
	case token == json.Delim('['):
		for d.More() {
			if err := value(d, depth+1); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil {
			return ErrForm
		}
	}
	return nil
}

// A Text is a member that may be absent, or null, which stands for the empty text.
type Text struct {
	Set   bool
	Value string
}

// UnmarshalJSON reads a text or null.
func (t *Text) UnmarshalJSON(data []byte) error {
	t.Set = true
	if string(data) == "null" {
		t.Value = ""
		return nil
	}
	return json.Unmarshal(data, &t.Value)
}

// Pointer returns the text, and nil for an absent member.
func (t Text) Pointer() *string {
	if !t.Set {
		return nil
	}
	return &t.Value
}

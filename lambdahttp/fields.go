package lambdahttp

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// A field is one header, one parameter: a name with one of its values.
type field struct{ name, value string }

// fields are the members of a JSON object of strings, or of lists of strings, in their order. A map would lose the
// order, which decides between duplicates, and cost twice the allocations.
type fields []field

var errFields = errors.New("not an object of strings")

// UnmarshalJSON implements json.Unmarshaler: null is nil, {} is empty and not nil. Numbers and booleans stand for their
// text, nulls are left out. Its caller has checked that b is JSON.
func (f *fields) UnmarshalJSON(b []byte) error {
	s := scanner{b: b}
	switch s.next() {
	case 'n':
		*f = nil
		return nil
	case '{':
	default:
		return errFields
	}
	list := make(fields, 0, 16)
	for s.i++; s.next() != '}'; {
		name, ok := s.text()
		if !ok || s.next() != ':' {
			return errFields
		}
		s.i++
		if s.next() != '[' {
			value, null, ok := s.scalar()
			if !ok {
				return errFields
			}
			if !null {
				list = append(list, field{name, value})
			}
		} else {
			for s.i++; s.next() != ']'; {
				value, null, ok := s.scalar()
				if !ok {
					return errFields
				}
				if !null {
					list = append(list, field{name, value})
				}
				if s.next() == ',' {
					s.i++
				}
			}
			s.i++
		}
		if s.next() == ',' {
			s.i++
		}
	}
	*f = list
	return nil
}

// parse reads fields that stayed raw.
func parse(raw json.RawMessage) (f fields, err error) {
	if len(raw) > 0 {
		err = f.UnmarshalJSON(raw)
	}
	return f, err
}

// get returns the last value of a name, as a JSON object would.
func (f fields) get(name string) (string, bool) {
	for i := len(f) - 1; i >= 0; i-- {
		if f[i].name == name {
			return f[i].value, true
		}
	}
	return "", false
}

// scanner walks over JSON that is known to be valid; on anything else it stops, and never reads beyond the end.
type scanner struct {
	b []byte
	i int
}

// next skips white space and returns the byte it stands on, or 0 at the end.
func (s *scanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// text reads a string.
func (s *scanner) text() (string, bool) {
	if s.next() != '"' {
		return "", false
	}
	start, plain := s.i, true
	for s.i++; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '\\':
			plain = false
			s.i++
		case c == '"':
			s.i++
			inner := s.b[start+1 : s.i-1]
			if plain && utf8.Valid(inner) {
				return string(inner), true
			}
			var out string
			err := json.Unmarshal(s.b[start:s.i], &out)
			return out, err == nil
		}
	}
	return "", false
}

// scalar reads a string, a number, a boolean or null.
func (s *scanner) scalar() (value string, null, ok bool) {
	switch s.next() {
	case '"':
		value, ok = s.text()
		return value, false, ok
	case 0, '{', '[', '}', ']', ':', ',':
		return "", false, false
	}
	start := s.i
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			value = string(s.b[start:s.i])
			return value, value == "null", true
		}
		s.i++
	}
	return "", false, false
}

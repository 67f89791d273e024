package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxColumns = 500

// csv yields the records of a CSV file (RFC 4180) as JSON objects of texts. Empty fields are left out. A line that
// begins with "#" before the names is a comment.
func (s *source) csv(sh shape, yield yieldRecord) {
	columns := sh.columns
	for columns == nil {
		line := s.line
		names, err := s.row()
		if err != nil && !errors.Is(err, io.EOF) {
			yield(nil, line, fmt.Errorf("%w: line %d: the names of the columns cannot be read", ErrFormat, line))
			return
		}
		if len(names) == 0 || strings.HasPrefix(names[0], "#") {
			if err != nil {
				yield(nil, line, fmt.Errorf("%w: the file has no names of columns", ErrFormat))
				return
			}
			continue
		}
		sorted := slices.Sorted(slices.Values(names))
		if len(names) < 2 || len(slices.Compact(sorted)) != len(names) || slices.Contains(names, "") {
			yield(nil, line, fmt.Errorf("%w: line %d: not the names of columns, each once", ErrFormat, line))
			return
		}
		if sh.need != "" && !slices.Contains(names, sh.need) {
			yield(nil, line, fmt.Errorf("%w: the file has no column %q", ErrFormat, sh.need))
			return
		}
		if err != nil {
			return // names alone
		}
		columns = names
	}
	for {
		if _, err := s.r.Peek(1); errors.Is(err, io.EOF) {
			return
		}
		line := s.line
		fields, err := s.row()
		end := errors.Is(err, io.EOF)
		var raw []byte
		switch {
		case errors.Is(err, ErrTooLarge):
			err = ErrTooLarge
		case errors.Is(err, ErrRecord):
		case err != nil && !end:
			yield(nil, line, broken(err))
			return
		case len(fields) == 0: // an empty line
			if end {
				return
			}
			continue
		default:
			raw, err = object(columns, fields)
		}
		if !yield(raw, line, err) || end {
			return
		}
	}
}

// object returns a row as a JSON object. Columns beyond the names must be empty: Firebase writes a comma at the end.
func object(columns, fields []string) ([]byte, error) {
	if len(fields) < 2 {
		return nil, fmt.Errorf("%w: it has one column", ErrRecord)
	}
	m := map[string]string{}
	for i, v := range fields {
		switch {
		case v == "":
		case i >= len(columns):
			return nil, fmt.Errorf("%w: it has more columns than the file has names", ErrRecord)
		case !utf8.ValidString(v):
			return nil, fmt.Errorf("%w: it is not UTF-8", ErrRecord)
		default:
			m[columns[i]] = v
		}
	}
	raw, _ := json.Marshal(m) // texts always encode
	return raw, nil
}

// row reads one row. With io.EOF it is the last one. A quote inside a field that does not begin with one is a letter.
func (s *source) row() ([]string, error) {
	var fields []string
	var field []byte
	size, quoted, wasQuoted, begun := 0, false, false, false
	end := func() { fields, field, wasQuoted = append(fields, string(field)), nil, false }
	for {
		b, err := s.byte()
		if err != nil {
			if errors.Is(err, io.EOF) && quoted {
				return nil, io.ErrUnexpectedEOF
			}
			if begun {
				end()
			}
			if size > s.max && errors.Is(err, io.EOF) {
				return nil, errors.Join(ErrTooLarge, err)
			}
			return fields, err
		}
		if size++; size > s.max || len(fields) >= maxColumns {
			fields, field, size = nil, nil, s.max+1 // read on to the end of the row, and keep nothing
		}
		switch {
		case quoted && b == '"':
			if next, err := s.r.Peek(1); err == nil && next[0] == '"' {
				_, _ = s.byte() // it is in the buffer
				field = append(field, '"')
			} else {
				quoted = false
			}
		case quoted:
			field = append(field, b)
		case b == '\n':
			if size > s.max {
				return nil, ErrTooLarge
			}
			if begun {
				end()
			}
			return fields, nil
		case b == '\r':
			if next, err := s.r.Peek(1); err != nil || next[0] != '\n' {
				field, begun = append(field, b), true
			}
		case b == ',':
			end()
			begun = true
		case b == '"' && len(field) == 0 && !wasQuoted:
			quoted, wasQuoted, begun = true, true, true
		case wasQuoted:
			_, err := s.text() // the next row begins at the next line
			return nil, errors.Join(fmt.Errorf("%w: text stands after the quote at the end of a field", ErrRecord), err)
		default:
			field, begun = append(field, b), true
		}
	}
}

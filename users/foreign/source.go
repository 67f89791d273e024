package foreign

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// item is a record as it stands in a file: a JSON object, also for CSV.
type item struct {
	raw          []byte
	number, line int
}

// source splits a file into records. It keeps at most one record in memory, and reads on after one that is too large.
type source struct {
	r    *bufio.Reader
	line int
	max  int
}

func newSource(r io.Reader, max int) *source {
	return &source{r: bufio.NewReaderSize(r, 64<<10), line: 1, max: max}
}

// records yields the records of a file. The error ErrFormat ends the sequence; others are about one record.
func (s *source) records(sh shape) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		if bom, err := s.r.Peek(3); err == nil && string(bom) == "\ufeff" {
			_, _ = s.r.Discard(3) // they are in the buffer
		}
		n := 0
		next := func(raw []byte, line int, err error) bool {
			n++
			return yield(item{raw, n, line}, err)
		}
		first, err := s.peek()
		switch {
		case errors.Is(err, io.EOF): // an export without users
		case err != nil:
			yield(item{}, broken(err))
		case first == '[':
			s.array(next)
		case first == '{' && sh.member != "":
			s.objects(sh.member, next)
		case first == '{':
			s.lines(next)
		default:
			s.csv(sh, next)
		}
	}
}

// broken is the error for an input that ends too early or cannot be read.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the file ends in the middle of a record", ErrFormat)
	}
	return fmt.Errorf("%w: read the file: %w", ErrFormat, err)
}

func (s *source) byte() (byte, error) {
	b, err := s.r.ReadByte()
	if b == '\n' {
		s.line++
	}
	return b, err
}

// peek skips white space and returns the next byte without taking it.
func (s *source) peek() (byte, error) {
	for {
		b, err := s.r.Peek(1)
		if err != nil {
			return 0, err
		}
		switch b[0] {
		case ' ', '\t', '\r', '\n':
			_, _ = s.byte() // it is in the buffer
		default:
			return b[0], nil
		}
	}
}

type yieldRecord func(raw []byte, line int, err error) bool

// array yields the elements of a JSON array. It reports whether the caller wants more.
func (s *source) array(yield yieldRecord) bool {
	_, _ = s.byte() // the bracket that peek showed
	for first := true; ; first = false {
		b, err := s.peek()
		if err != nil {
			yield(nil, s.line, broken(err))
			return false
		}
		if b == ']' {
			_, _ = s.byte()
			return true
		}
		if !first {
			if b != ',' {
				yield(nil, s.line, fmt.Errorf("%w: line %d: a comma is missing between two records", ErrFormat, s.line))
				return false
			}
			_, _ = s.byte()
			if b, err = s.peek(); err != nil {
				yield(nil, s.line, broken(err))
				return false
			}
		}
		line := s.line
		raw, err := s.value(b)
		if !yield(raw, line, err) || errors.Is(err, ErrFormat) {
			return false
		}
	}
}

// objects yields the elements of the array member of JSON objects, one after another: of the pages of a list, for
// example. Other members are skipped.
func (s *source) objects(member string, yield yieldRecord) {
	found := false
	fail := func(text string) {
		yield(nil, s.line, fmt.Errorf("%w: line %d: %s", ErrFormat, s.line, text))
	}
	for {
		b, err := s.peek()
		if errors.Is(err, io.EOF) {
			if !found {
				fail(fmt.Sprintf("no list %q in the file", member))
			}
			return
		}
		if err != nil || b != '{' {
			fail("a JSON object is expected here")
			return
		}
		_, _ = s.byte()
		for first := true; ; first = false {
			b, err := s.peek()
			if err == nil && b == ',' && !first {
				_, _ = s.byte()
				b, err = s.peek()
			}
			if err == nil && b == '}' {
				_, _ = s.byte()
				break
			}
			if err != nil {
				yield(nil, s.line, broken(err))
				return
			}
			if b != '"' {
				fail("a name of a JSON member is expected here")
				return
			}
			raw, err := s.value(b)
			var name string
			if err != nil || json.Unmarshal(raw, &name) != nil {
				fail("a name of a JSON member is expected here")
				return
			}
			if b, err = s.peek(); err != nil || b != ':' {
				fail("a colon is expected here")
				return
			}
			_, _ = s.byte()
			if b, err = s.peek(); err != nil {
				yield(nil, s.line, broken(err))
				return
			}
			if name == member && b == '[' {
				found = true
				if !s.array(yield) {
					return
				}
			} else if _, err := s.value(b); errors.Is(err, ErrFormat) {
				yield(nil, s.line, err)
				return
			}
		}
	}
}

// value reads one JSON value that begins with b. A value of more than max bytes is read to its end and not kept. The
// caller checks that it is JSON inside.
func (s *source) value(b byte) ([]byte, error) {
	var raw []byte
	size, depth, quoted, escaped := 0, 0, false, false
	for {
		next, err := s.r.Peek(1)
		if errors.Is(err, io.EOF) && depth == 0 && !quoted && size > 0 && b != '"' && b != '{' && b != '[' {
			return raw, nil // a number at the end
		}
		if err != nil {
			return nil, broken(err)
		}
		c := next[0]
		if depth == 0 && !quoted && b != '"' && b != '{' && b != '[' && bytes.IndexByte([]byte(",]}: \t\r\n"), c) >= 0 {
			if size == 0 {
				return nil, fmt.Errorf("%w: line %d: a JSON value is missing", ErrFormat, s.line)
			}
			break // the end of a number or a literal
		}
		_, _ = s.byte() // it is in the buffer
		if size++; size <= s.max {
			raw = append(raw, c)
		}
		switch {
		case escaped:
			escaped = false
			continue
		case quoted && c == '\\':
			escaped = true
			continue
		case c == '"':
			quoted = !quoted
		case quoted:
			continue
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth == 0 && !quoted && (b == '"' || b == '{' || b == '[') {
			break
		}
	}
	if size > s.max {
		return nil, ErrTooLarge
	}
	return raw, nil
}

// lines yields the lines of NDJSON. A line that is broken does not hide the next.
func (s *source) lines(yield yieldRecord) {
	for {
		line := s.line
		text, err := s.text()
		end, large := errors.Is(err, io.EOF), errors.Is(err, ErrTooLarge)
		switch {
		case large:
			if !yield(nil, line, ErrTooLarge) {
				return
			}
		case err != nil && !end:
			yield(nil, line, broken(err))
			return
		case len(bytes.TrimSpace(text)) > 0:
			if !yield(text, line, nil) {
				return
			}
		}
		if end {
			return
		}
	}
}

// text reads a line. With io.EOF it is the last one.
func (s *source) text() ([]byte, error) {
	var out []byte
	size := 0
	for {
		b, err := s.byte()
		if err != nil || b == '\n' {
			if size > s.max {
				return nil, errors.Join(ErrTooLarge, err)
			}
			return out, err
		}
		if size++; size <= s.max {
			out = append(out, b)
		}
	}
}

package jose

import (
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest; the outermost counts as one.
const MaxDepth = 32

// A scanner walks over JSON text once and checks it by the grammar of RFC 8259. Its methods start at the first byte of
// what they are named for and leave pos behind its last.
type scanner struct {
	s   string
	pos int
}

func (sc *scanner) fail(what string) error {
	return fmt.Errorf("%w JSON: %s at byte %d", ErrFormat, what, sc.pos)
}

func (sc *scanner) space() {
	for sc.pos < len(sc.s) && sc.s[sc.pos] <= ' ' {
		switch sc.s[sc.pos] {
		case ' ', '\t', '\r', '\n':
			sc.pos++
		default:
			return
		}
	}
}

// next skips white space, which is rare in a token, and returns the byte there, 0 at the end (a NUL is legal nowhere in
// JSON).
func (sc *scanner) next() byte {
	if sc.pos < len(sc.s) && sc.s[sc.pos] > ' ' {
		return sc.s[sc.pos]
	}
	return sc.nextAfterSpace()
}

func (sc *scanner) nextAfterSpace() byte {
	sc.space()
	if sc.pos < len(sc.s) {
		return sc.s[sc.pos]
	}
	return 0
}

// value scans any value; depth is the nesting it is found at.
func (sc *scanner) value(depth int) error {
	switch c := sc.next(); {
	case c == '"':
		_, _, err := sc.str()
		return err
	case c == '{':
		return sc.object(depth, nil, false)
	case c == '[':
		return sc.array(depth, nil)
	case c == '-' || '0' <= c && c <= '9':
		return sc.number()
	case c == 't':
		return sc.word("true")
	case c == 'f':
		return sc.word("false")
	case c == 'n':
		return sc.word("null")
	case c == 0 && sc.pos == len(sc.s):
		return sc.fail("unexpected end")
	}
	return sc.fail("no value")
}

func (sc *scanner) word(w string) error {
	if len(sc.s)-sc.pos < len(w) || sc.s[sc.pos:sc.pos+len(w)] != w {
		return sc.fail("no value")
	}
	sc.pos += len(w)
	return nil
}

// number: RFC 8259 section 6. No leading zero, no plus, digits on both sides of the point.
func (sc *scanner) number() error {
	if sc.s[sc.pos] == '-' {
		sc.pos++
	}
	if sc.pos < len(sc.s) && sc.s[sc.pos] == '0' {
		sc.pos++
	} else if sc.digits() == 0 {
		return sc.fail("bad number")
	}
	if sc.pos < len(sc.s) && sc.s[sc.pos] == '.' {
		sc.pos++
		if sc.digits() == 0 {
			return sc.fail("bad number")
		}
	}
	if sc.pos < len(sc.s) && (sc.s[sc.pos] == 'e' || sc.s[sc.pos] == 'E') {
		sc.pos++
		if sc.pos < len(sc.s) && (sc.s[sc.pos] == '+' || sc.s[sc.pos] == '-') {
			sc.pos++
		}
		if sc.digits() == 0 {
			return sc.fail("bad number")
		}
	}
	return nil
}

func (sc *scanner) digits() int {
	start := sc.pos
	for sc.pos < len(sc.s) && '0' <= sc.s[sc.pos] && sc.s[sc.pos] <= '9' {
		sc.pos++
	}
	return sc.pos - start
}

// str scans a string and reports whether it holds an escape, and whether all the rest is ASCII.
func (sc *scanner) str() (escaped, ascii bool, err error) {
	s, i := sc.s, sc.pos+1
	ascii = true
	for {
		for i+8 <= len(s) {
			special := specials(load64(s, i))
			if special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
			i += 8
		}
		for i < len(s) && plain[s[i]] != 0 {
			i++
		}
		if i == len(s) {
			sc.pos = i
			return false, false, sc.fail("unterminated string")
		}
		switch c := s[i]; {
		case c == '"':
			sc.pos = i + 1
			return escaped, ascii, nil
		case c == '\\':
			escaped = true
			n := escapeLen(s[i:])
			if n == 0 {
				sc.pos = i
				return false, false, sc.fail("bad escape")
			}
			i += n
		case c < ' ':
			sc.pos = i
			return false, false, sc.fail("control character in a string")
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				sc.pos = i
				return false, false, sc.fail("invalid UTF-8")
			}
			i += n
			ascii = false
		}
	}
}

// load64 is the eight bytes of s from i, the first in the lowest place.
func load64(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// specials has the high bit of the lowest byte set that is not plain; above it, bits mean nothing. If all are plain it
// is zero. A subtraction carries into the byte above only from one that is special itself.
func specials(v uint64) uint64 {
	const ones = 0x0101010101010101
	return (v | (v - ' '*ones) | ((v ^ '"'*ones) - ones) | ((v ^ '\\'*ones) - ones)) & (0x80 * ones)
}

// plain marks the bytes that stand in a string for themselves: ASCII except control characters, quote and backslash.
const plain = "" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x01\x01\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01" +
	"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x01\x01\x01" +
	"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// escapeLen is the length of the escape s begins with: 2, 6, or 12 for a surrogate pair; 0 if it is none. A lone
// surrogate is none: it has no UTF-8 form, and readers differ in what they make of it.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r := hex4(s)
		switch {
		case r < 0:
			return 0
		case 0xd800 <= r && r < 0xdc00:
			if low := hex4(s[6:]); 0xdc00 <= low && low < 0xe000 {
				return 12
			}
			return 0
		case 0xdc00 <= r && r < 0xe000:
			return 0
		}
		return 6
	}
	return 0
}

// hex4 reads \uXXXX at the start of s; -1 if there is none.
func hex4(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var r rune
	for i := 2; i < 6; i++ {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unescape returns what stands between the quotes of a scanned string, escapes resolved.
func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			out = append(out, s[i])
			i++
			continue
		}
		n := escapeLen(s[i:])
		if n == 0 { // not scanned before: a mistake of the caller, and no reason to run for ever
			return string(out)
		}
		switch s[i+1] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(s[i:])
			if n == 12 {
				r = (r-0xd800)<<10 | (hex4(s[i+6:]) - 0xdc00) + 0x10000
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, s[i+1])
		}
		i += n
	}
	return string(out)
}

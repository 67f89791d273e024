package jose

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Valid reports whether data is one JSON value: RFC 8259 by the letter, valid UTF-8 without lone surrogates, no byte
// order mark, nothing after the value, at most [MaxDepth] deep, and no member named twice in an object at any depth.
func Valid(data string) error { return ValidInside(data, 0) }

// ValidInside is Valid for a value that is to stand inside a number of arrays and objects: it leaves them their depth.
func ValidInside(data string, enclosing int) error {
	sc := scanner{s: data}
	if err := sc.value(1 + enclosing); err != nil {
		return err
	}
	return sc.end()
}

// Object reads data, which must be one JSON object and valid in the sense of [Valid], and calls member for each of its
// members in turn: the name with escapes resolved, and the value as JSON text without white space around it. Names are
// case-sensitive, as JSON has them. An error of member ends the reading and is returned.
func Object(data string, member func(name, value string) error) error {
	return object(data, member, false)
}

// FoldedObject is Object for text that encoding/json may read into a struct afterwards. That package finds fields
// without regard to letter case, and must not see another object than this one does: so two names that differ in
// letter case only are refused (Unicode simple folding: U+212A counts as k).
func FoldedObject(data string, member func(name, value string) error) error {
	return object(data, member, true)
}

func object(data string, member func(name, value string) error, fold bool) error {
	sc := scanner{s: data}
	if sc.next() != '{' {
		return sc.fail("not an object")
	}
	if err := sc.object(1, member, fold); err != nil {
		return err
	}
	return sc.end()
}

// Array reads data, which must be one JSON array and valid in the sense of [Valid], and calls element for each of its
// elements in turn, as JSON text without white space around it.
func Array(data string, element func(value string) error) error {
	sc := scanner{s: data}
	if sc.next() != '[' {
		return sc.fail("not an array")
	}
	if err := sc.array(1, element); err != nil {
		return err
	}
	return sc.end()
}

func (sc *scanner) end() error {
	if sc.space(); sc.pos != len(sc.s) {
		return sc.fail("data after the value")
	}
	return nil
}

// object scans an object. With fold set its names are compared without case as well; those of objects inside are not.
func (sc *scanner) object(depth int, member func(name, value string) error, fold bool) error {
	if depth > MaxDepth {
		return sc.fail("nested too deep")
	}
	sc.pos++
	if sc.next() == '}' {
		sc.pos++
		return nil
	}
	var seen names
	for {
		if sc.next() != '"' {
			return sc.fail("no member name")
		}
		start := sc.pos
		escaped, ascii, err := sc.str()
		if err != nil {
			return err
		}
		name := sc.s[start+1 : sc.pos-1]
		if escaped {
			name = unescape(name)
			ascii = isASCII(name)
		}
		if earlier, ok := seen.add(name, ascii, fold); !ok {
			sc.pos = start
			if earlier != name {
				return sc.fail("the names of two members differ in letter case only")
			}
			return sc.fail("member named twice")
		}
		if sc.next() != ':' {
			return sc.fail("no colon after a member name")
		}
		sc.pos++
		sc.space()
		start = sc.pos
		if err := sc.value(depth + 1); err != nil {
			return err
		}
		if member != nil {
			if err := member(name, sc.s[start:sc.pos]); err != nil {
				return err
			}
		}
		switch sc.next() {
		case ',':
			sc.pos++
		case '}':
			sc.pos++
			return nil
		default:
			return sc.fail("no comma after a member")
		}
	}
}

func (sc *scanner) array(depth int, element func(value string) error) error {
	if depth > MaxDepth {
		return sc.fail("nested too deep")
	}
	sc.pos++
	if sc.next() == ']' {
		sc.pos++
		return nil
	}
	for {
		sc.space()
		start := sc.pos
		if err := sc.value(depth + 1); err != nil {
			return err
		}
		if element != nil {
			if err := element(sc.s[start:sc.pos]); err != nil {
				return err
			}
		}
		switch sc.next() {
		case ',':
			sc.pos++
		case ']':
			sc.pos++
			return nil
		default:
			return sc.fail("no comma after an element")
		}
	}
}

// names is the set of member names of one object. The few of an ordinary object are compared one by one, without an
// allocation; a map takes over before that becomes slow.
type names struct {
	few  [16]string
	sums [16]uint32 // of few, so that most comparisons are of numbers
	n    int
	bits uint64            // a bit for each sum: most names are new, and one look decides
	odd  bool              // one of them has anySum
	many map[string]string // by key
}

// add returns true if name is new, and the earlier equal name otherwise; with fold set, names are compared without
// case. ascii is whether name is of ASCII.
func (ns *names) add(name string, ascii, fold bool) (earlier string, ok bool) {
	if ns.many == nil {
		sum := foldSum(name, ascii)
		bit := uint64(1) << (sum * 0x9e3779b1 >> 26)
		if ns.bits&bit != 0 || ns.odd || sum == anySum {
			for i := range ns.n {
				if (ns.sums[i] == sum || sum == anySum || ns.sums[i] == anySum) && same(ns.few[i], name, fold) {
					return ns.few[i], false
				}
			}
		}
		if ns.n < len(ns.few) {
			ns.few[ns.n], ns.sums[ns.n] = name, sum
			ns.bits, ns.odd = ns.bits|bit, ns.odd || sum == anySum
			ns.n++
			return "", true
		}
		ns.many = make(map[string]string, 4*len(ns.few))
		for _, old := range ns.few {
			ns.many[key(old, fold)] = old
		}
	}
	k := key(name, fold)
	if earlier, found := ns.many[k]; found {
		return earlier, false
	}
	ns.many[k] = name
	return "", true
}

func same(a, b string, fold bool) bool { return a == b || fold && strings.EqualFold(a, b) }

func key(name string, fold bool) string {
	if fold {
		return foldName(name)
	}
	return name
}

const anySum = 0

// foldSum is a number that two names of ASCII have in common if they are equal without case: their length, and their
// first, middle and last letters in lower case. A name with other letters, which can be equal to one of another length,
// and an empty one have anySum.
func foldSum(name string, ascii bool) uint32 {
	if name == "" || !ascii {
		return anySum
	}
	n := len(name)
	return uint32(name[0]|0x20)<<24 | uint32(name[n/2]|0x20)<<16 | uint32(name[n-1]|0x20)<<8 | uint32(byte(n))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldName maps all names that are equal without case to one: each rune becomes the smallest that folds to it.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r < utf8.RuneSelf {
			return r
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}

func wrongType(want string) error {
	return fmt.Errorf("%w value: not %s", ErrFormat, want)
}

// Package wordlist keeps a list of common passwords in little space: about 22 bits for each, from which the passwords
// cannot be read. A list never misses a word that it was built of. Of other words it takes one in a million for a word
// of the list.
//
// Words are compared whole, in Unicode form NFC, without regard to letter case.
package wordlist

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns a word as lists compare it: in form NFC, with letter case folded (Unicode section 3.13.3).
func Fold(word string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(word)))
}

// List is a set of common words. The zero value is empty. It is safe for concurrent use.
type List struct {
	least, count int
	span         uint64
	data         string
	index        []entry
}

// entry is where every 256th value begins.
type entry struct {
	value uint64 // the value before it
	bit   int
}

const (
	every    = 256
	spacing  = 20 // a value in 2^20 belongs to a word
	magic    = "PWL1"
	header   = len(magic) + 2 + 4
	checksum = 8
	maxWords = 1 << 26
	maxLine  = 4096
)

// ErrFormat is returned by Parse for what is not the file of a list.
var ErrFormat = errors.New("wordlist: not the file of a word list, or damaged")

// Contains reports whether the list has the word.
func (l *List) Contains(word string) bool {
	if l.count == 0 {
		return false
	}
	want := position(Fold(word), l.span)
	at, _ := slices.BinarySearchFunc(l.index, want, func(e entry, v uint64) int {
		if e.value < v {
			return -1
		}
		return 1
	})
	if at == 0 {
		return false // before the first value
	}
	r := reader{l.data, l.index[at-1].bit}
	value := l.index[at-1].value
	for range every {
		delta, ok := r.next()
		if !ok || value >= want {
			break
		}
		value += delta
		if value == want {
			return true
		}
	}
	return false
}

// Least returns the length in code points of the shortest words that were taken into the list.
func (l *List) Least() int { return l.least }

// Len returns how many words the list has.
func (l *List) Len() int { return l.count }

// position spreads words evenly over 1 to span.
func position(folded string, span uint64) uint64 {
	sum := sha256.Sum256([]byte("postern word list\x00" + folded))
	high, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:]), span)
	return high + 1
}

// Build reads a list of passwords, one in a line, and returns the file of a list with those of at least that many code
// points. Empty lines and lines that are not UTF-8 are left out. The same words give the same file, in any order.
func Build(words io.Reader, least int) ([]byte, error) {
	if least < 1 || least > 1024 {
		return nil, fmt.Errorf("wordlist: words of at least %d characters: choose from 1 to 1024", least)
	}
	folded := map[string]bool{}
	lines := bufio.NewScanner(words)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if !utf8.ValidString(line) {
			continue
		}
		if word := Fold(line); utf8.RuneCountInString(norm.NFC.String(line)) >= least {
			folded[word] = true
		}
		if len(folded) > maxWords {
			return nil, fmt.Errorf("wordlist: more than %d words", maxWords)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("wordlist: reading the words: %w", err)
	}
	if len(folded) == 0 {
		return nil, fmt.Errorf("wordlist: no word has %d characters or more", least)
	}
	span := uint64(len(folded)) << spacing
	values := make([]uint64, 0, len(folded))
	for word := range folded {
		values = append(values, position(word, span))
	}
	slices.Sort(values)
	values = slices.Compact(values)
	return encode(values, len(folded), least), nil
}

// encode writes the header, the differences of the values in Golomb-Rice code, and a checksum.
func encode(values []uint64, words, least int) []byte {
	var w writer
	last := uint64(0)
	for _, v := range values {
		w.put(v - last)
		last = v
	}
	file := append([]byte(magic), 0, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(file[len(magic):], uint16(least))
	binary.BigEndian.PutUint32(file[len(magic)+2:], uint32(words))
	return []byte(seal(string(append(file, w.data...))))
}

// seal appends the checksum.
func seal(body string) string {
	sum := sha256.Sum256([]byte(body))
	return body + string(sum[:checksum])
}

// Parse reads the file of a list. It takes a millisecond for each 100,000 words or so; do it once.
func Parse(file string) (*List, error) {
	if len(file) < header+checksum || file[:len(magic)] != magic {
		return nil, ErrFormat
	}
	body := file[:len(file)-checksum]
	if seal(body) != file {
		return nil, ErrFormat
	}
	count := int(binary.BigEndian.Uint32([]byte(body[len(magic)+2:])))
	if count < 1 || count > maxWords {
		return nil, ErrFormat
	}
	l := &List{
		least: int(binary.BigEndian.Uint16([]byte(body[len(magic):]))),
		count: count,
		span:  uint64(count) << spacing,
		data:  body[header:],
	}
	l.indexValues()
	return l, nil
}

// ReadFile reads the file of a list, such as postern passwords build writes.
func ReadFile(name string) (*List, error) {
	file, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("wordlist: %w", err)
	}
	list, err := Parse(string(file))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}

func (l *List) indexValues() {
	r := reader{data: l.data}
	value := uint64(0)
	for n := 0; ; n++ {
		here := entry{value, r.bit}
		delta, ok := r.next()
		if !ok {
			return
		}
		if n%every == 0 {
			l.index = append(l.index, here)
		}
		value += delta
	}
}

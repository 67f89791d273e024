package wordlist

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func build(t *testing.T, least int, words ...string) *List {
	t.Helper()
	file, err := Build(strings.NewReader(strings.Join(words, "\n")), least)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse(string(file))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestList_Contains: a list has all of its words, in each case and composition of letters, and hardly any other.
func TestList_Contains(t *testing.T) {
	for _, n := range []int{1, 2, 255, 256, 257, 5000} {
		words := make([]string, n)
		for i := range words {
			words[i] = fmt.Sprintf("Password-%d-caf\u00e9", i)
		}
		l := build(t, 8, words...)
		if l.Len() != n || l.Least() != 8 {
			t.Errorf("%d words: Len is %d, Least is %d", n, l.Len(), l.Least())
		}
		for _, w := range words {
			for _, form := range []string{w, strings.ToUpper(w), strings.ToLower(w), strings.ReplaceAll(w, "\u00e9", "e\u0301")} {
				if !l.Contains(form) {
					t.Fatalf("%d words: %q is missing", n, form)
				}
			}
		}
		others := 0
		for i := range 20_000 {
			if l.Contains(fmt.Sprintf("other-%d", i)) || l.Contains(fmt.Sprintf("Password-%d-cafe", i)) {
				others++
			}
		}
		if others > 2 { // one in a million is expected
			t.Errorf("%d words: %d of 40,000 others are in it", n, others)
		}
	}
	var none List
	if none.Contains("") || none.Contains("password") || none.Len() != 0 {
		t.Error("the zero List has words")
	}
}

// TestBuild: short words, empty lines and what is not text are left out. Order, repetitions and line ends do not
// matter.
func TestBuild(t *testing.T) {
	a, err := Build(strings.NewReader("one fish two\r\nshort\n\nRED FISH BLUE\nred fish blue\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\n"), 8)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Build(strings.NewReader("red fish blue\none fish two"), 8)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two files of the same words differ: %x %x %v", a, b, err)
	}
	l, err := Parse(string(a))
	if err != nil || l.Len() != 2 || l.Contains("short") || l.Contains("") {
		t.Errorf("%d words: %v", l.Len(), err)
	}
	if size := len(b); size > 40 {
		t.Errorf("two words take %d bytes", size)
	}
	for least, text := range map[int]string{0: "password", -1: "password", 1025: "password", 9: "password", 8: strings.Repeat("x", maxLine+1)} {
		if file, err := Build(strings.NewReader(text), least); err == nil || file != nil {
			t.Errorf("least %d: no error", least)
		}
	}
	if _, err := Build(broken{}, 8); !errors.Is(err, errBroken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// TestParse_Damaged: a file that is cut, changed in one bit, or not a list at all is refused, not read in part.
func TestParse_Damaged(t *testing.T) {
	file, err := Build(strings.NewReader("one fish two\nred fish blue\n"), 8)
	if err != nil {
		t.Fatal(err)
	}
	for n := range file {
		if _, err := Parse(string(file[:n])); !errors.Is(err, ErrFormat) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	for bit := range 8 * len(file) {
		changed := bytes.Clone(file)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := Parse(string(changed)); !errors.Is(err, ErrFormat) {
			t.Errorf("bit %d changed: %v", bit, err)
		}
	}
	for _, text := range []string{"", "PWL1", "password\npassword1\n", strings.Repeat("x", 100)} {
		if _, err := Parse(text); !errors.Is(err, ErrFormat) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// TestRice: numbers come back as they were written, whatever the spacing of their values.
func TestRice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var w writer
	var want []uint64
	for range 2000 {
		v := 1 + r.Uint64N(1<<(1+r.UintN(24)))
		want = append(want, v)
		w.put(v)
	}
	read := reader{data: string(w.data)}
	for i, v := range want {
		if got, ok := read.next(); !ok || got != v {
			t.Fatalf("number %d is %d %v, want %d", i, got, ok, v)
		}
	}
	if v, ok := read.next(); ok {
		t.Errorf("one number too many: %d", v)
	}
}

// FuzzParse: no file makes the parser or a look-up panic.
func FuzzParse(f *testing.F) {
	file, err := Build(strings.NewReader("one fish two\nred fish blue\n"), 8)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(file), "one fish two")
	f.Add("PWL1", "")
	f.Fuzz(func(t *testing.T, file, word string) {
		if l, err := Parse(seal(file)); err == nil {
			l.Contains(word)
		}
		if l, err := Parse(file); err == nil {
			l.Contains(word)
		}
	})
}

package hash

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// cheap are imported formats for the tests of this file: of every kind, with low costs.
func cheap(t *testing.T) []string {
	t.Helper()
	pbkdf2, err := ImportPBKDF2(PBKDF2{"sha256", 1000, []byte("salt"), make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return []string{bcryptOf(t, "x"), pbkdf2}
}

// TestA17_Draw: VerifyNone takes one of the stored formats for an identifier: always the same one, in every process
// with the same key, each of them for its share of the identifiers, and another one with another key.
func TestA17_Draw(t *testing.T) {
	config := Config{Key: []byte("a secret of 16 bytes or more"), Imported: cheap(t)}
	h, again := newHasher(t, config), newHasher(t, config)
	config.Key = []byte("another secret of 16 bytes or more")
	other := newHasher(t, config)
	counts, moved := map[string]int{}, 0
	for i := range 3000 {
		id := fmt.Sprintf("person%d@example.com", i)
		f := h.noneFor(id)
		counts[reflect.TypeOf(f).Name()]++
		if reflect.TypeOf(f) != reflect.TypeOf(again.noneFor(id)) {
			t.Fatalf("%s: %T in one process, %T in another", id, f, again.noneFor(id))
		}
		if reflect.TypeOf(f) != reflect.TypeOf(other.noneFor(id)) {
			moved++
		}
	}
	if len(counts) != 3 || moved < 1500 {
		t.Errorf("drawn %v, %d of 3000 others with another key", counts, moved)
	}
	for name, n := range counts {
		if n < 850 || n > 1150 {
			t.Errorf("%s was drawn %d times of 3000", name, n)
		}
	}
}

// TestA17_SameAnswers: what Verify refuses for a stored password, VerifyNone refuses for an unknown person, and it
// takes the same turn: it is refused when the queue is full, and it is never right.
func TestA17_SameAnswers(t *testing.T) {
	h := newHasher(t, Config{MemoryMiB: 128, Parallel: 1, Queue: 1, Key: make([]byte, 16), Imported: cheap(t)})
	encoded := mustHash(t, h, "correct horse battery")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for i, password := range []string{"", "\xff", string(make([]byte, MaxBytes+1)), "wrong horse battery", "cafe\u0301", "with\x00zero"} {
		_, known := h.Verify(t.Context(), encoded, password)
		if unknown := h.VerifyNone(t.Context(), fmt.Sprint(i), password); !errors.Is(unknown, known) {
			t.Errorf("%.20q: %v for a person, %v for none", password, known, unknown)
		}
	}
	if err := h.VerifyNone(cancelled, "ada", "wrong horse battery"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
	release, err := h.gate.enter(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- h.VerifyNone(t.Context(), "ada", "wrong horse battery") }()
	for {
		h.gate.mu.Lock()
		n := h.gate.queues[common].waiting
		h.gate.mu.Unlock()
		if n == 1 {
			break
		}
	}
	if err := h.VerifyNone(t.Context(), "ada", "wrong horse battery"); !errors.Is(err, ErrBusy) {
		t.Errorf("with a full queue: %v", err)
	}
	release()
	if err := <-waiting; err != nil {
		t.Errorf("in its turn: %v", err)
	}
}

// TestA17_Work: the stand-in of each format computes what the format computes: the same costs, salts and lengths.
func TestA17_Work(t *testing.T) {
	h := newHasher(t, Config{})
	for _, v := range vectors(t, h) {
		encoded, err := v.encode()
		if err != nil {
			t.Fatal(err)
		}
		f, err := parse(encoded)
		if err != nil {
			t.Fatal(err)
		}
		unknown, err := f.unknown(h.rand)
		if err != nil {
			t.Fatal(err)
		}
		if len(unknown.encode()) != len(encoded) || unknown.memory() != f.memory() || unknown.encode() == encoded {
			t.Errorf("%s: the stand-in of %s is %s", v.from, encoded, unknown.encode())
		}
		if err := Check(unknown.encode()); err != nil {
			t.Errorf("%s: %s: %v", v.from, unknown.encode(), err)
		}
	}
}

// TestA17_Welch compares the time of 5,000 wrong passwords for known people with 5,000 for unknown ones, format by
// format, with Welch's test. It runs alone on a quiet machine:
//
//	POSTERN_TEST_LONG=1 go test ./password/hash -run Welch -v
func TestA17_Welch(t *testing.T) {
	if os.Getenv("POSTERN_TEST_LONG") == "" {
		t.Skip("measures for minutes: set POSTERN_TEST_LONG=1")
	}
	hashed, err := bcrypt.GenerateFromPassword([]byte("correct horse battery"), 8)
	if err != nil {
		t.Fatal(err)
	}
	pbkdf2, err := ImportPBKDF2(PBKDF2{"sha256", 100_000, []byte("salt"), make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	h := newHasher(t, Config{MemoryMiB: 128, Parallel: 1, Key: make([]byte, 16), Imported: []string{string(hashed), pbkdf2}})
	for i, encoded := range []string{mustHash(t, h, "correct horse battery"), string(hashed), pbkdf2} {
		var drawn string // an unknown person whose stand-in has this format
		for n := 0; drawn == "" || !reflect.DeepEqual(h.noneFor(drawn), h.none[i]); n++ {
			drawn = fmt.Sprintf("person%d@example.com", n)
		}
		known := func() error { _, err := h.Verify(t.Context(), encoded, "wrong horse battery"); return err }
		unknown := func() error { return h.VerifyNone(t.Context(), drawn, "wrong horse battery") }
		var times [2][]float64
		for n := range 2 * 5000 / 3 {
			which := n % 2
			if n/2%2 == 1 { // each goes first as often
				which = 1 - which
			}
			began := time.Now()
			if err := []func() error{known, unknown}[which](); err != nil {
				t.Fatal(err)
			}
			times[which] = append(times[which], time.Since(began).Seconds())
		}
		stat, a, b := welch(times[0], times[1])
		t.Logf("%.12s: known %.2f ms, unknown %.2f ms on average, t = %.2f", encoded, 1000*a, 1000*b, stat)
		if math.Abs(stat) > 4.5 {
			t.Errorf("%.12s: t is %.2f: the times differ beyond chance", encoded, stat)
		}
	}
}

// TestWelch: the statistic finds a difference that is there, and none between two samples of one kind.
func TestWelch(t *testing.T) {
	var a, b, c []float64
	for i := range 1000 {
		x := float64(i*7919%1000) / 1000
		a, b, c = append(a, x), append(b, x+0.1), append(c, 1-x)
	}
	if stat, _, _ := welch(a, b); stat > -4.5 {
		t.Errorf("samples a third of a deviation apart: t = %.2f", stat)
	}
	if stat, _, _ := welch(a, c); math.Abs(stat) > 1 {
		t.Errorf("samples of one kind: t = %.2f", stat)
	}
}

// welch returns the statistic of Welch's test and the two averages, without the slowest twentieth of each sample, which
// is other work of the machine.
func welch(a, b []float64) (stat, averageA, averageB float64) {
	moments := func(s []float64) (average, variance, n float64) {
		s = slices.Sorted(slices.Values(s))
		s = s[:len(s)*19/20]
		n = float64(len(s))
		for _, x := range s {
			average += x / n
		}
		for _, x := range s {
			variance += (x - average) * (x - average) / (n - 1)
		}
		return average, variance, n
	}
	averageA, varianceA, n := moments(a)
	averageB, varianceB, m := moments(b)
	return (averageA - averageB) / math.Sqrt(varianceA/n+varianceB/m), averageA, averageB
}

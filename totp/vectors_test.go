package totp

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"
)

// seedOfRFC is the seed of the vectors of RFC 4226 and of RFC 6238.
var seedOfRFC = []byte("12345678901234567890")

// TestM7_RFC4226 are the vectors of RFC 4226 appendix D.
func TestM7_RFC4226(t *testing.T) {
	for counter, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := hotp(seedOfRFC, int64(counter), 6); got != want {
			t.Errorf("counter %d: %s, want %s", counter, got, want)
		}
	}
}

// TestM7_RFC6238 are the vectors of RFC 6238 appendix B for SHA-1, which have eight digits. Their last six are the code
// of an app.
func TestM7_RFC6238(t *testing.T) {
	for _, v := range []struct {
		at   int64
		want string
	}{
		{59, "94287082"}, {1111111109, "07081804"}, {1111111111, "14050471"}, {1234567890, "89005924"}, {2000000000, "69279037"}, {20000000000, "65353130"},
	} {
		at := time.Unix(v.at, 0)
		if got := hotp(seedOfRFC, stepOf(at), 8); got != v.want {
			t.Errorf("%d: %s, want %s", v.at, got, v.want)
		}
		if step, ok := match(seedOfRFC, v.want[2:], at, 0); !ok || step != stepOf(at) {
			t.Errorf("%d: %s is not accepted: step %d", v.at, v.want[2:], step)
		}
	}
}

// TestM7_Window: the code of now and that before it are accepted, and no other; a code up to the last one is not.
func TestM7_Window(t *testing.T) {
	now := time.Unix(1_700_000_010, 0)
	current := stepOf(now)
	for off := int64(-5); off <= 5; off++ {
		code := hotp(seedOfRFC, current+off, digits)
		step, ok := match(seedOfRFC, code, now, 0)
		if want := off == 0 || off == -1; ok != want || want && step != current+off {
			t.Errorf("%+d steps: %v, step %d", off, ok, step-current)
		}
		if _, ok = match(seedOfRFC, code, now, current+off); ok {
			t.Errorf("%+d steps: a second time", off)
		}
		if _, ok = match(seedOfRFC, code, now, current); ok {
			t.Errorf("%+d steps: after a later one", off)
		}
	}
	if _, ok := match(seedOfRFC, hotp(seedOfRFC, current, digits), now, current-1); !ok {
		t.Error("the code after the last one is refused")
	}
}

func TestReadCode(t *testing.T) {
	for typed, want := range map[string]string{
		"123456": "123456", " 123 456 ": "123456", "123-456": "123456", "12\u00a034\u202f56": "123456", "000000": "000000",
		"１２３４５６": "123456", "١٢٣٤٥٦": "123456", "۱۲۳۴۵۶": "123456", "१२३४५६": "123456", "12345৬": "123456",
		"": "", "12345": "", "1234567": "", "12345a": "", "123456a": "", "12345.6": "", "+12345": "", "0x1234": "", "1e5000": "", "①②③④⑤⑥": "", "¹²³⁴⁵⁶": "",
		"12345\x00": "", "12345\xff": "", "123 456 7": "", "٠٠٠٠٠": "",
	} {
		if got, ok := readCode(typed); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v, want %q", typed, got, ok, want)
		}
	}
}

func TestReadRecoveryCode(t *testing.T) {
	const want = "0123456789ABCDEF"
	for _, typed := range []string{
		"0123-4567-89AB-CDEF", "0123456789abcdef", " o123 4567 89ab cdef ", "OI23-4567-89AB-CDEF", "Ol23–4567–89AB–CDEF", "0L23 4567 89ab cdef",
	} {
		if got, ok := readRecoveryCode(typed); !ok || got != want {
			t.Errorf("%q: %q %v", typed, got, ok)
		}
	}
	for _, typed := range []string{"", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEF-0", "0123-4567-89AB-CDEU", "0123-4567-89AB-CDE!", "０１２３456789ABCDEF", strings.Repeat("-", 1000)} {
		if got, ok := readRecoveryCode(typed); ok {
			t.Errorf("%q is read as %q", typed, got)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		code := newRecoveryCode()
		if got, ok := readRecoveryCode(grouped(code, "-")); !ok || got != code || seen[code] {
			t.Fatalf("%q is read as %q", code, got)
		}
		seen[code] = true
	}
}

// FuzzCode_App: whatever is typed, what is read has six ASCII digits, is read the same again, and nothing panics.
func FuzzCode_App(f *testing.F) {
	for _, s := range []string{"123456", " 12 34 56", "１２３４５６", "٠١٢٣٤٥", "12345", "\xff\xfe", "123456\u2212"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := readCode(typed)
		if !ok {
			return
		}
		if len(code) != digits || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q is read as %q", typed, code)
		}
		if again, ok := readCode(code); !ok || again != code {
			t.Fatalf("%q is read as %q, and that as %q", typed, code, again)
		}
	})
}

// FuzzCode_Recovery: what is read has sixteen characters of the alphabet, and is read the same again.
func FuzzCode_Recovery(f *testing.F) {
	for _, s := range []string{"0123-4567-89AB-CDEF", "oooo iiii llll zzzz", "0123456789abcdef0", "\xff", "Ü123456789ABCDEF"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := readRecoveryCode(typed)
		if !ok {
			return
		}
		if len(code) != recoveryLength || strings.Trim(code, recoveryAlphabet) != "" {
			t.Fatalf("%q is read as %q", typed, code)
		}
		if again, ok := readRecoveryCode(grouped(code, "-")); !ok || again != code {
			t.Fatalf("%q is read as %q, and that as %q", typed, code, again)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	seed := make([]byte, seedSize)
	rand.Read(seed)
	for b.Loop() {
		match(seed, "000000", time.Unix(1_700_000_000, 0), 0)
	}
}

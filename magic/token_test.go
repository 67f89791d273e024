package magic

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/iotest"
)

func TestToken(t *testing.T) {
	tag := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, tagSize))
	seen := map[string]bool{}
	for range 1000 {
		token, err := newToken(rand.Reader, tag)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseToken(token); !ok || got != tag || len(token) != 64 || seen[token] {
			t.Fatalf("token %q: tag %q, %v", token, got, ok)
		}
		seen[token] = true
	}
	token, err := newToken(rand.Reader, tag)
	if err != nil {
		t.Fatal(err)
	}
	for i := range token {
		if _, ok := parseToken(token[:i]); ok {
			t.Errorf("a prefix of %d passes", i)
		}
	}
	for _, bad := range []string{token + "A", token + "=", " " + token[1:], token[:63] + "\n", token[:10] + "+" + token[11:], token[:10] + "/" + token[11:], token[:62] + "\r\n", token[:60] + "===="} {
		if _, ok := parseToken(bad); ok {
			t.Errorf("%q passes", bad)
		}
	}
	if _, err := newToken(rand.Reader, "short"); err == nil {
		t.Error("a tag of five characters passes")
	}
	broken := errors.New("no entropy")
	if _, err := newToken(iotest.ErrReader(broken), tag); !errors.Is(err, broken) {
		t.Errorf("without randomness: %v", err)
	}
	if _, err := newCode(iotest.ErrReader(broken), codeDigits); !errors.Is(err, broken) {
		t.Errorf("without randomness: %v", err)
	}
}

// Each digit of each place is as likely as the others: SST took a byte modulo ten. Chi-squared with 9 degrees of
// freedom stays below 40 but once in 130,000 tries; the bias of a byte modulo ten gives about 70 here.
func TestSST_F2_DigitsAreUnbiased(t *testing.T) {
	const n = 100_000
	random := new(counter)
	var count [codeDigits][10]float64
	for range n {
		code, err := newCode(random, codeDigits)
		if err != nil {
			t.Fatal(err)
		}
		if len(code) != codeDigits {
			t.Fatalf("code %q", code)
		}
		for place, c := range []byte(code) {
			count[place][c-'0']++
		}
	}
	for place := range count {
		chi := 0.0
		for _, k := range count[place] {
			chi += math.Pow(k-n/10, 2) / (n / 10)
		}
		if chi > 40 {
			t.Errorf("place %d: chi-squared %.1f, counts %v", place, chi, count[place])
		}
	}
}

// counter is a source of bytes that is the same in every run: the test must not depend on luck.
type counter struct{ state uint64 }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p { // splitmix64
		c.state += 0x9e3779b97f4a7c15
		z := c.state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		p[i] = byte(z ^ z>>31)
	}
	return len(p), nil
}

func TestParseCode(t *testing.T) {
	for typed, want := range map[string]string{
		"123456": "123456", "000000": "000000", " 123 456 ": "123456", "123-456": "123456", "12 34 56": "123456", "1-2-3-4-5-6": "123456",
		"123\u00a0456": "123456", "123\u2011456": "123456", "123\u2013456\n": "123456", "\t123456\r\n": "123456",
		"": "", "12345": "", "1234567": "", "12345a": "", "+12345": "", "-123456": "123456", "123.456": "", "１２３４５６": "", "٠١٢٣٤٥": "",
		"1234567890": "1234567890", "12345 67890": "1234567890", "12345678": "", "12345678901": "", "0x1234": "", "123456\x00": "", strings.Repeat(" ", 60) + "123456": "", "123456; 654321": "",
	} {
		if got, ok := parseCode(typed); got != want && ok || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", typed, got, ok, want)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	tag := base64.RawURLEncoding.EncodeToString(make([]byte, tagSize))
	token, err := newToken(new(counter), tag)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(token[:63] + "\n")
	f.Add(strings.Repeat("_", 64))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		tag, ok := parseToken(token)
		if !ok {
			if tag != "" {
				t.Fatalf("%q is refused with the tag %q", token, tag)
			}
			return
		}
		// One spelling each: what passes is what encoding its bytes gives.
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != token || len(raw) != tagSize+secretSize {
			t.Fatalf("%q passes", token)
		}
		if len(tag) != 22 || token[:21] != tag[:21] {
			t.Fatalf("%q has the tag %q", token, tag)
		}
	})
}

func FuzzParseCode(f *testing.F) {
	for _, s := range []string{"123456", "123 456", "12-34-56", "１２３４５６", "", "12345", "123456\u00a0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := parseCode(typed)
		if !ok {
			if code != "" {
				t.Fatalf("%q is refused and gives %q", typed, code)
			}
			return
		}
		if len(code) != codeDigits && len(code) != longDigits || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q gives %q", typed, code)
		}
		if again, ok := parseCode(code); !ok || again != code {
			t.Fatalf("%q gives %q, which gives %q", typed, code, again)
		}
		// Every digit typed is in the code, in order, and nothing else is.
		digits := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, typed)
		if digits != code {
			t.Fatalf("%q gives %q", typed, code)
		}
	})
}

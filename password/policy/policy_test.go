package policy

import (
	"errors"
	"strings"
	"testing"
)

func newPolicy(t *testing.T, c Config) *Policy {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func code(t *testing.T, err error) Code {
	t.Helper()
	var e *Error
	if err == nil {
		return ""
	}
	if !errors.As(err, &e) {
		t.Fatalf("%T: %v", err, err)
	}
	return e.Code
}

// TestP2_Lengths: code points count, up to 1,024 bytes, and no kind of character is demanded.
func TestP2_Lengths(t *testing.T) {
	p := newPolicy(t, Config{})
	for password, want := range map[string]Code{
		"":                          TooShort,
		"seven words ok":            TooShort, // 14
		"seven words oki":           "",
		"correcthorsebatterystaple": Common, // of a comic that everybody knows
		"lowercaseletterstoo":       "",
		"kraftwerk uhr montag":      "",
		"8530 1947 2206 7":          "",
		"\U0001F40E\U0001F50B\U0001F4CE\U0001F33B\U0001F3B7\U0001F9CA\U0001F41F\U0001F4A1\U0001F30B\U0001F955\U0001F6B2\U0001F9F2\U0001F3AF\U0001F511":           TooShort, // 14 emoji of 56 bytes
		"\U0001F40E\U0001F50B\U0001F4CE\U0001F33B\U0001F3B7\U0001F9CA\U0001F41F\U0001F4A1\U0001F30B\U0001F955\U0001F6B2\U0001F9F2\U0001F3AF\U0001F511\U0001F9F6": "",
		"e\u0301te\u0301 e\u0301te\u0301 ok":        TooShort, // 10 in form NFC
		"with\x00zero byte and more":                "",
		"\u202eright to left text":                  "",
		"\xffnot text at all, really":               NotText,
		strings.Repeat("long words ", 94):           TooLong,
		"a" + strings.Repeat(" b c d e f g", 85):    "",      // 1,021 bytes
		strings.Repeat("\u0958 \u0959 \u095a ", 80): TooLong, // 960 bytes, more in form NFC
	} {
		if got := code(t, p.Check(password)); got != want {
			t.Errorf("%.40q (%d bytes): %q, want %q", password, len(password), got, want)
		}
	}
}

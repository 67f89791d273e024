package text

import (
	"strings"
	"testing"
)

// TestBytes tries each rule on every byte, alone and inside a longer text.
func TestBytes(t *testing.T) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	const marks = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	for name, rule := range map[string]struct {
		ok      func(string) bool
		allowed string
	}{
		"Visible":   {Visible, letters + marks[1:]},
		"Printable": {Printable, letters + marks},
		"Base64URL": {Base64URL, letters + "-_"},
		"Token":     {Token, letters + "!#$%&'*+-.^_`|~"},
	} {
		for c := range 256 {
			b := string([]byte{byte(c)})
			want := strings.Contains(rule.allowed, b)
			for _, s := range []string{b, "a" + b, b + "a", "a" + b + "a"} {
				if got := rule.ok(s); got != want {
					t.Errorf("%s(%q) = %v, want %v", name, s, got, want)
				}
			}
		}
		if got, want := rule.ok(""), name != "Token"; got != want {
			t.Errorf("%s of the empty text = %v, want %v", name, got, want)
		}
	}
}

func TestControl(t *testing.T) {
	for _, r := range []rune{0, 1, '\t', '\n', '\r', 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x9f} {
		if !Control(r) || !HasControl("a"+string(r)+"b") {
			t.Errorf("%U is not a control character", r)
		}
	}
	for _, r := range []rune{' ', 'a', '~', 0xa0, 'ä', '漢', '\u2028'} {
		if Control(r) || HasControl("a"+string(r)+"b") {
			t.Errorf("%U is a control character", r)
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "Ada": "Ada", "  Ada \t\n Love\u2028": "Ada Love", "a\u202eb\u200bc\x00\x7f": "abc", "\xff": "",
		"\u0646\u200c\u0645": "\u0646\u200c\u0645", "0123456789ä": "0123456789", "012345678 9": "012345678",
	} {
		if got := Line(in, 10); got != want {
			t.Errorf("Line(%q) is %q, want %q", in, got, want)
		}
	}
}

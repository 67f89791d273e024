package jose

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// FuzzJ9_Base64 holds DecodeBase64 to the rule that a text is accepted exactly if encoding its bytes gives it back,
// whatever room there is, and that it writes behind what was there.
func FuzzJ9_Base64(f *testing.F) {
	for _, s := range []string{"", "A", "AA", "AB", "AAA", "AAAA", "AAAAAAAA", "AAAAAAA=", "AAAAAAAAA", "AAAAAAA\n", "____----", "abcdefghijklmnop", "abcdefg+ijklmnop", "abcdefghijklmno/", "aGVsbG8gd29ybGQ", "aGVsbG8gd29ybGR"} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(64))
	}
	f.Fuzz(func(t *testing.T, s string, room uint8) {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		canonical := err == nil && base64.RawURLEncoding.EncodeToString(raw) == s
		dst := append(make([]byte, 0, 3+int(room)), "abc"...)
		out, ok := DecodeBase64(dst, s)
		if ok != canonical {
			t.Fatalf("%q with room for %d: accepted %v, canonical %v", s, room, ok, canonical)
		}
		if !bytes.HasPrefix(out, []byte("abc")) || ok && !bytes.Equal(out[3:], raw) {
			t.Fatalf("%q with room for %d: %q, want %q", s, room, out, raw)
		}
	})
}

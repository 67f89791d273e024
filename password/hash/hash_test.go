package hash

import (
	"errors"
	"strings"
	"testing"
)

func newHasher(t *testing.T, c Config) *Hasher {
	t.Helper()
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustHash(t *testing.T, h *Hasher, password string) string {
	t.Helper()
	encoded, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func verify(t *testing.T, h *Hasher, encoded, password string) Result {
	t.Helper()
	r, err := h.Verify(t.Context(), encoded, password)
	if err != nil {
		t.Fatalf("%q with %q: %v", encoded, password, err)
	}
	return r
}

// TestP1_Settings: new passwords get argon2id in PHC form with a row of OWASP's cheat sheet that fits the memory, and a
// password that was hashed with another row, or elsewhere, is hashed anew at sign-in.
func TestP1_Settings(t *testing.T) {
	var before *Hasher
	var beforeEncoded string
	for _, e := range []struct {
		memory, parallel int
		begins           string
	}{
		{64, 1, "$argon2id$v=19$m=7168,t=5,p=1$"},
		{128, 2, "$argon2id$v=19$m=7168,t=5,p=1$"},
		{160, 2, "$argon2id$v=19$m=9216,t=4,p=1$"},
		{256, 2, "$argon2id$v=19$m=12288,t=3,p=1$"},
		{512, 2, "$argon2id$v=19$m=19456,t=2,p=1$"},
		{4096, 0, "$argon2id$v=19$m=19456,t=2,p=1$"},
		{0, 2, "$argon2id$v=19$m=19456,t=2,p=1$"},
	} {
		h := newHasher(t, Config{MemoryMiB: e.memory, Parallel: e.parallel})
		encoded := mustHash(t, h, "correct horse battery")
		if !strings.HasPrefix(encoded, e.begins) || len(encoded) != len(e.begins)+22+1+43 {
			t.Errorf("%d MiB: %s, want 16 bytes of salt and 32 of hash after %s", e.memory, encoded, e.begins)
		}
		if again := mustHash(t, h, "correct horse battery"); again == encoded {
			t.Errorf("%d MiB: two hashes are the same", e.memory)
		}
		if r := verify(t, h, encoded, "correct horse battery"); r != (Result{OK: true}) {
			t.Errorf("%d MiB reads its own %s: %+v", e.memory, encoded, r)
		}
		if before != nil { // in both directions: a small function reads what a large one wrote
			want := Result{OK: true, Rehash: h.own != before.own}
			if r := verify(t, h, beforeEncoded, "correct horse battery"); r != want {
				t.Errorf("%v reads %s: %+v, want %+v", h.own, beforeEncoded, r, want)
			}
			if r := verify(t, before, encoded, "correct horse battery"); r != want {
				t.Errorf("%v reads %s: %+v, want %+v", before.own, encoded, r, want)
			}
		}
		before, beforeEncoded = h, encoded
	}
	smallest := newHasher(t, Config{MemoryMiB: 64, Parallel: 1})
	if r := verify(t, smallest, beforeEncoded, "correct horse battery"); r != (Result{OK: true, Rehash: true}) {
		t.Errorf("64 MiB reads %s: %+v", beforeEncoded, r)
	}
}

// TestNew_Refuses: a configuration that cannot work is an error that names the field.
func TestNew_Refuses(t *testing.T) {
	for _, e := range []struct {
		config Config
		says   string
	}{
		{Config{MemoryMiB: 63}, "MemoryMiB is 63"},
		{Config{MemoryMiB: -1}, "MemoryMiB is -1"},
		{Config{MemoryMiB: 1 << 21}, "MemoryMiB is 2097152"},
		{Config{MemoryMiB: 128, Parallel: 3}, "enough for 2"},
		{Config{Parallel: -1}, "Parallel is -1"},
		{Config{Queue: -1}, "Queue is -1"},
		{Config{Imported: []string{"$2b$10$SXEz2HeT8PUIGQXo9yeUIem8KzNxgG0d7o/.eGj2rj8KbRgAuRVlq"}}, "Config.Key"},
		{Config{Key: make([]byte, 16), Imported: []string{"nonsense"}}, "Config.Imported[0]"},
		{Config{MemoryMiB: 64, Key: make([]byte, 16), Imported: []string{"$scrypt$ln=14,r=16,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA"}}, "needs 32 MiB, and Config.MemoryMiB allows 19"},
	} {
		if h, err := New(e.config); err == nil || h != nil || !strings.Contains(err.Error(), e.says) {
			t.Errorf("%+v: %v, want an error with %q", e.config, err, e.says)
		}
	}
}

// TestP2_Whole: nothing is cut off. Passwords that differ at byte 73, at byte 200 or after a zero byte are different,
// and one that is too long is refused by Hash and Verify alike.
func TestP2_Whole(t *testing.T) {
	h := newHasher(t, Config{MemoryMiB: 64, Parallel: 1})
	base := strings.Repeat("0123456789", 30)
	for name, pair := range map[string][2]string{
		"byte 73":           {base[:72] + "a" + base[73:], base[:72] + "b" + base[73:]},
		"byte 200":          {base[:199] + "a" + base[200:], base[:199] + "b" + base[200:]},
		"after a zero byte": {"fifteen chars ok\x00one", "fifteen chars ok\x00two"},
		"a zero byte":       {"fifteen chars ok", "fifteen chars ok\x00"},
		"a prefix":          {base[:72], base[:73]},
		"the last byte":     {strings.Repeat("x", MaxBytes), strings.Repeat("x", MaxBytes-1) + "y"},
		"spaces":            {" fifteen chars ok", "fifteen chars ok "},
		"letter case":       {"Fifteen Chars Ok", "fifteen chars ok"},
	} {
		encoded := mustHash(t, h, pair[0])
		if !verify(t, h, encoded, pair[0]).OK || verify(t, h, encoded, pair[1]).OK {
			t.Errorf("%s: the two are not told apart", name)
		}
	}
	encoded := mustHash(t, h, "x")
	for password, want := range map[string]error{
		"":                                   ErrEmpty,
		strings.Repeat("x", MaxBytes+1):      ErrTooLong,
		strings.Repeat("\u0958", MaxBytes/3): ErrTooLong, // one character of three bytes is two of six in form NFC
		"\xff":                               ErrText,
		"correct horse \xed\xa0\x80 battery": ErrText, // half of a surrogate pair
		strings.Repeat("\x80", 2*MaxBytes):   ErrTooLong,
	} {
		if _, err := h.Hash(t.Context(), password); !errors.Is(err, want) {
			t.Errorf("Hash of %d bytes: %v, want %v", len(password), err, want)
		}
		if r, err := h.Verify(t.Context(), encoded, password); !errors.Is(err, want) || r.OK {
			t.Errorf("Verify of %d bytes: %+v %v, want %v", len(password), r, err, want)
		}
		if err := h.VerifyNone(t.Context(), "ada@example.com", password); !errors.Is(err, want) {
			t.Errorf("VerifyNone of %d bytes: %v, want %v", len(password), err, want)
		}
	}
}

// TestP3_NFC: a password is the same in every composition of its characters, and nothing else is folded.
func TestP3_NFC(t *testing.T) {
	h := newHasher(t, Config{MemoryMiB: 64, Parallel: 1})
	for _, pair := range [][2]string{
		{"caf\u00e9 au lait matin", "cafe\u0301 au lait matin"},
		{"\u1e69 dots below and above", "s\u0307\u0323 dots below and above"},
		{"\u212bngstr\u00f6m units", "A\u030angstro\u0308m units"},
		{"\uac00\ub098\ub2e4", "\u1100\u1161\u1102\u1161\u1103\u1161"},
	} {
		for _, set := range pair {
			encoded := mustHash(t, h, set)
			for _, typed := range pair {
				if !verify(t, h, encoded, typed).OK {
					t.Errorf("set %+q, typed %+q: refused", set, typed)
				}
			}
		}
	}
	for _, pair := range [][2]string{
		{"family \U0001F468\u200d\U0001F469\u200d\U0001F467", "family \U0001F468\U0001F469\U0001F467"}, // joiners count
		{"\u202eright to left", "right to left"},
		{"\ufb01ne ligature", "fine ligature"}, // NFC keeps compatibility characters, unlike NFKC
		{"no\u00a0break space", "no break space"},
		{"stra\u00dfe und weg", "strasse und weg"},
	} {
		encoded := mustHash(t, h, pair[0])
		if !verify(t, h, encoded, pair[0]).OK || verify(t, h, encoded, pair[1]).OK {
			t.Errorf("%+q and %+q are not told apart", pair[0], pair[1])
		}
	}
}

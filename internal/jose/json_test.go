package jose

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestValid(t *testing.T) {
	valid := []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-0.5e+10`, `1E5`, `true`, `false`, `null`, ` [1 , 2 ] `, "\t\r\n {} \n",
		`{"a":{"b":[1,{"c":null}]}}`, `"\u00e9\uD83D\uDE00\"\\\/\b\f\n\r\t"`, `"é😀"`, `{"":1}`, `"\u0000"`,
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
	}
	for _, s := range valid {
		if err := Valid(s); err != nil {
			t.Errorf("Valid(%q) = %v", s, err)
		}
	}
	invalidText := []string{
		``, ` `, `{`, `[`, `"`, `{}x`, `{} {}`, `[1,]`, `[,1]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{1:1}`,
		`01`, `-`, `+1`, `1.`, `.5`, `1e`, `1e+`, `0x1`, `NaN`, `Infinity`, `-Infinity`, `tru`, `True`, `nul`, `nulll`,
		`"\x"`, `"\u12"`, `"\u12g4"`, "\"\x00\"", "\"\n\"", "\"\x1f\"", `'a'`, "\x00", "{}\x00", `[1 2]`, `{"a" 1}`,
		"\ufeff{}",                                     // byte order mark
		"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", // invalid UTF-8, overlong, encoded surrogate
		`"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\ud800x"`, `"\ud800\n"`, `"\udc00\ud800"`, `"\ud83d\u0041"`,
		"{\x00}", "{}\v", "{\u00a0}", "/**/{}", `{"a":1}//`,
		strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
		strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1),
		strings.Repeat("[", 100000),
	}
	for _, s := range invalidText {
		if err := Valid(s); !errors.Is(err, ErrFormat) {
			t.Errorf("Valid(%.40q) = %v, want ErrFormat", s, err)
		}
	}
}

func TestJ8_DuplicateMembers(t *testing.T) {
	many := func(extra string) string { // past the point where a map takes over
		var b strings.Builder
		b.WriteString("{")
		for i := range 40 {
			fmt.Fprintf(&b, `"m%d":%d,`, i, i)
		}
		return b.String() + extra + "}"
	}
	tests := []struct {
		name, text    string
		folded, exact bool // accepted by FoldedObject, by Object and Valid
	}{
		{"distinct", `{"exp":1,"iat":2}`, true, true},
		{"exact", `{"exp":1,"exp":2}`, false, false},
		{"escaped", `{"exp":1,"\u0065xp":2}`, false, false},
		{"escaped first", `{"e\u0078p":1,"exp":2}`, false, false},
		{"folded", `{"exp":1,"EXP":2}`, false, true},
		{"folded in the middle", `{"iss":1,"iSs":2}`, false, true},
		{"kelvin sign", `{"kid":1,"` + "\u212a" + `id":2}`, false, true},
		{"kelvin sign escaped", `{"kid":1,"\u212aid":2}`, false, true},
		{"long s", `{"sub":1,"` + "\u017f" + `ub":2}`, false, true},
		{"empty name", `{"":1,"":2}`, false, false},
		{"nested exact", `{"a":{"b":1,"b":2}}`, false, false},
		{"nested in array", `{"a":[1,{"b":1,"\u0062":2}]}`, false, false},
		{"nested folded", `{"a":{"b":1,"B":2}}`, true, true}, // data of the application may have both
		{"same name at two depths", `{"a":{"a":{"a":1}}}`, true, true},
		{"many distinct", many(`"z":1`), true, true},
		{"many exact", many(`"m3":1`), false, false},
		{"many exact late", many(`"m39":1`), false, false},
		{"many escaped", many(`"\u006d39":1`), false, false},
		{"many folded", many(`"M39":1`), false, true},
		{"many kelvin", many(`"k":1,"` + "\u212a" + `":1`), false, true},
	}
	for _, tt := range tests {
		nothing := func(string, string) error { return nil }
		err := FoldedObject(tt.text, nothing)
		if (err == nil) != tt.folded {
			t.Errorf("%s: FoldedObject = %v, want accepted %v", tt.name, err, tt.folded)
		}
		if tt.exact && !tt.folded && !strings.Contains(err.Error(), "letter case") {
			t.Errorf("%s: the error does not name the reason: %v", tt.name, err)
		}
		for of, err := range map[string]error{"Object": Object(tt.text, nothing), "Valid": Valid(tt.text)} {
			if (err == nil) != tt.exact {
				t.Errorf("%s: %s = %v, want accepted %v", tt.name, of, err, tt.exact)
			}
		}
	}
}

func TestNames_Fold(t *testing.T) {
	words := []string{"", "a", "A", "k", "K", "\u212a", "s", "\u017f", "é", "É", "@", "`", "[", "{", "sub", "SUB", "\u017fub", "ß", "ẞ", "ω", "Ω", "\u2126", "_", "\u007f", "Expires", "expires", "exqires", "expires_", strings.Repeat("a", 256), strings.Repeat("A", 512)}
	for _, a := range words {
		for _, b := range words {
			want := strings.EqualFold(a, b)
			var set names
			_, first := set.add(a, isASCII(a), true)
			if earlier, second := set.add(b, isASCII(b), true); !first || second == want || want && earlier != a {
				t.Errorf("the names %q and %q are different: want %v", a, b, !want)
			}
			if got := foldName(a) == foldName(b); got != want {
				t.Errorf("foldName(%q) == foldName(%q) is %v", a, b, got)
			}
		}
	}
}

func TestObject(t *testing.T) {
	var got []string
	err := Object(" { \"a\" : [1, 2] , \"b\\u0062\":\"x\\ny\",\"c\" :\t{} } ", func(name, value string) error {
		got = append(got, name+"="+value)
		return nil
	})
	if want := `a=[1, 2]|bb="x\ny"|c={}`; err != nil || strings.Join(got, "|") != want {
		t.Fatalf("got %q, %v; want %s", got, err, want)
	}
	stop := errors.New("stop")
	calls := 0
	err = Object(`{"a":1,"b":2}`, func(string, string) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Fatalf("error of member: %v after %d calls", err, calls)
	}
	for _, s := range []string{`[]`, `1`, `null`, `"x"`, ``, `{}{}`, `{"a":1}]`} {
		if err := Object(s, func(string, string) error { return nil }); !errors.Is(err, ErrFormat) {
			t.Errorf("Object(%q) = %v", s, err)
		}
	}
}

func TestReaders(t *testing.T) {
	for _, tt := range []struct {
		value, want string
		ok          bool
	}{
		{`"abc"`, "abc", true}, {`""`, "", true}, {`"\u0061\ud83d\ude00\t\/"`, "a😀\t/", true},
		{`1`, "", false}, {`null`, "", false}, {`["a"]`, "", false}, {`{}`, "", false}, {`true`, "", false}, {``, "", false},
	} {
		if got, err := String(tt.value); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("String(%s) = %q, %v", tt.value, got, err)
		}
	}
	for _, tt := range []struct {
		value, want string
		ok, has     bool // has "b"
	}{
		{`"b"`, "b", true, true}, {`[]`, "", true, false}, {`["a","b"]`, "a|b", true, true}, {`["\u0062"]`, "b", true, true},
		{`["a",1]`, "", false, false}, {`["b",1]`, "", false, false}, {`[["b"]]`, "", false, false}, {`{"b":1}`, "", false, false},
		{`null`, "", false, false}, {`1`, "", false, false}, {`"B"`, "B", true, false}, {`["ab","b "]`, "ab|b ", true, false},
	} {
		got, err := Strings(tt.value)
		if strings.Join(got, "|") != tt.want || (err == nil) != tt.ok {
			t.Errorf("Strings(%s) = %q, %v", tt.value, got, err)
		}
		if has, err := Has(tt.value, "b"); has != tt.has || (err == nil) != tt.ok {
			t.Errorf("Has(%s) = %v, %v", tt.value, has, err)
		}
	}
	for value, want := range map[string]bool{"true": true, "false": false} {
		if got, err := Bool(value); got != want || err != nil {
			t.Errorf("Bool(%s) = %v, %v", value, got, err)
		}
	}
	for _, value := range []string{`"true"`, `1`, `null`, `True`, ``} {
		if _, err := Bool(value); err == nil {
			t.Errorf("Bool(%s) accepted", value)
		}
	}
}

func TestJ12_NumericDate(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  time.Time
		ok    bool
	}{
		{"0", time.Unix(0, 0), true},
		{"-0", time.Unix(0, 0), true},
		{"1700000000", time.Unix(1700000000, 0), true},
		{"1700000000.5", time.Unix(1700000000, 5e8), true},
		{"-1.5", time.Unix(-2, 5e8), true},
		{"1.7e9", time.Unix(1700000000, 0), true},
		{"17E8", time.Unix(1700000000, 0), true},
		{"1e-400", time.Unix(0, 0), true},
		{"9007199254740992", time.Unix(1<<53, 0), true},
		{"-9007199254740992", time.Unix(-1<<53, 0), true},
		{"9007199254740993", time.Time{}, false},
		{"9223372036854775807", time.Time{}, false},
		{"9223372036854775808", time.Time{}, false},
		{"18446744073709551617", time.Time{}, false}, // 2^64+1 must not become 1
		{"-9223372036854775809", time.Time{}, false},
		{"1e16", time.Time{}, false},
		{"1e300", time.Time{}, false},
		{"1e999", time.Time{}, false},
		{"-1e300", time.Time{}, false},
		{`"1700000000"`, time.Time{}, false},
		{"null", time.Time{}, false},
		{"true", time.Time{}, false},
		{"[1]", time.Time{}, false},
		{"{}", time.Time{}, false},
		{"", time.Time{}, false},
	} {
		got, err := NumericDate(tt.value)
		if (err == nil) != tt.ok || !got.Equal(tt.want) {
			t.Errorf("NumericDate(%s) = %v, %v; want %v", tt.value, got, err, tt.want)
		}
	}
}

// FuzzJSON: what this package accepts, encoding/json accepts too and reads as the same thing.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x",null,true,{"b":-1.5e3}]}`, `{"\u0061":"\ud83d\ude00"}`, `[]`, `"\ud800"`, `{"a":1,"A":2}`, `1e5`, "{\"a\":\"\xff\"}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		valid := Valid(s) == nil
		if valid && (!json.Valid([]byte(s)) || !utf8.ValidString(s)) {
			t.Fatalf("Valid accepts %q, encoding/json does not", s)
		}
		members := map[string]any{}
		err := Object(s, func(name, value string) error {
			if Valid(value) != nil || strings.TrimSpace(value) != value {
				t.Fatalf("value %q of %q is not one", value, name)
			}
			if !strings.Contains(s, value) {
				t.Fatalf("value %q is not of %q", value, s)
			}
			members[name] = read(t, value)
			return nil
		})
		if err != nil {
			return
		}
		if !valid {
			t.Fatalf("Object accepts %q, Valid does not", s)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(s), &want); err != nil || len(want) != len(members) {
			t.Fatalf("encoding/json reads %q as %d members (%v), not %d", s, len(want), err, len(members))
		}
		for name, got := range members {
			raw, ok := want[name]
			if !ok {
				t.Fatalf("encoding/json finds no member %q in %q", name, s)
			}
			var v any
			_ = json.Unmarshal(raw, &v) // fails on numbers beyond float64: read gives nil too
			switch got := got.(type) {
			case string, bool:
				if v != got {
					t.Fatalf("%q: %v, encoding/json says %v", name, got, v)
				}
			case time.Time:
				if n, ok := v.(float64); !ok || math.Abs(n-float64(got.Unix())) > 1 {
					t.Fatalf("%q: %v, encoding/json says %v", name, got, v)
				}
			}
		}
	})
}

// read reads value with the reader of its type, and checks that the other readers refuse it.
func read(t *testing.T, value string) any {
	s, errS := String(value)
	b, errB := Bool(value)
	d, errD := NumericDate(value)
	_, _ = Strings(value)
	ok := 0
	var v any
	for err, x := range map[*error]any{&errS: s, &errB: b, &errD: d} {
		if *err == nil {
			ok++
			v = x
		}
	}
	if ok > 1 {
		t.Fatalf("%q is of two types", value)
	}
	return v
}

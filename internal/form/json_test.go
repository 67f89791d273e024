package form

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseJSON(t *testing.T) {
	others := url.Values{"state": {"x"}}
	for body, want := range map[string]error{
		`{}`: nil, " {\n\"a\": \"1\" }\r\n": nil, `{"a":"J\u00f6rg"}`: nil, `{"a":"\ud83d\ude00"}`: nil, `{"a":1.50e3}`: nil, `{"a":true,"b":false}`: nil, `{"":""}`: nil,
		"": ErrFlat, " ": ErrFlat, "null": ErrFlat, "[]": ErrFlat, `"a"`: ErrFlat, "1": ErrFlat, "{": ErrFlat, "{}{}": ErrFlat, "{} x": ErrFlat, "\ufeff{}": ErrFlat,
		`{"a":null}`: ErrFlat, `{"a":[]}`: ErrFlat, `{"a":["x"]}`: ErrFlat, `{"a":{}}`: ErrFlat, `{"a":{"b":1}}`: ErrFlat, `{"a":"x"`: ErrFlat, `{"a":"x",}`: ErrFlat, `{,}`: ErrFlat,
		`{a:1}`: ErrFlat, `{'a':1}`: ErrFlat, `{"a":01}`: ErrFlat, `{"a":NaN}`: ErrFlat, `{"a":.5}`: ErrFlat, `{"a":+1}`: ErrFlat, `{"a":0x1}`: ErrFlat, `{"a":tru}`: ErrFlat,
		`{"a":1}//`: ErrFlat, `{"a":"\x41"}`: ErrFlat, "{\"a\":\"\x00\"}": ErrFlat, "{\"a\":\"\n\"}": ErrFlat, "{\"a\":\"\xff\"}": ErrFlat, "{\"\xff\":1}": ErrFlat, "a=1": ErrFlat,
		`{"a":1,"a":2}`: ErrTwice, `{"a":1,"a":1}`: ErrTwice, `{"a":1,"\u0061":2}`: ErrTwice, `{"email":1,"Email":2}`: ErrTwice, `{"k":1,"\u212a":2}`: ErrTwice, `{"s":1,"\u017f":2}`: ErrTwice,
		`{"state":"y"}`:  ErrTwice,
		`{"a":"\u0000"}`: ErrText, `{"\u0000":1}`: ErrText, `{"a":"\r\nX: y"}`: ErrText, `{"a":"\u007f"}`: ErrText, `{"a":"\u0085"}`: ErrText, `{"a":"\ud800"}`: ErrText, `{"a":"\udc00x"}`: ErrText,
		`{"\ud800":1}`: ErrText, "{\"a\":\"\ufffd\"}": ErrText,
		strings.Repeat("[", 20_000): ErrFlat, `{"a":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + "}": ErrFlat,
		members(MaxFields - 1): nil, members(MaxFields): ErrTooMany, // with the one of others
	} {
		if values, err := ParseJSON([]byte(body), others); !errors.Is(err, want) || (values == nil) != (want != nil) {
			t.Errorf("%.60q: %v, %v; want %v", body, values, err, want)
		}
	}
	v, err := ParseJSON([]byte(`{"t":" a b\u20ac","n":-1.50e+3,"big":12345678901234567890,"y":true,"no":false}`), nil)
	if err != nil || v.Get("t") != " a b€" || v.Get("n") != "-1.50e+3" || v.Get("big") != "12345678901234567890" || v.Get("y") != "true" || v.Get("no") != "false" {
		t.Errorf("%v, %v", v, err)
	}
}

func members(n int) string {
	return "{" + strings.ReplaceAll(strings.ReplaceAll(`"`+numbered(n)+`":1`, "&", `":1,&"`), "&", "") + "}"
}

// FuzzParseJSON: what is read is what encoding/json reads, member by member, and the form of it is read in the same
// way.
func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"b","c":1,"d":true}`, `{"a":null}`, `{"a":1,"A":2}`, `{"a":"\ud800"}`, `{"a":[1]}`, `[]`, `{"a":1e999}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		values, err := ParseJSON([]byte(body), nil)
		if err != nil {
			if values != nil {
				t.Fatalf("%q: values and %v", body, err)
			}
			return
		}
		var want map[string]any
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&want); err != nil || len(want) != len(values) {
			t.Fatalf("%q: %v, %v, %v", body, values, want, err)
		}
		for name, list := range values {
			text, err := flat(want[name])
			if err != nil || len(list) != 1 || list[0] != text || !utf8.ValidString(text) || !isText(name) || !isText(text) {
				t.Fatalf("%q: %q is %q, want %q (%v)", body, name, list, text, err)
			}
		}
		again, err := Parse(values.Encode(), nil)
		if err != nil || again.Encode() != values.Encode() {
			t.Fatalf("%q: as a form %v, %v", body, again, err)
		}
	})
}

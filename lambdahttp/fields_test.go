package lambdahttp

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestFields(t *testing.T) {
	for in, want := range map[string]fields{
		`null`:                          nil,
		`{}`:                            {},
		` { "a" : "b" } `:               {{"a", "b"}},
		`{"b":"1","a":"2","b":"3"}`:     {{"b", "1"}, {"a", "2"}, {"b", "3"}},
		`{"a":["1","2"],"b":[]}`:        {{"a", "1"}, {"a", "2"}},
		`{"a":null,"b":[null,"1"]}`:     {{"b", "1"}},
		`{"n":-1.5e3,"t":true}`:         {{"n", "-1.5e3"}, {"t", "true"}},
		`{"\u0061\"\\":"\ud83d\ude00"}`: {{`a"\`, "😀"}},
		"{\"a\":\"\xff\"}":              {{"a", "\ufffd"}},
		`{"a":["x" , "y"] , "b":"z"}`:   {{"a", "x"}, {"a", "y"}, {"b", "z"}},
	} {
		var got fields
		if err := json.Unmarshal([]byte(in), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{`[]`, `"a"`, `1`, `true`, `{"a":{}}`, `{"a":[["b"]]}`, `{"a":[{}]}`} {
		var got fields
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s is taken for %q", in, got)
		}
	}
}

// FuzzFields: fields are what encoding/json makes of the same object, and anything at all is survived.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{`{"a":"b","c":["d","e"]}`, `{"\u00e9":"\n"}`, `{"a":[null,1,true]}`, `null`, `{"a":`, "{\"\xff\":\"\xfe\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got fields
		_ = got.UnmarshalJSON(b) // must not panic, whatever it is given
		var want map[string]any
		if json.Unmarshal(b, &want) != nil {
			return
		}
		got = nil
		err := json.Unmarshal(b, &got)
		last := map[string]any{}
		for _, member := range got {
			last[member.name] = member.value
		}
		for name, v := range want {
			switch v := v.(type) {
			case string:
				if err == nil && last[name] != v {
					t.Fatalf("%s: %q is %q, want %q", b, name, last[name], v)
				}
			case map[string]any:
				if err == nil {
					t.Fatalf("%s: an object in an object is taken", b)
				}
			}
		}
	})
}

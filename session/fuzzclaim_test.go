package session

import (
	"encoding/json"
	"strconv"
	"testing"
)

// A claim that is found is an array of a value and a whole number to encoding/json too, and is written back unchanged.
func FuzzKindClaim(f *testing.F) {
	for _, s := range []string{
		`{"a":[true,1]}`, `{"b":[1,1],"a":["x",1700000000]}`, `{"a":[["x","y"],-1]}`, `{"a":[{"a":[true,1]},0]}`, `{"a":[null,1]}`,
		`{"a":[true,1],"a":[false,1]}`, `{"A":[true,1]}`, `{"\u0061":[true,1]}`, `{"a":[true]}`, `{"a":[true,1,2]}`, `{"a":[true,"1"]}`,
		`{"a":[true,1.0]}`, `{"a":[true,1e3]}`, `{"a":[true,01]}`, `{"a":[true,+1]}`, `{"a":[true,99999999999999999999]}`, `{"a":true}`, `["a",[true,1]]`, `{"a":[true,1]}x`, ` { "a" : [ true , 1 ] } `, ``,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, ok := findClaim(text, "a")
		if !ok {
			return
		}
		m, err := unmarshal(text)
		if err != nil {
			t.Fatalf("%q is taken: %v", text, err)
		}
		list, _ := m["a"].([]any)
		if len(list) != 2 {
			t.Fatalf("%q is taken", text)
		}
		if at, _ := list[1].(json.Number); at.String() != strconv.FormatInt(a.at, 10) {
			t.Errorf("%q is of %d", text, a.at)
		}
		again, err := json.Marshal(map[string]any{"a": list[0]})
		if err != nil {
			t.Fatal(err)
		}
		value, err := unmarshal(`{"a":` + string(a.value) + `}`)
		if err != nil {
			t.Fatalf("%q has the value %q: %v", text, a.value, err)
		}
		if ours, _ := json.Marshal(value); string(ours) != string(again) {
			t.Errorf("%q has the value %s", text, a.value)
		}
		b, ok := findClaim(claimed{"a": a}.text(), "a")
		if !ok || string(b.value) != string(a.value) || b.at != a.at {
			t.Errorf("%q is written as %s", text, claimed{"a": a}.text())
		}
	})
}

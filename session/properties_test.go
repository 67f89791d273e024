package session

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

type role string

type shout string

func (s *shout) UnmarshalText(b []byte) error { *s = shout(b) + "!"; return nil }

type plain struct {
	UserID  string   `json:"userID"`
	Tenant  string   `json:"tenant,omitempty"`
	Role    role     `json:"role,omitzero"`
	Admin   bool     `json:"admin"`
	Age     int8     `json:"age"`
	Count   uint16   `json:"count"`
	Big     int64    `json:"big"`
	Tags    []string `json:"tags"`
	Skipped string   `json:"-"`
	NoTag   string
	hidden  string
}

func TestLayout(t *testing.T) {
	type embedded struct{ plain }
	type quoted struct {
		N int `json:",string"`
	}
	twice := reflect.Zero(reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.TypeFor[string](), Tag: `json:"x"`}, {Name: "B", Type: reflect.TypeFor[string](), Tag: `json:"x"`},
	})).Interface()
	type odd struct {
		A string `json:"a b"`
	}
	for _, c := range []struct {
		v    any
		want int // fields; -1: none of our business
	}{
		{plain{hidden: "x"}, 9}, {struct{}{}, 0}, {struct{ A shout }{}, -1}, {struct{ A time.Time }{}, -1}, {struct{ A float64 }{}, -1}, {struct{ A *string }{}, -1},
		{struct{ A []role }{}, -1}, {struct{ A map[string]string }{}, -1}, {struct{ A any }{}, -1}, {struct{ A json.RawMessage }{}, -1},
		{embedded{}, -1}, {quoted{}, -1}, {twice, -1}, {odd{}, -1}, {time.Time{}, -1}, {"", -1}, {map[string]any{}, -1}, {json.RawMessage{}, -1},
	} {
		l := layoutOf(reflect.TypeOf(c.v))
		if c.want < 0 && l != nil || c.want >= 0 && (l == nil || len(l) != c.want) {
			t.Errorf("%T: %v", c.v, l)
		}
	}
}

var propertySeeds = []string{
	`{}`, `null`, `[]`, `""`, `1`, `{"userID":"u1"}`, `{"userID":"u1","tenant":null,"role":"r","admin":true,"age":-128,"count":65535,"big":9007199254740993,"tags":["a","b"],"NoTag":"x"}`,
	`{"USERID":"u1"}`, `{"userid":"u1","userID":"u2"}`, `{"userID":1}`, `{"age":128}`, `{"age":1.0}`, `{"age":1e1}`, `{"count":-1}`, `{"count":-0}`, `{"age":-0}`, `{"tags":null}`, `{"tags":[]}`,
	`{"tags":[null]}`, `{"tags":"a"}`, `{"tags":[1]}`, `{"unknown":{"userID":"x"},"userID":"y"}`, `{"userID":"\u00e9\ud83d\ude00\n\/"}`, `{"-":"x"}`, `{"Skipped":"x","hidden":"x"}`, `{"admin":"true"}`,
	`{"admin":false,"tenant":"","big":-9223372036854775808}`, `{"notag":"x"}`, "{\"\u212aser\":1}", `{"tag\u0073":["x"]}`, ` { "userID" : "u1" } `,
}

// sameAsJSON compares decodeProperties with encoding/json. data is JSON that the strict reader accepts, as in a token.
func sameAsJSON(t *testing.T, data string) {
	t.Helper()
	var got, want plain
	errGot := decodeProperties(layoutOf(reflect.TypeFor[plain]()), data, &got)
	errWant := json.Unmarshal([]byte(data), &want)
	if (errGot == nil) != (errWant == nil) || errWant == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n%+v %v\nencoding/json:\n%+v %v", data, got, errGot, want, errWant)
	}
}

func TestDecodeProperties_SameAsJSON(t *testing.T) {
	for _, s := range propertySeeds {
		sameAsJSON(t, s)
	}
}

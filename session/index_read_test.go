package session

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestIndex_ReadOwn: an index as it is written is read without encoding/json, and the same.
func TestIndex_ReadOwn(t *testing.T) {
	tail := func(c string) string { return strings.Repeat(c, tailLen) }
	for _, r := range []indexRow{
		{},
		{Last: 1 << 53, Sessions: []indexEntry{}, Epoch: 3, Sec: 4},
		{Last: 9, Sessions: []indexEntry{{1, tail("A"), "", 0, 0}, {2, tail("_"), tail("-"), 1796061656250, 1798653657}, {9, tail("z"), "", 7, 0}}},
		{Last: 9, Sessions: []indexEntry{{9, tail("z"), tail("b"), 0, 8}}, Sec: 1},
	} {
		value, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var own, usual indexRow
		if err := json.Unmarshal(value, &usual); err != nil {
			t.Fatal(err)
		}
		if is := own.readOwn(value); is != (r.Sessions != nil) || is && !reflect.DeepEqual(own, usual) {
			t.Errorf("%s: %v, %+v", value, is, own)
		}
	}
}

// FuzzIndexReadOwn: whatever is read without encoding/json is what encoding/json reads.
func FuzzIndexReadOwn(f *testing.F) {
	for _, value := range []string{
		`{"last":2,"sessions":[{"n":1,"id":"AAAAAAAAAAAAAAAAAAAAAA","pair":"B","u":5,"x":6},{"n":2,"id":"C"}],"e":1,"s":2}`,
		`{"last":1,"sessions":[]}`, `{"last":01,"sessions":[]}`, `{"last":9223372036854775807,"sessions":[]}`, `{"last":1,"sessions":[,{"n":1,"id":"A"}]}`,
		`{"last":1,"sessions":[{"n":1,"id":"A"},]}`, `{"last":1,"sessions":[{"n":1,"id":"A"}`, `{"last":-1,"sessions":[]}`, `{"last":1,"sessions":[]}}`,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var own, usual indexRow
		if !own.readOwn(value) {
			return
		}
		if err := json.Unmarshal(value, &usual); err != nil || !reflect.DeepEqual(own, usual) {
			t.Errorf("%q: %+v, want %+v, %v", value, own, usual, err)
		}
	})
}

// BenchmarkIndexRead reads the index of a person with a hundred sessions.
func BenchmarkIndexRead(b *testing.B) {
	var r indexRow
	for range 100 {
		r.Last++
		r.Sessions = append(r.Sessions, indexEntry{r.Last, strings.Repeat("A", tailLen), "", 1796061656250, 1798653657})
	}
	value, err := json.Marshal(r)
	if err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func(*indexRow) bool{
		"own":  func(r *indexRow) bool { return r.readOwn(value) },
		"json": func(r *indexRow) bool { return json.Unmarshal(value, r) == nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !read(&indexRow{}) {
					b.Fatal("not read")
				}
			}
		})
	}
}

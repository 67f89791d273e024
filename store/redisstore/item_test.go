package redisstore

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/posternauth/postern/store"
)

// Whatever is packed comes back as it was, and nothing else passes for an item.
func FuzzItem(f *testing.F) {
	f.Add("v", []byte(`{"a":1}`), int64(-1), "1700000000000:v\x00x")
	f.Add("a:b", []byte{0, 1, 0}, int64(0), ":\x00")
	f.Add("é", []byte(nil), int64(253402300799999), "12:v")
	f.Add(strings.Repeat("x", store.MaxName), []byte(":"), int64(1700000000123), "1e3:v\x00")
	f.Fuzz(func(t *testing.T, version string, value []byte, ms int64, raw string) {
		k := store.Key{Part: "p", ID: "a"}
		it := store.Item{Key: k, Value: value, Version: version}
		if ms >= 0 {
			it.Expires = time.UnixMilli(ms).UTC()
		}
		if store.CheckChanges(store.Change{Op: store.OpPut, Item: it}) == nil {
			packed := string(pack(it))
			for _, now := range []int64{ms - 1, ms} {
				got, alive, err := unpack(k, packed, now)
				if err != nil || alive != (ms < 0 || now < ms) {
					t.Fatalf("unpack at %d of %q: alive %v, %v", now, packed, alive, err)
				}
				if alive && (got.Key != k || got.Version != version || !bytes.Equal(got.Value, value) || !got.Expires.Equal(it.Expires)) {
					t.Fatalf("packed %v, unpacked %v", it, got)
				}
			}
			if zero := strings.IndexByte(packed, 0); zero > 528 {
				t.Fatalf("a head of %d bytes, of which the script reads 544", zero)
			}
		}
		got, alive, err := unpack(k, raw, 0)
		switch {
		case err != nil && (alive || !errors.Is(err, errForeign) || len(raw) > 3 && strings.Contains(err.Error(), raw)):
			t.Fatalf("unpack %q: %v, %v", raw, alive, err)
		case err == nil && alive && (got.Version == "" || strings.IndexByte(got.Version, 0) >= 0):
			t.Fatalf("unpack %q gave version %q", raw, got.Version)
		}
	})
}

// Keys of different names are different, whatever the names, and the braces of the slot hold the part alone.
func FuzzKeys(f *testing.F) {
	f.Add("a", "bc", "ab", "c")
	f.Add("a}", "b", "a", "}b")
	f.Add("%7D", "b", "}", "b")
	f.Add("{a", "}", "{a}", "")
	s := &Store{items: "postern:item{", indexes: "postern:index{", counters: "postern:counter{"}
	f.Fuzz(func(t *testing.T, partA, idA, partB, idB string) {
		if partA == "" || partB == "" || !utf8.ValidString(partA) || !utf8.ValidString(partB) {
			return
		}
		a, b := store.Key{Part: partA, ID: idA}, store.Key{Part: partB, ID: idB}
		if same := s.itemKey(a) == s.itemKey(b); same != (a == b) {
			t.Fatalf("%q and %q have the key %q", a, b, s.itemKey(a))
		}
		tag := func(key string) string {
			_, rest, _ := strings.Cut(key, "{")
			tag, _, found := strings.Cut(rest, "}")
			if !found || tag == "" {
				t.Fatalf("no tag in %q", key)
			}
			return tag
		}
		if tag(s.itemKey(a)) != tag(s.indexKey(partA)) || tag(s.itemKey(a)) != tag(s.counterKey(a)) {
			t.Fatalf("the keys of part %q are in several slots", partA)
		}
		if same := tag(s.indexKey(partA)) == tag(s.indexKey(partB)); same != (partA == partB) {
			t.Fatalf("parts %q and %q have one tag", partA, partB)
		}
	})
}

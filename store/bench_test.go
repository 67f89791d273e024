package store_test

import (
	"fmt"
	"testing"

	"github.com/posternauth/postern/store"
)

func BenchmarkMemoryGet(b *testing.B) {
	m, value := &store.Memory{}, make([]byte, 500)
	var keys []store.Key
	for n := range 1000 {
		keys = append(keys, store.Key{Part: fmt.Sprint("session:", n), ID: "row"})
		if err := m.Write(b.Context(), store.Put(store.Item{Key: keys[n], Value: value})); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if items, err := m.Get(b.Context(), keys[n%len(keys)]); err != nil || len(items) != 1 {
			b.Fatal(items, err)
		}
	}
}

func BenchmarkMemoryPut(b *testing.B) {
	m := &store.Memory{}
	it := store.Item{Key: store.Key{Part: "p", ID: "a"}, Value: make([]byte, 500)}
	b.ReportAllocs()
	for b.Loop() {
		put := store.Put(it)
		if err := m.Write(b.Context(), put); err != nil {
			b.Fatal(err)
		}
		it = put.Item
	}
}

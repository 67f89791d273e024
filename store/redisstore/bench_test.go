package redisstore_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
)

const benchItems = 1000

// value is of the size of a session.
var value = []byte(`{"grant":"` + strings.Repeat("x", 500) + `"}`)

func benchKey(n int64) store.Key {
	return store.Key{Part: fmt.Sprint("session:", n%benchItems), ID: "row"}
}

func filled(b *testing.B) (*redisstore.Store, *redis.Client) {
	client := connect(b, &redis.Options{Addr: testserver.Redis(b).Addr()})
	s := open(b, client, nil)
	for n := range int64(benchItems) {
		if err := s.Write(b.Context(), store.Put(store.Item{Key: benchKey(n), Value: value})); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	return s, client
}

func BenchmarkGet(b *testing.B) {
	s, _ := filled(b)
	for n := int64(0); b.Loop(); n++ {
		if items, err := s.Get(b.Context(), benchKey(n)); err != nil || len(items) != 1 {
			b.Fatal(items, err)
		}
	}
}

// BenchmarkGetPair reads as a check of a session does: the session, and an epoch that is absent.
func BenchmarkGetPair(b *testing.B) {
	s, _ := filled(b)
	for n := int64(0); b.Loop(); n++ {
		k := benchKey(n)
		if items, err := s.Get(b.Context(), k, store.Key{Part: k.Part, ID: "!"}); err != nil || len(items) != 1 {
			b.Fatal(items, err)
		}
	}
}

// BenchmarkPlainGet is the client alone, for comparison.
func BenchmarkPlainGet(b *testing.B) {
	_, client := filled(b)
	for n := int64(0); b.Loop(); n++ {
		k := benchKey(n)
		if v, err := client.Get(b.Context(), "postern:item{"+k.Part+"}row").Result(); err != nil || v == "" {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkGetPairParallel(b *testing.B) {
	s, _ := filled(b)
	var n atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k := benchKey(n.Add(1))
			if items, err := s.Get(b.Context(), k, store.Key{Part: k.Part, ID: "!"}); err != nil || len(items) != 1 {
				b.Error(items, err)
				return
			}
		}
	})
}

func BenchmarkPlainGetParallel(b *testing.B) {
	_, client := filled(b)
	var n atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if v, err := client.Get(b.Context(), "postern:item{"+benchKey(n.Add(1)).Part+"}row").Result(); err != nil || v == "" {
				b.Error(v, err)
				return
			}
		}
	})
}

func BenchmarkPut(b *testing.B) {
	s, _ := filled(b)
	it := store.Item{Key: store.Key{Part: "p", ID: "a"}, Value: value}
	for b.Loop() {
		put := store.Put(it)
		if err := s.Write(b.Context(), put); err != nil {
			b.Fatal(err)
		}
		it = put.Item
	}
}

// BenchmarkCreate writes as a sign-in does: a new item, beside one that must not have changed.
func BenchmarkCreate(b *testing.B) {
	s, _ := filled(b)
	for n := int64(0); b.Loop(); n++ {
		k := benchKey(n)
		row := store.Item{Key: store.Key{Part: k.Part, ID: fmt.Sprint(n)}, Value: value}
		if err := s.Write(b.Context(), store.Put(row), store.Check(store.Key{Part: k.Part, ID: "!"}, "")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	s, _ := filled(b)
	for n := int64(0); b.Loop(); n++ {
		if _, err := s.Add(b.Context(), benchKey(n), 1, forever); err != nil {
			b.Fatal(err)
		}
	}
}

package sqlstore_test

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

const benchItems = 1000

// value is of the size of a session.
var value = []byte(`{"grant":"` + strings.Repeat("x", 500) + `"}`)

func benchKey(n int) store.Key { return store.Key{Part: fmt.Sprint("session:", n), ID: "row"} }

func filled(b *testing.B) *sqlstore.Store {
	db := openDB(b, sqlstore.DSN(filepath.Join(b.TempDir(), "bench.db")))
	db.SetMaxIdleConns(16)
	s := openStore(b, db, nil)
	var changes []store.Change
	for n := range benchItems {
		changes = append(changes, store.Put(store.Item{Key: benchKey(n), Value: value}))
		if len(changes) == store.MaxChanges {
			if err := s.Write(b.Context(), changes...); err != nil {
				b.Fatal(err)
			}
			changes = nil
		}
	}
	b.ReportAllocs()
	return s
}

func BenchmarkSQLiteGet(b *testing.B) {
	s := filled(b)
	n := 0
	for b.Loop() {
		n++
		if items, err := s.Get(b.Context(), benchKey(n%benchItems)); err != nil || len(items) != 1 {
			b.Fatal(items, err)
		}
	}
}

// BenchmarkSQLiteGetPair reads as a refresh does: a session and an epoch that is absent.
func BenchmarkSQLiteGetPair(b *testing.B) {
	s := filled(b)
	n := 0
	for b.Loop() {
		n++
		k := benchKey(n % benchItems)
		if items, err := s.Get(b.Context(), k, store.Key{Part: k.Part, ID: "!"}); err != nil || len(items) != 1 {
			b.Fatal(items, err)
		}
	}
}

func BenchmarkSQLiteGetParallel(b *testing.B) {
	s := filled(b)
	var n atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if items, err := s.Get(b.Context(), benchKey(int(n.Add(1))%benchItems)); err != nil || len(items) != 1 {
				b.Error(items, err)
				return
			}
		}
	})
}

func BenchmarkSQLitePut(b *testing.B) {
	s := filled(b)
	it := store.Item{Key: store.Key{Part: "p", ID: "a"}, Value: value}
	for b.Loop() {
		put := store.Put(it)
		if err := s.Write(b.Context(), put); err != nil {
			b.Fatal(err)
		}
		it = put.Item
	}
}

// BenchmarkSQLiteWriteTwo writes as a redemption does: two items, one transaction.
func BenchmarkSQLiteWriteTwo(b *testing.B) {
	s := filled(b)
	x, y := store.Item{Key: left, Value: value}, store.Item{Key: right, Value: value}
	for b.Loop() {
		first, second := store.Put(x), store.Put(y)
		if err := s.Write(b.Context(), first, second); err != nil {
			b.Fatal(err)
		}
		x, y = first.Item, second.Item
	}
}

// BenchmarkSQLitePutParallel has eight writers, each with other items.
func BenchmarkSQLitePutParallel(b *testing.B) {
	s := filled(b)
	var writers atomic.Int64
	b.SetParallelism(4) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		it := store.Item{Key: store.Key{Part: fmt.Sprint("writer", writers.Add(1)), ID: "a"}, Value: value}
		for pb.Next() {
			put := store.Put(it)
			if err := s.Write(b.Context(), put); err != nil {
				b.Error(err)
				return
			}
			it = put.Item
		}
	})
}

// BenchmarkPlainDriverPutParallel is the same work on the driver alone, for comparison.
func BenchmarkPlainDriverPutParallel(b *testing.B) {
	db := openDB(b, sqlstore.DSN(filepath.Join(b.TempDir(), "bench.db")))
	db.SetMaxIdleConns(16)
	if _, err := db.Exec(`CREATE TABLE t (part TEXT, id TEXT, value BLOB, version TEXT, PRIMARY KEY (part, id)) WITHOUT ROWID`); err != nil {
		b.Fatal(err)
	}
	stmt, err := db.Prepare(`INSERT INTO t VALUES (?, 'a', ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, version = excluded.version`)
	if err != nil {
		b.Fatal(err)
	}
	defer stmt.Close()
	b.ReportAllocs()
	var writers atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		part := fmt.Sprint("writer", writers.Add(1))
		for pb.Next() {
			if _, err := stmt.ExecContext(b.Context(), part, value, rand.Text()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

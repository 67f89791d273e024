package sqlstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

func filledPostgres(b *testing.B) (s *sqlstore.Store, dsn string) {
	dsn = postgres(b)
	s = postgresStore(b, openPostgres(b, dsn), nil)
	for n := range benchItems {
		if err := s.Write(b.Context(), store.Put(store.Item{Key: benchKey(n), Value: value})); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	return s, dsn
}

func BenchmarkPostgresGet(b *testing.B) {
	s, _ := filledPostgres(b)
	n := 0
	for b.Loop() {
		n++
		if items, err := s.Get(b.Context(), benchKey(n%benchItems)); err != nil || len(items) != 1 {
			b.Fatal(items, err)
		}
	}
}

// BenchmarkPostgresGetPair reads as a refresh does: a session and an epoch that is absent.
func BenchmarkPostgresGetPair(b *testing.B) {
	s, _ := filledPostgres(b)
	n := 0
	for b.Loop() {
		n++
		k := benchKey(n % benchItems)
		if items, err := s.Get(b.Context(), k, store.Key{Part: k.Part, ID: "!"}); err != nil || len(items) != 1 {
			b.Fatal(items, err)
		}
	}
}

// BenchmarkPlainPgxGet is the least that a read can cost: one row by its key on one connection, without database/sql.
func BenchmarkPlainPgxGet(b *testing.B) {
	_, dsn := filledPostgres(b)
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	n := 0
	for b.Loop() {
		n++
		var value []byte
		if err := conn.QueryRow(b.Context(), "SELECT value FROM postern_items WHERE part = $1 AND id = 'row'", benchKey(n%benchItems).Part).Scan(&value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPostgresGetParallel(b *testing.B) {
	s, _ := filledPostgres(b)
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

func BenchmarkPostgresPut(b *testing.B) {
	s, _ := filledPostgres(b)
	it := store.Item{Key: store.Key{Part: "p", ID: "a"}, Value: value}
	for b.Loop() {
		put := store.Put(it)
		if err := s.Write(b.Context(), put); err != nil {
			b.Fatal(err)
		}
		it = put.Item
	}
}

// BenchmarkPostgresWriteTwo writes as a sign-in does: a new session, while the epoch stays absent.
func BenchmarkPostgresWriteTwo(b *testing.B) {
	s, _ := filledPostgres(b)
	n := 0
	for b.Loop() {
		n++
		k := store.Key{Part: fmt.Sprint("new", n), ID: "row"}
		if err := s.Write(b.Context(), store.Put(store.Item{Key: k, Value: value}), store.Check(store.Key{Part: k.Part, ID: "!"}, "")); err != nil {
			b.Fatal(err)
		}
	}
}

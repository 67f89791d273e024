package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// cascade is what else a DROP TABLE must say for a view that reads it.
var cascade = map[sqlstore.Dialect]string{sqlstore.Postgres: " CASCADE"}

// onEach runs a test on an empty database of each dialect.
func onEach(t *testing.T, name string, test func(t *testing.T, dialect sqlstore.Dialect, db *sql.DB)) {
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		t.Run(name+string(dialect), func(t *testing.T) { test(t, dialect, openAny(t, dialect)) })
	}
}

// A failing database gives errors, never "absent" and never "conflict".
func TestT3_BrokenDatabase(t *testing.T) {
	for _, fault := range []string{"tables gone", "database closed"} {
		onEach(t, fault, func(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
			s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect})
			if err != nil {
				t.Fatal(err)
			}
			put := store.Put(store.Item{Key: left})
			if err := s.Write(t.Context(), put); err != nil {
				t.Fatal(err)
			}
			if fault == "tables gone" {
				for _, table := range []string{"postern_items", "postern_counters"} {
					if _, err := db.Exec("DROP TABLE " + table + cascade[dialect]); err != nil {
						t.Fatal(err)
					}
				}
			} else if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			version := put.Item.Version
			_, one := s.Get(t.Context(), left)
			_, two := s.Get(t.Context(), left, right)
			_, _, list := s.List(t.Context(), "p", "", 10)
			_, add := s.Add(t.Context(), left, 1, forever)
			_, sweep := s.Sweep(t.Context(), 10)
			for name, err := range map[string]error{
				"Get": one, "Get of two": two, "List": list, "Add": add, "Sweep": sweep,
				"Put":       s.Write(t.Context(), store.Put(store.Item{Key: right})),
				"Put again": s.Write(t.Context(), store.Put(put.Item)),
				"Delete":    s.Write(t.Context(), store.Delete(left, version)),
				"Check":     s.Write(t.Context(), store.Check(left, "")),
				"two":       s.Write(t.Context(), store.Check(left, version), store.Put(store.Item{Key: right})),
			} {
				if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) {
					t.Errorf("%s: %v, want the database's error", name, err)
				}
			}
		})
	}
}

func TestSweep(t *testing.T) { onEach(t, "", testSweep) }

func testSweep(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
	now := time.Now()
	clock := func() time.Time { return now }
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect, Now: clock, SkipSweep: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows := func() (items, counters int) {
		if err := db.QueryRow(`SELECT (SELECT count(*) FROM postern_items), (SELECT count(*) FROM postern_counters)`).Scan(&items, &counters); err != nil {
			t.Fatal(err)
		}
		return items, counters
	}
	fill := func(n int) {
		for i := range n {
			k := store.Key{Part: fmt.Sprint(now.UnixMilli()), ID: fmt.Sprint(i)}
			if err := s.Write(t.Context(), store.Put(store.Item{Key: k, Expires: now.Add(time.Second)})); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Add(t.Context(), k, 1, now.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(100)
	if err := s.Write(t.Context(), store.Put(store.Item{Key: left})); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), left, 1, forever); err != nil {
		t.Fatal(err)
	}
	// Expired, but not for a minute yet: another process may have a clock that is behind.
	now = now.Add(30 * time.Second)
	if n, err := s.Sweep(t.Context(), 1000); err != nil || n != 0 {
		t.Errorf("swept %d, %v before the margin; want 0", n, err)
	}
	now = now.Add(31 * time.Second)
	if n, err := s.Sweep(t.Context(), 30); err != nil || n != 60 {
		t.Errorf("swept %d, %v; want 30 items and 30 counters", n, err)
	}
	if n, err := s.Sweep(t.Context(), 1000); err != nil || n != 140 {
		t.Errorf("swept %d, %v; want the remaining 140", n, err)
	}
	if items, counters := rows(); items != 1 || counters != 1 {
		t.Errorf("%d items and %d counters left, want the one of each that never expires", items, counters)
	}

	// With SkipSweep nothing else removes rows, however many expired long ago.
	fill(100)
	now = now.Add(time.Hour)
	fill(100)
	if items, counters := rows(); items != 201 || counters != 201 {
		t.Errorf("%d items and %d counters left, want all of them", items, counters)
	}
	if n, err := s.Sweep(t.Context(), 1000); err != nil || n != 200 {
		t.Errorf("swept %d, %v; want the 200 of an hour ago", n, err)
	}
	now = now.Add(2 * time.Minute)

	// By itself, a store that is written to does not grow with what expires.
	s, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 20 {
		fill(64)
		now = now.Add(2 * time.Minute)
	}
	if items, counters := rows(); items > 3*64 || counters > 3*64 {
		t.Errorf("%d items and %d counters left of %d each", items, counters, 20*64)
	}
}

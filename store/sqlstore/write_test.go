package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// Writes that share a transaction succeed and fail each for itself.
func TestT2_SharedTransactions(t *testing.T) {
	s := openStore(t, openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db"))), nil)
	taken := store.Put(store.Item{Key: left, Value: []byte("taken")})
	if err := s.Write(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	key := func(n, i int) store.Key { return store.Key{Part: fmt.Sprint("p", n), ID: fmt.Sprint(i)} }
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for n := range 300 {
		wg.Go(func() {
			<-gate
			put := func(i int) store.Change { return store.Put(store.Item{Key: key(n, i)}) }
			conflict := store.Put(store.Item{Key: left})
			var err, want error
			switch n % 5 {
			case 0:
				err = s.Write(t.Context(), put(0))
			case 1:
				err = s.Write(t.Context(), put(0), put(1), store.Check(left, taken.Item.Version))
			case 2:
				err, want = s.Write(t.Context(), put(0), put(1), conflict), store.ErrConflict
			case 3:
				err, want = s.Write(t.Context(), conflict), store.ErrConflict
			case 4:
				_, err = s.Add(t.Context(), left, 1, forever)
			}
			if !errors.Is(err, want) {
				t.Errorf("writer %d: %v, want %v", n, err, want)
			}
		})
	}
	close(gate)
	wg.Wait()
	for n := range 300 {
		items, err := s.Get(t.Context(), key(n, 0), key(n, 1))
		if want := [5]int{1, 2, 0, 0, 0}[n%5]; err != nil || len(items) != want {
			t.Errorf("writer %d left %d items, %v; want %d", n, len(items), err, want)
		}
	}
	if n, err := s.Add(t.Context(), left, 0, forever); err != nil || n != 60 {
		t.Errorf("60 Adds of 1 made %d, %v", n, err)
	}
}

// While another process holds the lock, writers wait as long as their contexts let them, reads go on, and whoever gives
// up does not take the turn with it.
func TestT2_LockHeldByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db := openDB(t, sqlstore.DSN(path)+"&_pragma=busy_timeout(1)")
	s := openStore(t, db, nil)
	other := openDB(t, sqlstore.DSN(path))
	tx, err := other.BeginTx(t.Context(), nil) // _txlock=immediate takes the lock
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var gaveUp, wrote atomic.Int64
	for n := range 20 {
		wg.Go(func() {
			ctx := t.Context()
			if n%2 == 0 {
				ctx = impatient
			}
			k := store.Key{Part: "p", ID: fmt.Sprint(n)}
			err := s.Write(ctx, store.Put(store.Item{Key: k}), store.Put(store.Item{Key: store.Key{Part: "q", ID: k.ID}}))
			switch {
			case err == nil:
				wrote.Add(1)
			case errors.Is(err, context.Canceled) && n%2 == 0:
				gaveUp.Add(1)
			default:
				t.Errorf("writer %d: %v", n, err)
			}
		})
	}
	if items, err := s.Get(t.Context(), left); err != nil || len(items) != 0 {
		t.Errorf("a read beside a held lock: %v, %v", items, err)
	}
	cancel()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if wrote.Load() < 10 || wrote.Load()+gaveUp.Load() != 20 {
		t.Errorf("%d wrote and %d gave up, want the ten patient ones to write", wrote.Load(), gaveUp.Load())
	}
	for n := 1; n < 20; n += 2 {
		if items, err := s.Get(t.Context(), store.Key{Part: "p", ID: fmt.Sprint(n)}, store.Key{Part: "q", ID: fmt.Sprint(n)}); err != nil || len(items) != 2 {
			t.Errorf("writer %d was answered, and %d of its 2 items are there: %v", n, len(items), err)
		}
	}
	if err := s.Write(t.Context(), store.Put(store.Item{Key: left})); err != nil {
		t.Errorf("a write after all that: %v", err)
	}
}

// Callers give up at any moment: in the queue, in front, in the middle of a transaction they share. What was answered
// stands, and the queue goes on without them.
func TestT2_CallersGiveUp(t *testing.T) {
	s := openStore(t, openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db"))), nil)
	var wg sync.WaitGroup
	var answered, gaveUp atomic.Int64
	for n := range 40 {
		wg.Go(func() {
			for i := range 25 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n*i%97)*50*time.Microsecond)
				a, b := store.Key{Part: fmt.Sprint("a", n), ID: fmt.Sprint(i)}, store.Key{Part: fmt.Sprint("b", n), ID: fmt.Sprint(i)}
				err := s.Write(ctx, store.Put(store.Item{Key: a}), store.Put(store.Item{Key: b}))
				ended := ctx.Err() != nil
				cancel()
				items, readErr := s.Get(t.Context(), a, b)
				switch {
				case readErr != nil:
					t.Errorf("reading after a Write: %v", readErr)
				case err == nil && len(items) == 2:
					answered.Add(1)
				case err != nil && ended && len(items) != 1:
					gaveUp.Add(1)
				default:
					t.Errorf("Write answered %v and left %d items of 2", err, len(items))
				}
			}
		})
	}
	wg.Wait()
	if answered.Load() == 0 || gaveUp.Load() == 0 {
		t.Errorf("%d answered, %d gave up: want some of both", answered.Load(), gaveUp.Load())
	}
	if err := s.Write(t.Context(), store.Put(store.Item{Key: left})); err != nil {
		t.Errorf("a write after all that: %v", err)
	}
}

// A failing database gives errors, never "absent" and never "conflict".
func TestT3_BrokenDatabase(t *testing.T) {
	for _, fault := range []string{"tables gone", "database closed"} {
		t.Run(fault, func(t *testing.T) {
			db := openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
			s := openStore(t, db, nil)
			put := store.Put(store.Item{Key: left})
			if err := s.Write(t.Context(), put); err != nil {
				t.Fatal(err)
			}
			if fault == "tables gone" {
				for _, table := range []string{"postern_items", "postern_counters"} {
					if _, err := db.Exec("DROP TABLE " + table); err != nil {
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

func TestSweep(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	db := openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, Now: clock, SkipSweep: true})
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

	// By itself, a store that is written to does not grow with what expires.
	sweeping := openStore(t, db, clock)
	s = sweeping
	for range 20 {
		fill(64)
		now = now.Add(2 * time.Minute)
	}
	if items, counters := rows(); items > 3*64 || counters > 3*64 {
		t.Errorf("%d items and %d counters left of %d each", items, counters, 20*64)
	}
}

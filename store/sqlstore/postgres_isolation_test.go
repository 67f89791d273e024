package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// awaitWaiting returns when n statements on the schema of db wait for a lock. Only tests that run alone may count so.
func awaitWaiting(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	waiting := -1
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); {
		err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting == n {
			return
		}
	}
	t.Fatalf("%d statements wait for a lock, want %d", waiting, n)
}

// What a Write found absent stays absent until that Write is done: another that creates it waits, and nobody who only
// wants the same.
func TestT2_AbsenceIsHeld(t *testing.T) {
	db := openPostgres(t, postgres(t))
	s := postgresStore(t, db, nil)
	session := store.Put(store.Item{Key: store.Key{Part: "session", ID: "a"}})
	if err := s.Write(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	epoch := store.Key{Part: "session", ID: "!"} // sorts before "a": it is held when the row of "a" is waited for
	for _, several := range []bool{false, true} {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("SELECT 1 FROM postern_items WHERE id = 'a' FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		create := store.Put(session.Item)
		created, ended := make(chan error, 1), make(chan error, 1)
		go func() { created <- s.Write(t.Context(), store.Check(epoch, ""), create) }()
		awaitWaiting(t, db, 1)
		if err := s.Write(t.Context(), store.Check(epoch, ""), store.Put(store.Item{Key: store.Key{Part: "b", ID: fmt.Sprint(several)}})); err != nil {
			t.Errorf("another who wants it absent: %v", err)
		}
		born := store.Put(store.Item{Key: epoch})
		end := []store.Change{born}
		if several {
			end = append(end, store.Put(store.Item{Key: right}))
		}
		go func() { ended <- s.Write(t.Context(), end...) }()
		awaitWaiting(t, db, 2) // and not "is answered"
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := <-created; err != nil {
			t.Errorf("the first: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the second: %v", err)
		}
		session = create
		if err := s.Write(t.Context(), store.Delete(epoch, born.Item.Version)); err != nil {
			t.Fatal(err)
		}
	}
}

// Two writes that each want what the other one takes away: one of them wins, or none, never both.
func TestT2_WriteSkew(t *testing.T) {
	dsn := postgres(t)
	s := [2]*sqlstore.Store{postgresStore(t, openPostgres(t, dsn), nil), postgresStore(t, openPostgres(t, dsn), nil)}
	for round := range 100 {
		a, b := store.Key{Part: fmt.Sprint("a", round), ID: "n"}, store.Key{Part: fmt.Sprint("b", round), ID: "n"}
		putA, putB := store.Put(store.Item{Key: a}), store.Put(store.Item{Key: b})
		writes := [2][]store.Change{{store.Check(a, ""), putB}, {store.Check(b, ""), putA}}
		if round%2 == 0 { // the same on rows that are there
			if err := s[0].Write(t.Context(), putA, putB); err != nil {
				t.Fatal(err)
			}
			writes = [2][]store.Change{
				{store.Check(a, putA.Item.Version), store.Put(putB.Item)},
				{store.Check(b, putB.Item.Version), store.Put(putA.Item)},
			}
		}
		var won atomic.Int64
		var wg sync.WaitGroup
		for i, changes := range writes {
			wg.Go(func() {
				switch err := s[i].Write(t.Context(), changes...); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("round %d: %d of two writes that exclude each other happened, want 1", round, won.Load())
		}
	}
}

// Writes of many changes in any order, some on what is there and some on what is not, sweeps in between: nobody waits
// in a circle. The server counts those who did.
func TestT2_NoDeadlocks(t *testing.T) {
	dsn := postgres(t, "deadlock_timeout=5ms")
	db := openPostgres(t, dsn)
	db.SetMaxOpenConns(10)
	now := time.Now()
	var ahead atomic.Int64
	s := postgresStore(t, db, func() time.Time { return now.Add(time.Duration(ahead.Load())) })
	var wg sync.WaitGroup
	var written atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 60 {
				var keys []store.Key
				for _, n := range rand.Perm(8)[:5] {
					keys = append(keys, store.Key{Part: fmt.Sprint("p", n/2), ID: fmt.Sprint(n)})
				}
				items, err := s.Get(t.Context(), keys...)
				if err != nil {
					t.Error(err)
					return
				}
				versions := make(map[store.Key]string)
				for _, it := range items {
					versions[it.Key] = it.Version
				}
				var changes []store.Change
				for _, k := range keys {
					it := store.Item{Key: k, Version: versions[k], Expires: now.Add(time.Duration(ahead.Load()) + time.Duration(rand.IntN(100))*time.Second)}
					switch rand.IntN(3) {
					case 0:
						changes = append(changes, store.Check(k, it.Version))
						continue
					case 1:
						if it.Version != "" {
							changes = append(changes, store.Delete(k, it.Version))
							continue
						}
					}
					changes = append(changes, store.Put(it))
				}
				switch err := s.Write(t.Context(), changes...); {
				case err == nil:
					written.Add(1)
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
				}
				ahead.Add(int64(10 * time.Second))
				if _, err := s.Sweep(t.Context(), 4); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var deadlocks int
	if err := db.QueryRow(`SELECT pg_stat_clear_snapshot() IS NULL, deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(new(any), &deadlocks); err != nil || deadlocks != 0 {
		t.Errorf("%d deadlocks, %v; want none", deadlocks, err)
	}
	if written.Load() == 0 {
		t.Error("no write succeeded: this showed nothing")
	}
}

// A transaction that another one's lock or isolation undid is tried again, until the context ends. Nothing of the
// attempts before counts.
func TestT2_UndoneByOthers(t *testing.T) {
	db := openPostgres(t, postgres(t, "lock_timeout=1"))
	now := time.Now()
	s := postgresStore(t, db, func() time.Time { return now })
	put := store.Put(store.Item{Key: left})
	expired := store.Put(store.Item{Key: store.Key{Part: "expired", ID: "a"}, Expires: now})
	for _, c := range []store.Change{put, expired} {
		if err := s.Write(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Hour)
	undone(t, db, "SELECT 1 FROM postern_items FOR UPDATE", func() error {
		return s.Write(t.Context(), store.Put(put.Item), store.Put(store.Item{Key: right}))
	})
	undone(t, db, "LOCK TABLE postern_counters", func() error { // Sweep has removed the item by then
		n, err := s.Sweep(t.Context(), 10)
		if err == nil && n != 1 {
			t.Errorf("Sweep removed %d rows, want the one that there was", n)
		}
		return err
	})
}

// undone calls do while another transaction has a lock, lets three attempts fail, and then gives up the lock.
func undone(t *testing.T, db *sql.DB, lock string, do func() error) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(lock); err != nil {
		t.Fatal(err)
	}
	failures := func() (n int) {
		if err := db.QueryRow("SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := failures()
	done := make(chan error, 1)
	go func() { done <- do() }()
	for limit := time.Now().Add(time.Minute); failures() < before+3 && time.Now().Before(limit); {
		select {
		case err := <-done:
			t.Fatalf("it gave up: %v", err)
		default:
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("got %v, want it to succeed once the lock is free", err)
	}
}

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

	"github.com/posternauth/postern/internal/test/testclock"
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

// While another process holds the lock, writers wait as long as their contexts let them, reads go on, and a caller that
// gives up does not take the turn with it.
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

// begun calls back when a call first looks whether it should still go on, which is when it begins.
type begun struct {
	context.Context
	once *sync.Once
	do   func()
}

func (b begun) Err() error {
	b.once.Do(b.do)
	return b.Context.Err()
}

// TestT3_ExpiredWhileWaiting: a Write that waits for another process compares with the time of its turn, not with the
// time of the call. An item that expired in between cannot be used any more.
func TestT3_ExpiredWhileWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	clock := testclock.New(time.Now())
	s := openStore(t, openDB(t, sqlstore.DSN(path)+"&_pragma=busy_timeout(1)"), clock.Now)
	put := store.Put(store.Item{Key: left, Value: []byte("once"), Expires: clock.Now().Add(time.Minute)})
	if err := s.Write(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	tx, err := openDB(t, sqlstore.DSN(path)).BeginTx(t.Context(), nil) // _txlock=immediate takes the lock
	if err != nil {
		t.Fatal(err)
	}
	started, answer := make(chan struct{}), make(chan error)
	go func() {
		ctx := begun{t.Context(), new(sync.Once), func() { close(started) }}
		answer <- s.Write(ctx, store.Delete(left, put.Item.Version), store.Put(store.Item{Key: store.Key{Part: "used", ID: "a"}}))
	}()
	<-started
	clock.Advance(time.Minute)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; !errors.Is(err, store.ErrConflict) {
		t.Errorf("using an item that expired while the Write waited: %v, want ErrConflict", err)
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

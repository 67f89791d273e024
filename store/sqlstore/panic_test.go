package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestT2_PanicOfASharedWrite: the clock of the program panics while the writes of several callers share a transaction.
// What was run before it is undone with the rest, so nobody is answered that it was done.
func TestT2_PanicOfASharedWrite(t *testing.T) {
	var clock atomic.Pointer[func()] // called by each write
	s := openStore(t, openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db"))), func() time.Time {
		if f := clock.Load(); f != nil {
			(*f)()
		}
		return time.Now()
	})
	begun, release := make(chan struct{}), make(chan struct{})
	calls := 0
	f := func() {
		switch calls++; calls { // one at a time has the turn
		case 1:
			close(begun)
			<-release
		case 4:
			panic("the clock")
		}
	}
	clock.Store(&f)
	var all sync.WaitGroup
	answers, panicked := make([]error, 6), make([]bool, 6)
	write := func(n int, ctx context.Context) {
		defer func() { panicked[n] = recover() != nil }()
		answers[n] = s.Write(ctx, store.Put(store.Item{Key: store.Key{Part: "p", ID: fmt.Sprint(n)}}))
	}
	all.Go(func() { write(0, t.Context()) })
	<-begun
	for n := 1; n < len(answers); n++ {
		queued, once := make(chan struct{}), new(sync.Once)
		all.Go(func() { write(n, leaving{t.Context(), func() { once.Do(func() { close(queued) }) }}) })
		<-queued
	}
	close(release)
	all.Wait()
	clock.Store(nil)
	panics := 0
	for n, answer := range answers {
		if panicked[n] {
			panics++
			continue
		}
		items, err := s.Get(t.Context(), store.Key{Part: "p", ID: fmt.Sprint(n)})
		if err != nil {
			t.Fatal(err)
		}
		if (answer == nil) != (len(items) == 1) {
			t.Errorf("writer %d was answered %v, and there are %d items", n, answer, len(items))
		}
	}
	if panics != 1 {
		t.Errorf("%d writers panicked: this showed nothing", panics)
	}
	if err := s.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: "p", ID: "after"}})); err != nil {
		t.Errorf("the write after it: %v", err)
	}
}

// TestT2_PoolInUse: all connections are in use, by transactions of the application that do not end. A call ends with
// its context.
func TestT2_PoolInUse(t *testing.T) {
	for _, most := range []int{1, 4} {
		db := openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
		db.SetMaxOpenConns(most)
		s := openStore(t, db, nil)
		key := store.Key{Part: "p", ID: "a"}
		if err := s.Write(t.Context(), store.Put(store.Item{Key: key})); err != nil {
			t.Fatal(err)
		}
		var taken []*sql.Conn
		for range max(1, most-1) { // with the one that the store keeps for its writes, if there are four
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, conn)
		}
		for name, call := range map[string]func(context.Context) error{
			"Get":   func(ctx context.Context) error { _, err := s.Get(ctx, key); return err },
			"List":  func(ctx context.Context) error { _, _, err := s.List(ctx, "p", "", 1); return err },
			"Write": func(ctx context.Context) error { return s.Write(ctx, store.Check(key, "")) },
		} {
			ended := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			go func() { ended <- call(ctx) }()
			select {
			case err := <-ended:
				if err == nil {
					t.Errorf("%s of %d connections had one", name, most)
				}
			case <-time.After(5 * time.Second):
				t.Errorf("%s of %d connections still waits long after its context ended", name, most)
			}
			cancel()
		}
		for _, conn := range taken {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Get(t.Context(), key); err != nil {
			t.Errorf("after it, of %d connections: %v", most, err)
		}
	}
}

package sqlstore_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// leaving is the context of a caller who gives up when its call begins to wait. It calls back before.
type leaving struct {
	context.Context
	waits func()
}

func (l leaving) Done() <-chan struct{} {
	l.waits()
	return l.Context.Done()
}

// TestT2_TurnOfACallerWhoLeft: a caller gives up at the very moment when it gets the turn to write. The turn goes on to
// the next caller.
func TestT2_TurnOfACallerWhoLeft(t *testing.T) {
	var hold atomic.Pointer[func()] // called once, by the writer whose turn it is
	s := openStore(t, openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db"))), func() time.Time {
		if f := hold.Swap(nil); f != nil {
			(*f)()
		}
		return time.Now()
	})
	check := func(ctx context.Context) error { return s.Write(ctx, store.Check(left, "")) }
	for range 20 { // with the turn and the end at hand, the caller finds one of them first, by chance
		begun, release, first := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		f := func() { close(begun); <-release }
		hold.Store(&f)
		go func() { first <- check(t.Context()) }()
		<-begun
		ctx, end := context.WithCancel(t.Context())
		var once atomic.Bool
		_ = check(leaving{ctx, func() {
			if once.CompareAndSwap(false, true) {
				close(release)
				if err := <-first; err != nil { // it has passed the turn on by now
					t.Errorf("the writer before: %v", err)
				}
				end()
			}
		}})
		end()
		next, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := check(next)
		cancel()
		if err != nil {
			t.Fatalf("the next writer: %v", err)
		}
	}
}

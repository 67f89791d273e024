package users_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/posternauth/postern/store"
)

var errDown = errors.New("the store is down")

// A faulty is a store that fails, or loses the answers of writes, at chosen calls.
type faulty struct {
	store.Store
	mu     sync.Mutex
	calls  int
	fails  func(call int) bool // the call fails and does nothing
	loses  func(call int) bool // a write is done, and its answer is lost
	keys   map[store.Key]bool  // of all Puts
	writes int                 // that are still done before all of them fail; 0: no end
	done   int
}

// after makes all writes after the first n fail.
func (f *faulty) after(n int) { f.writes = n }

// next counts a call and says what becomes of it.
func (f *faulty) next(write bool) (fail, lose bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	fail = f.fails != nil && f.fails(f.calls)
	if write && f.writes > 0 {
		f.done++
		fail = fail || f.done > f.writes
	}
	return fail, write && f.loses != nil && f.loses(f.calls)
}

func (f *faulty) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if fail, _ := f.next(false); fail {
		return nil, errDown
	}
	return f.Store.Get(ctx, keys...)
}

func (f *faulty) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	if fail, _ := f.next(false); fail {
		return nil, "", errDown
	}
	return f.Store.List(ctx, part, after, limit)
}

func (f *faulty) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if fail, _ := f.next(false); fail {
		return 0, errDown
	}
	return f.Store.Add(ctx, k, delta, expires)
}

func (f *faulty) Write(ctx context.Context, changes ...store.Change) error {
	fail, lose := f.next(true)
	f.mu.Lock()
	for _, c := range changes {
		if f.keys != nil {
			f.keys[c.Item.Key] = true
		}
	}
	f.mu.Unlock()
	if fail {
		return errDown
	}
	err := f.Store.Write(ctx, changes...)
	if lose && err == nil {
		return errDown
	}
	return err
}

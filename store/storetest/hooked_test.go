package storetest_test

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/store"
)

// hooked is a store of which single methods are replaced.
type hooked struct {
	store.Store
	get   func(ctx context.Context, keys ...store.Key) ([]store.Item, error)
	write func(ctx context.Context, changes ...store.Change) error
	add   func(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error)
	list  func(ctx context.Context, part, after string, limit int) ([]store.Item, string, error)
}

// onePart is a hooked that states that its Writes stay within one Part.
type onePart struct{ hooked }

func (onePart) OnePart() bool { return true }

func (h hooked) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if h.get != nil {
		return h.get(ctx, keys...)
	}
	return h.Store.Get(ctx, keys...)
}

func (h hooked) Write(ctx context.Context, changes ...store.Change) error {
	if h.write != nil {
		return h.write(ctx, changes...)
	}
	return h.Store.Write(ctx, changes...)
}

func (h hooked) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if h.add != nil {
		return h.add(ctx, k, delta, expires)
	}
	return h.Store.Add(ctx, k, delta, expires)
}

func (h hooked) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	if h.list != nil {
		return h.list(ctx, part, after, limit)
	}
	return h.Store.List(ctx, part, after, limit)
}

// versionOf is the version that stands, as a broken store would look it up.
func versionOf(ctx context.Context, s store.Store, k store.Key) string {
	if items, err := s.Get(ctx, k); err == nil && len(items) == 1 {
		return items[0].Version
	}
	return ""
}

// A rendezvous brings together what a broken store must not let happen at the same time.
type rendezvous struct{ arrived atomic.Int64 }

// meet waits until somebody else arrives as well. A caller that is alone goes on after a while, so that a store can be
// used by one caller, too; the while is counted in turns of the scheduler and not in time, so that it is long on a busy
// machine.
func (r *rendezvous) meet() {
	me := r.arrived.Add(1)
	for turn := 0; turn < 1000 && r.arrived.Load() == me; turn++ {
		runtime.Gosched()
	}
}

// changing is a Memory whose Write sees its changes altered.
func changing(alter func(ctx context.Context, m *store.Memory, changes []store.Change) []store.Change) func(func() time.Time) store.Store {
	return func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if err := store.CheckChanges(changes...); err != nil {
				return err
			}
			return m.Write(ctx, alter(ctx, m, slices.Clone(changes))...)
		}}
	}
}

// renaming is a Memory that takes one name for another.
func renaming(rename func(store.Key) store.Key) func(func() time.Time) store.Store {
	return func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m,
			get: func(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
				if err := store.CheckKeys(keys...); err != nil {
					return nil, err
				}
				var items []store.Item
				for _, k := range keys {
					found, err := m.Get(ctx, rename(k))
					if err != nil {
						return nil, err
					}
					for _, it := range found {
						it.Key = k
						items = append(items, it)
					}
				}
				return items, nil
			},
			write: func(ctx context.Context, changes ...store.Change) error {
				if err := store.CheckChanges(changes...); err != nil {
					return err
				}
				changes = slices.Clone(changes)
				for i := range changes {
					changes[i].Item.Key = rename(changes[i].Item.Key)
				}
				return m.Write(ctx, changes...)
			},
		}
	}
}

// listing is a Memory whose List is made from everything ever written, by other rules.
func listing(now func() time.Time, choose func(all []store.Item, part string) []store.Item, order func(a, b store.Item) int) store.Store {
	m := &store.Memory{Now: now}
	var mu sync.Mutex
	var keys []store.Key
	return hooked{Store: m,
		write: func(ctx context.Context, changes ...store.Change) error {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range changes {
				if !slices.Contains(keys, c.Item.Key) {
					keys = append(keys, c.Item.Key)
				}
			}
			return m.Write(ctx, changes...)
		},
		list: func(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
			if err := cmp.Or(store.CheckList(part, after, limit), ctx.Err()); err != nil {
				return nil, "", err
			}
			mu.Lock()
			defer mu.Unlock()
			var all []store.Item
			for _, k := range keys {
				if choose == nil && k.Part != part {
					continue
				}
				items, err := m.Get(ctx, k)
				if err != nil {
					return nil, "", err
				}
				all = append(all, items...)
			}
			if choose != nil {
				all = choose(all, part)
			}
			if order == nil {
				order = func(a, b store.Item) int { return cmp.Compare(a.Key.ID, b.Key.ID) }
			}
			slices.SortFunc(all, order)
			from := 0
			if after != "" {
				from = 1 + slices.IndexFunc(all, func(it store.Item) bool { return it.Key.ID == after })
			}
			all = all[from:]
			if len(all) > limit {
				return all[:limit], all[limit-1].Key.ID, nil
			}
			return all, "", nil
		},
	}
}

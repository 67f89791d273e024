package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/store"
)

type brokenStore struct {
	fails string // the subtest that must notice
	open  func(now func() time.Time) store.Store
}

var brokenStores = map[string]brokenStore{
	"ignores what is expected of a Put": {"T1_PutAbsent", changing(func(ctx context.Context, m *store.Memory, changes []store.Change) []store.Change {
		for i, c := range changes {
			if c.Op == store.OpPut {
				changes[i].Expect = versionOf(ctx, m, c.Item.Key)
			}
		}
		return changes
	})},
	"ignores what is expected of a Delete": {"T1_Delete", changing(func(ctx context.Context, m *store.Memory, changes []store.Change) []store.Change {
		for i, c := range changes {
			if v := versionOf(ctx, m, c.Item.Key); c.Op == store.OpDelete && v != "" {
				changes[i].Expect = v
			}
		}
		return changes
	})},
	"ignores Checks": {"T1_Check", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		return slices.DeleteFunc(changes, func(c store.Change) bool { return c.Op == store.OpCheck })
	})},
	"ignores Checks beside other changes": {"T1_WriteIsWhole", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		if len(changes) == 1 {
			return changes
		}
		return slices.DeleteFunc(changes, func(c store.Change) bool { return c.Op == store.OpCheck })
	})},
	"chooses other versions": {"T1_PutAbsent", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		for i := range changes {
			if changes[i].Op == store.OpPut {
				changes[i] = store.Put(store.Item{Key: changes[i].Item.Key, Value: changes[i].Item.Value, Expires: changes[i].Item.Expires, Version: changes[i].Expect})
			}
		}
		return changes
	})},
	"makes versions of the value": {"T1_PutAbsent", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		for i := range changes {
			h := fnv.New64()
			h.Write(changes[i].Item.Value)
			changes[i].Item.Version = strconv.FormatUint(h.Sum64(), 36) + strings.Repeat("x", len(changes[i].Expect))
		}
		return changes
	})},
	"accepts versions of the past": {"T1_VersionsNeverReused", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		var mu sync.Mutex
		given := map[string]bool{}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			mu.Lock()
			defer mu.Unlock()
			changes = slices.Clone(changes)
			for i, c := range changes {
				if v := versionOf(ctx, m, c.Item.Key); v != "" && given[c.Item.Key.ID+c.Expect] {
					changes[i].Expect = v
				}
			}
			err := m.Write(ctx, changes...)
			for _, c := range changes {
				given[c.Item.Key.ID+c.Item.Version] = err == nil
			}
			return err
		}}
	}},
	"writes to the first of several parts only": {"T1_WriteAcrossParts", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		return slices.DeleteFunc(changes, func(c store.Change) bool { return c.Item.Key.Part != changes[0].Item.Key.Part })
	})},
	"refuses several parts after it wrote to one": {"T1_WriteAcrossParts", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return onePart{hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if !severalParts(changes) {
				return m.Write(ctx, changes...)
			}
			if err := m.Write(ctx, changes[0]); err != nil {
				return err
			}
			return store.ErrInvalid
		}}}
	}},
	"refuses several parts without a word of it": {"T1_WriteAcrossParts", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if severalParts(changes) {
				return store.ErrInvalid
			}
			return m.Write(ctx, changes...)
		}}
	}},
	"states that it refuses several parts, and writes them": {"T1_WriteAcrossParts", func(now func() time.Time) store.Store {
		return onePart{hooked{Store: &store.Memory{Now: now}}}
	}},
	"forgets expiry": {"T3_ExpiredIsAbsent", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		for i := range changes {
			changes[i].Item.Expires = time.Time{}
		}
		return changes
	})},
	"keeps expiry to the second": {"T3_ExpiryToTheMillisecond", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		for i, c := range changes {
			if !c.Item.Expires.IsZero() {
				changes[i].Item.Expires = c.Item.Expires.Truncate(time.Second)
			}
		}
		return changes
	})},
	"cuts long values": {"T1_ValuesKept", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		for i, c := range changes {
			changes[i].Item.Value = c.Item.Value[:min(len(c.Item.Value), 65535)]
		}
		return changes
	})},
	"takes values for text": {"T1_ValuesKept", changing(func(_ context.Context, _ *store.Memory, changes []store.Change) []store.Change {
		for i, c := range changes {
			changes[i].Item.Value = []byte(strings.ToValidUTF8(string(c.Item.Value), "\ufffd"))
		}
		return changes
	})},

	"writes one change after the other": {"T1_WriteIsWhole", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if err := store.CheckChanges(changes...); err != nil {
				return err
			}
			for _, c := range changes {
				if err := m.Write(ctx, c); err != nil {
					return err
				}
			}
			return nil
		}}
	}},
	"hides conflicts": {"T1_PutAbsent", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if err := m.Write(ctx, changes...); !errors.Is(err, store.ErrConflict) {
				return err
			}
			return nil
		}}
	}},
	"answers conflicts with another error": {"T1_PutAbsent", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if err := m.Write(ctx, changes...); !errors.Is(err, store.ErrConflict) {
				return err
			}
			return errors.New("deadlock detected")
		}}
	}},
	"compares and sets in two steps": {"T2_NoLostUpdate", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		var compared rendezvous
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if err := store.CheckChanges(changes...); err != nil {
				return err
			}
			changes = slices.Clone(changes)
			for _, c := range changes {
				if versionOf(ctx, m, c.Item.Key) != c.Expect {
					return store.ErrConflict
				}
			}
			compared.meet()
			for range 1000 {
				for i, c := range changes {
					changes[i].Expect = versionOf(ctx, m, c.Item.Key)
				}
				switch err := m.Write(ctx, changes...); {
				case errors.Is(err, store.ErrInvalid): // a Delete of what another has deleted
					return nil
				case !errors.Is(err, store.ErrConflict):
					return err
				}
			}
			return errors.New("others write all the time")
		}}
	}},
	"conflicts for ever": {"T2_NoLostUpdate", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if slices.ContainsFunc(changes, func(c store.Change) bool { return c.Expect != "" }) {
				return store.ErrConflict
			}
			return m.Write(ctx, changes...)
		}}
	}},
	"gives up under contention": {"T2_OneCreator", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		var busy sync.Mutex
		var refused rendezvous
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if !busy.TryLock() {
				refused.arrived.Add(1)
				return errors.New("database is locked")
			}
			defer busy.Unlock()
			refused.meet()
			return m.Write(ctx, changes...)
		}}
	}},
	"reads from a replica that lags": {"T2_AnsweredWritesAreSeen", func(now func() time.Time) store.Store {
		m, replica := &store.Memory{Now: now}, &store.Memory{Now: now}
		var mu sync.Mutex
		var late []store.Change // the last Write, which the replica does not have yet
		return hooked{Store: m,
			write: func(ctx context.Context, changes ...store.Change) error {
				mu.Lock()
				defer mu.Unlock()
				err := m.Write(ctx, changes...)
				if err == nil {
					err = replica.Write(ctx, late...)
					late = slices.Clone(changes)
				}
				return err
			},
			get: func(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
				if len(keys) == 2 { // so that the suite's own single reads, which would notice at once, are spared
					items, err := replica.Get(ctx, keys...)
					if len(items) == 2 || err != nil {
						return items, err
					}
				}
				return m.Get(ctx, keys...)
			},
		}
	}},

	"shows what has expired": {"T3_ExpiredIsAbsent", func(now func() time.Time) store.Store {
		start := now()
		frozen := &store.Memory{Now: func() time.Time { return start }}
		return frozen
	}},
	"lets the expired stand in the way": {"T3_ExpiredIsAbsent", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		var mu sync.Mutex
		ever := map[store.Key]time.Time{}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range changes {
				if end, was := ever[c.Item.Key]; was && c.Expect == "" && !end.IsZero() && !end.After(now()) {
					return store.ErrConflict
				}
			}
			err := m.Write(ctx, changes...)
			for _, c := range changes {
				if err == nil && c.Op == store.OpPut {
					ever[c.Item.Key] = c.Item.Expires
				}
			}
			return err
		}}
	}},
	"says absent when it does not know": {"T3_CancelledIsNotAbsent", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, get: func(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
			items, err := m.Get(ctx, keys...)
			if errors.Is(err, context.Canceled) {
				return nil, nil
			}
			return items, err
		}}
	}},
	"writes though the call has ended": {"T3_CancelledIsNotAbsent", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, write: func(ctx context.Context, changes ...store.Change) error {
			if err := m.Write(context.WithoutCancel(ctx), changes...); err != nil {
				return err
			}
			return ctx.Err()
		}}
	}},

	"answers Get in another order": {"T1_Get", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, get: func(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
			items, err := m.Get(ctx, keys...)
			slices.SortFunc(items, func(a, b store.Item) int { return cmp.Compare(a.Key.ID, b.Key.ID) })
			return items, err
		}}
	}},
	"keeps the caller's buffer": {"T1_BuffersNotShared", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		var mu sync.Mutex
		values := map[string][]byte{}
		return hooked{Store: m,
			write: func(ctx context.Context, changes ...store.Change) error {
				err := m.Write(ctx, changes...)
				mu.Lock()
				defer mu.Unlock()
				for _, c := range changes {
					values[c.Item.Version] = c.Item.Value
				}
				return err
			},
			get: func(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
				items, err := m.Get(ctx, keys...)
				mu.Lock()
				defer mu.Unlock()
				for i := range items {
					items[i].Value = values[items[i].Version]
				}
				return items, err
			},
		}
	}},
	"checks no arguments": {"T1_RefusedSizes", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, get: func(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
			var all []store.Item
			for _, k := range keys {
				items, err := m.Get(ctx, k)
				if err != nil {
					return nil, err
				}
				all = append(all, items...)
			}
			return all, nil
		}}
	}},
	"ignores letters' case": {"T1_KeysApart", renaming(func(k store.Key) store.Key {
		return store.Key{Part: k.Part, ID: strings.ToLower(k.ID)}
	})},
	"joins part and ID": {"T1_KeysApart", renaming(func(k store.Key) store.Key {
		return store.Key{Part: k.Part + k.ID, ID: "x"}
	})},
	"trims names": {"T1_KeysApart", renaming(func(k store.Key) store.Key {
		return store.Key{Part: k.Part, ID: strings.TrimSpace(k.ID) + "."}
	})},
	"quotes badly": {"T5_NamesAreOnlyNames", renaming(func(k store.Key) store.Key {
		return store.Key{Part: k.Part, ID: strings.ReplaceAll(k.ID, `''`, `'`)}
	})},

	"lists parts by pattern": {"T1_ListOrder", func(now func() time.Time) store.Store {
		return listing(now, func(all []store.Item, part string) []store.Item {
			return slices.DeleteFunc(all, func(it store.Item) bool { return !strings.HasPrefix(it.Key.Part, part) })
		}, nil)
	}},
	"lists in the order of UTF-16": {"T1_ListOrder", func(now func() time.Time) store.Store {
		return listing(now, nil, func(a, b store.Item) int {
			swap := strings.NewReplacer("\uFF61", "\U0001F600", "\U0001F600", "\uFF61")
			return cmp.Compare(swap.Replace(a.Key.ID), swap.Replace(b.Key.ID))
		})
	}},
	"lists without an end in sight": {"T1_ListPages", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, list: func(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
			items, _, err := m.List(ctx, part, after, limit)
			return items, "", err // forgets the next page
		}}
	}},
	"lists the item it should start after": {"T1_ListPages", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, list: func(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
			items, next, err := m.List(ctx, part, after, limit)
			if found, _ := m.Get(ctx, store.Key{Part: part, ID: after}); err == nil && len(found) == 1 {
				items = append(found, items...)[:limit]
			}
			return items, next, err
		}}
	}},

	"counts in the items": {"T1_CountersAreApart", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		return hooked{Store: m, add: func(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
			n, err := m.Add(ctx, k, delta, expires)
			if err == nil {
				err = m.Write(ctx, store.Put(store.Item{Key: k, Value: strconv.AppendInt(nil, n, 10), Version: versionOf(ctx, m, k)}))
			}
			return n, err
		}}
	}},
	"counts in two steps": {"T2_CounterIsExact", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		var counted rendezvous
		return hooked{Store: m, add: func(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
			n, err := m.Add(ctx, k, 0, expires)
			if err != nil {
				return 0, err
			}
			counted.meet()
			_, err = m.Add(ctx, k, delta, expires)
			return n + delta, err
		}}
	}},
	"moves a counter's expiry": {"T3_CounterExpiry", func(now func() time.Time) store.Store {
		m := &store.Memory{Now: now}
		var mu sync.Mutex
		type counter struct {
			n   int64
			end time.Time
		}
		counters := map[store.Key]counter{}
		return hooked{Store: m, add: func(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
			if err := cmp.Or(store.CheckAdd(k, delta, expires), ctx.Err()); err != nil {
				return 0, err
			}
			mu.Lock()
			defer mu.Unlock()
			c := counters[k]
			if !c.end.IsZero() && !c.end.After(now()) {
				c = counter{}
			}
			c.n += delta
			c.end = expires // of the last Add instead of the first
			counters[k] = c
			return c.n, nil
		}}
	}},
}

func severalParts(changes []store.Change) bool {
	return slices.ContainsFunc(changes, func(c store.Change) bool { return c.Item.Key.Part != changes[0].Item.Key.Part })
}

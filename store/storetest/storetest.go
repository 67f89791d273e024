// Package storetest tests that an engine keeps the contract of [store.Store], also under races.
//
// An engine is correct if [Run] passes. There is nothing to configure and nothing to skip:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
//			return &mystore.Store{Table: newTable(t), Now: now}
//		})
//	}
//
// An engine that refuses a Write to several Parts, as a Redis Cluster must, states it by [store.OnePart]. It answers
// such a Write with [store.ErrInvalid], and writes nothing. T1_WriteAcrossParts tests that the engine does what it
// states; the other tests then stay within one Part.
//
// The names of the subtests begin with the requirement that they test: T1 is the contract, T2 changes that must
// happen once and are never lost under concurrency, T3 expiry by comparison, and errors that never count as "absent",
// T5 names that look like commands. Run it with -race. If List is eventually consistent in production, open the
// engine with consistent listing here.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/store"
)

// Run runs the whole suite on the stores that open returns. It calls open once for each subtest. Stores may share a
// database, because every subtest uses different names. Each store must take the time from now, which starts at the
// present and only moves forward. open registers its cleanup with t.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) store.Store) {
	for _, group := range [][]test{itemTests, writeTests, listTests, counterTests, expiryTests, argumentTests, hostileTests, raceTests} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) {
				c := testclock.New(time.Now())
				test.run(&suite{T: t, s: open(t, c.Now), clock: c, prefix: rand.Text()})
			})
		}
	}
}

type test struct {
	name string
	run  func(t *suite)
}

// suite is one subtest with its store, its clock and a prefix that no other subtest's names have.
type suite struct {
	*testing.T
	s      store.Store
	clock  *testclock.Clock
	prefix string
}

// key names an item of this subtest. Equal parts are equal only within it.
func (t *suite) key(part, id string) store.Key {
	return store.Key{Part: t.prefix + part, ID: id}
}

// together names an item of this subtest that one Write can change along with others of together: it lies in the part,
// or, where the engine writes to one part only, in a part that they all share.
func (t *suite) together(part, id string) store.Key {
	if t.onePart() {
		return t.key("together", part+"/"+id)
	}
	return t.key(part, id)
}

// onePart reports whether the engine refuses a Write to several parts.
func (t *suite) onePart() bool { return !store.WritesTwoParts(t.s) }

// get returns the items, or ends the test.
func (t *suite) get(keys ...store.Key) []store.Item {
	t.Helper()
	items, err := t.s.Get(t.Context(), keys...)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return items
}

// want fails unless the item is there with this value, and returns it.
func (t *suite) want(k store.Key, value string) store.Item {
	t.Helper()
	items := t.get(k)
	if len(items) != 1 {
		t.Fatalf("Get of one key found %d items, want the one with value %.40q", len(items), value)
	}
	if items[0].Key != k {
		t.Fatalf("Get answered with the key %q, want %q", items[0].Key, k)
	}
	if string(items[0].Value) != value {
		t.Fatalf("Get found the value %.40q, want %.40q", items[0].Value, value)
	}
	return items[0]
}

// absent fails if any of the items is there.
func (t *suite) absent(keys ...store.Key) {
	t.Helper()
	for _, k := range keys {
		if items := t.get(k); len(items) != 0 {
			t.Fatalf("Get found %q with value %.40q, want nothing", k.ID, items[0].Value)
		}
	}
}

// write applies the changes, or ends the test.
func (t *suite) write(changes ...store.Change) {
	t.Helper()
	if err := t.s.Write(t.Context(), changes...); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// conflict fails unless Write answers ErrConflict.
func (t *suite) conflict(what string, changes ...store.Change) {
	t.Helper()
	if err := t.s.Write(t.Context(), changes...); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("%s: Write answered %v, want ErrConflict", what, err)
	}
}

// create writes an item that never expires and must be absent, and returns it as the store now has it.
func (t *suite) create(k store.Key, value string) store.Item {
	t.Helper()
	return t.createUntil(k, value, time.Time{})
}

func (t *suite) createUntil(k store.Key, value string, expires time.Time) store.Item {
	t.Helper()
	put := store.Put(store.Item{Key: k, Value: []byte(value), Expires: expires})
	t.write(put)
	return put.Item
}

func (t *suite) add(k store.Key, delta int64, expires time.Time, want int64) {
	t.Helper()
	sum, err := t.s.Add(t.Context(), k, delta, expires)
	if err != nil {
		t.Fatalf("Add: %v", err)
	}
	if sum != want {
		t.Fatalf("Add of %d answered %d, want %d", delta, sum, want)
	}
}

// list walks a part page by page and returns the IDs in the order they came.
func (t *suite) list(part string, limit int) []string {
	t.Helper()
	var ids []string
	for after, pages := "", 0; ; pages++ {
		items, next, err := t.s.List(t.Context(), part, after, limit)
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		if len(items) > limit {
			t.Fatalf("List with limit %d returned %d items", limit, len(items))
		}
		for _, it := range items {
			if it.Key.Part != part {
				t.Fatalf("List of %q returned an item of %q", part, it.Key.Part)
			}
			if it.Key.ID <= after {
				t.Fatalf("List after %q returned %q", after, it.Key.ID)
			}
			ids = append(ids, it.Key.ID)
		}
		if next == "" {
			return ids
		}
		if next <= after || pages > 5000 {
			t.Fatalf("List does not come to an end: after %q it names %q", after, next)
		}
		after = next
	}
}

func cancelled(t *suite) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

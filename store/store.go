// Package store is what Postern asks of a database: four operations that every engine can do right.
//
// A [Store] keeps items under a [Key] of two strings. Reads are strongly consistent, writes are conditional on the
// version that was read, and a write of several changes happens as a whole or not at all. Everything that must happen
// once (a link, a code, a callback, a refresh) rests on that one promise, and storetest proves it for an engine.
//
// Reading, deciding and writing on condition is the whole way of working:
//
//	items, err := s.Get(ctx, key)
//	// decide
//	it := items[0]
//	it.Value = next
//	err = s.Write(ctx, store.Put(it)) // only if nobody wrote in between
//	if errors.Is(err, store.ErrConflict) {
//		// read again and decide anew
//	}
//
// [Memory] is the engine for tests and for a single process. Others live in their own packages below this one, and only
// who imports one links its driver. An engine of your own implements [Store], calls [CheckKeys], [CheckChanges],
// [CheckAdd] and [CheckList] first, and passes storetest.Run.
package store

import (
	"context"
	"errors"
	"time"
)

// Limits every store keeps and callers may count on.
const (
	MaxKeys    = 25        // keys of one Get
	MaxChanges = 25        // changes of one Write
	MaxName    = 512       // bytes of Key.Part, of Key.ID and of a version
	MaxValue   = 256 << 10 // bytes of Item.Value
	MaxList    = 1000      // items of one page of List
	MaxDelta   = 1 << 32   // of one Add, either way
)

var (
	// ErrConflict is the answer of Write when a version was not the expected one. Nothing was written: read again and decide anew.
	ErrConflict = errors.New("store: conflict: an item changed since it was read")
	// ErrInvalid is the answer to arguments outside the contract: an empty or too long key, a key named twice, too many changes, a value too large.
	ErrInvalid = errors.New("store: invalid argument")
	// ErrLocal is the answer of a Memory on a platform that starts many processes, where each would have items of its own.
	ErrLocal = errors.New("store: Memory belongs to one process and this platform starts many: use a store they share, or allow local stores where that may be")
)

// A Key names an item. Items of one Part live together (one DynamoDB partition, one Redis hash slot) and List walks them
// by ID in byte order, so parts are high-cardinality: a session, an address, never "all users". Both strings are
// non-empty UTF-8, at most MaxName bytes, and free of NUL.
type Key struct{ Part, ID string }

// An Item is a value with its life and its version.
type Item struct {
	Key     Key
	Value   []byte    // JSON by convention; kept byte for byte. Empty and nil are the same
	Expires time.Time // zero: never. From this moment on the item is absent to every operation, whether or not the engine has removed it. Kept to the millisecond, the rest is cut off
	Version string    // of the item as read; Put chooses a new one at random, and none is ever used again
}

// A Store keeps items. Its methods may be called from many goroutines and many processes at once.
//
// Get returns those of the named items that exist, in the order of the keys, in one round trip and strongly consistent:
// a Get that starts after a Write was answered sees what it wrote. The items of one Get need not be of one moment. A
// missing item is no error, and an error never means "missing". Get of no keys is empty.
//
// Write applies all changes or none. ErrConflict says that nothing was done. ErrInvalid says so too. Any other error
// means "it may have been applied": Get, and compare versions. A Write names a key at most once. A Write of no changes
// does nothing.
//
// Add adds delta to a counter and returns the sum. Counters are a key space of their own; an absent or expired one
// counts as zero, and the expiry of the first Add holds until it is reached (callers put the window into the key). After
// an error the delta may have been added.
//
// List returns up to limit items of a part whose ID is greater than after, by ID in byte order, and in next the ID to
// pass as after for the following page; next is empty at the end. A page may hold fewer items than limit, or none,
// before the end. It may be eventually consistent.
//
// A store keeps the slices it is given no longer than the call and hands out slices of the caller's own.
type Store interface {
	Get(ctx context.Context, keys ...Key) ([]Item, error)
	Write(ctx context.Context, changes ...Change) error
	Add(ctx context.Context, k Key, delta int64, expires time.Time) (int64, error)
	List(ctx context.Context, part, after string, limit int) (items []Item, next string, err error)
}

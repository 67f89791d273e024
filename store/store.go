// Package store defines the four operations that Postern needs from a database.
//
// A [Store] keeps items under a [Key] of two strings. Reads are strongly consistent. Writes are conditional on the
// version that was read, and a write of several changes makes all of them or none. Everything that must happen only
// once (the use of a link, a code, a callback, a refresh) depends on this guarantee. Package storetest tests it for
// an engine.
//
// A caller reads, decides, and writes on condition:
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
// [Memory] is the engine for tests and for a single process. Other engines are in packages below this one; only a
// program that imports one links its driver. To write another engine, implement Store, call [CheckKeys],
// [CheckChanges], [CheckAdd] and [CheckList] first in its methods, and run storetest.Run on it.
package store

import (
	"context"
	"errors"
	"time"
)

// Limits of every store.
const (
	MaxKeys    = 25        // keys of one Get
	MaxChanges = 25        // changes of one Write
	MaxName    = 512       // bytes of Key.Part, of Key.ID and of a version
	MaxValue   = 256 << 10 // bytes of Item.Value
	MaxList    = 1000      // items of one page of List
	MaxDelta   = 1 << 32   // of one Add, either way
)

var (
	// ErrConflict is returned by Write if a version was not the expected one. Nothing was written: read again and
	// decide anew.
	ErrConflict = errors.New("store: conflict: an item changed since it was read")
	// ErrInvalid is returned for arguments that the contract does not allow: an empty or too long key, a key that
	// occurs twice, too many changes, a value that is too large.
	ErrInvalid = errors.New("store: invalid argument")
	// ErrLocal is returned by a Memory on a platform that starts many processes, because each process would have
	// different items.
	ErrLocal = errors.New("store: Memory belongs to one process and this platform starts many: use a store they share, or allow local stores where that may be")
)

// A Key names an item. Items of one Part are kept together (in one DynamoDB partition or one Redis hash slot), and
// List returns them by ID in byte order. So there should be many parts with few items: one for a session or an
// address, never one for all users. Both strings are non-empty UTF-8 of at most MaxName bytes, without NUL.
type Key struct{ Part, ID string }

// An Item is a value with its expiry and its version.
type Item struct {
	Key     Key
	Value   []byte // JSON by convention; kept byte for byte. Empty and nil are the same
	Version string // of the item as read; Put chooses a new one at random, and none is ever used again

	// Expires is when the item expires, to the millisecond. From then on it is absent to every operation, even if the
	// engine has not removed it yet. Zero means never.
	Expires time.Time
}

// A Store keeps items. Many goroutines and many processes may call its methods at the same time.
//
// Get returns the items that exist, in the order of the keys and in one round trip. It is strongly consistent: a Get
// that starts after a Write returned sees its changes. The items of one Get need not be from the same moment. A
// missing item is not an error, and an error never means "missing". Get without keys returns nothing.
//
// Write applies all changes or none. ErrConflict and ErrInvalid mean that nothing was written. Any other error means
// that the changes may have been applied: read the items and compare versions. A Write may not name a key twice. A
// Write without changes does nothing. An engine that cannot write to several Parts at once, such as a Redis Cluster,
// refuses such a Write with ErrInvalid and states it by [OnePart]. Postern writes to two Parts only where
// [WritesTwoParts] returns true.
//
// Add adds delta to a counter and returns the sum. Counters have a separate key space. An absent or expired counter
// is zero. The first Add sets the expiry; later ones do not change it, so callers put the period into the key. After
// an error the delta may have been added.
//
// List returns up to limit items of a part, by ID in byte order, beginning after the ID after. next is the value of
// after for the next page; it is empty at the end. A page may have fewer items than limit, or none, before the end.
// List may be eventually consistent.
//
// A Store does not keep the slices of its arguments after the call, and the caller may change the slices that it
// returns.
type Store interface {
	Get(ctx context.Context, keys ...Key) ([]Item, error)
	Write(ctx context.Context, changes ...Change) error
	Add(ctx context.Context, k Key, delta int64, expires time.Time) (int64, error)
	List(ctx context.Context, part, after string, limit int) (items []Item, next string, err error)
}

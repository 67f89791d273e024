package infra

import (
	"context"
	"sync"
	"time"

	"github.com/posternauth/postern/store"
)

// Units are the request units that DynamoDB bills for a table on demand.
type Units struct{ Read, Write float64 }

// A CountingStore counts what package dynamostore would use of DynamoDB for the same calls: strongly consistent reads
// of 4 KB, and writes of 1 KB, which count twice in a transaction. A missing item is read as one unit.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
type CountingStore struct {
	store.Memory
	mu    sync.Mutex
	units Units
}

// itemOverhead is what dynamostore adds to an item: names of attributes, prefix, version and expiry.
const itemOverhead = 100

func size(it store.Item) int { return len(it.Key.Part) + len(it.Key.ID) + len(it.Value) + itemOverhead }

func blocks(bytes, of int) float64 { return float64(max(1, (bytes+of-1)/of)) }

func (c *CountingStore) add(read, write float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.units.Read += read
	c.units.Write += write
}

// Take returns the units since the last call.
func (c *CountingStore) Take() Units {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.units
	c.units = Units{}
	return taken
}

// Get implements store.Store.
func (c *CountingStore) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	items, err := c.Memory.Get(ctx, keys...)
	read := float64(len(keys) - len(items))
	for _, it := range items {
		read += blocks(size(it), 4<<10)
	}
	c.add(read, 0)
	return items, err
}

// Write implements store.Store.
func (c *CountingStore) Write(ctx context.Context, changes ...store.Change) error {
	each := 1.0
	if len(changes) > 1 {
		each = 2
	}
	write := 0.0
	for _, change := range changes {
		write += each * blocks(size(change.Item), 1<<10)
	}
	c.add(0, write)
	return c.Memory.Write(ctx, changes...)
}

// Add implements store.Store.
func (c *CountingStore) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	c.add(0, 1)
	return c.Memory.Add(ctx, k, delta, expires)
}

// List implements store.Store.
func (c *CountingStore) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	items, next, err := c.Memory.List(ctx, part, after, limit)
	total := 0
	for _, it := range items {
		total += size(it)
	}
	c.add(blocks(total, 4<<10), 0)
	return items, next, err
}

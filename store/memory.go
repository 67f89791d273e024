package store

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/oneprocess"
)

// Memory is a [Store] in the memory of one process, for tests, for development and for a single server that may lose
// its data. Its zero value is ready; it must not be copied after first use. Each process has a separate Memory, so do
// not use it behind a load balancer or on a serverless platform. Below lambdahttp it returns [ErrLocal].
//
// An expired item is absent at once; its memory is freed by later writes, a few items each, so there is no goroutine to
// stop.
type Memory struct {
	// Now is the clock that decides what has expired. Nil means time.Now. Set it before first use.
	Now func() time.Time

	mu       sync.RWMutex
	parts    map[string]*part
	counters map[Key]*entry
	dying    expiryHeap // every item and counter that expires, the soonest first
}

// part holds the items of one Key.Part.
type part struct {
	items  map[string]*entry
	sorted []string // the IDs in byte order; nil after one came or went, until List needs it again
}

// entry is one item or one counter.
type entry struct {
	item    Item  // its Value is never changed in place: readers clone it outside the lock
	n       int64 // of a counter
	counter bool  // which of the two it is
	expires int64 // Unix milliseconds, or never
	place   int   // its index in the heap, or -1
}

const (
	never = int64(^uint64(0) >> 1)

	// sweepBatch is how many expired entries a call removes: more than one call can add, so that removal keeps up.
	sweepBatch = 2 * MaxChanges
)

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, keys ...Key) ([]Item, error) {
	if err := CheckKeys(keys...); err != nil {
		return nil, err
	}
	if err := usable(ctx); err != nil {
		return nil, err
	}
	items := make([]Item, 0, len(keys))
	m.mu.RLock()
	now := m.now()
	for _, k := range keys {
		if e := m.live(k, now); e != nil {
			items = append(items, e.item)
		}
	}
	m.mu.RUnlock()
	for i := range items {
		items[i].Value = bytes.Clone(items[i].Value)
	}
	return items, nil
}

// Write implements [Store]. Its only errors are ErrConflict, ErrInvalid, ErrLocal and that of a context that had
// already ended; after any of them nothing was done.
func (m *Memory) Write(ctx context.Context, changes ...Change) error {
	if err := CheckChanges(changes...); err != nil {
		return err
	}
	if err := usable(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for _, c := range changes {
		version := ""
		if e := m.live(c.Item.Key, now); e != nil {
			version = e.item.Version
		}
		if version != c.Expect {
			return ErrConflict
		}
	}
	for _, c := range changes {
		switch c.Op {
		case OpPut:
			m.put(c.Item)
		case OpDelete:
			m.remove(m.parts[c.Item.Key.Part].items[c.Item.Key.ID])
		}
	}
	m.sweep(now)
	return nil
}

// Add implements [Store].
func (m *Memory) Add(ctx context.Context, k Key, delta int64, expires time.Time) (int64, error) {
	if err := CheckAdd(k, delta, expires); err != nil {
		return 0, err
	}
	if err := usable(ctx); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	c := m.counters[k]
	if c == nil || c.expires <= now {
		if c != nil {
			m.remove(c)
		}
		if m.counters == nil {
			m.counters = make(map[Key]*entry)
		}
		c = &entry{item: Item{Key: k}, counter: true, place: -1}
		m.counters[k] = c
		m.dying.set(c, expires)
	}
	c.n += delta
	sum := c.n
	m.sweep(now)
	return sum, nil
}

// List implements [Store]. It is strongly consistent here.
func (m *Memory) List(ctx context.Context, partName, after string, limit int) (items []Item, next string, err error) {
	if err := CheckList(partName, after, limit); err != nil {
		return nil, "", err
	}
	if err := usable(ctx); err != nil {
		return nil, "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parts[partName]
	if p == nil {
		return nil, "", nil
	}
	if p.sorted == nil {
		for id := range p.items {
			p.sorted = append(p.sorted, id)
		}
		slices.Sort(p.sorted)
	}
	now := m.now()
	from, found := slices.BinarySearch(p.sorted, after)
	if found {
		from++
	}
	for _, id := range p.sorted[from:] {
		e := p.items[id]
		if e.expires <= now {
			continue
		}
		if len(items) == limit {
			return items, items[limit-1].Key.ID, nil
		}
		it := e.item
		it.Value = bytes.Clone(it.Value)
		items = append(items, it)
	}
	return items, "", nil
}

// usable returns why the store must not answer: the caller has gone, or this process is one of many.
func usable(ctx context.Context) error {
	if oneprocess.Refused(ctx) {
		return ErrLocal
	}
	return ctx.Err()
}

func (m *Memory) now() int64 {
	if m.Now != nil {
		return m.Now().UnixMilli()
	}
	return time.Now().UnixMilli()
}

// live returns the item's entry, or nil when it is absent or expired.
func (m *Memory) live(k Key, now int64) *entry {
	p := m.parts[k.Part]
	if p == nil {
		return nil
	}
	if e := p.items[k.ID]; e != nil && e.expires > now {
		return e
	}
	return nil
}

// put writes the item over whatever is there, an expired one included.
func (m *Memory) put(it Item) {
	p := m.parts[it.Key.Part]
	if p == nil {
		if m.parts == nil {
			m.parts = make(map[string]*part)
		}
		p = &part{items: make(map[string]*entry)}
		m.parts[it.Key.Part] = p
	}
	e := p.items[it.Key.ID]
	if e == nil {
		e = &entry{place: -1}
		p.items[it.Key.ID] = e
		p.sorted = nil
	}
	it.Value = bytes.Clone(it.Value)
	if !it.Expires.IsZero() {
		it.Expires = time.UnixMilli(it.Expires.UnixMilli()).UTC()
	}
	e.item = it
	m.dying.set(e, it.Expires)
}

// remove forgets an item or a counter.
func (m *Memory) remove(e *entry) {
	m.dying.set(e, time.Time{})
	if e.counter {
		delete(m.counters, e.item.Key)
		return
	}
	k := e.item.Key
	p := m.parts[k.Part]
	delete(p.items, k.ID)
	p.sorted = nil
	if len(p.items) == 0 {
		delete(m.parts, k.Part)
	}
}

func (m *Memory) sweep(now int64) {
	for range sweepBatch {
		if len(m.dying) == 0 || m.dying[0].expires > now {
			return
		}
		m.remove(m.dying[0])
	}
}

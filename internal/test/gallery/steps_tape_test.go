package gallery

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/storetest"
)

// A tape is a store that remembers its changes in their order, so that it can go back to an earlier state. A step is
// posted hundreds of times from the same state this way, and the changes say what each post has done.
type tape struct {
	now func() time.Time

	mu       sync.Mutex
	items    map[store.Key]store.Item
	counters map[store.Key]counter
	past     []past
}

type counter struct {
	n       int64
	expires time.Time
	there   bool
}

// A past is what an item or a counter was before a change.
type past struct {
	key     store.Key
	item    store.Item // without a Version: there was none
	count   counter
	counter bool
}

func newTape(now func() time.Time) *tape {
	return &tape{now: now, items: map[store.Key]store.Item{}, counters: map[store.Key]counter{}}
}

// mark names the state of now, for back and changed.
func (t *tape) mark() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.past)
}

// back makes the state that of a mark. Later marks are void.
func (t *tape) back(mark int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range slices.Backward(t.past[mark:]) {
		switch {
		case p.counter:
			t.counters[p.key] = p.count
		case p.item.Version == "":
			delete(t.items, p.key)
		default:
			t.items[p.key] = p.item
		}
	}
	t.past = t.past[:mark]
}

// created returns the keys of items that were not there at a mark.
func (t *tape) created(mark int) (keys []store.Key) {
	changed := t.changed(mark)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range changed {
		i := slices.IndexFunc(t.past[mark:], func(p past) bool { return p.key == key && !p.counter })
		if t.past[mark+i].item.Version == "" && t.items[key].Version != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// changed returns the keys of the items whose values changed since a mark, in their order.
func (t *tape) changed(mark int) (keys []store.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := map[store.Key]store.Item{}
	for _, p := range t.past[mark:] {
		if _, seen := first[p.key]; !seen && !p.counter {
			first[p.key] = p.item
		}
	}
	for key, was := range first {
		if is := t.items[key]; (is.Version == "") != (was.Version == "") || !bytes.Equal(is.Value, was.Value) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b store.Key) int {
		return strings.Compare(a.Part+"\x00"+a.ID, b.Part+"\x00"+b.ID)
	})
	return keys
}

func expired(at, now time.Time) bool { return !at.IsZero() && now.UnixMilli() >= at.UnixMilli() }

// live returns an item that has not expired.
func (t *tape) live(k store.Key) (it store.Item, ok bool) {
	it, ok = t.items[k]
	if !ok || expired(it.Expires, t.now()) {
		return store.Item{}, false
	}
	it.Value = bytes.Clone(it.Value)
	return it, true
}

func (t *tape) Get(ctx context.Context, keys ...store.Key) (items []store.Item, err error) {
	if err := store.CheckKeys(keys...); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		if it, ok := t.live(k); ok {
			items = append(items, it)
		}
	}
	return items, nil
}

func (t *tape) Write(ctx context.Context, changes ...store.Change) error {
	if err := store.CheckChanges(changes...); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range changes {
		if it, _ := t.live(c.Item.Key); it.Version != c.Expect {
			return store.ErrConflict
		}
	}
	for _, c := range changes {
		if c.Op != store.OpPut && c.Op != store.OpDelete {
			continue
		}
		k := c.Item.Key
		t.past = append(t.past, past{key: k, item: t.items[k]})
		delete(t.items, k)
		if c.Op == store.OpPut {
			it := c.Item
			it.Value = bytes.Clone(it.Value)
			if !it.Expires.IsZero() {
				it.Expires = time.UnixMilli(it.Expires.UnixMilli()).UTC()
			}
			t.items[k] = it
		}
	}
	return nil
}

func (t *tape) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if err := store.CheckAdd(k, delta, expires); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counters[k]
	t.past = append(t.past, past{key: k, count: c, counter: true})
	if !c.there || expired(c.expires, t.now()) {
		c = counter{expires: expires, there: true}
	}
	c.n += delta
	t.counters[k] = c
	return c.n, nil
}

func (t *tape) List(ctx context.Context, part, after string, limit int) (items []store.Item, next string, err error) {
	if err := store.CheckList(part, after, limit); err != nil {
		return nil, "", err
	}
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.items {
		if it, ok := t.live(k); ok && k.Part == part && k.ID > after {
			items = append(items, it)
		}
	}
	slices.SortFunc(items, func(a, b store.Item) int { return strings.Compare(a.Key.ID, b.Key.ID) })
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].Key.ID
	}
	return items, next, nil
}

func TestTape(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, now func() time.Time) store.Store { return newTape(now) })
}

// TestTape_Back: after back everything is as it was, and changed says what had changed.
func TestTape_Back(t *testing.T) {
	s := newTape(func() time.Time { return time.Unix(1, 0) })
	put := func(it store.Item, value string) store.Item {
		t.Helper()
		it.Value = []byte(value)
		if err := s.Write(t.Context(), store.Put(it)); err != nil {
			t.Fatal(err)
		}
		items, err := s.Get(t.Context(), it.Key)
		if err != nil {
			t.Fatal(err)
		}
		return items[0]
	}
	one := put(store.Item{Key: store.Key{Part: "p", ID: "one"}}, "1")
	two := put(store.Item{Key: store.Key{Part: "p", ID: "two"}}, "2")
	if _, err := s.Add(t.Context(), one.Key, 3, time.Unix(9, 0)); err != nil {
		t.Fatal(err)
	}
	mark := s.mark()
	same := put(one, "1")
	if keys := s.changed(mark); keys != nil {
		t.Errorf("the same value is a change of %v", keys)
	}
	put(same, "other")
	put(store.Item{Key: store.Key{Part: "p", ID: "new"}}, "3")
	if err := s.Write(t.Context(), store.Delete(two.Key, two.Version)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), one.Key, 4, time.Unix(9, 0)); err != nil {
		t.Fatal(err)
	}
	if keys := s.changed(mark); len(keys) != 3 {
		t.Errorf("changed: %v", keys)
	}
	if keys := s.created(mark); len(keys) != 1 || keys[0].ID != "new" {
		t.Errorf("created: %v", keys)
	}
	s.back(mark)
	items, _, err := s.List(t.Context(), "p", "", 9)
	if err != nil || len(items) != 2 || string(items[0].Value)+string(items[1].Value) != "12" || items[0].Version != one.Version {
		t.Errorf("after back: %v %v", items, err)
	}
	if n, err := s.Add(t.Context(), one.Key, 0, time.Unix(9, 0)); n != 3 || err != nil {
		t.Errorf("the counter is %d, %v", n, err)
	}
}

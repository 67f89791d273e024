package limit

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/store"
)

// maxRecent bounds the memory of a Recent.
const maxRecent = 4096

// Recent remembers values for a time, in the memory of this process. It holds at most 4096: when it is full, a new
// value takes the place of a random one. So nothing may depend on it except how much work is saved. The zero value is
// ready. It is safe for concurrent use.
type Recent[K comparable, V any] struct {
	mu   sync.Mutex
	kept map[K]recent[V]
}

type recent[V any] struct {
	value V
	until time.Time
}

// Get returns the value of a key, and false if there is none at the moment now.
func (m *Recent[K, V]) Get(key K, now time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.kept[key]
	return r.value, now.Before(r.until)
}

// Put remembers the value of a key until a time.
func (m *Recent[K, V]) Put(key K, value V, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[K]recent[V]{}
	}
	if _, there := m.kept[key]; !there && len(m.kept) >= maxRecent {
		for other := range m.kept {
			delete(m.kept, other)
			break
		}
	}
	m.kept[key] = recent[V]{value, until}
}

// Denials remembers which buckets are full. The zero value is ready. It is safe for concurrent use.
type Denials struct{ full Recent[store.Key, Error] }

// TakeAll is [TakeAll], but it does not read the store while it remembers that one of the buckets is full.
func (d *Denials) TakeAll(ctx context.Context, s store.Store, now time.Time, buckets ...Bucket) error {
	for _, b := range buckets {
		if denied, full := d.full.Get(b.Key, now); full {
			denied.RetryAfter = denied.until.Sub(now)
			return &denied
		}
	}
	err := TakeAll(ctx, s, now, buckets...)
	var denied *Error
	if errors.As(err, &denied) {
		denied.until = now.Add(denied.RetryAfter)
		d.full.Put(denied.Bucket.Key, *denied, denied.until)
	}
	return err
}

// Alarm chooses the denied takes that an audit log should have, so that a flood of requests is not a flood of events.
// The zero value is ready. It is safe for concurrent use.
type Alarm struct {
	mu     sync.Mutex
	events Recent[string, struct{}]
}

// usualEvery is the period of events about denials that have no rule.
const usualEvery = 10 * time.Minute

// Due reports whether a denial is worth an event: the first of the client in a period of the rule, and, where the
// bucket counts a whole network, the first of the bucket. name is the name of a denial that has no rule.
func (a *Alarm) Due(now time.Time, addr netip.Addr, name string, err error) bool {
	every := usualEvery
	var keys []string
	var denied *Error
	if errors.As(err, &denied) && denied.Bucket.Rule.Every > 0 {
		b := denied.Bucket
		name, every = denied.Rule, b.Rule.Every
		keys = append(keys, "bucket\x00"+b.Key.Part+"\x00"+b.Key.ID)
	}
	keys = append(keys, "client\x00"+name+"\x00"+clientip.Networks(addr)[0].Name)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range keys {
		if _, seen := a.events.Get(key, now); seen {
			return false
		}
	}
	for _, key := range keys {
		a.events.Put(key, struct{}{}, now.Add(every))
	}
	return true
}

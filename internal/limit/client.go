package limit

import (
	"context"
	"net/netip"
	"sync"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/store"
)

// Client returns the buckets of a rule for a client address: one for each network of [clientip.Networks], with the
// rule's Burst times the network's factor. scope separates issuers and providers.
//
// All buckets of a client lie in the part of its widest network, so that they change in one Write.
func Client(rule Rule, scope string, addr netip.Addr) []Bucket {
	networks := clientip.Networks(addr)
	part := partOf(rule, scope+"\x00"+networks[len(networks)-1].Name)
	buckets := make([]Bucket, len(networks))
	for i, n := range networks {
		wider := rule
		wider.Burst *= n.Factor
		buckets[i] = Bucket{wider, store.Key{Part: part, ID: hash(n.Name)}}
	}
	return buckets
}

// Underway counts the work under way in this process, by key. It bounds how far work whose failures are counted when it
// ends can overrun its limit. The zero value is ready. It is safe for concurrent use.
type Underway struct {
	mu sync.Mutex
	n  map[string]int
}

// Enter begins work of a key if less than most is under way. The caller calls leave, once, when the work has ended.
func (u *Underway) Enter(key string, most int) (leave func(), ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n[key] >= most {
		return nil, false
	}
	if u.n == nil {
		u.n = map[string]int{}
	}
	u.n[key]++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.n[key]--; u.n[key] <= 0 {
			delete(u.n, key)
		}
	}, true
}

type provedKey struct{}

// Proved marks a request whose sender has proved who they are. Limits on failures do not hold it up.
func Proved(ctx context.Context) context.Context { return context.WithValue(ctx, provedKey{}, true) }

// IsProved reports whether the context was made by Proved.
func IsProved(ctx context.Context) bool { return ctx.Value(provedKey{}) != nil }

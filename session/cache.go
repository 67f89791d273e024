package session

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/keys"
)

const (
	defaultCache = 1024
	maxCache     = 1 << 20
	ways         = 4
)

// A cache holds verified tokens of one kind, so that the signature of a token that comes again and again is checked once.
// It keeps only what cannot change: that this very text was signed by that very key, and what it says. Whether the key is
// still good and the time is right is asked on every hit: see Kind.recall.
//
// A token has its place in one of two sets, chosen by a seeded hash of its end, which is the signature. The hash decides
// nothing: the whole text is compared. Hits take no lock and write nothing but a mark, once, so they do not slow each
// other down; there is no goroutine, and a full set forgets one of its own.
type cache[T any] struct {
	seed maphash.Seed
	sets []set[T] // a power of two of them

	mu   sync.Mutex // held while an entry is added
	hand uint       // where the search for one to forget begins
}

// A set fits a cache line, with the entries themselves elsewhere.
type set[T any] [ways]seat[T]

// tag is the hash of the entry's token, or for a moment of the one before: the text is what counts.
type seat[T any] struct {
	tag   atomic.Uint64
	entry atomic.Pointer[entry[T]]
}

// An entry is immutable but for its mark. Nothing of it is ever handed out: see Kind.copyOf.
type entry[T any] struct {
	token      string
	kid        string
	key        *keys.PublicKey
	times      times
	properties string // JSON text, if the value in session cannot be copied
	session    held[T]
	used       atomic.Bool // since the hand last passed
}

// newCache makes room for at least size entries.
func newCache[T any](size int) *cache[T] {
	sets := 1
	for sets*ways < size {
		sets *= 2
	}
	return &cache[T]{seed: maphash.MakeSeed(), sets: make([]set[T], sets)}
}

// hash is of the end of a token: the last bytes of its signature are as good as random, whoever chose the rest.
func (c *cache[T]) hash(token string) uint64 {
	const end = 40 // an HS256 signature has 43
	return maphash.String(c.seed, token[max(0, len(token)-end):])
}

// places are the two sets a token may be in.
func (c *cache[T]) places(hash uint64) [2]*set[T] {
	mask := uint64(len(c.sets) - 1)
	return [2]*set[T]{&c.sets[hash&mask], &c.sets[hash>>32&mask]}
}

// find returns the entry of token; nil if there is none.
func (c *cache[T]) find(hash uint64, token string) *entry[T] {
	for _, set := range c.places(hash) {
		for i := range set {
			if set[i].tag.Load() != hash {
				continue
			}
			if e := set[i].entry.Load(); e != nil && e.token == token {
				if !e.used.Load() {
					e.used.Store(true)
				}
				return e
			}
		}
	}
	return nil
}

// add keeps e, in the place of an entry with the same token, of none, or of one that is dead at now, or else of one that
// was not used since the last search.
func (c *cache[T]) add(hash uint64, e *entry[T], now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seat := c.seat(hash, e.token, now)
	seat.entry.Store(e)
	seat.tag.Store(hash)
}

func (c *cache[T]) seat(hash uint64, token string, now time.Time) *seat[T] {
	var free *seat[T]
	most := 0
	sets := c.places(hash)
	for _, set := range sets {
		var last *seat[T]
		n := 0
		for i := range set {
			old := set[i].entry.Load()
			switch {
			case old == nil || old.times.expires.Add(maxLeeway).Before(now):
				last = &set[i]
				n++
			case old.token == token:
				return &set[i]
			}
		}
		if n > most { // the emptier of the two: so hardly any token finds both full before most sets are
			free, most = last, n
		}
	}
	if free != nil {
		return free
	}
	for range 2 * ways {
		c.hand++
		s := &sets[c.hand/ways%2][c.hand%ways]
		if !s.entry.Load().used.Swap(false) {
			return s
		}
	}
	c.hand++ // all were in use: they had their second chance
	return &sets[c.hand/ways%2][c.hand%ways]
}

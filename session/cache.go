package session

import (
	"context"
	"fmt"
	"hash/maphash"
	"reflect"
	"strings"
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

// A cache keeps verified tokens of one kind, so that the signature of a token that comes with every request is checked
// once. It keeps what cannot change: that this text was signed by that key, and its session. Key and times are checked
// again on every hit: see Kind.recall.
//
// A token can be in two sets, which a seeded hash of its last bytes, the signature, selects. The hash alone proves
// nothing: the whole text is compared. A hit takes no lock and writes one mark at most, so hits do not slow each other
// down. There is no goroutine; a full set drops one of its entries.
type cache[T any] struct {
	seed maphash.Seed
	sets []set[T] // a power of two of them

	mu   sync.Mutex // held while an entry is added
	hand uint       // where the search for one to forget begins
}

// A set fits a cache line; the entries are elsewhere.
type set[T any] [ways]seat[T]

// A seat has an entry and the hash of its token, or for a moment that of the token before: only the text decides.
type seat[T any] struct {
	tag   atomic.Uint64
	entry atomic.Pointer[entry[T]]
}

// An entry never changes, except its mark. No part of it is ever handed out: see Kind.recallSession.
type entry[T any] struct {
	token      string
	kid        string
	key        *keys.PublicKey
	times      times
	properties string // JSON text, if the value in session cannot be copied
	session    held[T]
	used       atomic.Bool // since the last search for a place
}

// newCache makes room for at least size entries.
func newCache[T any](size int) *cache[T] {
	sets := 1
	for sets*ways < size {
		sets *= 2
	}
	return &cache[T]{seed: maphash.MakeSeed(), sets: make([]set[T], sets)}
}

// hash hashes the last bytes of a token: those of its signature are as good as random, whatever the rest is.
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

// add keeps e in the place of an entry with the same token; else in an empty place or that of an expired entry; else in
// that of an entry that was not used since the last search.
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
		if n > most { // the emptier of the two, so that sets fill up evenly
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

// cacheFor makes the cache of a kind; nil if it has none. It panics as NewKindConfig does.
func cacheFor[T any](c KindConfig[T]) *cache[T] {
	switch {
	case c.Cache < 0:
		return nil
	case c.Cache > maxCache:
		panic(fmt.Sprintf("session: kind %q: Cache is %d tokens; at most %d", c.Name, c.Cache, maxCache))
	case c.Cache == 0:
		c.Cache = defaultCache
	}
	return newCache[T](c.Cache)
}

// remember keeps a token that has just been verified. Create makes no token longer than a cookie, so longer ones are
// not kept.
func (k *Kind[T]) remember(token, kid string, key *keys.PublicKey, c *claims, s *Session[T], now time.Time) {
	if k.cache == nil || len(token) > maxCookie {
		return
	}
	// The text is copied: a cookie is a part of a header, which would be kept as a whole.
	e := &entry[T]{token: strings.Clone(token), kid: kid, key: key, times: c.times}
	e.session.take(s)
	if !k.copies {
		e.session.Properties, e.properties = *new(T), c.properties
	}
	k.cache.add(k.cache.hash(token), e, now)
}

// recall returns the entry of a token if nothing has changed that can change: its kid still names the same key, and its
// times are good. Otherwise it returns nil, and the token is verified as a new one.
func (k *Kind[T]) recall(ctx context.Context, token string) *entry[T] {
	if k.cache == nil {
		return nil
	}
	e := k.cache.find(k.cache.hash(token), token)
	if e == nil {
		return nil
	}
	s := k.sessions
	if key, err := s.keys.PublicKey(ctx, e.kid); err != nil || key != e.key {
		return nil
	}
	if e.times.check(s.now(), s.leeway) != nil || e.times.tooOld(s.notBefore) {
		return nil
	}
	return e
}

// recallSession returns a copy of the session of a remembered token; nil for any other token. One request must not
// see what another does to its session, so nothing that can be changed is shared: neither the lists nor what
// Properties point to.
func (k *Kind[T]) recallSession(ctx context.Context, token string) *Session[T] {
	e := k.recall(ctx, token)
	if e == nil {
		return nil
	}
	out := new(held[T])
	out.take(&e.session.Session)
	if !k.copies && decodeProperties(k.layout, e.properties, &out.Properties) != nil {
		return nil
	}
	return &out.Session
}

// held is a session with room for its lists, if they are short: one allocation for all of it.
type held[T any] struct {
	Session[T]
	names [12]string
}

// take makes h a copy of s that shares no list with it.
func (h *held[T]) take(s *Session[T]) {
	h.Session = *s
	names := h.names[:0]
	h.Scopes, names = carve(names, s.Scopes)
	h.Roles, names = carve(names, s.Roles)
	h.Authentication.Methods, _ = carve(names, s.Authentication.Methods)
}

// carve copies a list into room, and returns the copy and the remaining room.
func carve(room, list []string) (out, rest []string) {
	if len(list) == 0 {
		return list[:len(list):len(list)], room
	}
	room = append(room, list...)
	return room[:len(room):len(room)], room[len(room):]
}

// copies reports whether two copies of a value of type t share nothing that could be changed.
func copies(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k == reflect.String || k >= reflect.Bool && k <= reflect.Complex128:
		return true
	case k == reflect.Array:
		return copies(t.Elem())
	case k == reflect.Struct:
		for i := range t.NumField() {
			if !copies(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

package session

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/posternauth/postern/keys"
)

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

// remember keeps a token that was just found good. Long ones are passed over: they come from no Create.
func (k *Kind[T]) remember(token, kid string, key *keys.PublicKey, c *claims, s *Session[T], now time.Time) {
	if k.cache == nil || len(token) > maxCookie {
		return
	}
	// The text is copied, for a cookie is part of a header that would be kept along with it.
	e := &entry[T]{token: strings.Clone(token), kid: kid, key: key, times: c.times}
	e.session.take(s)
	if !k.copies {
		e.session.Properties, e.properties = *new(T), c.properties
	}
	k.cache.add(k.cache.hash(token), e, now)
}

// recall returns what is remembered of a token, if all that can have changed since is as it was: its kid still names the
// very same key, and the times hold. On any doubt it returns nil, and the token is verified as if never seen before.
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

// recallSession returns a session of one's own for a token that is remembered; nil if none is. What one request does to
// its session, another must not see, so nothing is shared that can be changed: neither the lists nor what Properties
// point to.
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

// held is a session with room for what its short lists hold: one allocation for all of it.
type held[T any] struct {
	Session[T]
	names [12]string
}

// take makes h a copy of s with lists of its own.
func (h *held[T]) take(s *Session[T]) {
	h.Session = *s
	names := h.names[:0]
	h.Scopes, names = carve(names, s.Scopes)
	h.Roles, names = carve(names, s.Roles)
	h.Auth.Methods, _ = carve(names, s.Auth.Methods)
}

// carve copies a list into room, and returns the copy and the room that is left.
func carve(room, list []string) (out, rest []string) {
	if len(list) == 0 {
		return list[:len(list):len(list)], room
	}
	room = append(room, list...)
	return room[:len(room):len(room)], room[len(room):]
}

// reuse copies a list into room if there is enough of it.
func reuse(room, list []string) []string {
	if len(list) == 0 {
		return list
	}
	return append(room[:0], list...)
}

// copies tells whether a value of type t has no part that two copies of it share and that could be changed.
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

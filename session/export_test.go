package session

import (
	"context"

	"github.com/posternauth/postern/keys"
)

// CookieNameOf is the name of a kind's cookie.
func CookieNameOf[T any](k *Kind[T]) string { return k.cookie }

// Hits reports whether a kind remembers a token.
func Hits[T any](ctx context.Context, k *Kind[T], token string) bool {
	return k.recall(ctx, token) != nil
}

// Remembered is how many tokens a kind holds.
func Remembered[T any](k *Kind[T]) (n int) {
	if k.cache == nil {
		return 0
	}
	for i := range k.cache.sets {
		for j := range k.cache.sets[i] {
			if k.cache.sets[i][j].entry.Load() != nil {
				n++
			}
		}
	}
	return n
}

// UnderOneHash keeps what k remembers of tokens under one hash, and returns whose session is found there for a token.
func UnderOneHash[T any](k *Kind[T], hash uint64, tokens ...string) (find func(token string) (tokenID string, ok bool)) {
	c := newCache[T](4096)
	for _, token := range tokens {
		c.add(hash, k.cache.find(k.cache.hash(token), token), k.sessions.now())
	}
	return func(token string) (string, bool) {
		e := c.find(hash, token)
		if e == nil {
			return "", false
		}
		return e.session.TokenID, true
	}
}

// Verifier are the keys of the sessions.
func (s *Sessions) Verifier() keys.Verifier { return s.keys }

// Unmarshal and Number are a second opinion on JSON, for fuzzing.
var (
	Unmarshal = unmarshal
	Number    = number
)

// ParseTicket returns the parts of a refresh token.
func ParseTicket(token string) (kid, id string, n int64, tag string, ok bool) {
	t, ok := parseRefreshToken(token)
	return t.kid, t.id, t.number, t.tag, ok
}

// TicketUser returns the part of a refresh token that names the head of the user; empty for a kind without Pool.
func TicketUser(token string) string {
	t, _ := parseRefreshToken(token)
	return t.user
}

// Forget makes a kind forget a token.
func Forget[T any](k *Kind[T], token string) {
	for _, set := range k.cache.places(k.cache.hash(token)) {
		for i := range set {
			if e := set[i].entry.Load(); e != nil && e.token == token {
				set[i].tag.Store(0)
			}
		}
	}
}

package session

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// defaultRecheck is how old a value must be to be fetched again because a route did not like it.
const defaultRecheck = 10 * time.Second

// ClaimConfig describes a claim of the sessions of a Kind[T], whose values are a V.
type ClaimConfig[T, V any] struct {
	// Name of the claim: up to 64 visible ASCII characters without quote and backslash, such as "email_verified".
	Name string

	// Fetch finds the value out: it asks the application's database, say. It is called when a session is created, when
	// it is refreshed and the value is missing or older than MaxAge, and when a route needs a newer one. The session it
	// gets is what the store has: TokenID, Issued and Expires are zero. Several calls may run at once. Where a route waits
	// for the value an error is answered as 503; elsewhere it is logged, and the session goes on with the old value, or
	// without. nil: the value is what Set puts into a session.
	Fetch func(ctx context.Context, s *Session[T]) (V, error)

	// MaxAge is how long a value is good for. Default: as long as the session; a route can ask for less by Within.
	MaxAge time.Duration

	// Recheck is how old a value must be to be fetched again when it is not the one a route needs, so that who has just
	// confirmed their address is not held to yesterday's answer. Default 10 s; negative: only when it is too old.
	Recheck time.Duration
}

// A KindClaim is a fact about a session that can change while it lives: whether an address is confirmed, what plan is
// paid for. It is fetched by the application, kept in the store with the time it was fetched, carried by the access
// token, and asked for by routes as a [Need], which fetch it anew when it is too old. V is anything encoding/json can
// write and read; whoever holds the token can read it, and it counts towards the size of the cookie.
//
// In the token the claims of this kind are members of "claims", each an array of value and time (Unix seconds):
// "claims":{"email_verified":[true,1767225600]}. No name can collide with a claim of the token itself.
type KindClaim[T, V any] struct {
	*fact
	kind *Kind[T]
}

// A fact is a KindClaim without its type parameters.
type fact struct {
	policy          *policy
	name            string
	maxAge, recheck time.Duration
	fetch           func(ctx context.Context, id, clientID string, b blank) (json.RawMessage, error) // nil: not possible
}

// NewClaim adds a claim to a kind. Declare it where the kind is made, in every program that checks or issues it. As with
// [NewKindConfig], a mistake is a panic that says what to change.
//
//	verified := session.NewClaim(user, session.ClaimConfig[User, bool]{
//		Name: "email_verified",
//		Fetch: func(ctx context.Context, s *session.Session[User]) (bool, error) { return db.Verified(ctx, s.Subject) },
//	})
//	mux.Handle("POST /post", user.Require(post, verified.Is(true)))
//	mux.Handle("POST /pay", user.Require(pay, verified.Is(true).Within(5*time.Minute)))
func NewClaim[T, V any](k *Kind[T], c ClaimConfig[T, V]) *KindClaim[T, V] {
	if k == nil {
		panic("session: a claim of a nil kind")
	}
	switch {
	case !scopeToken(c.Name) || len(c.Name) > 64:
		panic(fmt.Sprintf("session: claim %q of kind %q: a name is up to 64 visible ASCII characters without quote and backslash", c.Name, k.name))
	case c.MaxAge != 0 && c.MaxAge < time.Second:
		panic(fmt.Sprintf("session: claim %q of kind %q: MaxAge is %v; give a second or more", c.Name, k.name, c.MaxAge))
	}
	if c.Recheck == 0 {
		c.Recheck = defaultRecheck
	}
	f := &fact{policy: k.policy, name: c.Name, maxAge: c.MaxAge, recheck: c.Recheck}
	if c.Fetch != nil {
		f.fetch = func(ctx context.Context, id, clientID string, b blank) (json.RawMessage, error) {
			s := &Session[T]{
				ID: id, Kind: k.name, Subject: b.subject, ClientID: clientID,
				Scopes: slices.Clone(b.scopes), Roles: slices.Clone(b.roles), Auth: b.auth, claims: b.claims.text(),
			}
			s.Auth.Methods = slices.Clone(b.auth.Methods)
			if err := decodeProperties(k.layout, string(b.properties), &s.Properties); err != nil {
				return nil, fmt.Errorf("stored properties are not those of the kind: %w", err)
			}
			v, err := c.Fetch(ctx, s)
			if err != nil {
				return nil, err
			}
			return encodeClaim(c.Name, v)
		}
	}
	s := k.sessions
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range k.facts {
		if other.name == c.Name {
			panic(fmt.Sprintf("session: kind %q has a claim %q already; make each once and share it", k.name, c.Name))
		}
	}
	k.facts = append(k.facts[:len(k.facts):len(k.facts)], f)
	return &KindClaim[T, V]{f, k}
}

// hasClaims tells whether anybody can ask for a claim of the kind.
func (p *policy) hasClaims() bool {
	p.sessions.mu.RLock()
	defer p.sessions.mu.RUnlock()
	return len(p.facts) > 0
}

func encodeClaim(name string, v any) (json.RawMessage, error) {
	raw, err := encodeJSON("claim "+name, v)
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// Value returns what a session says of the claim, and how old that is; ok is false if it says nothing. A session that
// Require let in with a need of the claim, or with [CheckStore], has the value the need was decided by: the store's.
func (c *KindClaim[T, V]) Value(s *Session[T]) (v V, age time.Duration, ok bool) {
	a, ok := findClaim(s.claims, c.name)
	if !ok || json.Unmarshal(a.value, &v) != nil {
		return *new(V), 0, false
	}
	return v, a.age(c.kind.sessions.now()), true
}

// Set puts a value into a grant, as of now: for [Kind.Create] and its like when the value is known at sign-in, for
// [Kind.Edit] and [Kind.Merge] when it has just changed, and for KindConfig.Renew. The error is ErrGrant if encoding/json cannot write v.
//
//	tokens, err := user.Merge(ctx, s, func(g *session.Grant[User]) error { return verified.Set(g, true) })
func (c *KindClaim[T, V]) Set(g *Grant[T], v V) error {
	raw, err := encodeClaim(c.name, v)
	if err != nil {
		return err
	}
	g.claims = g.claims.with(claimed{c.name: {raw, c.kind.sessions.now().Unix()}}, true)
	return nil
}

// Clear takes the value out of a grant: it is fetched again when it is next needed.
func (c *KindClaim[T, V]) Clear(g *Grant[T]) {
	g.claims = g.claims.with(claimed{c.name: {}}, true)
}

// claimed are the claims of a session by name.
type claimed map[string]aged

// An aged value is the JSON of a claim and when it was fetched, in Unix seconds. Without a value it stands for one that was cleared.
type aged struct {
	value json.RawMessage
	at    int64
}

func (a aged) age(now time.Time) time.Duration { return max(0, now.Sub(time.Unix(a.at, 0))) }

// with returns a copy of c with the values of over in the place of its own. marks says whether to keep the marks of what was cleared.
func (c claimed) with(over claimed, marks bool) claimed {
	out := make(claimed, len(c)+len(over))
	maps.Copy(out, c)
	maps.Copy(out, over)
	if !marks {
		maps.DeleteFunc(out, func(_ string, a aged) bool { return a.value == nil })
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

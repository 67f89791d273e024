package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/jose"
)

// defaultRecheck is the age from which a value that a route refuses is fetched again.
const defaultRecheck = 10 * time.Second

// ClaimConfig describes a claim of the sessions of a Kind[T], whose values are a V.
type ClaimConfig[T, V any] struct {
	// Name of the claim: up to 64 visible ASCII characters without quote and backslash, such as "email_verified".
	Name string

	// Fetch returns the current value, from the application's database for example. It is called when a session is
	// created, when it is refreshed and the value is missing or older than MaxAge, and when a route needs a newer
	// value. It gets the session as the store has it: TokenID, Issued and Expires are zero. Several calls may run at
	// the same time. If a route waits for the value, an error is answered with 503; otherwise it is logged, and the
	// session keeps its old value, or none.
	//
	// Defaults to none: the value is the one that Set puts into a session.
	Fetch func(ctx context.Context, s *Session[T]) (V, error)

	// MaxAge is the age up to which a value is used. A route can ask for less by Within.
	//
	// Defaults to no limit: a value is used as long as the session lives.
	MaxAge time.Duration

	// Recheck is for a value that does not meet the need of a route. If it is at least this old, it is fetched again
	// before the request is refused. A person who has just confirmed their address then passes, although the token
	// has yesterday's value. Negative: a value is
	// fetched again only when it is older than MaxAge or Within.
	//
	// Defaults to 10 seconds.
	Recheck time.Duration
}

// A Claim is a fact about a session that can change while the session lives: whether an address is confirmed, or
// which plan is paid for. The application fetches it. The store keeps it with the time of the fetch, and the access
// token carries it. Routes ask for it as a [Need], and fetch it again when it is too old. V is any type that
// encoding/json can write and read. Anyone who holds the token can read the value, and it counts towards the size of
// the cookie.
//
// In the token these claims are members of "claims", each an array of value and time (Unix seconds):
// "claims":{"email_verified":[true,1767225600]}. So no name can collide with a claim of the token itself.
type Claim[T, V any] struct {
	*claimSpec
	kind *Kind[T]
}

// A claimSpec is a Claim without its type parameters.
type claimSpec struct {
	policy          *policy
	name            string
	maxAge, recheck time.Duration
	fetch           func(ctx context.Context, id, clientID string, b encodedGrant) (json.RawMessage, error) // nil: not possible
}

// NewClaim adds a claim to a kind. Declare it beside the kind, in every program that checks or issues the claim. As
// with [NewKindConfig], it panics on a mistake, with a text that names what to change.
//
//	verified := session.NewClaim(user, session.ClaimConfig[User, bool]{
//		Name: "email_verified",
//		Fetch: func(ctx context.Context, s *session.Session[User]) (bool, error) {
//			return db.Verified(ctx, s.Subject)
//		},
//	})
//	mux.Handle("POST /post", user.Require(post, verified.Is(true)))
//	mux.Handle("POST /pay", user.Require(pay, verified.Is(true).Within(5*time.Minute)))
func NewClaim[T, V any](k *Kind[T], c ClaimConfig[T, V]) *Claim[T, V] {
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
	f := &claimSpec{policy: k.policy, name: c.Name, maxAge: c.MaxAge, recheck: c.Recheck}
	if c.Fetch != nil {
		f.fetch = func(ctx context.Context, id, clientID string, b encodedGrant) (json.RawMessage, error) {
			s := &Session[T]{
				ID: id, Kind: k.name, Subject: b.subject, ClientID: clientID,
				Scopes: slices.Clone(b.scopes), Roles: slices.Clone(b.roles), Authentication: b.auth, claims: b.claims.text(),
			}
			s.Authentication.Methods = slices.Clone(b.auth.Methods)
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
	for _, other := range k.claimSpecs {
		if strings.EqualFold(other.name, c.Name) { // readers of JSON that ignore letter case would mix them up
			panic(fmt.Sprintf("session: kind %q has a claim %q already: make each once and share it, and let names differ by more than letter case", k.name, other.name))
		}
	}
	k.claimSpecs = append(k.claimSpecs[:len(k.claimSpecs):len(k.claimSpecs)], f)
	return &Claim[T, V]{f, k}
}

// hasClaims reports whether the kind has claims.
func (p *policy) hasClaims() bool {
	p.sessions.mu.RLock()
	defer p.sessions.mu.RUnlock()
	return len(p.claimSpecs) > 0
}

func encodeClaim(name string, v any) (json.RawMessage, error) {
	raw, err := encodeJSON("claim "+name, v)
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// Value returns the value of the claim in a session, and its age; ok is false if the session has none. After Require
// with a need of the claim, or with [CheckStore], it is the value that decided: the store's, if the store was asked.
func (c *Claim[T, V]) Value(s *Session[T]) (v V, age time.Duration, ok bool) {
	a, ok := findClaim(s.claims, c.name)
	if !ok || json.Unmarshal(a.value, &v) != nil {
		return *new(V), 0, false
	}
	return v, a.age(c.kind.sessions.now()), true
}

// Set puts a value into a grant, with the current time. Use it for [Kind.Create] and similar methods when the value
// is known at sign-in, for [Kind.Edit] and [Kind.Merge] when it has just changed, and in KindConfig.OnRefresh. The
// error is ErrGrant if encoding/json cannot write v.
//
//	tokens, err := user.Merge(ctx, s, func(g *session.Grant[User]) error { return verified.Set(g, true) })
func (c *Claim[T, V]) Set(g *Grant[T], v V) error {
	raw, err := encodeClaim(c.name, v)
	if err != nil {
		return err
	}
	g.claims = g.claims.with(claimed{c.name: {raw, c.kind.sessions.now().Unix()}}, true)
	return nil
}

// Clear removes the value from a grant. It is fetched again when it is next needed.
func (c *Claim[T, V]) Clear(g *Grant[T]) {
	g.claims = g.claims.with(claimed{c.name: {}}, true)
}

// claimed are the claims of a session by name.
type claimed map[string]aged

// An aged value is the JSON of a claim and the time of its fetch in Unix seconds. Without value the claim was cleared.
type aged struct {
	value json.RawMessage
	at    int64
}

func (a aged) age(now time.Time) time.Duration { return max(0, now.Sub(time.Unix(a.at, 0))) }

// with returns a copy of c in which the values of over replace those of c. marks keeps the entries of cleared claims.
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

var errClaimText = errors.New("session: a claim is not an array of value and time")

// MarshalJSON writes [value, time], the form of a claim in tokens and rows.
func (a aged) MarshalJSON() ([]byte, error) { return a.appendTo(nil), nil }

// UnmarshalJSON reads what MarshalJSON writes.
func (a *aged) UnmarshalJSON(text []byte) (err error) {
	*a, err = parseAged(string(text))
	return err
}

func (a aged) appendTo(buf []byte) []byte {
	buf = append(append(append(buf, '['), a.value...), ',')
	return append(strconv.AppendInt(buf, a.at, 10), ']')
}

func parseAged(text string) (a aged, err error) {
	n := 0
	err = jose.Array(text, func(element string) (err error) {
		switch n++; n {
		case 1:
			a.value = json.RawMessage(element)
		case 2:
			a.at, err = strconv.ParseInt(element, 10, 64)
		}
		return err
	})
	if err == nil && n != 2 {
		err = errClaimText
	}
	return a, err
}

// appendTo writes the claims as JSON, in the order of their names, which need no escapes.
func (c claimed) appendTo(buf []byte) []byte {
	sep := byte('{')
	for _, name := range slices.Sorted(maps.Keys(c)) {
		buf = append(append(append(buf, sep, '"'), name...), '"', ':')
		buf = c[name].appendTo(buf)
		sep = ','
	}
	return append(buf, '}')
}

// text is appendTo as a string, or empty for no claims.
func (c claimed) text() string {
	if len(c) == 0 {
		return ""
	}
	return string(c.appendTo(nil))
}

// findClaim reads one claim from the text of all. A claim in another form than this package writes counts as missing.
func findClaim(text, name string) (a aged, ok bool) {
	if text == "" {
		return a, false
	}
	err := jose.FoldedObject(text, func(member, value string) (err error) {
		if member == name {
			a, err = parseAged(value)
			ok = true
		}
		return err
	})
	if err != nil || !ok {
		return aged{}, false
	}
	return a, true
}

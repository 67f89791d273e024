package session

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// A ClaimNeed is a [Need] of a claim: made by the methods of a [KindClaim], for routes of its kind.
//
// A value that is missing, too old, or not the one that is needed and older than ClaimConfig.Recheck, is renewed before the
// route is decided: the store is asked for a newer one, and if that will not do either, ClaimConfig.Fetch, whose answer is
// written to the store. If the token came by cookie, one with the new value and the same expiry takes its place; who
// sends its token itself gets the new value with the next refresh, and until then each such request asks the store. With
// [CheckStore] the value of the store counts from the start, so that one that was taken back is refused at once.
// Nothing is fetched for a request that fails another need of the route.
//
// Unmet: 403 with the list of what is wrong. Where there is no store to ask, a value that is missing or too old is a 401
// "try_refresh" as long as a refresh could bring a newer one. Keys, store or Fetch out of reach: 503.
type ClaimNeed struct {
	fact   *fact
	within time.Duration
	told   failure // what to say of a wrong value
	met    func(value json.RawMessage) bool
}

// Within is the need of a value no older than age, whatever ClaimConfig.MaxAge says.
func (n ClaimNeed) Within(age time.Duration) ClaimNeed {
	if age < time.Second {
		panic("session: Within needs a time of a second or more")
	}
	n.within = age
	return n
}

// Is needs the claim to be v.
func (c *KindClaim[T, V]) Is(v V) ClaimNeed {
	raw, err := encodeClaim(c.name, v)
	var want V
	if err == nil {
		err = json.Unmarshal(raw, &want)
	}
	if err != nil {
		panic(fmt.Sprintf("session: claim %q can never be what is needed: %v", c.name, err))
	}
	n := c.Where(func(have V) bool { return reflect.DeepEqual(have, want) })
	n.told.Expected = raw
	return n
}

// Where needs the claim to have a value that ok says yes to.
func (c *KindClaim[T, V]) Where(ok func(V) bool) ClaimNeed {
	if ok == nil {
		panic("session: Where needs a function")
	}
	return ClaimNeed{fact: c.fact, told: failure{Claim: c.name}, met: func(value json.RawMessage) bool {
		var v V
		return json.Unmarshal(value, &v) == nil && ok(v)
	}}
}

// A ListClaim is a [KindClaim] whose value is a list: plans, groups, features.
type ListClaim[T any] struct {
	*KindClaim[T, []string]
}

// NewListClaim is [NewClaim] for a list.
func NewListClaim[T any](k *Kind[T], c ClaimConfig[T, []string]) *ListClaim[T] {
	return &ListClaim[T]{NewClaim(k, c)}
}

// Includes needs all of the names in the list.
func (c *ListClaim[T]) Includes(names ...string) ClaimNeed {
	n := c.where(names, func(list []string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(list, name) })
	})
	n.told.Includes = names
	return n
}

// IncludesAny needs at least one of the names in the list.
func (c *ListClaim[T]) IncludesAny(names ...string) ClaimNeed {
	n := c.where(names, func(list []string) bool { return anyIn(names, list) })
	n.told.IncludesAny = names
	return n
}

// Excludes needs a list with none of the names.
func (c *ListClaim[T]) Excludes(names ...string) ClaimNeed {
	n := c.where(names, func(list []string) bool { return !anyIn(names, list) })
	n.told.Excludes = names
	return n
}

func (c *ListClaim[T]) where(names []string, ok func([]string) bool) ClaimNeed {
	label("claim", "", names)
	return c.Where(ok)
}

func (n ClaimNeed) addTo(g *gate) {
	switch {
	case n.fact == nil:
		panic("session: a zero ClaimNeed; make one with the methods of a KindClaim")
	case g.policy == nil:
		panic(fmt.Sprintf("session: claim %q of kind %q on tokens of another issuer; in AnyOf, give it to its own kind by With", n.fact.name, n.fact.policy.name))
	case g.policy != n.fact.policy:
		panic(fmt.Sprintf("session: claim %q of kind %q on kind %q; in AnyOf, give it to its own kind by With", n.fact.name, n.fact.policy.name, g.policy.name))
	}
	g.claims = append(g.claims[:len(g.claims):len(g.claims)], n)
}

// What is wrong with a claim.
const (
	wrongMissing = "missing"
	wrongAge     = "too old"
	wrongValue   = "wrong value"
)

// A failure tells a client what is wrong with one claim of its session.
type failure struct {
	Claim       string          `json:"claim"`   // scope, roles, auth_time, amr, or the name of a claim of the application's
	Message     string          `json:"message"` // "missing", "too old" or "wrong value"
	Expected    json.RawMessage `json:"expected,omitempty"`
	Includes    []string        `json:"includes,omitempty"`
	IncludesAny []string        `json:"includes_any,omitempty"`
	Excludes    []string        `json:"excludes,omitempty"`
	Actual      json.RawMessage `json:"actual,omitempty"`
	Age         *int64          `json:"age,omitempty"` // in seconds
	MaxAge      int64           `json:"max_age,omitempty"`
}

// judge tells what is wrong with a claim, nothing being the empty string, and whether it is worth a look for a newer one.
func (n ClaimNeed) judge(a aged, found bool, now time.Time) (wrong string, due bool) {
	limit := n.limit()
	switch age := a.age(now); {
	case !found:
		return wrongMissing, true
	case limit > 0 && age > limit:
		return wrongAge, true
	case !n.met(a.value):
		return wrongValue, n.fact.recheck >= 0 && age > n.fact.recheck
	}
	return "", false
}

func (n ClaimNeed) limit() time.Duration {
	if n.within > 0 {
		return n.within
	}
	return n.fact.maxAge
}

// failed is the need as one that is not met.
func (n ClaimNeed) failed(wrong string, a aged, now time.Time) need {
	told := n.told
	told.Message = wrong
	switch wrong {
	case wrongValue:
		told.Actual = a.value
	case wrongAge:
		age := int64(a.age(now) / time.Second)
		told.Age, told.MaxAge = &age, int64(n.limit()/time.Second)
	}
	return need{label: "claim " + n.fact.name + ": " + wrong, claim: true, told: told}
}

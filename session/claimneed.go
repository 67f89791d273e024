package session

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// A ClaimNeed is a [Need] of a claim. The methods of a [Claim] make it, for routes of the claim's kind.
//
// A value is renewed before the route decides if it is missing, too old, or wrong and older than ClaimConfig.Recheck.
// The store is asked for a newer value first. If that is not enough, ClaimConfig.Fetch is called, and its value is
// written to the store. If the token came by cookie, a token with the new value and the same expiry replaces it. A
// client that sends the token itself gets the new value with the next refresh; until then each of its requests asks
// the store. With [CheckStore] the store's value decides from the start, so a value that was taken back is refused at
// once. Nothing is fetched for a request that fails another need of the route.
//
// Unmet: 403 with the list of what is wrong. Without a store, a value that is missing or too old is a 401
// "try_refresh", as long as a refresh could bring a newer value. If keys, store or Fetch are unavailable: 503.
type ClaimNeed struct {
	fact   *claimSpec
	within time.Duration
	told   failure // the answer for a wrong value
	met    func(value json.RawMessage) bool
}

// Within needs the value to be no older than age. It overrides ClaimConfig.MaxAge.
func (n ClaimNeed) Within(age time.Duration) ClaimNeed {
	if age < time.Second {
		panic("session: Within needs a time of a second or more")
	}
	n.within = age
	return n
}

// Is needs the claim to be v.
func (c *Claim[T, V]) Is(v V) ClaimNeed {
	raw, err := encodeClaim(c.name, v)
	var want V
	if err == nil {
		err = json.Unmarshal(raw, &want)
	}
	if err != nil {
		panic(fmt.Sprintf("session: claim %q can never have the value of Is: %v", c.name, err))
	}
	n := c.Where(func(have V) bool { return reflect.DeepEqual(have, want) })
	n.told.Expected = raw
	return n
}

// Where needs ok to return true for the value of the claim.
func (c *Claim[T, V]) Where(ok func(V) bool) ClaimNeed {
	if ok == nil {
		panic("session: Where needs a function")
	}
	return ClaimNeed{fact: c.claimSpec, told: failure{Claim: c.name}, met: func(value json.RawMessage) bool {
		var v V
		return json.Unmarshal(value, &v) == nil && ok(v)
	}}
}

// Includes needs all of the names in the list.
func Includes[T any](c *Claim[T, []string], names ...string) ClaimNeed {
	n := listNeed(c, names, func(list []string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(list, name) })
	})
	n.told.Includes = names
	return n
}

// IncludesAny needs at least one of the names in the list.
func IncludesAny[T any](c *Claim[T, []string], names ...string) ClaimNeed {
	n := listNeed(c, names, func(list []string) bool { return anyIn(names, list) })
	n.told.IncludesAny = names
	return n
}

// Excludes needs a list with none of the names.
func Excludes[T any](c *Claim[T, []string], names ...string) ClaimNeed {
	n := listNeed(c, names, func(list []string) bool { return !anyIn(names, list) })
	n.told.Excludes = names
	return n
}

func listNeed[T any](c *Claim[T, []string], names []string, ok func([]string) bool) ClaimNeed {
	label("claim", "", names)
	return c.Where(ok)
}

func (n ClaimNeed) addTo(g *gate) {
	switch {
	case n.fact == nil:
		panic("session: a zero ClaimNeed; make one with Claim.Is, Claim.Where, Includes, IncludesAny or Excludes")
	case g.policy == nil || g.imported != nil:
		panic(fmt.Sprintf("session: claim %q of kind %q on tokens of another issuer; in AnyOf, give it to its own kind by With", n.fact.name, n.fact.policy.name))
	case g.policy != n.fact.policy:
		panic(fmt.Sprintf("session: claim %q of kind %q on kind %q; in AnyOf, give it to its own kind by With", n.fact.name, n.fact.policy.name, g.policy.name))
	}
	g.claims = append(g.claims, n)
}

// What is wrong with a claim.
const (
	wrongMissing = "missing"
	wrongAge     = "too old"
	wrongValue   = "wrong value"
)

// A failure describes to a client what is wrong with one claim of its session.
type failure struct {
	Claim       string          `json:"claim"`   // scope, roles, auth_time, amr, or a name of the application
	Message     string          `json:"message"` // "missing", "too old" or "wrong value"
	Expected    json.RawMessage `json:"expected,omitempty"`
	Includes    []string        `json:"includes,omitempty"`
	IncludesAny []string        `json:"includes_any,omitempty"`
	Excludes    []string        `json:"excludes,omitempty"`
	Actual      json.RawMessage `json:"actual,omitempty"`
	Age         *int64          `json:"age,omitempty"` // in seconds
	MaxAge      int64           `json:"max_age,omitempty"`
}

// judge returns what is wrong with a claim, "" for nothing, and whether a newer value should be looked for.
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

// failed returns the need as one that is not met.
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

package session

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Need is a condition of a route beyond a valid session. [Scope], [Role], [Fresh], [AuthMethod] and [Where] make one,
// the methods of a [Claim] too, and [CheckStore] is one. All needs of a route must be met.
type Need interface{ addTo(*gate) }

// CheckStore needs the session to be alive in the store at this moment. It costs one round trip, and a session that has
// ended is refused at once. Needs of claims are then checked against the store instead of the token. Unmet: 401.
//
// KindConfig.CheckStore applies it to all routes of a kind. It is for kinds that are not Stateless, in a program that
// has Config.Store; the guard of any other kind panics when the handler is built. An [Imported] asks the store always.
const CheckStore = storeCheck(1)

type storeCheck uint8

func (storeCheck) addTo(g *gate) {
	switch {
	case g.imported != nil:
		return // it always asks, and there is no row to ask for
	case g.policy == nil:
		panic("session: CheckStore of tokens of another issuer; in AnyOf, give it to your own kind by With")
	case g.policy.stateless:
		panic(fmt.Sprintf("session: CheckStore of kind %q, which is Stateless: nothing of it is in a store", g.policy.name))
	case g.policy.sessions.store == nil:
		panic(fmt.Sprintf("session: CheckStore of kind %q needs session.Config.Store", g.policy.name))
	}
	g.stored = true
}

type need struct {
	label  string   // the need in words
	scopes []string // for the scope attribute of RFC 6750 section 3
	within time.Duration
	signIn bool     // a new sign-in could meet it (RFC 9470), more rights could not
	acr    []string // classes of a sign-in that would meet it
	stepUp string   // of the kind, see KindConfig.StepUp
	claim  bool     // of a Claim
	told   failure
	met    func(checkedSession, time.Time) bool
	actual func(*failure, common, time.Time) // adds what the session has; nil: not known
	fits   func(session any) bool            // nil: sessions of every type
}

// Scope needs all of the named scopes. Unmet: 403.
func Scope(names ...string) Need {
	return need{label: label("scope", " ", names), scopes: names, told: failure{Claim: "scope", Message: wrongValue, Includes: names}, actual: hasScopes, met: func(s checkedSession, _ time.Time) bool {
		for _, name := range names {
			if !slices.Contains(s.common().scopes, name) {
				return false
			}
		}
		return true
	}}
}

// Role needs at least one of the named roles. Unmet: 403.
func Role(names ...string) Need {
	return need{label: label("role", " or ", names), told: failure{Claim: "roles", Message: wrongValue, IncludesAny: names}, actual: hasRoles, met: func(s checkedSession, _ time.Time) bool {
		return anyIn(names, s.common().roles)
	}}
}

// Fresh needs a sign-in no longer ago than within. The age of the token does not matter. A session without the time
// of its sign-in does not meet it. Unmet: 401 insufficient_user_authentication with max_age (RFC 9470); the client
// then lets the person sign in again.
func Fresh(within time.Duration) Need {
	if within < time.Second {
		panic("session: Fresh needs a time of a second or more")
	}
	told := failure{Claim: "auth_time", Message: wrongAge, MaxAge: int64(within / time.Second)}
	return need{label: fmt.Sprintf("sign-in within %v", within), within: within, signIn: true, told: told, actual: hasAge, met: func(s checkedSession, now time.Time) bool {
		// If the issuer's clock is ahead, the time lies in the future, but no further than clocks may differ.
		at := s.common().auth.Time
		return !at.IsZero() && !at.After(now.Add(maxLeeway)) && now.Sub(at) <= within
	}}
}

// AuthMethod needs a sign-in by at least one of the named methods (amr, RFC 8176), such as "otp" or "mca". Unmet: 401
// insufficient_user_authentication, as for Fresh.
func AuthMethod(names ...string) Need {
	return need{label: label("sign-in by", " or ", names), signIn: true, told: failure{Claim: "amr", Message: wrongValue, IncludesAny: names}, actual: hasMethods, met: func(s checkedSession, _ time.Time) bool {
		return anyIn(names, s.common().auth.Methods)
	}}
}

// Where needs ok to return true for the session. Unmet: 403, with name in the answer. T is the type of the guard's
// sessions; a guard of another type panics when the handler is built.
func Where[T any](name string, ok func(*Session[T]) bool) Need {
	if name == "" || ok == nil {
		panic("session: Where needs a name and a function")
	}
	return need{label: "claim " + name, told: failure{Claim: name, Message: wrongValue}, met: func(s checkedSession, _ time.Time) bool {
		typed, is := s.(*Session[T])
		return is && ok(typed)
	}, fits: func(session any) bool {
		_, is := session.(*Session[T])
		return is
	}}
}

func anyIn(names, have []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(have, name) })
}

// label describes a need. It panics on an empty list: everybody or nobody would meet it, and the caller meant neither.
func label(what, or string, names []string) string {
	if len(names) == 0 || slices.Contains(names, "") {
		panic("session: a need of a " + what + " has no names")
	}
	return what + " " + strings.Join(names, or)
}

// unmet is the error with the needs that a session does not meet.
type unmet []need

func (u unmet) Error() string {
	labels := make([]string, len(u))
	for i, n := range u {
		labels[i] = n.label
	}
	return ErrNeed.Error() + ": " + strings.Join(labels, "; ")
}

func (u unmet) Unwrap() error { return ErrNeed }

// check returns the needs that are not met.
func check(needs []need, s checkedSession, now time.Time) (missing unmet) {
	for _, n := range needs {
		if n.met(s, now) {
			continue
		}
		if n.actual != nil {
			n.actual(&n.told, s.common(), now)
		}
		missing = append(missing, n)
	}
	return missing
}

// What a session has, for the answer to a need that it does not meet: its holder can read all of it in the token.
func hasScopes(f *failure, c common, _ time.Time)  { f.Actual = listJSON(c.scopes) }
func hasRoles(f *failure, c common, _ time.Time)   { f.Actual = listJSON(c.roles) }
func hasMethods(f *failure, c common, _ time.Time) { f.Actual = listJSON(c.auth.Methods) }

func hasAge(f *failure, c common, now time.Time) {
	if !c.auth.Time.IsZero() {
		age := int64(max(0, now.Sub(c.auth.Time)) / time.Second)
		f.Age = &age
	}
}

func listJSON(list []string) json.RawMessage {
	if len(list) == 0 {
		return json.RawMessage("[]")
	}
	return appendStrings(nil, "", list)
}

// addTo panics on a need that no session of the gate can meet.
func (n need) addTo(g *gate) {
	if n.fits != nil && !n.fits(g.empty) {
		panic(fmt.Sprintf("session: the need %q is for sessions of another type than %v; in AnyOf, give it to its own kind by With",
			n.label, reflect.TypeOf(g.empty)))
	}
	g.needs = append(g.needs, n)
}

// add adds a need of a route.
func (g *gate) add(n Need) {
	if n == nil {
		panic("session: a nil Need; make one with Scope, Role, Fresh, AuthMethod, Where, CheckStore or a Claim")
	}
	n.addTo(g)
}

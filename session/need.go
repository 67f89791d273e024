package session

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Need is a condition of a route, beyond a valid session: [Scope], [Role], [Fresh], [Method], [Claim] and [CheckStore]
// make them, and the methods of a [KindClaim]. A route's needs must all be met.
type Need interface{ addTo(*gate) }

// CheckStore needs the session to be alive in the store at this moment: one round trip, and sessions that were ended are
// refused at once. Needs of claims are held to what the store says, not to the token. Unmet: 401. A kind can ask for it on all its routes: KindConfig.CheckStore. It is for kinds that are
// not Stateless, of a program that has the Store; a guard of any other panics when the handler is built.
const CheckStore = storeCheck(1)

type storeCheck uint8

func (storeCheck) addTo(g *gate) {
	switch {
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
	label  string   // what is missing, in words
	scopes []string // for the scope attribute of RFC 6750 section 3
	within time.Duration
	signIn bool // a new sign-in could meet it (RFC 9470), more rights could not
	claim  bool // of a KindClaim
	told   failure
	met    func(facts, time.Time) bool
	fits   func(session any) bool // nil: sessions of every type
}

// facts are what needs ask of a session.
type facts struct {
	id            string
	scopes, roles []string
	auth          Auth
	session       any // *Session[T]
}

func factsOf[T any](s *Session[T]) facts { return facts{s.ID, s.Scopes, s.Roles, s.Auth, s} }

// Scope needs all of the named scopes. Unmet: 403.
func Scope(names ...string) Need {
	return need{label: label("scope", " ", names), scopes: names, told: failure{Claim: "scope", Message: wrongValue, Includes: names}, met: func(f facts, _ time.Time) bool {
		for _, name := range names {
			if !slices.Contains(f.scopes, name) {
				return false
			}
		}
		return true
	}}
}

// Role needs at least one of the named roles. Unmet: 403.
func Role(names ...string) Need {
	return need{label: label("role", " or ", names), told: failure{Claim: "roles", Message: wrongValue, IncludesAny: names}, met: func(f facts, _ time.Time) bool {
		return anyIn(names, f.roles)
	}}
}

// Fresh needs a sign-in no longer ago than within: of the person, not of the token. Unmet, as it is when the session
// does not say when the person signed in: 401 insufficient_user_authentication with max_age (RFC 9470), upon which a
// client has them sign in again.
func Fresh(within time.Duration) Need {
	if within < time.Second {
		panic("session: Fresh needs a time of a second or more")
	}
	told := failure{Claim: "auth_time", Message: wrongAge, MaxAge: int64(within / time.Second)}
	return need{label: fmt.Sprintf("sign-in within %v", within), within: within, signIn: true, told: told, met: func(f facts, now time.Time) bool {
		// Of a clock that is ahead the time may lie in the future, but no further than clocks may be apart.
		return !f.auth.Time.IsZero() && !f.auth.Time.After(now.Add(maxLeeway)) && now.Sub(f.auth.Time) <= within
	}}
}

// Method needs a sign-in by at least one of the named methods (amr, RFC 8176), such as "otp" or "mca". Unmet: 401
// insufficient_user_authentication, as for Fresh.
func Method(names ...string) Need {
	return need{label: label("sign-in by", " or ", names), signIn: true, told: failure{Claim: "amr", Message: wrongValue, IncludesAny: names}, met: func(f facts, _ time.Time) bool {
		return anyIn(names, f.auth.Methods)
	}}
}

// Claim needs ok to say yes to the session. name is told to the client when it does not: 403. T is the type of the
// guard's sessions; a guard of another type panics when the handler is built.
func Claim[T any](name string, ok func(*Session[T]) bool) Need {
	if name == "" || ok == nil {
		panic("session: Claim needs a name and a function")
	}
	return need{label: "claim " + name, told: failure{Claim: name, Message: wrongValue}, met: func(f facts, _ time.Time) bool {
		s, is := f.session.(*Session[T])
		return is && ok(s)
	}, fits: func(session any) bool {
		_, is := session.(*Session[T])
		return is
	}}
}

func anyIn(names, have []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(have, name) })
}

// label refuses an empty list, which would be met by everybody or nobody, whichever the caller did not mean.
func label(what, or string, names []string) string {
	if len(names) == 0 || slices.Contains(names, "") {
		panic("session: a need of a " + what + " names none")
	}
	return what + " " + strings.Join(names, or)
}

// An unmet error says which needs of a route a session does not meet.
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
func check(needs []need, f facts, now time.Time) (missing unmet) {
	for _, n := range needs {
		if !n.met(f, now) {
			missing = append(missing, n)
		}
	}
	return missing
}

// addTo panics on a need that can never be what its writer meant.
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
		panic("session: a nil Need; make one with Scope, Role, Fresh, Method, Claim, CheckStore or a KindClaim")
	}
	n.addTo(g)
}

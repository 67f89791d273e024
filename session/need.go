package session

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Need is a condition of a route, beyond a valid session. A route's needs must all be met.
type Need struct {
	label  string   // what is missing, in words
	scopes []string // for the scope attribute of RFC 6750 section 3
	within time.Duration
	signIn bool // a new sign-in could meet it (RFC 9470), more rights could not
	met    func(facts, time.Time) bool
	fits   func(session any) bool // nil: sessions of every type
}

// facts are what needs ask of a session.
type facts struct {
	scopes, roles []string
	auth          Auth
	session       any // *Session[T]
}

func factsOf[T any](s *Session[T]) facts { return facts{s.Scopes, s.Roles, s.Auth, s} }

// Scope needs all of the named scopes. Unmet: 403.
func Scope(names ...string) Need {
	return Need{label: label("scope", " ", names), scopes: names, met: func(f facts, _ time.Time) bool {
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
	return Need{label: label("role", " or ", names), met: func(f facts, _ time.Time) bool {
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
	return Need{label: fmt.Sprintf("sign-in within %v", within), within: within, signIn: true, met: func(f facts, now time.Time) bool {
		// Of a clock that is ahead the time may lie in the future, but no further than clocks may be apart.
		return !f.auth.Time.IsZero() && !f.auth.Time.After(now.Add(maxLeeway)) && now.Sub(f.auth.Time) <= within
	}}
}

// Method needs a sign-in by at least one of the named methods (amr, RFC 8176), such as "otp" or "mca". Unmet: 401
// insufficient_user_authentication, as for Fresh.
func Method(names ...string) Need {
	return Need{label: label("sign-in by", " or ", names), signIn: true, met: func(f facts, _ time.Time) bool {
		return anyIn(names, f.auth.Methods)
	}}
}

// Claim needs ok to say yes to the session. name is told to the client when it does not: 403. T is the type of the
// guard's sessions; a guard of another type panics when the handler is built.
func Claim[T any](name string, ok func(*Session[T]) bool) Need {
	if name == "" || ok == nil {
		panic("session: Claim needs a name and a function")
	}
	return Need{label: "claim " + name, met: func(f facts, _ time.Time) bool {
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
type unmet []Need

func (u unmet) Error() string {
	labels := make([]string, len(u))
	for i, n := range u {
		labels[i] = n.label
	}
	return ErrNeed.Error() + ": " + strings.Join(labels, "; ")
}

func (u unmet) Unwrap() error { return ErrNeed }

// check returns nil or an unmet error.
func check(needs []Need, f facts, now time.Time) error {
	var missing unmet
	for _, n := range needs {
		if !n.met(f, now) {
			missing = append(missing, n)
		}
	}
	if missing == nil {
		return nil
	}
	return missing
}

// checkNeeds panics on needs that can never be what their writer meant. session is a nil *Session[T] of the guard.
func checkNeeds(needs []Need, session any) {
	for _, n := range needs {
		if n.met == nil {
			panic("session: a zero Need; make one with Scope, Role, Fresh, Method or Claim")
		}
		if n.fits != nil && !n.fits(session) {
			panic(fmt.Sprintf("session: the need %q is for sessions of another type than %v; in AnyOf, give it to its own kind by With",
				n.label, reflect.TypeOf(session)))
		}
	}
}

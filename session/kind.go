package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

const (
	public          = "public" // Session.Kind for a signed-out person
	statelessAccess = time.Hour
	statefulAccess  = 5 * time.Minute
	defaultIdle     = 7 * 24 * time.Hour
	defaultAbsolute = 30 * 24 * time.Hour
	defaultSessions = 100
	maxMaxSessions  = 1000                 // each new session writes an index of all
	minAccess       = 2 * (grace + skew)   // unless Stateless: a token made in the grace must outlive it
	maxIdle         = 90 * 24 * time.Hour  // a keys.Ring keeps a replaced secret that long by default
	maxAccess       = 400 * 24 * time.Hour // browsers keep no cookie longer (RFC 6265bis section 5.5)
)

// KindConfig configures one kind of session. T is the type of its properties.
type KindConfig[T any] struct {
	// Name is the claim "type" of the kind's tokens: a lower-case letter and up to 31 of a-z, 0-9, _ and -. "public" is
	// reserved.
	Name string

	// Access is how long an access token lives, in whole seconds, up to 400 days. Unless the kind is Stateless, it is
	// at least 3 minutes and at most Idle and Absolute. A session that has ended still works for this long on routes
	// without [CheckStore]. A verifier refuses a token that lives longer than its own Access, so every verifier needs
	// the same value or a larger one.
	//
	// Defaults to 5 minutes, or to 1 hour if Stateless.
	Access time.Duration

	// Stateless keeps the sessions of the kind out of the store: a session is its access token, and ends when the token
	// expires. It cannot be refreshed, listed or ended. Use Stateless for API keys with a short life, calls between
	// services, and programs without a store.
	//
	// Defaults to false.
	Stateless bool

	// Idle is how long a session lives after its last use, in whole seconds, from 3 minutes to 90 days. A refresh is a
	// use. A [CheckStore] is a use too, which is recorded at most once an hour. Programs that share a kind should have
	// the same Idle: each program refuses sessions that were idle for longer than its own value, and the program that
	// refreshes a session sets how long the row is kept. Idle and Access together, or Absolute if that is shorter, may
	// not be longer than keys.RingConfig.SecretLifetime: a refresh token works only while its secret is kept.
	//
	// Defaults to 7 days.
	Idle time.Duration

	// Absolute is the longest life of a session, however much it is used, in whole seconds, from 3 minutes to 400 days.
	//
	// Defaults to 30 days.
	Absolute time.Duration

	// MaxSessions is how many sessions a subject may have at the same time, from 1 to 1000. When one more is created,
	// the least recently used session ends, with the event "session ended" and the Reason "too many". The sessions of a
	// pair (see [Kind.CodeAndCookies]) count as one, and end together. If several programs share a kind, the value of
	// the program that creates the session counts.
	//
	// At the limit, each new session reads the rows of all these sessions, with their data (see
	// [Sessions.EditData]): a row has about 1 KB with small properties, and at most 64 KiB of data. So 100 sessions are
	// 100 KB without data, and 6.5 MB with the largest. A page of [Sessions.List] reads as many rows as its Limit. Keep
	// MaxSessions low if you keep much data.
	//
	// Defaults to 100.
	MaxSessions int

	// CheckStore adds the need [CheckStore] to every route of the kind and to Verify. It costs one round trip for each
	// request. In return, the end of a session and the change of a claim take effect at once.
	//
	// Defaults to false.
	CheckStore bool

	// OnRefresh is called when a session gets a new refresh token, at most every 30 s, before the new tokens are made.
	// With Pool it is also called at a refresh in between, if the roles of the user have changed.
	// It may change Properties, Scopes, Roles, Authentication, Device and Address of g; the session keeps the changes.
	// Use it, for example, to load a person's roles again. If it returns an error that matches ErrEnded, the session
	// ends; use that for a locked account. Any other error is answered with 503. Several parallel refreshes may each
	// call OnRefresh.
	//
	// Defaults to nil, which changes nothing.
	OnRefresh func(ctx context.Context, sessionID string, g *Grant[T]) error

	// Pool states that the subjects of the kind are ids of users in this pool. Each user has a row in the store, the
	// head, which changes with the security of the account (a new password, a removed factor, "sign out everywhere"),
	// with the roles, and when the user is disabled or deleted. An absent row counts as one that never changed.
	// postern.NewKind sets Pool.
	//
	// A session keeps the state of the row from its beginning. When the security has changed since then, or the user is
	// disabled or deleted, the session ends at its next refresh, which is at most Access later, and at once on routes
	// with [CheckStore]. No session begins for a user who is disabled or deleted. Changed roles take effect at the next
	// refresh. A route with CheckStore makes the guard refresh a session by cookie at once, and answers 401
	// "try_refresh" to a client that holds its tokens. Set OnRefresh too, to load the roles again: a program without
	// OnRefresh leaves the roles, and the 401, as they are.
	//
	// Refreshes, new sessions and CheckStore read the row in the round trip that they make anyway. If the row cannot be
	// read, they answer 503.
	//
	// Defaults to none: sessions do not depend on such a row.
	Pool string

	// StepUp is the URL of the page where a person proves again who they are. A guard that refuses a session for an
	// older or weaker sign-in, see [Fresh], [AuthMethod] and [ACR], answers with this URL and with what it asks for, as
	// the member step_up. The application adds redirect_uri and sends the person there. postern.NewKind sets it.
	//
	// Defaults to none: the answer has no such member.
	StepUp string

	// CookieName is the name of the cookie of the access token. The name of the refresh token's cookie is CookieName
	// and "-refresh". With an http issuer the prefixes "__Host-" and "__Secure-" are left out. Firebase Hosting
	// forwards only a cookie named "__session".
	//
	// Defaults to "__Host-" and a hash of issuer and kind.
	CookieName string

	// WebSocketProtocol lets a script send the access token of a WebSocket as a subprotocol:
	//
	//	new WebSocket(url, ["chat", "bearer." + token])
	//
	// This is the only header of a WebSocket that a script can set. The guard removes the entry before the handler
	// reads the request, and never sends it back. Servers and proxies may log the header.
	//
	// Defaults to false.
	WebSocketProtocol bool

	// Cache is how many verified tokens are kept in memory, at most 1048576, rounded up to a power of two. A negative
	// value means no cache. With the cache, the signature of a token is checked once and not on every request. When the
	// cache is full, tokens that were not used lately are removed. 1000 tokens of usual size take about 2 MB.
	//
	// Each request still compares the whole token, checks its times, and asks Config.Keys whether the key is still
	// valid. So the cache delays no revocation: a token is refused from the moment in which Config.Keys drops its key.
	// A keys.Ring drops a key when Revoke returns in the same process, and in other processes when they next read the
	// vault (keys.RingConfig.ReloadEvery).
	//
	// Defaults to 1024.
	Cache int
}

// A Kind is one type of session. A guard of one kind refuses the tokens of every other kind. T is the type of the
// properties: a struct that encoding/json can write and read. A Kind is safe for concurrent use.
type Kind[T any] struct {
	*policy
	layout layout
	cache  *cache[T] // nil: none
	copies bool      // a T from the cache is copied instead of decoded again

	refreshed func(ctx context.Context, sessionID string, g *Grant[T]) error // KindConfig.OnRefresh
}

// policy is a kind without its type parameter.
type policy struct {
	sessions *Sessions
	name     string
	access   time.Duration
	cookie   string
	protocol bool

	stateless, always bool   // always: every guard asks the store
	pool              string // of the users whose heads end sessions; empty: none
	stepUp            string // see KindConfig.StepUp
	idle, absolute    time.Duration
	maxSessions       int
	onRefresh         func(context.Context, *record) (row, error) // nil: no hook

	claimSpecs []*claimSpec // its claims; Sessions.mu guards the slice, which is never changed in place
	fetching   queue        // one for each session
	creating   queue        // one for each subject
}

// NewKind is NewKindConfig with the defaults.
func NewKind[T any](s *Sessions, name string) *Kind[T] {
	return NewKindConfig(s, KindConfig[T]{Name: name})
}

// NewKindConfig adds a kind to s. It panics on a mistake: a bad or reserved name, a name or cookie that is used twice,
// a duration out of range, or sessions that may stay unused for longer than a keys.Ring keeps a replaced secret. A kind
// is part of the program and not of its input, so a mistake shows at the first start. The text of the panic names what
// to change.
func NewKindConfig[T any](s *Sessions, c KindConfig[T]) *Kind[T] {
	p := &policy{sessions: s, name: c.Name, access: c.Access, cookie: c.CookieName, protocol: c.WebSocketProtocol,
		stateless: c.Stateless, always: c.CheckStore, idle: c.Idle, absolute: c.Absolute, maxSessions: c.MaxSessions, pool: c.Pool, stepUp: c.StepUp}
	if !kindName(c.Name) {
		panic(fmt.Sprintf("session: kind %q: a name is a lower-case letter and up to 31 of a-z, 0-9, _ and -", c.Name))
	}
	if c.Name == public {
		panic(`session: the kind "public" is for signed-out people; choose another name`)
	}
	if p.stateless && c.OnRefresh != nil {
		panic(fmt.Sprintf("session: kind %q is Stateless: OnRefresh is for sessions in a store", c.Name))
	}
	if p.stateless && c.Pool != "" {
		panic(fmt.Sprintf("session: kind %q is Stateless: Pool is for sessions in a store, which can end", c.Name))
	}
	p.setLifetimes()
	if p.cookie == "" {
		sum := sha256.Sum256([]byte(s.issuer + "|" + c.Name))
		p.cookie = "__Host-" + base64.RawURLEncoding.EncodeToString(sum[:12])
	}
	if !s.secure { // browsers refuse the prefixes without Secure
		p.cookie = strings.TrimPrefix(strings.TrimPrefix(p.cookie, "__Host-"), "__Secure-")
	}
	if (&http.Cookie{Name: p.cookie}).Valid() != nil || len(p.cookie) > 64 {
		panic(fmt.Sprintf("session: kind %q: %q is not a cookie name of at most 64 bytes", c.Name, c.CookieName))
	}
	t := reflect.TypeFor[T]()
	k := &Kind[T]{p, layoutOf(t), cacheFor[T](c), copies(t), c.OnRefresh}
	if c.OnRefresh != nil {
		p.onRefresh = func(ctx context.Context, old *record) (row, error) {
			return k.change(&old.row, func(g *Grant[T]) error { return c.OnRefresh(ctx, old.id, g) })
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.kinds {
		if other.name == p.name {
			panic(fmt.Sprintf("session: there is a kind %q already; create each kind once and share it", c.Name))
		}
		for _, name := range []string{p.cookie, p.cookie + refreshSuffix} {
			if name == other.cookie || name == other.cookie+refreshSuffix {
				panic(fmt.Sprintf("session: kinds %q and %q have the same cookie %q; change KindConfig.CookieName (the name of the refresh token's cookie ends in %q)",
					other.name, p.name, name, refreshSuffix))
			}
		}
	}
	s.kinds[p.name] = p
	return k
}

// setLifetimes sets the default durations of a kind. It panics if a duration is out of range.
func (p *policy) setLifetimes() {
	shortest, longest := time.Second, maxAccess
	if p.stateless {
		if p.idle != 0 || p.absolute != 0 || p.always || p.maxSessions != 0 {
			panic(fmt.Sprintf("session: kind %q is Stateless: Idle, Absolute, MaxSessions and CheckStore are for sessions in a store", p.name))
		}
		p.access = cmp.Or(p.access, statelessAccess)
	} else {
		p.access = cmp.Or(p.access, statefulAccess)
		p.idle, p.absolute = cmp.Or(p.idle, defaultIdle), cmp.Or(p.absolute, defaultAbsolute)
		p.inRange("Idle", p.idle, minAccess, maxIdle)
		p.inRange("Absolute", p.absolute, minAccess, maxAccess)
		shortest, longest = minAccess, min(p.idle, p.absolute)
		if p.maxSessions = cmp.Or(p.maxSessions, defaultSessions); p.maxSessions < 1 || p.maxSessions > maxMaxSessions {
			panic(fmt.Sprintf("session: kind %q: MaxSessions is %d; give 1 to %d", p.name, p.maxSessions, maxMaxSessions))
		}
	}
	p.inRange("Access", p.access, shortest, longest)
	p.fitsSecrets()
}

// fitsSecrets panics if a ring forgets a replaced secret while a session may still have a refresh token that was made
// with it. Such a session would end early, without a reason that anybody sees.
func (p *policy) fitsSecrets() {
	ring, ok := p.sessions.secrets.(interface{ SecretLifetime() time.Duration })
	if !ok || p.stateless {
		return
	}
	// A CheckStore with the last access token counts as a use, but does not make a new refresh token. The hour is part
	// of the two that a ring keeps a secret longer.
	unused := min(p.idle+p.access, p.absolute)
	if kept := ring.SecretLifetime(); unused > kept+time.Hour {
		panic(fmt.Sprintf("session: kind %q: a refresh token may be used after %v (Idle and Access together, at most Absolute), "+
			"but the ring keeps the secret that made it for %v only; set keys.RingConfig.SecretLifetime to %v or more, "+
			"or shorten KindConfig.Idle", p.name, unused, kept, unused))
	}
}

func (p *policy) inRange(what string, d, shortest, longest time.Duration) {
	if d < shortest || d > longest || d%time.Second != 0 {
		panic(fmt.Sprintf("session: kind %q: %s is %v; give whole seconds, from %v to %v", p.name, what, d, shortest, longest))
	}
}

func kindName(s string) bool {
	if len(s) == 0 || len(s) > 32 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// kind returns the policy of the kind with a name, or nil.
func (s *Sessions) kind(name string) *policy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.kinds[name]
}

// policies returns all kinds, sorted by name.
func (s *Sessions) policies() []*policy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*policy, 0, len(s.kinds))
	for _, p := range s.kinds {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *policy) int { return strings.Compare(a.name, b.name) })
	return all
}

type contextKey struct{ *policy }

// From returns the session that Require, Optional or NewContext put into ctx. It never returns nil. If there is no
// session, ok is false, and s is an empty session with the Kind "public". One context can have sessions of several
// kinds.
func (k *Kind[T]) From(ctx context.Context) (s *Session[T], ok bool) {
	return from[T](ctx, contextKey{k.policy})
}

// NewContext returns a context with s, from which From returns it. It verifies nothing. Use it in tests, and in
// functions behind a gateway that has checked the token. With a nil s the context has no session.
func (k *Kind[T]) NewContext(ctx context.Context, s *Session[T]) context.Context {
	if s != nil && s.Kind == "" {
		named := *s
		named.Kind = k.name
		s = &named
	}
	return context.WithValue(ctx, contextKey{k.policy}, s)
}

func from[T any](ctx context.Context, key any) (*Session[T], bool) {
	s, _ := ctx.Value(key).(*Session[T])
	if s == nil {
		return &Session[T]{Kind: public}, false
	}
	return s, s.Kind != public
}

// Require calls next for requests with a session of the kind; see [Guard].
//
// Require reads the token from the Authorization header, from the subprotocols of a WebSocket if
// KindConfig.WebSocketProtocol is set, or from the cookie of the kind. If the request has an Authorization header with
// Bearer, that token alone counts. The query of the URL is never read. A request that is authorized by the cookie and
// changes something must come from a page of the issuer's origin or of Config.Origins. A WebSocket with the cookie must
// name one of these origins in its Origin header.
//
// If the access token in the cookie has expired, Require refreshes the session before it calls next. It then sets both
// cookies and forbids caches to store the answer. A program without a store, or without keys that sign, answers 401
// "try_refresh" instead; the client should send POST {base}/refresh and then repeat the request.
func (k *Kind[T]) Require(next http.Handler, needs ...Need) http.Handler {
	return k.gates().Require(next, needs...)
}

// Optional calls next for signed-out people as well; see [Guard].
func (k *Kind[T]) Optional(next http.Handler, needs ...Need) http.Handler {
	return k.gates().Optional(next, needs...)
}

// With returns a guard of the kind with these needs, for [AnyOf].
func (k *Kind[T]) With(needs ...Need) Guard { return k.gates().with(needs) }

// plainGate returns a gate that accepts properties of any form, for the endpoints of this package.
func (p *policy) plainGate() *gate { return (&Kind[json.RawMessage]{policy: p}).gates()[0] }

func (k *Kind[T]) gates() guard {
	s := k.sessions
	return guard{{
		issuer: s.issuer, audience: s.audience, policy: k.policy, stored: k.always, empty: (*Session[T])(nil), now: s.now, log: s.log,
		recall: func(ctx context.Context, token string) checkedSession {
			if s := k.recallSession(ctx, token); s != nil {
				return s
			}
			return nil
		},
		verify: func(ctx context.Context, token string) (checkedSession, error) { return k.verify(ctx, token) },
		accept: func(claims []byte) (checkedSession, error) { return k.accept(string(claims)) },
		enter: func(ctx context.Context, s checkedSession) context.Context {
			return context.WithValue(ctx, contextKey{k.policy}, s)
		},
	}}
}

// AAL2 returns c with the life of a session at authenticator assurance level 2 of NIST SP 800-63B-4 section 2.2.3: at
// most 24 hours, and one hour without a use.
func AAL2[T any](c KindConfig[T]) KindConfig[T] {
	c.Idle, c.Absolute = time.Hour, 24*time.Hour
	return c
}

package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

const (
	public          = "public" // the Kind of a signed-out person's session
	statelessAccess = time.Hour
	statefulAccess  = 5 * time.Minute
	defaultIdle     = 7 * 24 * time.Hour
	defaultAbsolute = 30 * 24 * time.Hour
	minAccess       = 2 * (grace + skew)   // of what can be refreshed: no answer of the grace may be stale when it arrives
	maxIdle         = 90 * 24 * time.Hour  // master secrets are kept that long after their time
	maxAccess       = 400 * 24 * time.Hour // browsers keep no cookie longer (RFC 6265bis section 5.5)
)

// KindConfig is the policy of one kind of session, whose properties are a T.
type KindConfig[T any] struct {
	// Name is the claim type of its tokens: a lower-case letter, then up to 31 of a-z, 0-9, _ and -; not "public".
	Name string

	// Access is how long an access token lives, in whole seconds up to 400 days. Default: 5 min, and 1 h if the kind is
	// Stateless. It is at least 3 min and at most Idle unless Stateless. It is also how long a session that was ended may
	// go on where no guard asks [CheckStore]. A token that lives longer than its kind allows is refused, so every
	// verifier needs the same figure, or a larger one.
	Access time.Duration

	// Stateless kinds are kept in no store: a session is its token, and ends with it, not before. It cannot be
	// refreshed, listed or ended. For API keys with a short life, calls between services, and programs without a store.
	Stateless bool

	// Idle is how long a session lives after it was last used: refreshed, or asked for by [CheckStore], which is written
	// down at most once an hour. Whole seconds up to 90 days; default 7 days. Programs that share a kind should agree on
	// it: each refuses what has been idle for longer than its own, and the one that refreshes sets how long the row is kept.
	Idle time.Duration

	// Absolute is how long a session lives at most, in whole seconds up to 400 days. Default 30 days.
	Absolute time.Duration

	// CheckStore makes every guard of the kind, and Verify, ask the store whether the session still lives: one round
	// trip for each request, and no delay when a session is ended or a claim is taken back. Default: off; a route can ask by the need [CheckStore].
	CheckStore bool

	// Renew is called when a session goes on to a new refresh token, at most every 30 s and before the new tokens are
	// made, with what the session knows; what it leaves there is what the session knows from then on. It may change
	// Properties, Scopes, Roles, Auth, Device and Place: reload a person's roles, for one. An error that matches ErrEnded ends the
	// session: the person was locked out, say. Any other is answered as 503. Of parallel refreshes each may call it.
	// Default: sessions say what they said at sign-in.
	Renew func(ctx context.Context, sessionID string, g *Grant[T]) error

	// CookieName replaces the default, "__Host-" and a hash of issuer and kind; on an http issuer a prefix "__Host-"
	// or "__Secure-" is dropped. Firebase Hosting, for one, lets nothing but "__session" through.
	CookieName string

	// WebSocketProtocol lets a browser send the token of a WebSocket as a subprotocol,
	//
	//	new WebSocket(url, ["chat", "bearer." + token])
	//
	// which is the one header its scripts can set. The entry is taken out of the request before the handler sees it and
	// never sent back. Servers and proxies may log it. Default: off.
	WebSocketProtocol bool

	// Cache is how many verified tokens are remembered, so that the signature of a token that is sent with every request
	// is checked once; when there is no room the ones not used lately are forgotten. It takes nothing away from what is
	// checked: on each request the whole token is compared, its times hold, and its key is still good, so that a revoked
	// or removed key ends it at once. A thousand everyday tokens take about 2 MB. Default 1024, rounded up to a power of
	// two; at most 1048576; negative: none.
	Cache int
}

// A Kind is one type of session, whose tokens open no door of another. T is what a session of the kind knows: a struct
// that encoding/json can write and read. A Kind is safe for concurrent use.
type Kind[T any] struct {
	*policy
	layout layout
	cache  *cache[T] // nil: none
	copies bool      // a T can be copied from the cache, and need not be decoded again
}

// policy is what is known of a kind without its type parameter.
type policy struct {
	sessions *Sessions
	name     string
	access   time.Duration
	cookie   string
	protocol bool

	stateless, always bool // always: every guard asks the store
	idle, absolute    time.Duration
	renew             func(context.Context, *kept) (row, error) // nil: nothing to do

	facts    []*fact // its claims; Sessions.mu guards the slice, which is never changed in place
	fetching queue   // one for each session
}

// NewKind is NewKindConfig with the defaults.
func NewKind[T any](s *Sessions, name string) *Kind[T] {
	return NewKindConfig(s, KindConfig[T]{Name: name})
}

// NewKindConfig adds a kind to s. Kinds belong to the program, not to its input, so a mistake (a bad or reserved name, a
// name or cookie used twice, a life out of range) is a panic that says what to change.
func NewKindConfig[T any](s *Sessions, c KindConfig[T]) *Kind[T] {
	p := &policy{sessions: s, name: c.Name, access: c.Access, cookie: c.CookieName, protocol: c.WebSocketProtocol,
		stateless: c.Stateless, always: c.CheckStore, idle: c.Idle, absolute: c.Absolute}
	if !kindName(c.Name) {
		panic(fmt.Sprintf("session: kind %q: a name is a lower-case letter and up to 31 of a-z, 0-9, _ and -", c.Name))
	}
	if c.Name == public {
		panic(`session: the kind "public" is that of the signed-out; choose another name`)
	}
	if p.stateless && c.Renew != nil {
		panic(fmt.Sprintf("session: kind %q is Stateless: Renew is for sessions in a store", c.Name))
	}
	p.lives()
	if p.cookie == "" {
		sum := sha256.Sum256([]byte(s.issuer + "|" + c.Name))
		p.cookie = "__Host-" + base64.RawURLEncoding.EncodeToString(sum[:12])
	}
	if !s.secure { // browsers refuse the prefixes without Secure
		p.cookie = strings.TrimPrefix(strings.TrimPrefix(p.cookie, "__Host-"), "__Secure-")
	}
	if (&http.Cookie{Name: p.cookie}).Valid() != nil || len(p.cookie) > 64 {
		panic(fmt.Sprintf("session: kind %q: %q is no cookie name of at most 64 bytes", c.Name, c.CookieName))
	}
	t := reflect.TypeFor[T]()
	k := &Kind[T]{p, layoutOf(t), cacheFor[T](c), copies(t)}
	if c.Renew != nil {
		p.renew = func(ctx context.Context, old *kept) (row, error) {
			return k.change(&old.row, func(g *Grant[T]) error { return c.Renew(ctx, old.id, g) })
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.kinds {
		if other.name == p.name {
			panic(fmt.Sprintf("session: there is a kind %q already; make each once and share it", c.Name))
		}
		if other.cookie == p.cookie {
			panic(fmt.Sprintf("session: kinds %q and %q have the same cookie %q", other.name, p.name, p.cookie))
		}
	}
	s.kinds[p.name] = p
	return k
}

// lives fills in the times of a kind and refuses those that make no sense.
func (p *policy) lives() {
	shortest, longest := time.Second, maxAccess
	if p.stateless {
		if p.idle != 0 || p.absolute != 0 || p.always {
			panic(fmt.Sprintf("session: kind %q is Stateless: Idle, Absolute and CheckStore are for sessions in a store", p.name))
		}
		p.access = cmp.Or(p.access, statelessAccess)
	} else {
		p.access = cmp.Or(p.access, statefulAccess)
		p.idle, p.absolute = cmp.Or(p.idle, defaultIdle), cmp.Or(p.absolute, defaultAbsolute)
		p.inRange("Idle", p.idle, minAccess, maxIdle)
		p.inRange("Absolute", p.absolute, minAccess, maxAccess)
		shortest, longest = minAccess, min(p.idle, p.absolute)
	}
	p.inRange("Access", p.access, shortest, longest)
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

// kind returns the policy of a name; nil if there is no such kind.
func (s *Sessions) kind(name string) *policy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.kinds[name]
}

// policies returns all kinds by name.
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

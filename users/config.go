package users

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Roles are the roles of an application, each with the scopes of those who have it. A name is made of a to z, 0 to 9,
// ".", "_", ":" and "-". A scope is a scope of RFC 6749 section 3.3.
type Roles map[string][]string

// Config configures a Directory. Sessions is required.
type Config struct {
	// Sessions are the sessions of the users. Disable and Delete end those of the user. Its Secrets seal cursors.
	Sessions *session.Sessions

	// Store keeps the users. Its writes must reach several parts at once, so a Redis Cluster will not do. If the
	// Sessions have a store, it is that one: they look there for what ends them.
	//
	// Defaults to the store of Sessions.
	Store store.Store

	// Pool is part of every key, so that several directories can share a store. Users of one pool do not exist in
	// another. It can't be changed later.
	//
	// Defaults to the issuer of Sessions.
	Pool string

	// Roles are all roles. A user with a role that is not in Roles has no scopes from it.
	//
	// Defaults to none.
	Roles Roles

	// DefaultRoles are roles that everybody has who signs up, besides those of the invitation. They are stored with the
	// user: a later change of DefaultRoles changes no user. They must be in Roles.
	//
	// Defaults to none.
	DefaultRoles []string

	// AllowUsernames allows usernames: for sign-up without a mailbox, and as a second name to sign in with.
	//
	// Defaults to false.
	AllowUsernames bool

	// Reserved are usernames that nobody may take, besides those that Postern reserves: "admin", "support", "root" and
	// the like, and the mailboxes of RFC 2142.
	//
	// Defaults to none.
	Reserved []string

	// Ways are the ways to sign in that the program offers. The last of them that a user has is never removed.
	//
	// Defaults to nil: all count.
	Ways *Ways

	// Redeem gives a user the roles that wait for their verified mail addresses: provision.Pending.Redeem is one. It
	// calls give with them, and forgets them after give returned nil. Get calls it for a user who is not disabled, so
	// that roles arrive at the next sign-in or refresh. This is one more read of the store each time.
	//
	// Defaults to none.
	Redeem func(ctx context.Context, addresses []string, give func(ctx context.Context, roles []string) error) error

	// Rand is the source of the ids of users.
	//
	// Defaults to crypto/rand.
	Rand io.Reader
}

// Ways are the ways to sign in that a program offers. A username is not one: it needs a password.
type Ways struct {
	Password bool
	Passkey  bool
	Mail     bool                     // links and codes, to a verified address
	Issuer   func(issuer string) bool // whether a provider with this issuer is configured; nil: none is

	provider func(name string) bool // whether a provider with this name is configured
}

// A Directory keeps users in a store. It is a postern.Users, postern.Linker and postern.Creator. It is safe for
// concurrent use.
type Directory struct {
	sessions *session.Sessions
	store    store.Store
	pool     string
	roles    Roles
	defaults []string // Config.DefaultRoles
	names    bool
	reserved map[string]bool
	ways     *Ways
	redeem   func(ctx context.Context, addresses []string, give func(ctx context.Context, roles []string) error) error
	rand     io.Reader
}

var (
	_ postern.Users   = (*Directory)(nil)
	_ postern.Linker  = (*Directory)(nil)
	_ postern.Creator = (*Directory)(nil)
)

// New checks the configuration. It reads and writes nothing.
func New(c Config) (*Directory, error) {
	if c.Sessions == nil {
		return nil, errors.New("users: Config.Sessions is missing")
	}
	d := &Directory{
		sessions: c.Sessions, store: c.Store, pool: c.Pool, names: c.AllowUsernames, redeem: c.Redeem, rand: c.Rand,
		roles: Roles{}, reserved: maps.Clone(reservedNames),
	}
	if d.store == nil {
		d.store = c.Sessions.Store()
	}
	switch {
	case c.Store != nil && c.Sessions.Store() != nil && !head.SameStore(c.Store, c.Sessions.Store()):
		return nil, errors.New("users: Config.Store is another one than that of the sessions: these look there for what ends them; leave Config.Store out")
	case d.store == nil:
		return nil, errors.New("users: a store is missing: set session.Config.Store or users.Config.Store")
	case !store.WritesTwoParts(d.store):
		return nil, errors.New("users: this store writes one part at a time, as a Redis Cluster does: an address could belong to two users; use one Redis server, or another engine")
	}
	if d.pool == "" {
		d.pool = c.Sessions.Issuer()
	}
	for role, scopes := range c.Roles {
		if !roleName(role) {
			return nil, fmt.Errorf("users: Config.Roles: %q is not a name of a role: use 1 to 64 of a to z, 0 to 9 and . _ : -", role)
		}
		for _, s := range scopes {
			if !scopeToken(s) {
				return nil, fmt.Errorf("users: Config.Roles: %q of role %q is not a scope (RFC 6749 section 3.3)", s, role)
			}
		}
		d.roles[role] = slices.Clone(scopes)
	}
	for _, role := range c.DefaultRoles {
		if _, ok := d.roles[role]; !ok {
			return nil, fmt.Errorf("users: Config.DefaultRoles: %q is not in Config.Roles", role)
		}
	}
	d.defaults = slices.Clone(c.DefaultRoles)
	for _, name := range c.Reserved {
		d.reserved[lower(name)] = true
	}
	if c.Ways != nil {
		ways := *c.Ways
		d.ways = &ways
	}
	if d.rand == nil {
		d.rand = rand.Reader
	}
	return d, nil
}

// Pool returns the pool, which is part of the key of every user.
func (d *Directory) Pool() string { return d.pool }

// Roles returns a copy of the configured roles.
func (d *Directory) Roles() Roles {
	out := Roles{}
	for role, scopes := range d.roles {
		out[role] = slices.Clone(scopes)
	}
	return out
}

// Scopes returns the scopes of some roles, each once, in order. A role that is not configured has none.
func (d *Directory) Scopes(roles []string) []string {
	var out []string
	for _, role := range roles {
		out = append(out, d.roles[role]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (d *Directory) now() time.Time { return d.sessions.Now() }

func roleName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}

// scopeToken is the scope-token of RFC 6749 section 3.3.
func scopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

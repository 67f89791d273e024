// Package redisstore keeps Postern's items in Redis 6.2 or newer, or in Valkey, alone or as a cluster.
//
// The program connects with go-redis and hands its client over:
//
//	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
//	st, err := redisstore.New(redisstore.Config{Client: client})
//
// ContextTimeoutEnabled is off in go-redis unless it is set; without it a call to a server that hangs ends with the
// client's ReadTimeout and not with the deadline of its context.
//
// # What the server must do
//
// A store of sessions is a database. Redis keeps it as one only when it is told to:
//
//	appendonly yes
//	appendfsync always
//	maxmemory-policy noeviction
//
// With these, what was acknowledged survives a crash. With appendfsync everysec a crash of the machine costs the last
// second or two: a new session may be gone, and one that was ended may be alive again. With snapshots alone it costs
// everything since the last one, and with neither everything. Any other maxmemory-policy removes items at will.
// Replication is asynchronous: a replica that takes over may not have the last writes, whatever the settings. Where an
// ended session must never come back, use a store that promises it. [Store.Check] says what a server does.
//
// # Atomicity, clusters
//
// A Write is one script, so it happens as a whole. On a cluster the items of one Part share a slot, and a Write there
// may only change items of one Part: several are refused with [store.ErrInvalid], for no script runs on two nodes. What
// Postern itself must write together lies in one Part. A [redis.Ring] is refused: when one of its servers fails, items
// seem to be absent. So are clients that read from replicas or from a cache in the process, whose answers are stale.
//
// # Lost answers
//
// When a connection breaks before the answer to a Write has come, the Write is sent again, up to three times. The script
// knows it by the versions it wrote and answers that it was applied. If by then another Write has replaced them nobody
// can tell, and the error says so; it is never [store.ErrConflict]. Add is not sent again once the server may have seen
// it, so nothing is counted twice.
package redisstore

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/store"
)

// Config says where the items are kept.
type Config struct {
	// Client is the connection to Redis: a *redis.Client, also one made by redis.NewFailoverClient, or a
	// *redis.ClusterClient. Required. It stays the caller's to close.
	Client redis.UniversalClient

	// Prefix begins the name of every key, so that others may live in the same database. Default "postern:". It must not
	// hold a brace, which would decide on the cluster's slots.
	Prefix string

	// Now is the clock that decides what has expired. Default time.Now. Processes that share a database should agree on
	// the time within a minute: Redis removes keys when they have been expired for that long.
	Now func() time.Time
}

// A Store is a [store.Store] in Redis. Make it with [New]; it needs no closing.
type Store struct {
	client  redis.UniversalClient
	cluster bool
	now     func() time.Time

	items, indexes, counters string // what their keys begin with, the opening brace included

	write, list, add *script
}

var _ store.Store = (*Store)(nil)

// slack is for how long Redis keeps what has expired: another process's clock may be behind.
const slack = time.Minute

//go:embed write.lua
var writeLua string

//go:embed list.lua
var listLua string

//go:embed add.lua
var addLua string

// New makes a Store. It does not connect yet. It refuses a client that cannot keep the contract: no client, a ring, and
// one that reads from replicas or from a cache in the process.
func New(c Config) (*Store, error) {
	s := &Store{client: c.Client, now: c.Now, write: newScript(writeLua), list: newScript(listLua), add: newScript(addLua)}
	switch client := c.Client.(type) {
	case nil:
		return nil, errors.New("redisstore: Config.Client is missing: connect with go-redis and pass the client")
	case *redis.Ring:
		return nil, errors.New("redisstore: Config.Client is a ring, which forgets the items of a server that fails: use a cluster or one server")
	case *redis.ClusterClient:
		if o := client.Options(); o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			return nil, errors.New("redisstore: Config.Client reads from replicas, which lag: leave ReadOnly, RouteByLatency and RouteRandomly off")
		}
		s.cluster = true
	case *redis.Client:
		if o := client.Options(); o.ClientSideCache != nil || o.ClientSideCacheConfig != nil {
			return nil, errors.New("redisstore: Config.Client reads from a cache in the process, which lags: leave ClientSideCache and ClientSideCacheConfig out")
		}
	}
	prefix := c.Prefix
	if prefix == "" {
		prefix = "postern:"
	}
	if strings.ContainsAny(prefix, "{}") {
		return nil, errors.New("redisstore: Config.Prefix holds a brace, which would decide on the cluster's slots: leave it out")
	}
	s.items, s.indexes, s.counters = prefix+"item{", prefix+"index{", prefix+"counter{"
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// The name of a key is prefix, kind, {part}, ID. What stands in the braces decides on the slot, so that all of a part is
// together; a part's own closing braces are escaped, so that it ends where it ends.

func (s *Store) itemKey(k store.Key) string    { return s.items + escape(k.Part) + "}" + k.ID }
func (s *Store) counterKey(k store.Key) string { return s.counters + escape(k.Part) + "}" + k.ID }
func (s *Store) indexKey(part string) string   { return s.indexes + escape(part) + "}" }

func escape(part string) string {
	if !strings.ContainsAny(part, "%}") {
		return part
	}
	return strings.ReplaceAll(strings.ReplaceAll(part, "%", "%25"), "}", "%7D")
}

func (s *Store) nowMilli() int64 { return s.now().UnixMilli() }

func failed(what string, err error) error { return fmt.Errorf("redisstore: %s: %w", what, err) }

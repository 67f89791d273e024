// Package redisstore keeps Postern's items in Redis 6.2 or newer, or in Valkey, alone or as a cluster.
//
// The program connects with go-redis and passes its client to [New]:
//
//	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
//	st, err := redisstore.New(redisstore.Config{Client: client})
//
// Set ContextTimeoutEnabled, which is off by default in go-redis. Without it, a call to a server that hangs ends at
// the client's ReadTimeout and not at the deadline of its context.
//
// # What the server must do
//
// A store of sessions must be as durable as a database. Redis is, but only with these settings:
//
//	appendonly yes
//	appendfsync always
//	maxmemory-policy noeviction
//
// With these, acknowledged writes survive a crash. With appendfsync everysec, a crash of the machine loses the last
// second or two: a new session may be lost, and an ended session may be alive again. With snapshots alone, a crash
// loses all writes since the last snapshot; with neither, it loses everything. Any other maxmemory-policy may remove
// any item. Replication is asynchronous: with any settings, a replica that takes over may lack the last writes. If an
// ended session must never be alive again, use another store. [Store.Check] reads the settings of a server.
//
// # Atomicity, clusters
//
// A Write is one script, so it makes all changes or none. On a cluster the items of one Part share a slot. A Write to
// several Parts is refused there with [store.ErrInvalid], because a script cannot run on two nodes; [Store.OnePart]
// states that. A [redis.Ring] is refused: if one of its servers fails, items seem to be absent.
// Clients that read from replicas or from a cache in the process are refused too, because their answers can be out of
// date.
//
// # Fail-over
//
// If a master of a cluster dies, its items are available again within seconds after a replica takes over, because the
// store makes go-redis look for the new master at once. With Sentinel, use redis.NewFailoverClient, which finds the
// new master.
//
// # Lost answers
//
// If a connection breaks before the answer to a Write, the Write is sent again, up to three times. If the items
// already have its new versions, the script answers that the Write was applied. If another Write has replaced these
// versions in the meantime, the result is unknown, and the error says this; it is never [store.ErrConflict]. Add is
// not sent again if the server may have received it, so nothing is counted twice.
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
	// *redis.ClusterClient. Required. The caller closes it.
	Client redis.UniversalClient

	// Prefix begins the name of every key, so that other programs can use the same database. It must not contain a
	// brace, because braces choose the slot in a cluster.
	//
	// Defaults to "postern:".
	Prefix string

	// Now is the clock that decides what has expired. Processes that share a database should agree on the time within a
	// minute: Redis removes keys when they have been expired for that long.
	//
	// Defaults to time.Now.
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

var (
	_ store.Store   = (*Store)(nil)
	_ store.OnePart = (*Store)(nil)
)

// OnePart reports whether each Write must stay within one Part: true for a cluster. See [store.OnePart].
func (s *Store) OnePart() bool { return s.cluster }

// slack is for how long Redis keeps what has expired: another process's clock may be behind.
const slack = time.Minute

//go:embed write.lua
var writeLua string

//go:embed list.lua
var listLua string

//go:embed add.lua
var addLua string

// New makes a Store. It does not connect yet. It refuses a nil client and clients that cannot keep the contract: a
// ring, and clients that read from replicas or from a cache in the process.
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

// The name of a key is prefix, kind, {part}, ID. What stands in the braces decides on the slot, so that all of a part
// is together; a part's own closing braces are escaped, so that it ends where it ends.

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

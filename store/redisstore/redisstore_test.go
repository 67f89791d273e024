package redisstore_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/storetest"
)

// TestMain quiets go-redis, which logs each failure to connect beside answering with it.
func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	m.Run()
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// connect makes a client until the end of the test.
func connect(t testing.TB, o *redis.Options) *redis.Client {
	t.Helper()
	o.ContextTimeoutEnabled = true
	client := redis.NewClient(o)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("closing the client: %v", err)
		}
	})
	return client
}

func open(t testing.TB, client redis.UniversalClient, now func() time.Time) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(redisstore.Config{Client: client, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRedis(t *testing.T) {
	addr := testserver.Redis(t).Addr()
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return open(t, connect(t, &redis.Options{Addr: addr}), now)
	})
}

// Two clients of one server, as two processes have them, with the older protocol and few connections: every call takes
// the other one.
func TestRedis_TwoClients(t *testing.T) {
	addr := testserver.RedisWith(t, testserver.RedisOptions{Durable: true}).Addr()
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return &alternating{stores: [2]store.Store{
			open(t, connect(t, &redis.Options{Addr: addr, Protocol: 2, PoolSize: 2, PoolTimeout: time.Minute}), now),
			open(t, connect(t, &redis.Options{Addr: addr, MaxRetries: -1}), now),
		}}
	})
}

type alternating struct {
	stores [2]store.Store
	n      atomic.Uint64
}

func (a *alternating) next() store.Store { return a.stores[a.n.Add(1)%2] }

func (a *alternating) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	return a.next().Get(ctx, keys...)
}

func (a *alternating) Write(ctx context.Context, changes ...store.Change) error {
	return a.next().Write(ctx, changes...)
}

func (a *alternating) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	return a.next().Add(ctx, k, delta, expires)
}

func (a *alternating) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	return a.next().List(ctx, part, after, limit)
}

package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
)

// The operations of a store on one part. Each has to find the new master by its own means: a program may read only.
var operations = map[string]func(ctx context.Context, s store.Store, part string) error{
	"Get of one": func(ctx context.Context, s store.Store, part string) error {
		return found(s.Get(ctx, store.Key{Part: part, ID: "a"}))
	},
	"Get of two": func(ctx context.Context, s store.Store, part string) error {
		return found(s.Get(ctx, store.Key{Part: part, ID: "a"}, store.Key{Part: part, ID: "none"}))
	},
	"Get across parts": func(ctx context.Context, s store.Store, part string) error {
		return found(s.Get(ctx, store.Key{Part: "another", ID: "none"}, store.Key{Part: part, ID: "a"}))
	},
	"List": func(ctx context.Context, s store.Store, part string) error {
		items, _, err := s.List(ctx, part, "", 1)
		return found(items, err)
	},
	"Write": func(ctx context.Context, s store.Store, part string) error {
		return s.Write(ctx, store.Put(store.Item{Key: store.Key{Part: part, ID: fmt.Sprint("b", time.Now().UnixNano())}}))
	},
	"Add": func(ctx context.Context, s store.Store, part string) error {
		_, err := s.Add(ctx, store.Key{Part: part, ID: "n"}, 1, forever)
		return err
	},
}

func found(items []store.Item, err error) error {
	if err == nil && len(items) != 1 {
		err = fmt.Errorf("%d items, want 1", len(items))
	}
	return err
}

// The master of a third of the slots dies and its replica takes over: every operation is served again within seconds of
// that, not at the next look of go-redis, which comes within a minute.
func TestT3_ClusterFailover(t *testing.T) {
	t.Run("it dies", func(t *testing.T) { clusterFailover(t, (*testserver.RedisServer).Kill) })
	t.Run("it hangs", func(t *testing.T) { clusterFailover(t, (*testserver.RedisServer).Pause) })
}

func clusterFailover(t *testing.T, end func(*testserver.RedisServer) error) {
	c := startCluster(t)
	replica := c.addReplica(t)
	part := partOn(t, c)
	eventually(t, "the replica has the item", func(ctx context.Context) bool { return replica.DBSize(ctx).Val() > 1 })
	stores := map[string]*redisstore.Store{}
	for name := range operations {
		stores[name] = open(t, c.connect(t), nil)
	}
	serves(t, stores, part, func() { must(t, end(c.servers[0])) }, leading(replica))
}

// partOn returns a part whose slot belongs to the first master, with one item.
func partOn(t *testing.T, c *cluster) string {
	t.Helper()
	s := open(t, c.connect(t), nil)
	for i := range 1000 {
		part := fmt.Sprint("part", i)
		slot, err := c.clients[0].ClusterKeySlot(t.Context(), "{"+part+"}").Result()
		must(t, err)
		if slot < 16384/masters {
			must(t, s.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: part, ID: "a"}})))
			return part
		}
	}
	t.Fatal("no part lies on the first master")
	return ""
}

// The same with one master, whose replica three Sentinels make the master.
func TestT3_SentinelFailover(t *testing.T) {
	t.Run("it dies", func(t *testing.T) { sentinelFailover(t, (*testserver.RedisServer).Kill) })
	t.Run("it hangs", func(t *testing.T) { sentinelFailover(t, (*testserver.RedisServer).Pause) })
}

func sentinelFailover(t *testing.T, end func(*testserver.RedisServer) error) {
	master := testserver.Redis(t)
	host, port, _ := strings.Cut(master.Addr(), ":")
	second := testserver.RedisWith(t, testserver.RedisOptions{Args: []string{"--replicaof", host + " " + port}})
	replica := connect(t, &redis.Options{Addr: second.Addr()})
	eventually(t, "the replica follows", following(replica))
	var sentinels []string
	for range 3 {
		sentinels = append(sentinels, testserver.RedisWith(t, testserver.RedisOptions{Sentinel: master.Addr()}).Addr())
	}
	for _, addr := range sentinels {
		sentinel := redis.NewSentinelClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = sentinel.Close() })
		eventually(t, "the Sentinels know each other and the replica", func(ctx context.Context) bool {
			state, err := sentinel.Master(ctx, "master").Result()
			return err == nil && state["num-other-sentinels"] == "2" && state["num-slaves"] == "1"
		})
	}
	failover := func() redis.UniversalClient {
		client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "master", SentinelAddrs: sentinels, ContextTimeoutEnabled: true})
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	part := "p"
	must(t, open(t, failover(), nil).Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: part, ID: "a"}})))
	eventually(t, "the replica has the item", func(ctx context.Context) bool { return replica.DBSize(ctx).Val() > 1 })
	stores := map[string]*redisstore.Store{}
	for name := range operations {
		stores[name] = open(t, failover(), nil)
	}
	serves(t, stores, part, func() { must(t, end(master)) }, leading(replica))
}

// leading reports whether a server that was a replica has become a master.
func leading(replica *redis.Client) func(ctx context.Context) bool {
	return func(ctx context.Context) bool {
		info, err := replica.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "role:master")
	}
}

// maxBehind is how long after the replica took over an operation may still fail. go-redis dials a node that is dead
// five times, a tenth of a second apart, and waits three seconds for one that hangs, also where it asks that node for
// the masters. Without this store's own look for the new master it took up to a minute.
const maxBehind = 15 * time.Second

// serves kills the master and measures for each operation when it is served again.
func serves(t *testing.T, stores map[string]*redisstore.Store, part string, kill func(), tookOver func(context.Context) bool) {
	t.Helper()
	for name, do := range operations {
		must(t, do(t.Context(), stores[name], part))
	}
	kill()
	died := time.Now()
	var wg sync.WaitGroup
	served := make(map[string]time.Duration)
	var mu sync.Mutex
	for name, do := range operations {
		wg.Go(func() {
			failures := 0
			for ; ; failures++ {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				err := do(ctx, stores[name], part)
				cancel()
				if err == nil || time.Since(died) > 80*time.Second {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			served[name] = time.Since(died)
			t.Logf("%s: served after %v, %d failures before", name, served[name].Round(time.Millisecond), failures)
			if served[name] < time.Second { // no fail-over is that fast
				t.Errorf("%s was served all the time: the master it used is alive", name)
			}
		})
	}
	eventually(t, "the replica takes over", tookOver)
	took := time.Since(died)
	t.Logf("the replica took over after %v", took.Round(time.Millisecond))
	wg.Wait()
	for name, after := range served {
		if after > took+maxBehind {
			t.Errorf("%s is served %v after the replica took over, want %v at most", name, after-took, maxBehind)
		}
	}
}

package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
)

// A cluster is three masters, each with a third of the slots, and perhaps a replica of the first.
type cluster struct {
	addrs   []string
	servers []*testserver.RedisServer
	clients []*redis.Client // one of each node
}

const masters = 3

// startCluster joins three servers to a Redis Cluster.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	for i := range masters {
		node := c.start(t)
		must(t, node.ClusterAddSlotsRange(t.Context(), i*16384/masters, (i+1)*16384/masters-1).Err())
		must(t, node.Do(t.Context(), "cluster", "set-config-epoch", i+1).Err())
		c.meet(t, node)
	}
	c.wait(t)
	return c
}

// start adds a node that knows no other.
func (c *cluster) start(t *testing.T) *redis.Client {
	t.Helper()
	server := testserver.RedisWith(t, testserver.RedisOptions{Cluster: true, Args: []string{"--cluster-node-timeout", "2000"}})
	node := connect(t, &redis.Options{Addr: server.Addr()})
	c.addrs, c.servers, c.clients = append(c.addrs, server.Addr()), append(c.servers, server), append(c.clients, node)
	return node
}

func (c *cluster) meet(t *testing.T, node *redis.Client) {
	t.Helper()
	if node != c.clients[0] {
		host, port, _ := strings.Cut(c.addrs[0], ":")
		must(t, node.ClusterMeet(t.Context(), host, port).Err())
	}
}

// addReplica adds a replica of the first master and waits until it has its data. It returns a client of the replica.
func (c *cluster) addReplica(t *testing.T) *redis.Client {
	t.Helper()
	id, err := c.clients[0].ClusterMyID(t.Context()).Result()
	must(t, err)
	replica := c.start(t)
	c.meet(t, replica)
	c.wait(t)
	eventually(t, "the replica knows its master", func(ctx context.Context) bool { return replica.ClusterReplicate(ctx, id).Err() == nil })
	eventually(t, "the replica follows", following(replica))
	eventually(t, "everybody knows the replica", func(ctx context.Context) bool {
		for _, node := range c.clients {
			if info, err := node.ClusterNodes(ctx).Result(); err != nil || !strings.Contains(info, "slave "+id) {
				return false
			}
		}
		return true
	})
	return replica
}

func (c *cluster) wait(t *testing.T) {
	t.Helper()
	eventually(t, "the cluster is up", func(ctx context.Context) bool {
		for _, node := range c.clients {
			info, err := node.ClusterInfo(ctx).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprint("cluster_known_nodes:", len(c.clients))) {
				return false
			}
		}
		return true
	})
}

func (c *cluster) connect(t *testing.T) *redis.ClusterClient {
	t.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.addrs, ContextTimeoutEnabled: true})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// following reports whether a server is a replica that has caught up with its master.
func following(replica *redis.Client) func(ctx context.Context) bool {
	return func(ctx context.Context) bool {
		info, err := replica.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "role:slave") && strings.Contains(info, "master_link_status:up")
	}
}

// eventually asks until the answer is yes, for a minute at most.
func eventually(t *testing.T, what string, yes func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !yes(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package redisstore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/storetest"
)

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name       string
		o          testserver.RedisOptions
		set        []string // configuration, names and values
		durability string
		problems   []string
	}{
		{"durable", testserver.RedisOptions{Durable: true}, nil, "survives a crash of the server and of its machine", nil},
		{"every second", testserver.RedisOptions{Durable: true}, []string{"appendfsync", "everysec"}, "the last second or two", nil},
		{"no sync", testserver.RedisOptions{Durable: true}, []string{"appendfsync", "no"}, "half minute", nil},
		{"snapshots", testserver.RedisOptions{}, []string{"save", "3600 1"}, "since the last snapshot", []string{"appendonly is off"}},
		{"memory", testserver.RedisOptions{}, nil, "a restart costs everything", []string{"appendonly is off"}},
		{"eviction", testserver.RedisOptions{Durable: true}, []string{"maxmemory-policy", "allkeys-lru", "maxmemory", "100000000"}, "survives", []string{"maxmemory-policy is allkeys-lru"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := testserver.RedisWith(t, tc.o).Addr()
			client := connect(t, &redis.Options{Addr: addr})
			for pair := range slices.Chunk(tc.set, 2) {
				if err := client.ConfigSet(t.Context(), pair[0], pair[1]).Err(); err != nil {
					t.Fatal(err)
				}
			}
			servers, err := open(t, client, nil).Check(t.Context())
			if err != nil || len(servers) != 1 {
				t.Fatalf("%v, %v", servers, err)
			}
			got := servers[0]
			if got.Addr != addr || got.Role != "master" || !got.ConfigKnown || got.Replicas != 0 || !strings.HasPrefix(got.String(), got.Software+" (master) at "+addr+": ") {
				t.Errorf("%+v, %s", got, got)
			}
			if name, version, _ := strings.Cut(got.Software, " "); name != "redis" && name != "valkey" || strings.Count(version, ".") != 2 {
				t.Errorf("software %q", got.Software)
			}
			if !strings.Contains(got.Durability(), tc.durability) {
				t.Errorf("durability: %s", got.Durability())
			}
			problems := got.Problems()
			if len(problems) != len(tc.problems) {
				t.Fatalf("problems: %q, want %q", problems, tc.problems)
			}
			for i, want := range tc.problems {
				if !strings.Contains(problems[i], want) {
					t.Errorf("problem %q, want %q", problems[i], want)
				}
			}
		})
	}
}

// Managed servers do not permit CONFIG. What is then unknown is not taken for good.
func TestCheck_NoConfig(t *testing.T) {
	addr := testserver.RedisWith(t, testserver.RedisOptions{Durable: true}).Addr()
	admin := connect(t, &redis.Options{Addr: addr})
	for name, rules := range map[string][]any{
		"app":    {"allkeys", "+@all", "-config"},
		"scribe": {"allkeys", "+@all", "-info"},
	} {
		if err := admin.Do(t.Context(), append([]any{"acl", "setuser", name, "on", ">secret"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	servers, err := open(t, connect(t, &redis.Options{Addr: addr, Username: "app", Password: "secret"}), nil).Check(t.Context())
	if err != nil || len(servers) != 1 || servers[0].ConfigKnown || servers[0].AppendFsync != "" || !servers[0].AppendOnly {
		t.Fatalf("%+v, %v", servers, err)
	}
	if got := servers[0].Durability(); !strings.Contains(got, "does not show how often") {
		t.Errorf("durability: %s", got)
	}
	servers, err = open(t, connect(t, &redis.Options{Addr: addr, Username: "scribe", Password: "secret"}), nil).Check(t.Context())
	if err == nil || servers != nil || !redis.HasErrorPrefix(err, "NOPERM") {
		t.Errorf("without INFO: %v, %v", servers, err)
	}
}

func TestCheck_Cluster(t *testing.T) {
	client := startCluster(t).connect(t)
	servers, err := open(t, client, nil).Check(t.Context())
	if err != nil || len(servers) != 3 {
		t.Fatalf("%v, %v; want three masters", servers, err)
	}
	for i, s := range servers {
		if s.Role != "master" || s.Eviction != "noeviction" || i > 0 && s.Addr <= servers[i-1].Addr {
			t.Errorf("server %d: %+v", i, s)
		}
	}
}

func TestCheck_Replica(t *testing.T) {
	master, replica := testserver.RedisWith(t, testserver.RedisOptions{Durable: true}).Addr(), testserver.Redis(t).Addr()
	client := connect(t, &redis.Options{Addr: replica})
	host, port, _ := strings.Cut(master, ":")
	if err := client.ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	servers, err := open(t, client, nil).Check(t.Context())
	if err != nil || len(servers) != 1 || servers[0].Role != "slave" {
		t.Fatalf("%v, %v", servers, err)
	}
	if problems := servers[0].Problems(); len(problems) == 0 || !strings.Contains(problems[0], "is a replica") {
		t.Errorf("problems: %q", problems)
	}
	if got := (redisstore.Server{AppendOnly: true, AppendFsync: "always", Replicas: 1}).Durability(); !strings.Contains(got, "replication is asynchronous") {
		t.Errorf("durability of a master with a replica: %s", got)
	}
}

// The commands that docs/stores.md names are all that the server's user needs.
func TestLeastPrivilege(t *testing.T) {
	addr := testserver.Redis(t).Addr()
	admin := connect(t, &redis.Options{Addr: addr})
	rules := []any{"acl", "setuser", "app", "on", ">secret", "~postern:*", "-@all"}
	for _, command := range strings.Fields("get mget eval evalsha getrange set del exists pttl pexpire persist zadd zrem zrandmember zrangebylex hget hset hincrby") {
		rules = append(rules, "+"+command)
	}
	if err := admin.Do(t.Context(), rules...).Err(); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return open(t, connect(t, &redis.Options{Addr: addr, Username: "app", Password: "secret"}), now)
	})
}

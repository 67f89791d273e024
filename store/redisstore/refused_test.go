package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
)

var present, absent = store.Key{Part: "p", ID: "present"}, store.Key{Part: "p", ID: "absent"}

// everything does each thing a store does, on an item that is there and one that is not, and returns the errors.
func everything(ctx context.Context, s *redisstore.Store, version string) map[string]error {
	_, one := s.Get(ctx, present)
	_, two := s.Get(ctx, present, absent)
	_, _, list := s.List(ctx, "p", "", 10)
	_, add := s.Add(ctx, present, 1, forever)
	return map[string]error{
		"Get": one, "Get of two": two, "List": list, "Add": add,
		"create":   s.Write(ctx, store.Put(store.Item{Key: absent})),
		"update":   s.Write(ctx, store.Put(store.Item{Key: present, Version: version})),
		"conflict": s.Write(ctx, store.Put(store.Item{Key: present})),
		"delete":   s.Write(ctx, store.Delete(present, version)),
		"check":    s.Write(ctx, store.Check(present, version)),
		"two":      s.Write(ctx, store.Delete(present, version), store.Put(store.Item{Key: absent})),
	}
}

func seed(t *testing.T, addr string) (*redisstore.Store, *redis.Client, string) {
	t.Helper()
	client := connect(t, &redis.Options{Addr: addr})
	s := open(t, client, nil)
	put := store.Put(store.Item{Key: present, Value: []byte("v")})
	if err := s.Write(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	return s, client, put.Item.Version
}

// unharmed fails unless all is as seed left it.
func unharmed(t *testing.T, s *redisstore.Store, version string) {
	t.Helper()
	items, next, err := s.List(t.Context(), "p", "", 10)
	if err != nil || next != "" || len(items) != 1 || items[0].Key != present || items[0].Version != version {
		t.Errorf("an operation that failed left %v, %v", items, err)
	}
	if n, err := s.Add(t.Context(), present, 0, forever); err != nil || n != 0 {
		t.Errorf("an Add that failed left %d, %v", n, err)
	}
}

// What a server says that cannot answer now is neither "absent" nor "conflict", to any operation.
func TestT3_ServerErrors(t *testing.T) {
	addr := testserver.Redis(t).Addr()
	direct, _, version := seed(t, addr)
	for _, text := range []string{
		"LOADING Redis is loading the dataset in memory",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		"CLUSTERDOWN Hash slot not served",
		"TRYAGAIN Multiple keys request during rehashing of slot",
		"READONLY You can't write against a read only replica.",
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
		"OOM command not allowed when used memory > 'maxmemory'.",
		"MISCONF Errors writing to the AOF file: No space left on device",
		"NOREPLICAS Not enough good replicas to write.",
		"NOPERM this user has no permissions to run the 'evalsha' command",
		"NOAUTH Authentication required.",
		"ERR max number of clients reached",
		"NOSCRIPT No matching script. Please use EVAL.",
		"ERR",
	} {
		t.Run(strings.Fields(text)[0], func(t *testing.T) {
			p := startProxy(t, addr, func() fault { return refusal })
			p.answer = text
			for name, err := range everything(t.Context(), open(t, connect(t, &redis.Options{Addr: p.addr, MaxRetries: -1}), nil), version) {
				if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), text) {
					t.Errorf("%s: %v, want the server's error", name, err)
				}
			}
			if p.injected[refusal].Load() < 10 {
				t.Errorf("only %d commands were refused", p.injected[refusal].Load())
			}
			unharmed(t, direct, version)
		})
	}
}

// A refusal that passes is waited for.
func TestT3_PassingErrors(t *testing.T) {
	for _, text := range []string{"LOADING x", "MASTERDOWN x", "CLUSTERDOWN x", "TRYAGAIN x", "READONLY x", "ERR max number of clients reached"} {
		addr := testserver.Redis(t).Addr()
		var n atomic.Int64
		s, _, p := faulty(t, addr, func() fault {
			if n.Add(1)%3 == 0 {
				return none
			}
			return refusal
		})
		p.answer = text
		put := store.Put(store.Item{Key: present})
		if err := s.Write(t.Context(), put); err != nil {
			t.Errorf("%s: Write: %v", text, err)
		}
		if sum, err := s.Add(t.Context(), present, 1, forever); err != nil || sum != 1 {
			t.Errorf("%s: Add: %d, %v", text, sum, err)
		}
		// What was refused was not done, so a conflict afterwards is one for certain.
		if err := s.Write(t.Context(), store.Put(store.Item{Key: present})); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", text, err)
		}
		if p.injected[refusal].Load() != 6 {
			t.Errorf("%s: %d refusals, want two for each of three operations", text, p.injected[refusal].Load())
		}
	}
}

// A server without memory for more refuses; what it refuses, it refuses as a whole.
func TestT3_OutOfMemory(t *testing.T) {
	s, client, version := seed(t, testserver.Redis(t).Addr())
	set := func(limit string) {
		if err := client.ConfigSet(t.Context(), "maxmemory", limit).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("1")
	for name, changes := range map[string][]store.Change{
		"create":              {store.Put(store.Item{Key: absent})},
		"update":              {store.Put(store.Item{Key: present, Version: version})},
		"check and create":    {store.Check(present, version), store.Put(store.Item{Key: absent})},
		"create and create":   {store.Put(store.Item{Key: absent}), store.Put(store.Item{Key: store.Key{Part: "q", ID: "a"}})},
		"create, in two ways": {store.Put(store.Item{Key: store.Key{Part: "q", ID: "a"}}), store.Put(store.Item{Key: present, Version: version})},
	} {
		if err := s.Write(t.Context(), changes...); !redis.IsOOMError(err) || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v, want the server's error", name, err)
		}
	}
	if _, err := s.Add(t.Context(), present, 1, forever); !redis.IsOOMError(err) {
		t.Errorf("Add: %v, want the server's error", err)
	}
	if items, err := s.Get(t.Context(), present); err != nil || len(items) != 1 {
		t.Errorf("a read without memory: %v, %v", items, err)
	}
	// Removing is always possible; together with more it happens as a whole, or not.
	err := s.Write(t.Context(), store.Delete(present, version), store.Put(store.Item{Key: absent}))
	items, getErr := s.Get(t.Context(), present, absent)
	if getErr != nil || len(items) != 1 || (items[0].Key == absent) != (err == nil) {
		t.Errorf("a Delete and a Put: %v; left are %v, %v", err, items, getErr)
	}
	if len(items) == 1 {
		if err := s.Write(t.Context(), store.Delete(items[0].Key, items[0].Version)); err != nil {
			t.Errorf("a Delete without memory: %v", err)
		}
	}
	set("0")
	if items, next, err := s.List(t.Context(), "p", "", 10); err != nil || len(items) != 0 || next != "" {
		t.Errorf("left are %v, %v", items, err)
	}
}

// Real servers that cannot serve: one that has lost the master it copies, one that is a replica, one without slots.
func TestT3_WrongServer(t *testing.T) {
	master := strings.Split(testserver.Redis(t).Addr(), ":")
	lost, replica := testserver.Redis(t).Addr(), testserver.Redis(t).Addr()
	node := testserver.RedisWith(t, testserver.RedisOptions{Cluster: true}).Addr()
	for addr, commands := range map[string][][]any{
		lost:    {{"config", "set", "replica-serve-stale-data", "no"}, {"replicaof", "127.0.0.1", "1"}},
		replica: {{"replicaof", master[0], master[1]}},
	} {
		for _, command := range commands {
			if err := connect(t, &redis.Options{Addr: addr}).Do(t.Context(), command...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for addr, want := range map[string]string{lost: "MASTERDOWN", replica: "READONLY", node: "CLUSTERDOWN"} {
		s := open(t, connect(t, &redis.Options{Addr: addr, MaxRetries: -1}), nil)
		for op, err := range everything(t.Context(), s, "v1") {
			if want == "READONLY" && op != "Add" && op != "create" && op != "conflict" {
				continue // a replica says what it has, which here is nothing: Check is there for that
			}
			if !redis.HasErrorPrefix(err, want) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s, %s: %v, want the server's error", want, op, err)
			}
		}
	}
}

// Keys of the same names that another program wrote are an error, not an item and not absent.
func TestT3_ForeignKeys(t *testing.T) {
	for _, foreign := range []string{"junk", "{}", ":", ":\x00", "99999999999999:", "x:v\x00", "-:v\x00", "1.5x:v\x00", "\x00:"} {
		s, client, version := seed(t, testserver.Redis(t).Addr())
		if err := client.Set(t.Context(), "postern:item{p}present", foreign, 0).Err(); err != nil {
			t.Fatal(err)
		}
		for op, err := range everything(t.Context(), s, version) {
			if op == "Add" {
				continue // counters have other keys
			}
			created := op == "create" && err == nil
			if !created && (err == nil || errors.Is(err, store.ErrInvalid)) {
				t.Errorf("%q, %s: %v, want an error", foreign, op, err)
			}
		}
	}
}

// An index that is something else fails a Write before any of it is done.
func TestT3_ForeignIndex(t *testing.T) {
	s, client, version := seed(t, testserver.Redis(t).Addr())
	if err := client.Set(t.Context(), "postern:index{q}", "junk", 0).Err(); err != nil {
		t.Fatal(err)
	}
	a := store.Key{Part: "q", ID: "a"}
	for _, changes := range [][]store.Change{
		{store.Put(store.Item{Key: a})},
		{store.Put(store.Item{Key: absent}), store.Put(store.Item{Key: a})},
		{store.Delete(present, version), store.Put(store.Item{Key: a})},
		{store.Put(store.Item{Key: present, Version: version}), store.Put(store.Item{Key: a})},
	} {
		if err := s.Write(t.Context(), changes...); !redis.HasErrorPrefix(err, "WRONGTYPE") {
			t.Errorf("%v, want the server's error", err)
		}
		if items, err := s.Get(t.Context(), present, absent, a); err != nil || len(items) != 1 || items[0].Version != version {
			t.Errorf("half a Write: %v, %v", items, err)
		}
	}
}

// The server forgets its scripts at a restart, and by SCRIPT FLUSH.
func TestScriptsForgotten(t *testing.T) {
	s, client, version := seed(t, testserver.Redis(t).Addr())
	flush := func() {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	put := store.Put(store.Item{Key: present, Version: version})
	if err := s.Write(t.Context(), put); err != nil {
		t.Error(err)
	}
	flush()
	if err := s.Write(t.Context(), store.Put(store.Item{Key: present})); !errors.Is(err, store.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
	flush()
	if n, err := s.Add(t.Context(), present, 1, forever); err != nil || n != 1 {
		t.Error(n, err)
	}
	flush()
	if items, _, err := s.List(t.Context(), "p", "", 1); err != nil || len(items) != 1 {
		t.Error(items, err)
	}
}

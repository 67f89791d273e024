package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
)

// Redis removes what has expired, but not before another process whose clock is a minute behind agrees, and however the
// clocks of server and program differ. What never expires stays.
func TestT3_Removal(t *testing.T) {
	client := connect(t, &redis.Options{Addr: testserver.Redis(t).Addr()})
	now := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC) // the server's clock is far ahead
	s := open(t, client, func() time.Time { return now })
	lives := func(key string, want time.Duration) {
		t.Helper()
		got, err := client.PTTL(t.Context(), key).Result()
		if want < 0 && got == want { // go-redis leaves -1 (for ever) and -2 (not there) as they are
			return
		}
		if err != nil || got > want || got < want-30*time.Second {
			t.Errorf("Redis keeps %s for %v, %v; want %v", key, got, err, want)
		}
	}
	put := func(id string, d time.Duration) store.Item {
		t.Helper()
		it := store.Item{Key: store.Key{Part: "p", ID: id}}
		if d != 0 {
			it.Expires = now.Add(d)
		}
		c := store.Put(it)
		if err := s.Write(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return c.Item
	}
	const index, never, gone = "postern:index{p}", -1, -2
	put("short", time.Hour)
	lives("postern:item{p}short", time.Hour+time.Minute)
	lives(index, time.Hour+time.Minute)
	it := put("long", 3*time.Hour)
	put("middle", 2*time.Hour)
	put("dead on arrival", -time.Hour)
	lives("postern:item{p}dead on arrival", time.Minute)
	lives(index, 3*time.Hour+time.Minute)
	it.Expires = now.Add(9 * time.Hour)
	longer := store.Put(it)
	if err := s.Write(t.Context(), longer); err != nil {
		t.Fatal(err)
	}
	lives("postern:item{p}long", 9*time.Hour+time.Minute)
	lives(index, 9*time.Hour+time.Minute)
	immortal := put("immortal", 0)
	lives("postern:item{p}immortal", never)
	lives(index, never)
	put("later", time.Hour)
	lives(index, never)
	immortal.Expires = now.Add(time.Hour)
	if err := s.Write(t.Context(), store.Put(immortal)); err != nil {
		t.Fatal(err)
	}
	lives("postern:item{p}immortal", time.Hour+time.Minute)
	if err := s.Write(t.Context(), store.Delete(longer.Item.Key, longer.Item.Version)); err != nil {
		t.Fatal(err)
	}
	lives("postern:item{p}long", gone)

	for id, expires := range map[string]time.Time{"n": now.Add(time.Hour), "never": {}, "past": now.Add(-time.Hour)} {
		for range 2 { // the expiry of the first holds
			if _, err := s.Add(t.Context(), store.Key{Part: "p", ID: id}, 1, expires); err != nil {
				t.Fatal(err)
			}
			expires = now.Add(5 * time.Hour)
		}
	}
	lives("postern:counter{p}n", time.Hour+time.Minute)
	lives("postern:counter{p}never", never)
	lives("postern:counter{p}past", 5*time.Hour+time.Minute)
}

// The index of a part does not grow with items that Redis has removed.
func TestIndexForgets(t *testing.T) {
	client := connect(t, &redis.Options{Addr: testserver.Redis(t).Addr()})
	s := open(t, client, nil)
	const each = 50
	for round := range 20 {
		var keys []string
		for i := range each {
			k := store.Key{Part: "p", ID: fmt.Sprint(round, "-", i)}
			if err := s.Write(t.Context(), store.Put(store.Item{Key: k, Expires: time.Now().Add(time.Hour)})); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, "postern:item{p}"+k.ID)
		}
		members, err := client.ZRange(t.Context(), "postern:index{p}", 0, -1).Result()
		if err != nil || len(members) > 5*each {
			t.Fatalf("round %d: the index holds %d members of %d living items, %v", round, len(members), each, err)
		}
		for i := range each { // none of the living is forgotten
			if id := fmt.Sprint(round, "-", i); !slices.Contains(members, id) {
				t.Fatalf("round %d: the index lacks %s", round, id)
			}
		}
		if err := client.Del(t.Context(), keys...).Err(); err != nil { // as if their time were up
			t.Fatal(err)
		}
	}
	if ids, next, err := s.List(t.Context(), "p", "", 10); err != nil || len(ids) != 0 || next != "" {
		t.Errorf("List of what is gone: %v, %q, %v", ids, next, err)
	}
	// A part whose last item is deleted leaves nothing.
	put := store.Put(store.Item{Key: store.Key{Part: "q", ID: "a"}})
	if err := s.Write(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), store.Delete(put.Item.Key, put.Item.Version)); err != nil {
		t.Fatal(err)
	}
	if left, err := client.Keys(t.Context(), "*{q}*").Result(); err != nil || len(left) != 0 {
		t.Errorf("left of an empty part: %q, %v", left, err)
	}
}

// An index that was lost, by an eviction or by hand, comes back with the writes of the items that it named.
func TestIndexComesBack(t *testing.T) {
	client := connect(t, &redis.Options{Addr: testserver.Redis(t).Addr()})
	s := open(t, client, nil)
	for name, expires := range map[string]time.Time{"expires": time.Now().Add(time.Hour), "never": {}} {
		put := store.Put(store.Item{Key: store.Key{Part: name, ID: "a"}, Expires: expires})
		if err := s.Write(t.Context(), put); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Del(t.Context(), "postern:index{"+name+"}").Result(); err != nil || n != 1 {
			t.Fatalf("there was no index: %d, %v", n, err)
		}
		again := store.Put(put.Item)
		if err := s.Write(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if items, _, err := s.List(t.Context(), name, "", 10); err != nil || len(items) != 1 || items[0].Version != again.Item.Version {
			t.Errorf("%s: List found %v, %v; want the item that was written again", name, items, err)
		}
		want := time.Duration(-1)
		if !expires.IsZero() {
			want = time.Hour
		}
		if left, err := client.PTTL(t.Context(), "postern:index{"+name+"}").Result(); err != nil || (left < want) || (left < 0) != (want < 0) {
			t.Errorf("%s: the index goes in %v, %v; want that of its item", name, left, err)
		}
	}
}

// A Write that creates several items of one part among many that are gone lists all of them.
func TestIndexOfOneWrite(t *testing.T) {
	client := connect(t, &redis.Options{Addr: testserver.Redis(t).Addr()})
	s := open(t, client, nil)
	for round := range 20 {
		var changes []store.Change
		var want []string
		for i := range store.MaxChanges {
			id := fmt.Sprintf("%02d-%02d", round, i)
			changes = append(changes, store.Put(store.Item{Key: store.Key{Part: "p", ID: id}}))
			want = append(want, id)
		}
		if err := s.Write(t.Context(), changes...); err != nil {
			t.Fatal(err)
		}
		var got []string
		items, _, err := s.List(t.Context(), "p", "", 1000)
		for _, it := range items {
			got = append(got, it.Key.ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("round %d: List found %q, %v", round, got, err)
		}
		for _, id := range want {
			if err := client.Del(t.Context(), "postern:item{p}"+id).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A page ends where many have expired in a row, and the pages after it go on to the end.
func TestListPastTheExpired(t *testing.T) {
	now := time.Now()
	s := open(t, connect(t, &redis.Options{Addr: testserver.Redis(t).Addr()}), func() time.Time { return now })
	for n := range 32 {
		var changes []store.Change
		for i := range store.MaxChanges {
			changes = append(changes, store.Put(store.Item{Key: store.Key{Part: "p", ID: fmt.Sprintf("%02d-%02d", n, i)}, Expires: now.Add(time.Minute)}))
		}
		if err := s.Write(t.Context(), changes...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: "p", ID: "living"}})); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	for _, limit := range []int{1, 100} {
		found, pages, after := 0, 0, ""
		for next := "more"; next != ""; after = next {
			var items []store.Item
			var err error
			if items, next, err = s.List(t.Context(), "p", after, limit); err != nil {
				t.Fatal(err)
			}
			found += len(items)
			pages++
		}
		if found != 1 || pages < 2 {
			t.Errorf("pages of %d: found %d in %d pages, want the one that lives, behind 800 that expired", limit, found, pages)
		}
	}
}

// A page ends before it grows out of bounds, and the next one goes on from there.
func TestListOfLargeItems(t *testing.T) {
	s := open(t, connect(t, &redis.Options{Addr: testserver.Redis(t).Addr()}), nil)
	value := []byte(strings.Repeat("x", store.MaxValue))
	const n = 40
	for i := range n {
		if err := s.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: "p", ID: fmt.Sprintf("%02d", i)}, Value: value})); err != nil {
			t.Fatal(err)
		}
	}
	pages, found := 0, 0
	for after := ""; ; pages++ {
		items, next, err := s.List(t.Context(), "p", after, store.MaxList)
		if err != nil || len(items) > 17 {
			t.Fatalf("%d items of %d bytes, %v", len(items), len(value), err)
		}
		for _, it := range items {
			if want := fmt.Sprintf("%02d", found); it.Key.ID != want || len(it.Value) != len(value) {
				t.Fatalf("List found %q, want %q", it.Key.ID, want)
			}
			found++
		}
		if after = next; after == "" {
			break
		}
	}
	if found != n || pages == 0 {
		t.Errorf("%d items on %d pages, want %d on several", found, pages+1, n)
	}
}

// A Write that is sent again as it was is known to be applied, as long as it stands.
func TestWriteAgain(t *testing.T) {
	s := open(t, connect(t, &redis.Options{Addr: testserver.Redis(t).Addr()}), nil)
	k := store.Key{Part: "p", ID: "a"}
	put := store.Put(store.Item{Key: k})
	for range 2 {
		if err := s.Write(t.Context(), put, store.Check(store.Key{Part: "p", ID: "b"}, "")); err != nil {
			t.Error(err)
		}
	}
	next := store.Put(put.Item)
	if err := s.Write(t.Context(), next); err != nil {
		t.Error(err)
	}
	if err := s.Write(t.Context(), put); !errors.Is(err, store.ErrConflict) {
		t.Errorf("%v after it was replaced, want ErrConflict", err)
	}
}

// Stores of different prefixes share a database and nothing else.
func TestPrefix(t *testing.T) {
	client := connect(t, &redis.Options{Addr: testserver.Redis(t).Addr()})
	k := store.Key{Part: "p", ID: "a"}
	for i, prefix := range []string{"", "a:", "b:", "postern:item"} {
		s, err := redisstore.New(redisstore.Config{Client: client, Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		if items, err := s.Get(t.Context(), k); err != nil || len(items) != 0 {
			t.Errorf("prefix %q sees %v, %v", prefix, items, err)
		}
		if err := s.Write(t.Context(), store.Put(store.Item{Key: k})); err != nil {
			t.Error(err)
		}
		if n, err := s.Add(t.Context(), k, int64(i), forever); err != nil || n != int64(i) {
			t.Errorf("prefix %q: a counter of %d, %v", prefix, n, err)
		}
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	slices.Sort(keys)
	if want := []string{
		"a:counter{p}a", "a:index{p}", "a:item{p}a", "b:counter{p}a", "b:index{p}", "b:item{p}a",
		"postern:counter{p}a", "postern:index{p}", "postern:itemcounter{p}a", "postern:itemindex{p}", "postern:itemitem{p}a", "postern:item{p}a",
	}; err != nil || !slices.Equal(keys, want) {
		t.Errorf("the database holds %q, %v", keys, err)
	}
}

func TestNew_Refused(t *testing.T) {
	client := connect(t, &redis.Options{Addr: "127.0.0.1:1"})
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer ring.Close()
	cached := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", ClientSideCacheConfig: &redis.ClientSideCacheConfig{}})
	defer cached.Close()
	cluster := func(o redis.ClusterOptions) redis.UniversalClient {
		o.Addrs = []string{"127.0.0.1:1"}
		c := redis.NewClusterClient(&o)
		t.Cleanup(func() { c.Close() })
		return c
	}
	for want, c := range map[string]redisstore.Config{
		"Config.Client is missing":                   {},
		"is a ring":                                  {Client: ring},
		"reads from a cache":                         {Client: cached},
		"reads from replicas":                        {Client: cluster(redis.ClusterOptions{ReadOnly: true})},
		"which lag: leave ReadOnly":                  {Client: cluster(redis.ClusterOptions{RouteByLatency: true})},
		"leave ReadOnly, RouteByLatency and RouteRa": {Client: cluster(redis.ClusterOptions{RouteRandomly: true})},
		"holds a brace":                              {Client: client, Prefix: "a{b"},
		"Config.Prefix holds a brace":                {Client: client, Prefix: "a}"},
	} {
		if s, err := redisstore.New(c); err == nil || s != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	for _, c := range []redisstore.Config{{Client: client}, {Client: cluster(redis.ClusterOptions{}), Prefix: "p"}} {
		if _, err := redisstore.New(c); err != nil {
			t.Error(err)
		}
	}
}

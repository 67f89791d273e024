package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/storetest"
)

// The store on a cluster: whatever lies in one part works as it does on one server.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	client, node := c.connect(t), c.clients[0]
	clock := &struct{ d atomic.Int64 }{}
	s := open(t, client, func() time.Time { return time.Now().Add(time.Duration(clock.d.Load())) })
	var keys []store.Key

	t.Run("contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store { return open(t, client, now) })
	})

	t.Run("T5_PartsShareASlot", func(t *testing.T) {
		for i, part := range []string{"p", "{", "}", "{}", "}{", "{a}b", "a{b}c", "%7D", "%", "{}}", "session:é👋", "a\r\nb", strings.Repeat("x", store.MaxName)} {
			x, y, z := store.Key{Part: part, ID: "{x}"}, store.Key{Part: part, ID: "}y"}, store.Key{Part: part, ID: fmt.Sprint("z", i)}
			a, b := store.Put(store.Item{Key: x, Value: []byte(part)}), store.Put(store.Item{Key: y})
			if err := s.Write(t.Context(), a, b, store.Check(z, "")); err != nil {
				t.Fatalf("part %q: %v", part, err)
			}
			if err := s.Write(t.Context(), store.Delete(y, b.Item.Version), store.Check(x, a.Item.Version), store.Put(store.Item{Key: z})); err != nil {
				t.Fatalf("part %q: %v", part, err)
			}
			if items, err := s.Get(t.Context(), z, y, x); err != nil || len(items) != 2 || items[0].Key != z || string(items[1].Value) != part {
				t.Fatalf("part %q: %v, %v", part, items, err)
			}
			if items, next, err := s.List(t.Context(), part, "", 10); err != nil || len(items) != 2 || next != "" || items[1].Key != x {
				t.Fatalf("List of part %q: %v, %q, %v", part, items, next, err)
			}
			if n, err := s.Add(t.Context(), x, 3, forever); err != nil || n != 3 {
				t.Fatalf("Add in part %q: %d, %v", part, n, err)
			}
			keys = append(keys, x)
		}
	})

	t.Run("T1_GetAcrossParts", func(t *testing.T) {
		asked := slices.Clone(keys)
		slices.Reverse(asked)
		asked = slices.Insert(asked, 3, store.Key{Part: "nowhere", ID: "a"})
		items, err := s.Get(t.Context(), asked...)
		if err != nil || len(items) != len(keys) {
			t.Fatalf("%d items, %v; want %d", len(items), err, len(keys))
		}
		for i, it := range items {
			if want := keys[len(keys)-1-i]; it.Key != want || string(it.Value) != want.Part {
				t.Errorf("item %d is %q, want %q", i, it.Key, want)
			}
		}
		if err := client.Set(t.Context(), "postern:item{foreign}a", "junk", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if items, err := s.Get(t.Context(), keys[0], store.Key{Part: "foreign", ID: "a"}); err == nil || items != nil {
			t.Errorf("one of several keys is not an item: %v, %v", items, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if items, err := s.Get(ctx, keys...); err == nil || items != nil {
			t.Errorf("with a context that has ended: %v, %v", items, err)
		}
	})

	t.Run("T1_WriteAcrossPartsIsRefused", func(t *testing.T) {
		onNode := open(t, node, nil)
		for name, s := range map[string]store.Store{"cluster client": s, "client of one node": onNode} {
			for i := range 20 { // whichever slots the names fall into; one node alone may hold both parts' slots, and still not one slot
				a, b := store.Key{Part: fmt.Sprint("left", i), ID: "a"}, store.Key{Part: fmt.Sprint("right", i), ID: "a"}
				err := s.Write(t.Context(), store.Put(store.Item{Key: a}), store.Check(b, ""))
				if !errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrConflict) {
					t.Fatalf("%s: %v, want ErrInvalid", name, err)
				}
				if items, err := open(t, client, nil).Get(t.Context(), a, b); err != nil || len(items) != 0 {
					t.Fatalf("%s: a refused Write left %v, %v", name, items, err)
				}
			}
		}
	})

	t.Run("T1_OtherPartOfTheSameSlot", func(t *testing.T) { // which the server would write to
		slot := func(k store.Key) int64 {
			n, err := client.ClusterKeySlot(t.Context(), "{"+k.Part+"}").Result()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		seen := map[int64]store.Key{}
		for i := 0; ; i++ {
			k := store.Key{Part: fmt.Sprint("slot", i), ID: "a"}
			other, found := seen[slot(k)]
			if seen[slot(k)] = k; !found {
				continue
			}
			if err := s.Write(t.Context(), store.Put(store.Item{Key: k}), store.Check(other, "")); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("two parts of one slot: %v, want ErrInvalid", err)
			}
			return
		}
	})

	t.Run("T3_Expired", func(t *testing.T) {
		k := store.Key{Part: "dying", ID: "a"}
		if err := s.Write(t.Context(), store.Put(store.Item{Key: k, Expires: time.Now().Add(time.Hour)})); err != nil {
			t.Fatal(err)
		}
		clock.d.Store(int64(time.Hour))
		if items, err := s.Get(t.Context(), k, keys[0]); err != nil || len(items) != 1 {
			t.Errorf("%v, %v; want the living one", items, err)
		}
		if err := s.Write(t.Context(), store.Put(store.Item{Key: k})); err != nil {
			t.Errorf("a Put over what expired: %v", err)
		}
	})

	t.Run("T3_ANodeIsGone", func(t *testing.T) {
		if err := node.Do(t.Context(), "cluster", "delslotsrange", 0, 16384/3-1).Err(); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for i := range 30 {
			k := store.Key{Part: fmt.Sprint("gone", i), ID: "a"}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, getErr := s.Get(ctx, k)
			err := s.Write(ctx, store.Put(store.Item{Key: k}))
			cancel()
			if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) {
				t.Errorf("%v from a cluster that is down", err)
			}
			if err != nil && getErr != nil {
				failed++
			}
			if failed == 3 {
				return
			}
		}
		t.Errorf("only %d of 30 parts failed without a third of the slots", failed)
	})
}

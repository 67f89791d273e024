package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return &store.Memory{Now: now}
	})
}

// The zero value works, with the real clock.
func TestMemory_ZeroValue(t *testing.T) {
	var m store.Memory
	k := store.Key{Part: "p", ID: "a"}
	it := store.Item{Key: k, Value: []byte("v"), Expires: time.Now().Add(time.Hour)}
	if err := m.Write(t.Context(), store.Put(it)); err != nil {
		t.Fatal(err)
	}
	it.Key.ID, it.Expires = "b", time.Now().Add(-time.Hour)
	if err := m.Write(t.Context(), store.Put(it)); err != nil {
		t.Fatal(err)
	}
	items, err := m.Get(t.Context(), k, it.Key)
	if err != nil || len(items) != 1 || items[0].Key != k {
		t.Fatalf("got %v, %v; want the item that is alive", items, err)
	}
	if n, err := m.Add(t.Context(), k, 2, time.Time{}); err != nil || n != 2 {
		t.Fatalf("Add: %d, %v", n, err)
	}
}

// What has expired is forgotten by later writes, and an item written often is remembered once.
func TestD3_MemoryStaysBounded(t *testing.T) {
	now := time.Now()
	m := &store.Memory{Now: func() time.Time { return now }}
	often := store.Item{Key: store.Key{Part: "often", ID: "a"}}
	for i := range 5000 {
		often.Expires = now.Add(5 * time.Second) // it is always the next to expire, and never does
		put := store.Put(often)
		flow := store.Put(store.Item{Key: store.Key{Part: fmt.Sprint("flow", i), ID: "a"}, Expires: now.Add(10 * time.Second)})
		if err := m.Write(t.Context(), put, flow); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Add(t.Context(), store.Key{Part: "n", ID: fmt.Sprint(i)}, 1, now.Add(10*time.Second)); err != nil {
			t.Fatal(err)
		}
		often = put.Item
		now = now.Add(time.Second)
	}
	// Ten seconds of flows, ten of counters and the one item are alive; a handful may await the next write.
	if n := store.Remembered(m); n > 30 {
		t.Errorf("%d entries remembered after 5000 rounds, want about 21", n)
	}
	if n := store.Remembered(m); n < 10 {
		t.Errorf("%d entries remembered, fewer than are alive", n)
	}
}

package sqlstore_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/posternauth/postern/store"
)

// TestT2_ReadsTogether: reads that share statements see every write of their caller, and their own items alone.
func TestT2_ReadsTogether(t *testing.T) {
	counting := &counter{}
	db := counting.open(t, postgres(t))
	db.SetMaxOpenConns(8)
	s := postgresStore(t, db, nil)
	const callers, rounds, reads = 16, 10, 10
	var writes, inReads atomic.Int64
	var wg sync.WaitGroup
	before := counting.n.Load()
	for n := range callers {
		wg.Go(func() {
			key := store.Key{Part: fmt.Sprint("session:", n), ID: "row"}
			item := store.Item{Key: key}
			for round := range rounds {
				item.Value = fmt.Appendf(nil, "%d of %d", round, n)
				put := store.Put(item)
				if err := s.Write(t.Context(), put); err != nil {
					t.Error(err)
					return
				}
				writes.Add(1)
				item = put.Item
				for range reads {
					got, err := s.Get(t.Context(), store.Key{Part: key.Part, ID: "!"}, key)
					if err != nil || len(got) != 1 || got[0].Key != key || got[0].Version != item.Version || string(got[0].Value) != string(item.Value) {
						t.Errorf("caller %d reads %v, %v; want %q", n, got, err, item.Value)
						return
					}
					inReads.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := counting.n.Load() - before - writes.Load(); n >= inReads.Load() || n < 1 {
		t.Errorf("%d reads took %d statements, want fewer", inReads.Load(), n)
	} else {
		t.Logf("%d reads took %d statements", inReads.Load(), n)
	}
}

// TestT2_ReadsSeeOthersWrites: a read that begins after a write of another goroutine was answered sees it, although it
// shares statements with reads that began before.
func TestT2_ReadsSeeOthersWrites(t *testing.T) {
	counting := &counter{}
	db := counting.open(t, postgres(t))
	db.SetMaxOpenConns(8)
	s := postgresStore(t, db, nil)
	key := store.Key{Part: "shared", ID: "row"}
	const writes = 200
	var answered, reads atomic.Int64 // of the last write; of all readers
	var wg sync.WaitGroup
	before := counting.n.Load()
	wg.Go(func() {
		item := store.Item{Key: key}
		for n := range writes {
			item.Value = strconv.AppendInt(nil, int64(n+1), 10)
			put := store.Put(item)
			if err := s.Write(t.Context(), put); err != nil {
				t.Error(err)
				break
			}
			item = put.Item
			answered.Store(int64(n + 1))
		}
		answered.Add(writes) // the end, for the readers
	})
	for range 12 {
		wg.Go(func() {
			for {
				least := answered.Load()
				if least >= writes {
					return
				}
				got, err := s.Get(t.Context(), store.Key{Part: key.Part, ID: "!"}, key)
				if err != nil {
					t.Error(err)
					return
				}
				reads.Add(1)
				if least == 0 {
					continue
				}
				if len(got) != 1 {
					t.Errorf("after write %d there is no item", least)
					return
				}
				if seen, err := strconv.ParseInt(string(got[0].Value), 10, 64); err != nil || seen < least {
					t.Errorf("after write %d a read sees %q", least, got[0].Value)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := counting.n.Load() - before - writes; n >= reads.Load() || n < 1 {
		t.Errorf("%d reads took %d statements, want fewer", reads.Load(), n)
	}
}

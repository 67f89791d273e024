package dynamostore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
)

const (
	stormWriters = 8
	stormWrites  = 60 // of each writer
	stormOdds    = 0.25
)

// storm opens a store for each writer, with faults under a quarter of its requests. Each kind comes at least once,
// under the first requests of one writer; the storm fails for every kind that did not.
func storm(t *testing.T) (clean store.Store, stormy []store.Store) {
	t.Helper()
	client, table := newTable(t)
	transport := &http.Transport{MaxIdleConnsPerHost: stormWriters}
	nets := make([]*faulty, stormWriters)
	for i := range nets {
		nets[i] = &faulty{next: transport, odds: stormOdds}
		for j := i; j < len(faults); j += stormWriters {
			nets[i].plan = append(nets[i].plan, faults[j])
		}
		stormy = append(stormy, openStore(t, newClient(motoURL(t), nets[i]), table, nil))
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		for _, f := range faults {
			total := 0
			for _, net := range nets {
				_, injected := net.count(f.name)
				total += injected
			}
			if total == 0 {
				t.Errorf("the storm had no %q", f.name)
			}
		}
	})
	return openStore(t, client, table, nil), stormy
}

// TestT2_StormAlone has each writer change another item. Nobody else does, so a conflict is a false one; and
// after every call the item is what the answer says.
func TestT2_StormAlone(t *testing.T) {
	clean, stormy := storm(t)
	var acked, doubts, refused atomic.Int64
	var wg sync.WaitGroup
	for i, s := range stormy {
		wg.Go(func() {
			w := &lonely{t: t, clean: clean, s: s, key: store.Key{Part: fmt.Sprint("own", i), ID: "a"}, other: store.Key{Part: fmt.Sprint("other", i), ID: "b"}}
			for range stormWrites {
				switch err := w.step(); {
				case err == nil:
					acked.Add(1)
				case errors.Is(err, store.ErrConflict):
					refused.Add(1)
				default:
					doubts.Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d acknowledged, %d in doubt, %d refused as stale", acked.Load(), doubts.Load(), refused.Load())
	if acked.Load() == 0 || doubts.Load() == 0 || refused.Load() == 0 {
		t.Error("the storm did not have all ends")
	}
}

// lonely is a writer and what it knows of its item.
type lonely struct {
	t          *testing.T
	clean, s   store.Store
	key, other store.Key
	version    string // of the item; empty when it is absent
	former     string // a version that it once had
}

func (w *lonely) step() error {
	next := store.Put(store.Item{Key: w.key, Value: []byte("v"), Version: w.version})
	after := next.Item.Version
	changes := []store.Change{next}
	stale := false
	switch {
	case w.former != "" && rand.IntN(5) == 0:
		changes[0] = store.Put(store.Item{Key: w.key, Value: []byte("wrong"), Version: w.former})
		after, stale = w.version, true
	case w.version != "" && rand.IntN(4) == 0:
		changes[0] = store.Delete(w.key, w.version)
		after = ""
	case rand.IntN(2) == 0:
		changes = append(changes, store.Check(w.other, ""))
	}
	err := w.s.Write(w.t.Context(), changes...)
	got := w.standing()
	switch {
	case err == nil && stale:
		w.t.Error("a false success: a stale version was taken")
	case err == nil && got != after:
		w.t.Errorf("an acknowledged write was lost: %q stands, want %q", got, after)
	case errors.Is(err, store.ErrConflict) && !stale:
		w.t.Errorf("a false conflict: nobody else writes this item; %q stands, %q was put in place of %q", got, after, w.version)
	case got != after && got != w.version:
		w.t.Errorf("%q stands, which is neither from before nor from after (%v)", got, err)
	}
	if got != w.version && w.version != "" {
		w.former = w.version
	}
	w.version = got
	return err
}

func (w *lonely) standing() string {
	items, err := w.clean.Get(w.t.Context(), w.key)
	if err != nil {
		w.t.Errorf("Get without faults: %v", err)
	}
	if len(items) == 0 {
		return ""
	}
	return items[0].Version
}

// TestT2_StormTogether has all writers append to one item, alone and in transactions: what was acknowledged is in it
// once, what was answered with a conflict is not.
func TestT2_StormTogether(t *testing.T) {
	clean, stormy := storm(t)
	shared := create(t, clean, store.Key{Part: "shared", ID: "log"}, "", time.Time{})
	var mu sync.Mutex
	ends := map[end][]string{}
	var wg sync.WaitGroup
	for i, s := range stormy {
		wg.Go(func() {
			for n := range stormWrites {
				items, err := s.Get(t.Context(), shared.Key)
				if err != nil || len(items) != 1 {
					t.Errorf("Get: %v, %v", items, err)
					return
				}
				entry := fmt.Sprintf("%d-%d;", i, n)
				it := items[0]
				it.Value = append(it.Value, entry...)
				changes := []store.Change{store.Put(it)}
				if n%2 == 0 {
					changes = append(changes, store.Put(store.Item{Key: store.Key{Part: "entries", ID: entry}, Value: []byte(entry)}))
				}
				e := endOf(s.Write(t.Context(), changes...))
				mu.Lock()
				ends[e] = append(ends[e], entry)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	items, err := clean.Get(t.Context(), shared.Key)
	if err != nil || len(items) != 1 {
		t.Fatalf("Get: %v, %v", items, err)
	}
	log := strings.SplitAfter(string(items[0].Value), ";")
	for e, entries := range ends {
		for _, entry := range entries {
			n := 0
			for _, line := range log {
				if line == entry {
					n++
				}
			}
			if n > 1 || e == success && n != 1 || e == conflict && n != 0 {
				t.Errorf("entry %s is in the log %d times after %v", entry, n, e)
			}
		}
	}
	// An entry of a transaction is there exactly if it is in the log.
	listed, next, err := clean.List(t.Context(), "entries", "", store.MaxList)
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	for _, it := range listed {
		if !slices.Contains(log, it.Key.ID) {
			t.Errorf("half of a transaction: %s", it.Key.ID)
		}
	}
	for _, line := range log {
		var i, n int
		if _, err := fmt.Sscanf(line, "%d-%d;", &i, &n); err == nil && n%2 == 0 && !slices.ContainsFunc(listed, func(it store.Item) bool { return it.Key.ID == line }) {
			t.Errorf("half of a transaction: only the log has %s", line)
		}
	}
	t.Logf("%d acknowledged, %d conflicts, %d in doubt", len(ends[success]), len(ends[conflict]), len(ends[doubt]))
	if len(ends[success]) == 0 || len(ends[conflict]) == 0 {
		t.Error("the storm did not have all ends")
	}
}

// TestT2_StormOfAdds has all writers count: the sum lies between what was acknowledged and that and all doubts, and no
// two get the same sum.
func TestT2_StormOfAdds(t *testing.T) {
	clean, stormy := storm(t)
	k := store.Key{Part: "n", ID: "n"}
	var acked, doubts atomic.Int64
	var sums sync.Map
	var wg sync.WaitGroup
	for _, s := range stormy {
		wg.Go(func() {
			for range stormWrites {
				sum, err := s.Add(t.Context(), k, 1, time.Time{})
				if err != nil {
					doubts.Add(1)
					continue
				}
				acked.Add(1)
				if _, twice := sums.LoadOrStore(sum, true); twice {
					t.Errorf("the sum %d was returned twice", sum)
				}
			}
		})
	}
	wg.Wait()
	sum, err := clean.Add(t.Context(), k, 0, time.Time{})
	if err != nil || sum < acked.Load() || sum > acked.Load()+doubts.Load() {
		t.Errorf("the sum is %d, %v; %d were acknowledged and %d are in doubt", sum, err, acked.Load(), doubts.Load())
	}
	if acked.Load() == 0 || doubts.Load() == 0 {
		t.Error("the storm did not have all ends")
	}
}

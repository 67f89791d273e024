package sqlstore

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/store"
)

// TestGather_Yield: those who were answered by one statement and ask again at once are all in the next one.
func TestGather_Yield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const readers, rounds = 8, 50
	synctest.Test(t, func(t *testing.T) {
		var statements atomic.Int64
		q := readQueue{run: func(_ context.Context, keys []store.Key) ([]store.Item, error) {
			statements.Add(1)
			time.Sleep(100 * time.Microsecond)
			return make([]store.Item, len(keys)), nil
		}}
		var wg sync.WaitGroup
		for range readers {
			wg.Go(func() {
				for range rounds {
					if _, err := q.get(t.Context(), []store.Key{{Part: "p", ID: "a"}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := statements.Load(); n < rounds || n > rounds*3/2 {
			t.Errorf("%d readers of %d rounds took %d statements, want little more than one for each round", readers, rounds, n)
		}
	})
}

// TestGather_Fresh: no read goes with a statement that began before the read did.
func TestGather_Fresh(t *testing.T) {
	var written atomic.Int64
	q := readQueue{run: func(_ context.Context, keys []store.Key) ([]store.Item, error) {
		seen := fmt.Sprint(written.Load())
		runtime.Gosched()
		items := make([]store.Item, len(keys))
		for i := range items {
			items[i].Version = seen
		}
		return items, nil
	}}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 2000 {
				mine := written.Add(1)
				items, err := q.get(t.Context(), make([]store.Key, 2))
				if err != nil || len(items) != 2 {
					t.Error(items, err)
					return
				}
				if seen, err := strconv.ParseInt(items[1].Version, 10, 64); err != nil || seen < mine {
					t.Errorf("after write %d a read sees %d, %v", mine, seen, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestGather_Far: reads from a server far away wait for nobody, those from one that is not near make two statements at
// once, and share again when it is near.
func TestGather_Far(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		one := func(way time.Duration) {
			result := g.read(t.Context(), "one", 1)
			s, _ := g.next()
			time.Sleep(way)
			s.end <- nil
			expect(t, "one", result, nil)
		}
		learn := func(way time.Duration) {
			for g.seen != 0 {
				one(lag)
			}
			for range measured - 1 {
				one(lag)
			}
			one(way) // a quick one counts
		}
		// beside returns how many reads of six go at once, and whether a seventh does beside a statement of four.
		beside := func() (begun int, another bool) {
			var results []chan error
			for range 6 {
				results = append(results, g.read(t.Context(), "together", 1))
			}
			begun = len(g.statements)
			for range min(begun, 2) {
				s, _ := g.next()
				s.end <- nil
			}
			synctest.Wait()
			results = append(results, g.read(t.Context(), "seventh", 1))
			another = begun == 6 || len(g.statements) == 2
			for s, _ := g.next(); s != nil; s, _ = g.next() {
				s.end <- nil
			}
			for _, result := range results {
				expect(t, "together", result, nil)
			}
			g.idle(t)
			return begun, another
		}
		for _, c := range []struct {
			way     time.Duration
			begun   int
			another bool
		}{{lag / 8, 2, false}, {lag/8 + 1, 2, true}, {lag / 2, 2, true}, {lag/2 + 1, 6, true}, {lag / 8, 2, false}} {
			learn(c.way)
			if begun, another := beside(); begun != c.begun || another != c.another {
				t.Errorf("with a way of %v, %d go at once and another beside four: %t; want %d, %t", c.way, begun, another, c.begun, c.another)
			}
		}
	})
}

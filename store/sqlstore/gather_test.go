package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/store"
)

// gathering is a queue whose statements stay under way until the test ends them.
type gathering struct {
	readQueue
	statements chan *statement
}

type statement struct {
	keys []store.Key
	end  chan error
}

func newGathering() *gathering {
	g := &gathering{statements: make(chan *statement, 100)}
	g.run = func(ctx context.Context, keys []store.Key) ([]store.Item, error) {
		s := &statement{keys, make(chan error, 1)}
		g.statements <- s
		select {
		case err := <-s.end:
			items := make([]store.Item, len(keys))
			for i, k := range keys {
				items[i] = store.Item{Key: k, Version: "of " + k.ID}
			}
			return items, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g
}

// read begins a read of n keys, and returns the channel of its error.
func (g *gathering) read(ctx context.Context, name string, n int) chan error {
	result := make(chan error, 1)
	keys := make([]store.Key, n)
	for i := range keys {
		keys[i] = store.Key{Part: "p", ID: fmt.Sprint(name, i)}
	}
	go func() {
		items, err := g.get(ctx, keys)
		for i, it := range items {
			if it.Key != keys[i] || it.Version != "of "+keys[i].ID {
				err = fmt.Errorf("%s has at %d %v", name, i, it)
			}
		}
		if err == nil && len(items) != n {
			err = fmt.Errorf("%s has %d items", name, len(items))
		}
		result <- err
	}()
	synctest.Wait()
	return result
}

// next returns the statement that was begun next, and the number of its keys; nil if there is none.
func (g *gathering) next() (*statement, int) {
	synctest.Wait()
	select {
	case s := <-g.statements:
		return s, len(s.keys)
	default:
		return nil, 0
	}
}

// idle fails the test if anyone has a turn or waits.
func (g *gathering) idle(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if g.running != 0 || len(g.waiting) != 0 || len(g.statements) != 0 {
		t.Errorf("in the end %d have a turn, %d wait and %d statements were not asked for", g.running, len(g.waiting), len(g.statements))
	}
}

func expect(t *testing.T, what string, result chan error, want error) {
	t.Helper()
	if err := <-result; !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// Reads that come while two are under way go together, as many as fit into a statement, and each gets its items.
func TestGather_Together(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		var results []chan error
		for i, n := range []int{2, 1, 2, 10, 12, 3, 1} {
			results = append(results, g.read(t.Context(), string(rune('a'+i)), n))
		}
		one, n := g.next()
		two, m := g.next()
		if three, _ := g.next(); n != 2 || m != 1 || three != nil {
			t.Fatalf("%d and %d keys are under way, and others: %t", n, m, three != nil)
		}
		one.end <- nil
		three, n := g.next()
		if n != 2+10+12 {
			t.Errorf("%d keys go together, want 24 of the 25 that fit", n)
		}
		two.end <- nil
		four, n := g.next()
		if n != 3+1 {
			t.Errorf("%d keys go after them, want 4", n)
		}
		three.end <- nil
		four.end <- nil
		for i, result := range results {
			expect(t, fmt.Sprint("read ", i), result, nil)
		}
		g.idle(t)
	})
}

// The context or the error of a read is not that of those that went with it.
func TestGather_Failures(t *testing.T) {
	for _, cancelled := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			g := newGathering()
			a, b := g.read(t.Context(), "a", 1), g.read(t.Context(), "b", 1)
			ctx, cancel := context.WithCancel(t.Context())
			leader, follower := g.read(ctx, "leader", 1), g.read(t.Context(), "follower", 1)
			one, _ := g.next()
			two, _ := g.next()
			one.end <- nil
			shared, n := g.next()
			if n != 2 {
				t.Fatalf("%d keys go together, want 2", n)
			}
			want := context.Canceled
			if cancelled {
				cancel()
			} else {
				want = errors.New("a fault")
				shared.end <- want
			}
			expect(t, "leader", leader, want)
			alone, n := g.next()
			if n != 1 || alone.keys[0].ID != "follower0" {
				t.Fatalf("after it failed, the read that went with it has %d keys", n)
			}
			alone.end <- nil
			two.end <- nil
			expect(t, "follower", follower, nil)
			expect(t, "a", a, nil)
			expect(t, "b", b, nil)
			cancel()
			g.idle(t)
		})
	}
}

// A read that gives up while it waits, or while another has taken it along, leaves at once and holds up nobody.
func TestGather_GiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		a, b := g.read(t.Context(), "a", 1), g.read(t.Context(), "b", 1)
		early, stop := context.WithCancel(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		waits := g.read(early, "waits", 1)
		leader, along := g.read(t.Context(), "leader", 1), g.read(ctx, "along", 1)
		one, _ := g.next()
		two, _ := g.next()
		stop()
		expect(t, "waits", waits, context.Canceled)
		one.end <- nil
		shared, n := g.next()
		if n != 2 {
			t.Fatalf("%d keys go together, want 2", n)
		}
		cancel()
		expect(t, "along", along, context.Canceled)
		expect(t, "called too late", g.read(ctx, "late", 1), context.Canceled)
		shared.end <- nil
		two.end <- nil
		expect(t, "leader", leader, nil)
		expect(t, "a", a, nil)
		expect(t, "b", b, nil)
		g.idle(t)
	})
}

// A read that gives up as its turn comes passes it on.
func TestGather_GiveUpTheTurn(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			g := newGathering()
			a, b := g.read(t.Context(), "a", 1), g.read(t.Context(), "b", 1)
			ctx, cancel := context.WithCancel(t.Context())
			waits := g.read(ctx, "waits", 1)
			one, _ := g.next()
			two, _ := g.next()
			one.end <- nil
			cancel()
			expect(t, "waits", waits, context.Canceled)
			two.end <- nil
			expect(t, "a", a, nil)
			expect(t, "b", b, nil)
			for synctest.Wait(); len(g.statements) > 0; { // it may have begun
				<-g.statements
			}
			g.idle(t)
		})
	}
}

// Statements that hang hold up the reads behind them for two milliseconds, and those they took along for a second.
func TestGather_Hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		a, b := g.read(t.Context(), "a", 1), g.read(t.Context(), "b", 1)
		one, _ := g.next()
		two, _ := g.next()
		begin := time.Now()
		behind := g.read(t.Context(), "behind", 1)
		time.Sleep(lag)
		alone, n := g.next()
		if n != 1 {
			t.Fatal("a read waits for statements that hang")
		}
		alone.end <- nil
		expect(t, "behind", behind, nil)
		if took := time.Since(begin); took != 2*time.Millisecond {
			t.Errorf("it waited for %v", took)
		}

		leader, along := g.read(t.Context(), "leader", 1), g.read(t.Context(), "along", 1)
		one.end <- nil
		shared, n := g.next()
		if n != 2 {
			t.Fatalf("%d keys go together, want 2", n)
		}
		begin = time.Now()
		again, n := (<-g.statements), 1
		if len(again.keys) != n || again.keys[0].ID != "along0" || time.Since(begin) != time.Second+lag {
			t.Errorf("%v after %v, want the read that was taken along, after a second", again.keys, time.Since(begin))
		}
		again.end <- nil
		expect(t, "along", along, nil)
		two.end <- nil
		shared.end <- nil
		expect(t, "leader", leader, nil)
		expect(t, "a", a, nil)
		expect(t, "b", b, nil)
		g.idle(t)
	})
}

// A panic of the driver in one read leaves no other waiting.
func TestGather_Panic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		plain, once := g.run, sync.Once{}
		g.run = func(ctx context.Context, keys []store.Key) ([]store.Item, error) {
			if len(keys) == 2 {
				once.Do(func() { panic("the driver") })
			}
			return plain(ctx, keys)
		}
		a, b := g.read(t.Context(), "a", 1), g.read(t.Context(), "b", 1)
		panicked := make(chan any, 1)
		go func() {
			defer func() { panicked <- recover() }()
			_, _ = g.get(t.Context(), []store.Key{{Part: "p", ID: "leader"}})
		}()
		synctest.Wait()
		along := g.read(t.Context(), "along", 1)
		one, _ := g.next()
		two, _ := g.next()
		one.end <- nil
		if p := <-panicked; p != "the driver" {
			t.Fatalf("the leader's call ended with %v", p)
		}
		alone, _ := g.next()
		alone.end <- nil
		two.end <- nil
		expect(t, "along", along, nil)
		expect(t, "a", a, nil)
		expect(t, "b", b, nil)
		g.idle(t)
	})
}

// TestGather_Far: reads from a server far away wait for nobody, and share again when it is near.
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
		together := func() (statements int) {
			var results []chan error
			for range 5 {
				results = append(results, g.read(t.Context(), "together", 1))
			}
			for s, _ := g.next(); s != nil; s, _ = g.next() {
				statements++
				s.end <- nil
			}
			for _, result := range results {
				expect(t, "together", result, nil)
			}
			g.idle(t)
			return statements
		}
		for range measured - 1 {
			one(lag)
		}
		one(lag / 2) // one that was quick: the server is not far
		if n := together(); n != abreast+1 {
			t.Errorf("near: %d statements for five reads, want %d", n, abreast+1)
		}
		for g.seen != 0 {
			one(lag)
		}
		for range measured {
			one(lag)
		}
		if n := together(); n != 5 {
			t.Errorf("far: %d statements for five reads, want 5", n)
		}
		for !(!g.far && g.seen == 0) {
			one(lag / 4)
		}
		if n := together(); n != abreast+1 {
			t.Errorf("near again: %d statements for five reads, want %d", n, abreast+1)
		}
	})
}

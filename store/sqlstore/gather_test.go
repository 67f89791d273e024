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
	if g.running != 0 || g.reads != 0 || g.gathering || len(g.waiting) != 0 || len(g.statements) != 0 {
		t.Errorf("in the end %d statements of %d reads are under way (another: %t), %d wait and %d statements were not asked for",
			g.running, g.reads, g.gathering, len(g.waiting), len(g.statements))
	}
}

func expect(t *testing.T, what string, result chan error, want error) {
	t.Helper()
	if err := <-result; !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// Reads that come while two are under way go together, and each gets its items. As many as fill a statement wait for
// nobody.
func TestGather_Together(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		var results []chan error
		read := func(sizes ...int) {
			for _, n := range sizes {
				results = append(results, g.read(t.Context(), string(rune('a'+len(results))), n))
			}
		}
		read(2, 1, 2, 10, 11)
		one, n := g.next()
		two, m := g.next()
		if three, _ := g.next(); n != 2 || m != 1 || three != nil {
			t.Fatalf("%d and %d keys are under way, and others: %t", n, m, three != nil)
		}
		read(3, 1)
		three, n := g.next()
		if n != 2+10+11 {
			t.Fatalf("%d keys go together, want 23 of the 26 that wait", n)
		}
		one.end <- nil
		two.end <- nil
		if four, n := g.next(); four != nil {
			t.Fatalf("%d keys go beside a statement of several reads", n)
		}
		three.end <- nil
		four, n := g.next()
		if n != 3+1 {
			t.Fatalf("%d keys go after them, want 4", n)
		}
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

// Statements that hang hold up the reads behind them for two milliseconds, which then go together; those that come
// later wait for these alone.
func TestGather_Hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		a, b := g.read(t.Context(), "a", 1), g.read(t.Context(), "b", 1)
		one, _ := g.next()
		two, _ := g.next()
		begin := time.Now()
		behind := []chan error{g.read(t.Context(), "behind", 1), g.read(t.Context(), "too", 1), g.read(t.Context(), "three", 1)}
		time.Sleep(lag)
		shared, n := g.next()
		if n != len(behind) {
			t.Fatalf("of %d reads behind statements that hang, %d go", len(behind), n)
		}
		later := g.read(t.Context(), "later", 1)
		if s, _ := g.next(); s != nil {
			t.Fatal("one that comes later does not wait")
		}
		shared.end <- nil
		for _, result := range behind {
			expect(t, "behind", result, nil)
		}
		after, n := g.next()
		if n != 1 {
			t.Fatal("one that comes later waits for the statements that hang")
		}
		after.end <- nil
		expect(t, "later", later, nil)
		if took := time.Since(begin); took != 2*time.Millisecond {
			t.Errorf("they waited for %v", took)
		}
		one.end <- nil
		two.end <- nil
		expect(t, "a", a, nil)
		expect(t, "b", b, nil)
		g.idle(t)
	})
}

// Those that a statement took along which then hangs go alone after a second.
func TestGather_HangsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		a, b := g.read(t.Context(), "a", 1), g.read(t.Context(), "b", 1)
		one, _ := g.next()
		two, _ := g.next()
		leader, along := g.read(t.Context(), "leader", 1), g.read(t.Context(), "along", 1)
		one.end <- nil
		two.end <- nil
		shared, n := g.next()
		if n != 2 {
			t.Fatalf("%d keys go together, want 2", n)
		}
		begin := time.Now()
		again := <-g.statements
		if len(again.keys) != 1 || again.keys[0].ID != "along0" || time.Since(begin) != time.Second+lag {
			t.Errorf("%v after %v, want the read that was taken along, after a second", again.keys, time.Since(begin))
		}
		again.end <- nil
		expect(t, "along", along, nil)
		shared.end <- nil
		expect(t, "leader", leader, nil)
		expect(t, "a", a, nil)
		expect(t, "b", b, nil)
		g.idle(t)
	})
}

// A slow server gets one statement after the other from those who wait, and not one from each.
func TestGather_Slow(t *testing.T) {
	const readers = 12
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		var results []chan error
		for i := range readers {
			results = append(results, g.read(t.Context(), fmt.Sprint(i), 1))
		}
		var all []*statement
		for s, _ := g.next(); s != nil; s, _ = g.next() {
			all = append(all, s)
			time.Sleep(2 * lag)
		}
		if len(all) != 3 || len(all[2].keys) != readers-2 {
			t.Errorf("%d reads took %d statements, want two of one and one of all others", readers, len(all))
		}
		for _, s := range all {
			s.end <- nil
		}
		for i, result := range results {
			expect(t, fmt.Sprint("read ", i), result, nil)
		}
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

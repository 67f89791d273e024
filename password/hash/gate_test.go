package hash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The tests of this file run in a bubble whose clock jumps: a hash there is a pause of 60 ms.
const oneHash = 60 * time.Millisecond

// hashOnce takes a turn, and returns how long it waited.
func hashOnce(ctx context.Context, g *gate, memory int) (time.Duration, error) {
	began := time.Now()
	release, err := g.enter(ctx, memory)
	waited := time.Since(began)
	if err != nil {
		return waited, err
	}
	time.Sleep(oneHash)
	release()
	return waited, nil
}

// empty fails the test if the gate keeps anything of calls that have ended.
func empty(t *testing.T, g *gate) {
	t.Helper()
	if g.running != 0 || g.used != 0 {
		t.Errorf("%d hashes with %d KiB are still running", g.running, g.used)
	}
	for kind, q := range g.queues {
		if q.waiting != 0 || len(q.shares) != 0 {
			t.Errorf("queue %d: %d are waiting, %d networks are kept", kind, q.waiting, len(q.shares))
		}
	}
}

// crowd calls again and again from one network each, until ctx ends, without heeding RetryAfter.
func crowd(ctx context.Context, g *gate, wg *sync.WaitGroup, calls int, network func(i int) string) {
	for i := range calls {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := hashOnce(WithShare(ctx, network(i)), g, 1); err != nil {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
}

// TestP8_OneNetwork: while one network has 500 calls at a time, the calls of other networks are answered within a
// second, none is refused, and neither is that of a known browser in the crowd's own network.
func TestP8_OneNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 1000, 32)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		crowd(ctx, g, &wg, 500, func(int) string { return "2001:db8:1:2::/64" })
		synctest.Wait()
		var others sync.WaitGroup
		var longest atomic.Int64
		call := func(what string, ctx context.Context) {
			others.Go(func() {
				waited, err := hashOnce(ctx, g, 1)
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				for old := longest.Load(); int64(waited) > old && !longest.CompareAndSwap(old, int64(waited)); {
					old = longest.Load()
				}
			})
		}
		for i := range 300 {
			call("another network", WithShare(ctx, fmt.Sprint("network ", i)))
			if i%10 == 0 {
				call("a known browser", WithKnown(WithShare(ctx, "2001:db8:1:2::/64")))
			}
			time.Sleep(50 * time.Millisecond)
		}
		others.Wait()
		stop()
		wg.Wait()
		if d := time.Duration(longest.Load()); d > time.Second || d == 0 {
			t.Errorf("the longest wait of others is %v", d)
		}
		empty(t, g)
	})
}

// TestP8_ManyNetworks: a crowd of 500 networks fills the common queue, and known browsers are answered all the same.
func TestP8_ManyNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 1000, 32)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		crowd(ctx, g, &wg, 500, func(i int) string { return fmt.Sprint("network ", i) })
		synctest.Wait()
		_, err := hashOnce(WithShare(ctx, "another"), g, 1)
		var busy *BusyError
		if !errors.As(err, &busy) || busy.RetryAfter < time.Second || busy.RetryAfter%time.Second != 0 || !errors.Is(err, ErrBusy) {
			t.Errorf("a full queue: %v", err)
		}
		for i := range 50 {
			waited, err := hashOnce(WithKnown(WithShare(ctx, fmt.Sprint("network ", i))), g, 1)
			if err != nil || waited > time.Second {
				t.Errorf("a known browser waited %v: %v", waited, err)
			}
		}
		stop()
		wg.Wait()
		empty(t, g)
	})
}

// TestGate_Shares: networks take turns whatever the number of their calls, and when the queue is full the newest call
// of the largest network gives way, not the caller from another network.
func TestGate_Shares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1000, 6)
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		call := func(network string) {
			wg.Go(func() {
				release, err := g.enter(WithShare(t.Context(), network), 1)
				mu.Lock()
				if err != nil {
					network = "-" + network
				}
				order = append(order, network)
				mu.Unlock()
				if err == nil {
					time.Sleep(oneHash)
					release()
				}
			})
			synctest.Wait()
		}
		for range 7 { // one runs, six wait
			call("a")
		}
		call("b") // a's newest gives way
		call("b") // a's newest gives way
		call("c") // a's newest gives way
		call("b") // a and b would have three each
		call("a") // a has most already
		wg.Wait()
		want := "[a -a -a -a -b -a b c a b a a]"
		if got := fmt.Sprint(order); got != want {
			t.Errorf("served %s, want %s", got, want)
		}
		empty(t, g)
	})
}

// TestGate_Memory: hashes that take more memory run fewer at a time, the largest one alone, and none is overtaken for
// ever by smaller ones.
func TestGate_Memory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(4, 40, 64)
		var running, most atomic.Int64
		var wg sync.WaitGroup
		for i := range 30 {
			memory := []int{10, 10, 10, 25, 90}[i%5]
			wg.Go(func() {
				release, err := g.enter(WithShare(t.Context(), fmt.Sprint(i%3)), memory)
				if err != nil {
					t.Error(err)
					return
				}
				if n := running.Add(int64(memory)); n > 40 && n != 90 {
					t.Errorf("%d KiB at a time", n)
				} else if n > most.Load() {
					most.Store(n)
				}
				time.Sleep(oneHash)
				running.Add(int64(-memory))
				release()
			})
		}
		wg.Wait()
		if most.Load() != 90 {
			t.Errorf("at most %d KiB ran", most.Load())
		}
		empty(t, g)
	})
}

// TestGate_Cancelled: a call that ends while it waits leaves the queue at once, one that has ended never enters, and
// nothing stays behind.
func TestGate_Cancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1000, 2)
		release, err := g.enter(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := g.enter(ctx, 1)
				results <- err
			}()
		}
		synctest.Wait()
		if _, err := g.enter(t.Context(), 1); !errors.Is(err, ErrBusy) {
			t.Errorf("a third call: %v", err)
		}
		cancel()
		for range 2 {
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled call: %v", err)
			}
		}
		if _, err := g.enter(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that was cancelled before: %v", err)
		}
		release()
		if _, err := hashOnce(t.Context(), g, 1); err != nil {
			t.Errorf("after the cancelled calls: %v", err)
		}
		empty(t, g)
	})
}

// TestGate_Torture: random calls that end at random moments never break the bounds, and leave nothing.
func TestGate_Torture(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate(3, 30, 12)
			r := rand.New(rand.NewPCG(seed, 11))
			var running, served atomic.Int64
			var wg sync.WaitGroup
			for range 400 {
				ctx := WithShare(t.Context(), fmt.Sprint(r.IntN(6)))
				if r.IntN(4) == 0 {
					ctx = WithKnown(ctx)
				}
				memory, start, took, patience := 1+r.IntN(40), r.IntN(2000), r.IntN(80), r.IntN(300)
				wg.Go(func() {
					time.Sleep(time.Duration(start) * time.Millisecond)
					ctx, cancel := context.WithTimeout(ctx, time.Duration(patience)*time.Millisecond)
					defer cancel()
					release, err := g.enter(ctx, memory)
					if err != nil {
						if !errors.Is(err, ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
							t.Error(err)
						}
						return
					}
					if running.Add(1) > 3 {
						t.Error("more than 3 run")
					}
					served.Add(1)
					time.Sleep(time.Duration(took) * time.Millisecond)
					running.Add(-1)
					release()
				})
			}
			wg.Wait()
			if served.Load() < 30 {
				t.Errorf("seed %d: %d served", seed, served.Load())
			}
			empty(t, g)
		})
	}
}

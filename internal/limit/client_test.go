package limit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/store"
)

var perClient = limit.Rule{Name: "wrong", Every: 24 * time.Hour, Burst: 40}

// spray takes from every address until all are denied, and returns how many takes succeeded.
func spray(t *testing.T, s store.Store, c *testclock.Clock, addrs []string) (allowed int) {
	t.Helper()
	for _, a := range addrs {
		err := limit.TakeAll(t.Context(), s, c.Now(), limit.Client(perClient, "issuer", netip.MustParseAddr(a))...)
		if err == nil {
			allowed++
		} else if !errors.Is(err, limit.ErrLimited) {
			t.Fatal(err)
		}
	}
	return allowed
}

// A client that changes its address within what one customer can hold gets the takes of the network, not of each
// address.
func TestD3_AggregatesBoundANetwork(t *testing.T) {
	addrs := func(format string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(format, i%256))
		}
		return list
	}
	for _, tc := range []struct {
		name  string
		addrs []string
		want  int
	}{
		{"one IPv4 address", addrs("203.0.113.%[1]d", 1), 1},
		{"one /64", addrs("2001:db8:1:2::%x", 300), 40},
		{"one /56", addrs("2001:db8:1:2%02x::1", 300), 80},
		{"one /48", addrs("2001:db8:1:%x00::1", 600), 200},
		{"one /24", addrs("203.0.113.%d", 1200), 400},
		{"many /48", addrs("2001:db8:%x::1", 256), 256},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := testclock.New(start)
			if got := spray(t, newSpy(c), c, tc.addrs); got != tc.want {
				t.Errorf("%d takes allowed of %d, want %d", got, len(tc.addrs), tc.want)
			}
		})
	}
}

// 100,000 takes from one /48, spread over five days and 65,536 networks, stay within 200 in any 24 hours. A denied take
// writes nothing, and an allowed one costs one Get and one Write.
func TestD3_ADayOfOneNetwork(t *testing.T) {
	const n = 100_000
	c := testclock.New(start)
	s := newSpy(c)
	var allowed []time.Time
	for i := range n {
		c.Advance(5 * 24 * time.Hour / n)
		addr := netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::%x", i*7919%65536, i%65536))
		before := s.writes
		err := limit.TakeAll(t.Context(), s, c.Now(), limit.Client(perClient, "issuer", addr)...)
		switch {
		case err == nil:
			allowed = append(allowed, c.Now())
			if s.writes != before+1 {
				t.Fatalf("an allowed take wrote %d times", s.writes-before)
			}
		case !errors.Is(err, limit.ErrLimited):
			t.Fatal(err)
		case s.writes != before:
			t.Fatal("a denied take wrote")
		}
	}
	for i := 200; i < len(allowed); i++ {
		if gap := allowed[i].Sub(allowed[i-200]); gap < 24*time.Hour {
			t.Fatalf("201 takes within %v", gap)
		}
	}
	if len(allowed) < 900 || len(allowed) > 1000 {
		t.Errorf("%d takes in five days, want about 200 a day: the load must press on the limit", len(allowed))
	}
}

func TestClient_ScopesAndNeighboursAreApart(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	one := limit.Rule{Name: "one", Every: time.Hour, Burst: 1}
	take := func(rule limit.Rule, scope, addr string) error {
		return limit.TakeAll(t.Context(), s, c.Now(), limit.Client(rule, scope, netip.MustParseAddr(addr))...)
	}
	if err := take(one, "a", "203.0.113.7"); err != nil {
		t.Fatal(err)
	}
	if err := take(one, "a", "203.0.113.7"); !errors.Is(err, limit.ErrLimited) {
		t.Errorf("the same client: %v", err)
	}
	for what, err := range map[string]error{
		"another issuer":    take(one, "b", "203.0.113.7"),
		"a neighbour":       take(one, "a", "203.0.113.8"),
		"another rule":      take(limit.Rule{Name: "two", Every: time.Hour, Burst: 1}, "a", "203.0.113.7"),
		"no address at all": limit.TakeAll(t.Context(), s, c.Now(), limit.Client(one, "a", netip.Addr{})...),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Buckets of several parts count in each, and are denied by any.
func TestTakeAll(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	wide := limit.For(limit.Rule{Name: "wide", Every: time.Hour, Burst: 3}, "k")
	narrow := limit.For(limit.Rule{Name: "narrow", Every: 2 * time.Hour, Burst: 2}, "k")
	for range 2 {
		if err := limit.TakeAll(t.Context(), s, c.Now(), wide, narrow); err != nil {
			t.Fatal(err)
		}
	}
	writes := s.writes
	var denied *limit.Error
	if err := limit.TakeAll(t.Context(), s, c.Now(), wide, narrow); !errors.As(err, &denied) || denied.Rule != "narrow" || s.writes != writes {
		t.Errorf("the third: %v after %d writes", err, s.writes-writes)
	}
	left := func(b limit.Bucket) int {
		state, err := limit.Read(t.Context(), s, b)
		if err != nil {
			t.Fatal(err)
		}
		return state.Left(c.Now())
	}
	if left(wide) != 1 || left(narrow) != 0 {
		t.Errorf("%d and %d takes left, want 1 and 0: a denied take counts nowhere", left(wide), left(narrow))
	}
	if err := limit.Take(t.Context(), s, wide.Rule, "k", c.Now()); err != nil {
		t.Error(err)
	}
	// Both are full: the wait is the longer one.
	if err := limit.TakeAll(t.Context(), s, c.Now(), wide, narrow); !errors.As(err, &denied) || denied.RetryAfter <= time.Hour+time.Minute {
		t.Errorf("both full: %v, want the wait of the longer rule", err)
	}
	c.Advance(3 * time.Hour)
	if left(wide) != 3 || left(narrow) != 2 {
		t.Errorf("later: %d and %d takes left", left(wide), left(narrow))
	}
}

// A conflict in the second part does not count the first part twice.
func TestTakeAll_ConflictCountsOnce(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	a, b := limit.For(limit.Rule{Name: "a", Every: time.Hour, Burst: 5}, "k"), limit.For(limit.Rule{Name: "b", Every: time.Hour, Burst: 5}, "k")
	racer := &intruder{Store: s, at: 2, intrude: func() {
		if err := limit.TakeAll(context.Background(), s.Store, c.Now(), b); err != nil {
			t.Error(err)
		}
	}}
	if err := limit.TakeAll(t.Context(), racer, c.Now(), a, b); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		b    limit.Bucket
		want int
	}{{a, 4}, {b, 3}} {
		state, err := limit.Read(t.Context(), s, tc.b)
		if err != nil {
			t.Fatal(err)
		}
		if got := state.Left(c.Now()); got != tc.want {
			t.Errorf("%s: %d left, want %d", tc.b.Rule.Name, got, tc.want)
		}
	}
}

// intruder lets somebody else write before its at-th Write.
type intruder struct {
	store.Store
	at      int
	intrude func()
}

func (s *intruder) Write(ctx context.Context, changes ...store.Change) error {
	if s.at--; s.at == 0 {
		s.intrude()
	}
	return s.Store.Write(ctx, changes...)
}

// What is given back can be taken again, by nobody more often than it was taken.
func TestGiveBack(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	buckets := limit.Client(limit.Rule{Name: "r", Every: time.Hour, Burst: 2}, "", netip.MustParseAddr("2001:db8::1"))
	left := func() int {
		t.Helper()
		state, err := limit.Read(t.Context(), s, buckets...)
		if err != nil {
			t.Fatal(err)
		}
		return state.Left(c.Now())
	}
	for range 3 {
		at := c.Now()
		if err := limit.TakeAll(t.Context(), s, at, buckets...); err != nil {
			t.Fatal(err)
		}
		c.Advance(20 * time.Minute) // so the give-back belongs into another step than the take
		if err := limit.GiveBack(t.Context(), s, at, nil, buckets...); err != nil {
			t.Fatal(err)
		}
		if left() != 2 {
			t.Fatalf("%d left after giving back, want 2", left())
		}
		// A second time there is nothing to give back.
		if err := limit.GiveBack(t.Context(), s, at, nil, buckets...); err != nil || left() != 2 {
			t.Fatalf("given back twice: %v, %d left", err, left())
		}
	}
	at := c.Now()
	for range 2 {
		if err := limit.TakeAll(t.Context(), s, at, buckets...); err != nil {
			t.Fatal(err)
		}
	}
	if err := limit.GiveBack(t.Context(), s, at, nil, buckets...); err != nil || left() != 1 {
		t.Errorf("one of two in a step: %v, %d left, want 1", err, left())
	}
	s.failWrite = store.ErrConflict
	if err := limit.GiveBack(t.Context(), s, at, nil, buckets...); !errors.Is(err, limit.ErrLimited) {
		t.Errorf("endless conflict: %v", err)
	}
	s.failWrite = errors.New("disk on fire")
	if err := limit.GiveBack(t.Context(), s, at, nil, buckets...); !errors.Is(err, s.failWrite) {
		t.Errorf("broken store: %v", err)
	}
}

// 100 racers from 100 networks of one /48 get exactly what the /48 allows, whatever the store.
func TestT2_RacersOfOneNetwork(t *testing.T) {
	c := testclock.New(start)
	s := &store.Memory{Now: c.Now}
	rule := limit.Rule{Name: "r", Every: time.Hour, Burst: 4} // 20 for the /48
	var mu sync.Mutex
	allowed := 0
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			err := limit.TakeAll(t.Context(), s, start, limit.Client(rule, "", netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x00::", i)))...)
			if err == nil {
				mu.Lock()
				allowed++
				mu.Unlock()
			} else if !errors.Is(err, limit.ErrLimited) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if allowed < 1 || allowed > 20 {
		t.Fatalf("%d racers allowed, want 1 to 20", allowed)
	}
	for i := range 256 {
		if limit.TakeAll(t.Context(), s, start, limit.Client(rule, "", netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x00::", i)))...) == nil {
			allowed++
		}
	}
	if allowed != 20 {
		t.Errorf("%d allowed in all, want 20", allowed)
	}
}

func TestUnderway(t *testing.T) {
	var u limit.Underway
	leave, ok := u.Enter("a", 2)
	if !ok {
		t.Fatal("the first is refused")
	}
	leave2, ok := u.Enter("a", 2)
	if !ok {
		t.Fatal("the second of two is refused")
	}
	if _, ok := u.Enter("a", 2); ok {
		t.Error("a third of two enters")
	}
	if _, ok := u.Enter("b", 0); ok {
		t.Error("one of none enters")
	}
	if other, ok := u.Enter("b", 1); !ok {
		t.Error("keys share a count")
	} else {
		other()
	}
	leave()
	if leave, ok = u.Enter("a", 2); !ok {
		t.Error("nobody can take the place of one that left")
	}
	leave()
	leave2()
	if leave, ok = u.Enter("a", 1); !ok {
		t.Error("all have left, and one of one is refused")
	} else {
		leave()
	}
}

// Clients come from all over the internet: those that have left hold no memory.
func TestD3_UnderwayForgetsWhoLeft(t *testing.T) {
	var u limit.Underway
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 100_000 {
		leave, ok := u.Enter(fmt.Sprint("client ", i), 1)
		if !ok {
			t.Fatal("refused")
		}
		leave()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes for clients that have left", grown)
	}
	runtime.KeepAlive(&u)
}

package limit_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/store"
)

// Shards allow together exactly what the rule says, whichever of them a take meets.
func TestShards(t *testing.T) {
	for _, burst := range []int{1, 2, 3, 4, 5, 7, 1000} {
		c := testclock.New(start)
		s := newSpy(c)
		buckets := limit.Shards(limit.Rule{Name: "total", Every: time.Hour, Burst: burst}, "k")
		allowed := 0
		for range burst + 20 {
			state, err := limit.Read(t.Context(), s, buckets...)
			if err != nil {
				t.Fatal(err)
			}
			if left := state.LeftInAll(c.Now()); left != burst-allowed {
				t.Fatalf("burst %d: %d left after %d takes", burst, left, allowed)
			}
			changes, err := state.TakeAny(c.Now())
			var denied *limit.Error
			if errors.As(err, &denied) {
				if denied.RetryAfter < time.Hour || denied.RetryAfter > time.Hour+time.Minute {
					t.Fatalf("burst %d: RetryAfter %v", burst, denied.RetryAfter)
				}
				continue
			}
			if err != nil || len(changes) != 1 {
				t.Fatal(changes, err)
			}
			if err := s.Write(t.Context(), changes...); err != nil {
				t.Fatal(err)
			}
			allowed++
		}
		if allowed != burst {
			t.Errorf("burst %d: %d allowed", burst, allowed)
		}
	}
}

// takeAny takes from one of the buckets, and returns the error of a take that is denied.
func takeAny(t *testing.T, s store.Store, c *testclock.Clock, buckets ...limit.Bucket) error {
	t.Helper()
	state, err := limit.Read(t.Context(), s, buckets...)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := state.TakeAny(c.Now())
	if err == nil {
		err = s.Write(t.Context(), changes...)
	}
	return err
}

// Takes spread over the shards from the first one on, so that not everybody writes one item. When all are full, the
// wait is for the shard that is free first, wherever it stands.
func TestShards_SpreadAndWait(t *testing.T) {
	for range 8 {
		c := testclock.New(start)
		s := newSpy(c)
		buckets := limit.Shards(limit.Rule{Name: "total", Every: time.Hour, Burst: 40}, "k")
		for range 38 {
			if err := takeAny(t, s, c, buckets...); err != nil {
				t.Fatal(err)
			}
		}
		met := map[store.Key]bool{}
		for _, k := range s.keys[:20] {
			met[k] = true
		}
		if len(met) < 2 { // 1 in 4^19
			t.Error("twenty takes went to one shard")
		}
	}
	c := testclock.New(start)
	s := newSpy(c)
	buckets := limit.Shards(limit.Rule{Name: "total", Every: time.Hour, Burst: 4}, "k")
	for i, b := range []int{2, 0, 3, 1} { // shard 2 is free first
		if err := takeAny(t, s, c, buckets[b]); err != nil {
			t.Fatal(i, err)
		}
		c.Advance(10 * time.Minute)
	}
	for range 20 {
		var denied *limit.Error
		if err := takeAny(t, s, c, buckets...); !errors.As(err, &denied) || denied.RetryAfter < 20*time.Minute || denied.RetryAfter > 21*time.Minute {
			t.Fatalf("%v, want a wait of 20 minutes", err)
		}
	}
}

// A limit that is lowered by a new version meets rows with more takes than it allows. Nothing is left until enough of
// them are old, and the wait is true.
func TestRuleThatIsLowered(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	rule := limit.Rule{Name: "r", Every: time.Hour, Burst: 12}
	for range 6 {
		if err := limit.Take(t.Context(), s, rule, "k", c.Now()); err != nil {
			t.Fatal(err)
		}
		c.Advance(5 * time.Minute)
	}
	rule.Burst = 2
	lowered := limit.For(rule, "k")
	state, err := limit.Read(t.Context(), s, lowered, limit.For(limit.Rule{Name: "other", Every: time.Hour, Burst: 3}, "k"))
	if err != nil {
		t.Fatal(err)
	}
	if left, all := state.Left(c.Now()), state.LeftInAll(c.Now()); left != 0 || all != 3 {
		t.Errorf("%d left, %d in all, want 0 and 3", left, all)
	}
	var denied *limit.Error
	if err := limit.Take(t.Context(), s, rule, "k", c.Now()); !errors.As(err, &denied) {
		t.Fatal(err)
	}
	c.Advance(denied.RetryAfter - time.Millisecond)
	if err := limit.Take(t.Context(), s, rule, "k", c.Now()); !errors.Is(err, limit.ErrLimited) {
		t.Errorf("before the wait is over: %v", err)
	}
	c.Advance(time.Millisecond)
	if state, err = limit.Read(t.Context(), s, lowered); err != nil || state.Left(c.Now()) != 1 {
		t.Errorf("after the wait: %d left, %v", state.Left(c.Now()), err)
	}
	if err := limit.Take(t.Context(), s, rule, "k", c.Now()); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

// A State is what was read: a take that is never written changes nothing in it.
func TestState_TakeLeavesTheState(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	b := limit.For(limit.Rule{Name: "r", Every: time.Hour, Burst: 9}, "k")
	if err := limit.TakeAll(t.Context(), s, c.Now(), b); err != nil {
		t.Fatal(err)
	}
	state, err := limit.Read(t.Context(), s, b)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := state.Take(c.Now()); err != nil || state.Left(c.Now()) != 8 {
			t.Fatalf("%d left, want 8, %v", state.Left(c.Now()), err)
		}
	}
}

// What a take wrote saves the read; if somebody wrote since, the give-back reads after all.
func TestGiveBack_OfWhatWasWritten(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	buckets := limit.Client(limit.Rule{Name: "r", Every: time.Hour, Burst: 5}, "", netip.MustParseAddr("203.0.113.7"))
	for _, meanwhile := range []int{0, 1} {
		state, err := limit.Read(t.Context(), s, buckets...)
		if err != nil {
			t.Fatal(err)
		}
		before := state.Left(c.Now())
		changes, err := state.Take(c.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), changes...); err != nil {
			t.Fatal(err)
		}
		var written []store.Item
		for _, change := range changes {
			written = append(written, change.Item)
		}
		for range meanwhile {
			if err := limit.TakeAll(t.Context(), s, c.Now(), buckets...); err != nil {
				t.Fatal(err)
			}
		}
		if meanwhile == 0 {
			s.failGet = errors.New("no read is needed")
		}
		if err := limit.GiveBack(t.Context(), s, c.Now(), written, buckets...); err != nil {
			t.Fatal(err)
		}
		s.failGet = nil
		if state, err = limit.Read(t.Context(), s, buckets...); err != nil || state.Left(c.Now()) != before-meanwhile {
			t.Errorf("%d takes left, want %d, %v", state.Left(c.Now()), before-meanwhile, err)
		}
	}
}

// Left counts only takes that are not old yet, and is that of the fullest bucket, wherever it stands.
func TestState_Left(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	a := limit.For(limit.Rule{Name: "a", Every: time.Hour, Burst: 9}, "k")
	b := limit.For(limit.Rule{Name: "b", Every: time.Hour, Burst: 3}, "k")
	for range 2 {
		if err := limit.TakeAll(t.Context(), s, c.Now(), a, b); err != nil {
			t.Fatal(err)
		}
		c.Advance(35 * time.Minute)
	}
	for _, order := range [][]limit.Bucket{{a, b}, {b, a}} {
		state, err := limit.Read(t.Context(), s, order...)
		if err != nil {
			t.Fatal(err)
		}
		if n := state.Left(c.Now()); n != 2 {
			t.Errorf("%d left, want 2: one of two takes is old", n)
		}
	}
}

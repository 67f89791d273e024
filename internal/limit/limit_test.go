package limit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/store"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// spy counts the writes that reach a store, remembers the keys, and fails on demand.
type spy struct {
	store.Store
	writes             int
	keys               []store.Key
	values             []string
	failGet, failWrite error
}

func (s *spy) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if s.failGet != nil {
		return nil, s.failGet
	}
	return s.Store.Get(ctx, keys...)
}

func (s *spy) Write(ctx context.Context, changes ...store.Change) error {
	s.writes++
	for _, c := range changes {
		s.keys = append(s.keys, c.Item.Key)
		s.values = append(s.values, string(c.Item.Value))
	}
	if s.failWrite != nil {
		return s.failWrite
	}
	return s.Store.Write(ctx, changes...)
}

func newSpy(c *testclock.Clock) *spy { return &spy{Store: &store.Memory{Now: c.Now}} }

func TestTake(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	rule := limit.Rule{Name: "mail", Every: time.Hour, Burst: 3}
	take := func(key string) error { return limit.Take(t.Context(), s, rule, key, c.Now()) }

	for i := range 3 {
		if err := take("a@example.com"); err != nil {
			t.Fatalf("take %d of 3: %v", i+1, err)
		}
		c.Advance(time.Minute)
	}
	var denied *limit.Error
	err := take("a@example.com")
	if !errors.Is(err, limit.ErrLimited) || !errors.As(err, &denied) {
		t.Fatalf("fourth take: %v, want ErrLimited", err)
	}
	if denied.Rule != "mail" || !strings.Contains(err.Error(), "limit mail reached: try again in ") {
		t.Errorf("denied by %q: %v", denied.Rule, err)
	}
	// The first take was three minutes ago; a step of an hour is less than a minute.
	if w := denied.RetryAfter; w <= 57*time.Minute-time.Second || w > 58*time.Minute {
		t.Errorf("RetryAfter %v, want 57 to 58 minutes", w)
	}
	if err := take("b@example.com"); err != nil {
		t.Errorf("another key: %v", err)
	}
	other := limit.Rule{Name: "guess", Every: time.Hour, Burst: 1}
	if err := limit.Take(t.Context(), s, other, "a@example.com", c.Now()); err != nil {
		t.Errorf("another rule, same key: %v", err)
	}

	writes := s.writes
	for range 50 {
		if err := take("a@example.com"); !errors.Is(err, limit.ErrLimited) {
			t.Fatalf("a take while denied: %v", err)
		}
	}
	if s.writes != writes {
		t.Errorf("denied takes wrote %d times, want none", s.writes-writes)
	}

	c.Advance(denied.RetryAfter - time.Millisecond)
	if err := take("a@example.com"); !errors.Is(err, limit.ErrLimited) {
		t.Errorf("a millisecond before RetryAfter: %v", err)
	}
	c.Advance(time.Millisecond)
	if err := take("a@example.com"); err != nil {
		t.Errorf("after RetryAfter: %v", err)
	}
	if err := take("a@example.com"); !errors.Is(err, limit.ErrLimited) {
		t.Errorf("a second take after RetryAfter: %v, want ErrLimited: one came free, not all", err)
	}
}

// In every window no more than Burst, and after a quiet window all of Burst again; random loads, several rules.
func TestTake_ExactWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, rule := range []limit.Rule{
		{Name: "r", Every: time.Hour, Burst: 1},
		{Name: "r", Every: time.Hour, Burst: 20},
		{Name: "r", Every: 24 * time.Hour, Burst: 80},
		{Name: "r", Every: time.Second, Burst: 5},
		{Name: "r", Every: 100 * time.Millisecond, Burst: 7},
		{Name: "r", Every: time.Millisecond, Burst: 2},
		{Name: "r", Every: time.Minute, Burst: 500},
	} {
		t.Run(fmt.Sprintf("%d per %v", rule.Burst, rule.Every), func(t *testing.T) {
			c := testclock.New(start.Add(time.Duration(rng.Int64N(int64(time.Hour)))))
			s := newSpy(c)
			var allowed []time.Time
			denials := 0
			for range 10 * (rule.Burst + 20) {
				c.Advance(time.Duration(rng.Int64N(int64(rule.Every)/int64(rule.Burst) + 1)))
				switch err := limit.Take(t.Context(), s, rule, "k", c.Now()); {
				case err == nil:
					allowed = append(allowed, c.Now())
				case errors.Is(err, limit.ErrLimited):
					denials++
				default:
					t.Fatal(err)
				}
			}
			for i := rule.Burst; i < len(allowed); i++ {
				if gap := allowed[i].Sub(allowed[i-rule.Burst]); gap < rule.Every {
					t.Fatalf("%d takes within %v", rule.Burst+1, gap)
				}
			}
			if denials == 0 || len(allowed) < 2*rule.Burst {
				t.Fatalf("%d allowed, %d denied: the load does not press on the limit", len(allowed), denials)
			}
			c.Advance(rule.Every + rule.Every/64 + 2*time.Millisecond)
			for i := range rule.Burst {
				if err := limit.Take(t.Context(), s, rule, "k", c.Now()); err != nil {
					t.Fatalf("take %d after a quiet window: %v", i+1, err)
				}
			}
			for _, v := range s.values {
				if n := strings.Count(v, "[") - 1; n > 66 {
					t.Fatalf("a row of %d steps, want at most 65", n)
				}
			}
		})
	}
}

// A machine whose clock is behind must neither lose takes nor grow the row out of order.
func TestTake_ClocksApart(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	rule := limit.Rule{Name: "r", Every: time.Hour, Burst: 4}
	for i, skew := range []time.Duration{0, -10 * time.Minute, 10 * time.Minute, -20 * time.Minute} {
		if err := limit.Take(t.Context(), s, rule, "k", start.Add(skew)); err != nil {
			t.Fatalf("take %d: %v", i, err)
		}
	}
	for _, skew := range []time.Duration{-20 * time.Minute, 0, 30 * time.Minute} {
		if err := limit.Take(t.Context(), s, rule, "k", start.Add(skew)); !errors.Is(err, limit.ErrLimited) {
			t.Errorf("fifth take at %v: %v, want ErrLimited", skew, err)
		}
	}
}

func TestTake_RowExpires(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	if err := limit.Take(t.Context(), s, limit.Rule{Name: "r", Every: time.Hour, Burst: 1}, "k", c.Now()); err != nil {
		t.Fatal(err)
	}
	items, err := s.Store.Get(t.Context(), s.keys...)
	if err != nil || len(items) != 1 {
		t.Fatalf("the row: %v, %v", items, err)
	}
	if life := items[0].Expires.Sub(start); life < time.Hour || life > time.Hour+time.Minute {
		t.Errorf("the row lives %v, want an hour and at most a step", life)
	}
}

func TestD3_KeysAreHashed(t *testing.T) {
	c := testclock.New(start)
	s := newSpy(c)
	for _, key := range []string{"203.0.113.7", "ada@example.com"} {
		if err := limit.Take(t.Context(), s, limit.Rule{Name: "r", Every: time.Hour, Burst: 1}, key, c.Now()); err != nil {
			t.Fatal(err)
		}
		seen := fmt.Sprint(s.keys, s.values)
		if strings.Contains(seen, key) {
			t.Errorf("%s lies in the store in clear: %s", key, seen)
		}
	}
	if s.keys[0].Part == s.keys[1].Part {
		t.Error("two keys share a part")
	}
}

func TestT3_StoreErrorIsNeverAllowed(t *testing.T) {
	broken := errors.New("disk on fire")
	rule := limit.Rule{Name: "guess", Every: time.Hour, Burst: 3}
	for name, prepare := range map[string]func(*spy){
		"get":   func(s *spy) { s.failGet = broken },
		"write": func(s *spy) { s.failWrite = broken },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpy(testclock.New(start))
			prepare(s)
			err := limit.Take(t.Context(), s, rule, "k", start)
			if !errors.Is(err, broken) || errors.Is(err, limit.ErrLimited) {
				t.Errorf("got %v, want the store's error and not ErrLimited", err)
			}
		})
	}
	t.Run("damaged row", func(t *testing.T) {
		s := newSpy(testclock.New(start))
		if err := limit.Take(t.Context(), s, rule, "k", start); err != nil {
			t.Fatal(err)
		}
		items, err := s.Get(t.Context(), s.keys[0])
		if err != nil {
			t.Fatal(err)
		}
		items[0].Value = []byte(`{"s":`)
		if err := s.Write(t.Context(), store.Put(items[0])); err != nil {
			t.Fatal(err)
		}
		if err := limit.Take(t.Context(), s, rule, "k", start); err == nil || errors.Is(err, limit.ErrLimited) {
			t.Errorf("got %v, want an error that is not ErrLimited", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := limit.Take(ctx, newSpy(testclock.New(start)), rule, "k", start); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("cancelled between two tries", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newSpy(testclock.New(start))
		busy := &intruder{Store: s, at: 1, intrude: cancel}
		s.failWrite = store.ErrConflict
		if err := limit.Take(ctx, busy, rule, "k", start); !errors.Is(err, context.Canceled) || s.writes != 1 {
			t.Errorf("got %v after %d writes, want context.Canceled after 1", err, s.writes)
		}
	})
	t.Run("endless conflict", func(t *testing.T) {
		s := newSpy(testclock.New(start))
		s.failWrite = store.ErrConflict
		err := limit.Take(t.Context(), s, rule, "k", start)
		if !errors.Is(err, limit.ErrLimited) || s.writes != 10 {
			t.Errorf("got %v after %d writes, want ErrLimited after 10", err, s.writes)
		}
	})
}

func TestTake_RefusesBadRules(t *testing.T) {
	for _, rule := range []limit.Rule{
		{Every: time.Hour, Burst: 1},
		{Name: "r", Burst: 1},
		{Name: "r", Every: time.Microsecond, Burst: 1},
		{Name: "r", Every: time.Hour},
		{Name: "r", Every: time.Hour, Burst: -1},
	} {
		if err := limit.Take(t.Context(), newSpy(testclock.New(start)), rule, "k", start); err == nil || errors.Is(err, limit.ErrLimited) {
			t.Errorf("%+v: %v, want an error that says what a rule needs", rule, err)
		}
	}
}

func TestRetryAfterSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int64{time.Millisecond: 1, time.Second: 1, time.Second + 1: 2, time.Hour: 3600} {
		if got := (&limit.Error{RetryAfter: d}).RetryAfterSeconds(); got != want {
			t.Errorf("%v is %d s, want %d", d, got, want)
		}
	}
}

package limit_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/store"
)

// Memory of strangers' requests is bounded, and what is over is forgotten at its time.
func TestD4_RecentIsBounded(t *testing.T) {
	var m limit.Recent[int, string]
	for i := range 20_000 {
		m.Put(i, fmt.Sprint(i), start.Add(time.Hour))
	}
	kept := 0
	for i := range 20_000 {
		if v, ok := m.Get(i, start); ok {
			if kept++; v != fmt.Sprint(i) {
				t.Fatalf("%d: %s", i, v)
			}
		}
	}
	if kept != 4096 {
		t.Errorf("%d values are kept, want 4096", kept)
	}
	if _, ok := m.Get(19_999, start.Add(time.Hour)); ok {
		t.Error("a value after its time")
	}
	m.Put(19_999, "again", start.Add(2*time.Hour))
	if v, ok := m.Get(19_999, start.Add(time.Hour)); !ok || v != "again" {
		t.Errorf("put again: %q %v", v, ok)
	}
}

// Denials gives the verdict that TakeAll would give, request for request, while it reads less.
func TestD3_DenialsAreExact(t *testing.T) {
	c := testclock.New(start)
	plain, remembers := newSpy(c), newSpy(c)
	var d limit.Denials
	denied := 0
	for i := range 20_000 {
		c.Advance(time.Duration(rand.N(40)) * time.Second)
		addr := netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", rand.N(12)))
		rule := limit.Rule{Name: "wrong", Every: time.Hour, Burst: 10}
		want := limit.TakeAll(t.Context(), plain, c.Now(), limit.Client(rule, "issuer", addr)...)
		before := remembers.writes
		got := d.TakeAll(t.Context(), remembers, c.Now(), limit.Client(rule, "issuer", addr)...)
		if (got == nil) != (want == nil) {
			t.Fatalf("take %d: %v, want %v", i, got, want)
		}
		var full *limit.Error
		if got != nil {
			if denied++; !errors.As(got, &full) || full.RetryAfter <= 0 || full.RetryAfter > time.Hour+time.Minute || remembers.writes != before {
				t.Fatalf("take %d: %v", i, got)
			}
		}
	}
	if denied < 5000 || denied > 19_000 {
		t.Errorf("%d of 20,000 denied: too few or too many to mean anything", denied)
	}
}

// One event for a client and period; a network has another. Denials that have no rule go by their name.
func TestD3_AlarmOncePerPeriod(t *testing.T) {
	var a limit.Alarm
	full := func(id string) error {
		rule := limit.Rule{Name: "mail", Every: time.Hour, Burst: 1}
		return fmt.Errorf("wrapped: %w", &limit.Error{Rule: "mail", RetryAfter: time.Second, Bucket: limit.Bucket{Rule: rule, Key: store.Key{Part: "p", ID: id}}})
	}
	for i, tc := range []struct {
		at   time.Duration
		addr string
		name string
		err  error
		want bool
	}{
		{0, "203.0.113.7", "", full("a"), true},
		{time.Second, "203.0.113.7", "", full("a"), false},
		{time.Second, "203.0.113.7", "", full("other"), false},
		{time.Second, "203.0.113.8", "", full("a"), false},
		{time.Second, "203.0.113.8", "", full("b"), true},
		{2 * time.Second, "203.0.113.7", "x", errors.New("x"), true},
		{2 * time.Second, "203.0.113.7", "y", errors.New("y"), true},
		{3 * time.Second, "203.0.113.7", "x", errors.New("x"), false},
		{59 * time.Minute, "203.0.113.7", "", full("a"), false},
		{time.Hour, "203.0.113.7", "x", errors.New("x"), true},
		{time.Hour, "203.0.113.7", "", full("a"), true},
		{3 * time.Hour, "2001:db8::1", "", full("c"), true},
		{3 * time.Hour, "2001:db8::ffff", "", full("d"), false},
	} {
		if got := a.Due(start.Add(tc.at), netip.MustParseAddr(tc.addr), tc.name, tc.err); got != tc.want {
			t.Errorf("%d: %v, want %v", i, got, tc.want)
		}
	}
}

package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/store"
)

// counting is a store that counts its calls, and the rows that were put into it.
type counting struct {
	store.Store
	mu         sync.Mutex
	gets, puts int
	rows       map[store.Key]bool
	failing    error
}

func (s *counting) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	s.mu.Lock()
	s.gets++
	err := s.failing
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, keys...)
}

func (s *counting) Write(ctx context.Context, changes ...store.Change) error {
	s.mu.Lock()
	s.puts++
	for _, c := range changes {
		s.rows[c.Item.Key] = true
	}
	s.mu.Unlock()
	return s.Store.Write(ctx, changes...)
}

func (s *counting) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets, s.puts, s.rows = 0, 0, map[store.Key]bool{}
}

// countingHouse has one provider, google, and a store that counts.
func countingHouse(t *testing.T) (*house, *fakeidp.IdP, *counting, *flowtest.World) {
	w := newWorld(t)
	idp := w.NewIdP("https://limits.example", "ES256")
	c := client(w)
	c.Issuer, c.Algorithms = idp.Issuer(), []algorithm{"ES256"}
	s := &counting{Store: &store.Memory{Now: w.Now}, rows: map[store.Key]bool{}}
	return newHouse(t, w, plans{store: s, providers: map[string]postern.Provider{"google": oidc.New(c)}}), idp, s, w
}

// bogus is a callback with a code that the provider did not give: each with a new attempt, which costs nothing.
func bogus(t *testing.T, h *house, addr string, i int) *answer {
	b := h.browser()
	b.Addr = addr
	begin("google", "")(b).must(t)
	back, err := url.Parse(b.back)
	if err != nil {
		t.Fatal(err)
	}
	q := back.Query()
	q.Set("code", fmt.Sprint("bogus", i))
	return b.get(issuer + "/google/callback?" + q.Encode())
}

// 5,000 bogus callbacks from one address make 100 token requests and 100 rows. Those that are denied write nothing.
func TestD3_BogusCallbacksOfOneAddress(t *testing.T) {
	h, idp, s, w := countingHouse(t)
	limited := 0
	for i := range 5000 {
		if i == 200 {
			s.reset()
		}
		a := bogus(t, h, "203.0.113.7:1", i)
		switch {
		case a.status == http.StatusTooManyRequests:
			limited++
			if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 || n > 610 {
				t.Fatalf("Retry-After %q", a.header.Get("Retry-After"))
			}
		case a.status < 400:
			t.Fatalf("a bogus code signed in: %d", a.status)
		}
	}
	if n := idp.Calls(fakeidp.Token); n != 100 || limited != 4900 {
		t.Errorf("%d token requests and %d refusals, want 100 and 4,900", n, limited)
	}
	if s.puts != 0 || len(s.rows) != 0 {
		t.Errorf("denied callbacks wrote %d times, %d rows", s.puts, len(s.rows))
	}
	// A neighbour still signs in, and so does the address itself once the failures are old.
	neighbour := h.browser()
	neighbour.Addr = "203.0.113.8:1"
	begin("google", "")(neighbour).must(t)
	callback(neighbour).must(t)
	own := h.browser()
	own.Addr = "203.0.113.7:1"
	begin("google", "")(own).must(t)
	callback(own).want(t, http.StatusTooManyRequests, "rate_limited")
	w.Advance(11 * time.Minute)
	begin("google", "")(own).must(t)
	callback(own).must(t)
}

// The same from 5,000 networks of one /48, and from a /24: as many as the wider network may, not one for each address.
func TestD3_BogusCallbacksOfOneNetwork(t *testing.T) {
	for _, tc := range []struct {
		format string
		want   int
	}{{"[2001:db8:1:%x::1]:1", 500}, {"203.0.113.%d:1", 1000}} {
		h, idp, _, _ := countingHouse(t)
		for i := range 1500 {
			n := i
			if tc.want == 1000 {
				n = i % 256
			}
			bogus(t, h, fmt.Sprintf(tc.format, n), i)
		}
		if n := idp.Calls(fakeidp.Token); n != tc.want {
			t.Errorf("%s: %d token requests, want %d", tc.format, n, tc.want)
		}
	}
}

// 1,000 at once from one address: no more than are allowed to be under way, and the failures they count.
func TestD3_BogusCallbacksAtOnce(t *testing.T) {
	h, idp, _, _ := countingHouse(t)
	var crowd sync.WaitGroup
	for i := range 1000 {
		crowd.Go(func() { bogus(t, h, "203.0.113.7:1", i) })
	}
	crowd.Wait()
	if n := idp.Calls(fakeidp.Token); n < 100 || n > 356 {
		t.Errorf("%d token requests, want 100 and at most 256 more", n)
	}
}

// 2,000 people behind one address all sign in, some of them cancel, and each costs one read more than the mark of the
// attempt.
func TestD3_ManyPeopleBehindOneAddress(t *testing.T) {
	h, _, s, _ := countingHouse(t)
	begin("google", "")(h.browser()).must(t)
	for i := range 2000 {
		b := h.browser()
		begin("google", "")(b).must(t)
		if i%25 == 0 { // who cancels comes back with an error
			back, err := url.Parse(b.back)
			if err != nil {
				t.Fatal(err)
			}
			q := back.Query()
			q.Del("code")
			q.Set("error", "access_denied")
			b.get(issuer+"/google/callback?"+q.Encode()).want(t, http.StatusForbidden, "access_denied")
			continue
		}
		s.reset()
		callback(b).must(t)
		if s.gets != 1 || s.puts != 1 {
			t.Fatalf("a callback cost %d reads and %d writes, want one of each", s.gets, s.puts)
		}
	}
}

// A callback that was used before writes nothing, and a store that does not answer lets no callback through.
func TestD3_CallbackLimitFailsClosed(t *testing.T) {
	h, idp, s, _ := countingHouse(t)
	b := h.browser()
	begin("google", "")(b).must(t)
	again := b.clone()
	callback(b).must(t)
	s.reset()
	callback(again).want(t, http.StatusBadRequest, "used_state")
	if s.puts != 0 {
		t.Errorf("a used callback wrote %d times", s.puts)
	}
	b = h.browser()
	begin("google", "")(b).must(t)
	idp.ResetCalls()
	s.failing = errors.New("disk on fire")
	callback(b.clone()).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if n := idp.Calls(fakeidp.Token); n != 0 {
		t.Errorf("%d token requests without a limit", n)
	}
	s.failing = nil
	callback(b).must(t)
}

package serve

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
)

// countedStore counts its Adds, and can refuse or hold them.
type countedStore struct {
	store.Memory
	adds   atomic.Int64
	added  atomic.Int64 // those that have ended
	refuse atomic.Bool
	hold   chan struct{} // nil: not held
	begun  chan struct{} // gets each write that is held
}

func (s *countedStore) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	s.adds.Add(1)
	defer s.added.Add(1)
	if s.hold != nil {
		s.begun <- struct{}{}
		<-s.hold
	}
	if s.refuse.Load() {
		return 0, errors.New("attempt to write a readonly database")
	}
	return s.Memory.Add(ctx, k, delta, expires)
}

// readyHouse opens a house over a store, with a clock that the test moves.
func readyHouse(t *testing.T, st store.Store) (h *House, later func(time.Duration)) {
	t.Helper()
	var mu sync.Mutex
	now := time.Now()
	h, err := Open(t.Context(), parse(t, strings.Replace(memoryFile, `url = "memory"`, `url = "sqlite:postern.db"`, 1)), Parts{
		LookupEnv: environment{"GITHUB": "0123456789"}.lookup, ReadFile: os.ReadFile,
		OpenStore: func(context.Context, string) (store.Store, func(), error) { return st, func() {}, nil },
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h, func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
}

// TestReady_Writes: a store that reads and does not write is not ready, and probes share a write for a while.
func TestReady_Writes(t *testing.T) {
	st := &countedStore{}
	h, later := readyHouse(t, st)
	step := func(what string, writes int64, ready bool) {
		t.Helper()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				err := h.Ready(t.Context())
				if (err == nil) != ready || err != nil && !strings.Contains(err.Error(), "takes no writes: attempt to write a readonly database") {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		all.Wait()
		if n := st.adds.Load(); n != writes {
			t.Errorf("%s: %d writes, want %d", what, n, writes)
		}
	}
	step("at first", 1, true)
	later(writesFor - time.Millisecond)
	step("before the write is old", 1, true)
	later(time.Millisecond)
	st.refuse.Store(true)
	step("without writes", 2, false)
	later(writeAgain)
	step("still without writes", 3, false)
	st.refuse.Store(false)
	step("before it asks again", 3, false)
	later(writeAgain)
	step("with writes again", 4, true)
	items, _, err := st.List(t.Context(), readyPart, "", 10)
	if err != nil || len(items) != 0 {
		t.Errorf("rows that pile up: %v %v", items, err)
	}
}

// TestReady_Impatient: a probe that goes away neither ends the write of the others nor waits for it.
func TestReady_Impatient(t *testing.T) {
	st := &countedStore{hold: make(chan struct{}), begun: make(chan struct{}, 10)}
	h, _ := readyHouse(t, st)
	first := make(chan error, 1)
	ctx, leave := context.WithCancel(t.Context())
	go func() { first <- h.Ready(ctx) }()
	<-st.begun
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	second := make(chan error, 1)
	go func() { // not by StoreUp, whose read would refuse the context before
		second <- h.writes.ask(gone, h.now, func(context.Context) error { return errors.New("a write of the second probe") })
	}()
	select {
	case err := <-second:
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "a write takes too long") {
			t.Errorf("a second probe that goes away: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a second probe that went away waits for the write of the first")
	}
	leave()
	close(st.hold)
	if err := <-first; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("the first probe: %v", err)
	}
	if err := h.Ready(t.Context()); err != nil || st.adds.Load() != 1 {
		t.Errorf("the next probe: %v, %d writes", err, st.adds.Load())
	}
}

// TestReady_Deadline: a probe returns at its deadline, also where the store heeds no context. The write goes on, and
// Close waits for it.
func TestReady_Deadline(t *testing.T) {
	st := &countedStore{hold: make(chan struct{}), begun: make(chan struct{}, 10)}
	h, _ := readyHouse(t, st)
	ctx, deadline := context.WithCancel(t.Context())
	probe := make(chan error, 1)
	go func() { probe <- h.Ready(ctx) }()
	<-st.begun
	deadline()
	select {
	case err := <-probe:
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "a write takes too long") {
			t.Errorf("a probe at its deadline: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a probe waits for the write beyond its deadline")
	}
	ended := make(chan int64, 1)
	go func() {
		_ = h.Close() // with nothing to close but the write
		ended <- st.added.Load()
	}()
	for closed := false; !closed; time.Sleep(time.Millisecond) {
		h.writes.mu.Lock()
		closed = h.writes.closed
		h.writes.mu.Unlock()
	}
	close(st.hold)
	if n := <-ended; n != 1 {
		t.Errorf("Close returned after %d of 1 writes", n)
	}
	if err := h.Ready(t.Context()); err == nil || st.adds.Load() != 1 {
		t.Errorf("after Close: %v, %d writes", err, st.adds.Load())
	}
}

package magic_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/store"
)

// A witness is a store that remembers everything that was ever written to it, and fails one chosen call.
type witness struct {
	store.Store

	mu     sync.Mutex
	writes []string
	calls  int
	failAt int  // the number of the call that fails; 0: none
	torn   bool // a failing Write is applied all the same
	lost   bool // a failing Write is one that somebody else was faster at
	losing int  // so many Writes to come are lost
	one    bool // it writes to one Part at a time, as a Redis Cluster does

	crowd   *sync.WaitGroup // the next readers of a slot wait for each other, and then write at once
	awaited int
}

// OnePart implements store.OnePart.
func (s *witness) OnePart() bool { return s.one }

var errBroken = errors.New("disk on fire")

// fails counts a call.
func (s *witness) fails() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.calls == s.failAt
}

func (s *witness) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if s.fails() {
		return nil, errBroken
	}
	items, err := s.Store.Get(ctx, keys...)
	if strings.HasPrefix(keys[0].Part, "magic:") {
		s.meet()
	}
	return items, err
}

// lose makes the next n writes those that somebody else was faster at.
func (s *witness) lose(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.losing = n
}

// gather makes the next n readers of a slot wait for each other, so that each decides on the same state.
func (s *witness) gather(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crowd, s.awaited = new(sync.WaitGroup), n
	s.crowd.Add(n)
}

func (s *witness) meet() {
	s.mu.Lock()
	crowd := s.crowd
	if s.awaited == 0 {
		crowd = nil
	}
	s.awaited = max(0, s.awaited-1)
	s.mu.Unlock()
	if crowd != nil {
		crowd.Done()
		crowd.Wait()
	}
}

func (s *witness) Write(ctx context.Context, changes ...store.Change) error {
	fails := s.fails()
	if s.one && slices.ContainsFunc(changes, func(c store.Change) bool { return c.Item.Key.Part != changes[0].Item.Key.Part }) {
		return store.ErrInvalid
	}
	s.mu.Lock()
	lost := s.losing > 0
	s.losing = max(0, s.losing-1)
	s.mu.Unlock()
	if lost || fails && s.lost {
		return store.ErrConflict
	}
	if fails && !s.torn {
		return errBroken
	}
	err := s.Store.Write(ctx, changes...)
	if err == nil {
		s.mu.Lock()
		for _, c := range changes {
			s.writes = append(s.writes, fmt.Sprintf("%s %s %s", c.Item.Key.Part, c.Item.Key.ID, c.Item.Value))
		}
		s.mu.Unlock()
	}
	if fails {
		return errBroken
	}
	return err
}

func (s *witness) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if s.fails() {
		return 0, errBroken
	}
	s.mu.Lock()
	s.writes = append(s.writes, fmt.Sprintf("%s %s %d", k.Part, k.ID, delta))
	s.mu.Unlock()
	return s.Store.Add(ctx, k, delta, expires)
}

// everything is all that was ever written.
func (s *witness) everything() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.writes, "\n")
}

func (s *witness) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.writes)
}

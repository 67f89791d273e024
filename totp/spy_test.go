package totp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/posternauth/postern/store"
)

var errDown = errors.New("the store is down")

// A spy keeps what was ever written to a store, and fails or loses the answers of calls on demand.
type spy struct {
	store.Store
	mu      sync.Mutex
	written strings.Builder
	calls   int
	fail    func(call int, write bool) (before, after error)
}

// failing counts calls from 1 again, and asks f about each.
func (s *spy) failing(f func(call int, write bool) (before, after error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.calls = f, 0
}

func (s *spy) call(write bool) (before, after error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fail != nil {
		return s.fail(s.calls, write)
	}
	return nil, nil
}

func (s *spy) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err, _ := s.call(false); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, keys...)
}

func (s *spy) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	if err, _ := s.call(false); err != nil {
		return nil, "", err
	}
	return s.Store.List(ctx, part, after, limit)
}

func (s *spy) Write(ctx context.Context, changes ...store.Change) error {
	before, after := s.call(true)
	if before != nil {
		return before
	}
	s.mu.Lock()
	for _, c := range changes {
		fmt.Fprintf(&s.written, "%s %s\n%s\n", c.Item.Key.Part, c.Item.Key.ID, c.Item.Value)
	}
	s.mu.Unlock()
	if err := s.Store.Write(ctx, changes...); err != nil {
		return err
	}
	return after
}

// all returns what was ever written.
func (s *spy) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written.String()
}

package run

import (
	"context"
	"fmt"
	"time"
)

// startTimeout bounds the opening of the first house, which may upgrade the tables of a large database.
const startTimeout = 10 * time.Minute

// An outcome is what a function returned.
type outcome[T any] struct {
	value T
	err   error
}

// begin calls a function beside the server. A file system that hangs ends no call, so nothing may wait for it without a
// limit.
func begin[T any](f func() (T, error)) <-chan outcome[T] {
	done := make(chan outcome[T], 1)
	go func() {
		value, err := f()
		done <- outcome[T]{value, err}
	}()
	return done
}

// hangs is the error for what has not ended after a while.
func hangs(what string, after time.Duration) error {
	return fmt.Errorf("%s hangs: it has not ended after %s; look at the store, and at the file systems of the configuration, its vault and its audit log", what, after)
}

// load reads the first configuration. The signal to stop ends it.
func (s *server) load(ctx context.Context) (Plan, error) {
	const limit = openTimeout
	select {
	case r := <-begin(func() (Plan, error) { return s.cfg.Load(ctx) }):
		if r.err != nil {
			return Plan{}, fmt.Errorf("%w: %w", ErrConfig, r.err)
		}
		return r.value, nil
	case <-ctx.Done():
		return Plan{}, ctx.Err()
	case <-s.cfg.After(limit):
		return Plan{}, hangs("reading the configuration", limit)
	}
}

// openFirst opens the house of the start. The signal to stop ends it. A house that comes later is closed.
func (s *server) openFirst(ctx context.Context, plan Plan) (*generation, error) {
	const limit = startTimeout + hangMargin
	opening, cancel := context.WithTimeout(ctx, startTimeout)
	done := begin(func() (*generation, error) {
		defer cancel()
		return s.open(opening, plan)
	})
	var err error
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.cfg.After(limit):
		err = hangs("the start", limit)
	}
	s.drop(done)
	return nil, err
}

// drop closes a house that nobody waits for, when it comes.
func (s *server) drop(done <-chan outcome[*generation]) {
	s.hanging.Add(1)
	s.closing.Go(func() {
		r := <-done
		s.hanging.Add(-1)
		if r.err == nil {
			s.closeHouse(r.value)
		}
	})
}

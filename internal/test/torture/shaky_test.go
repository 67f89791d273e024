package torture

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/store"
)

var errShaky = errors.New("the line is down")

// shaky is a store whose calls fail now and then while it is on: before they were done, or after.
type shaky struct {
	store.Store
	on atomic.Bool
}

func (s *shaky) strikes() bool { return s.on.Load() && rand.N(12) == 0 }

func (s *shaky) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if s.strikes() {
		return nil, errShaky
	}
	return s.Store.Get(ctx, keys...)
}

func (s *shaky) Write(ctx context.Context, changes ...store.Change) error {
	if s.strikes() {
		return errShaky
	}
	if err := s.Store.Write(ctx, changes...); err != nil || !s.strikes() {
		return err
	}
	if lost, ok := ctx.Value(lostAnswer{}).(*atomic.Bool); ok {
		lost.Store(true)
	}
	return errShaky
}

// lostAnswer is the key of a context whose *atomic.Bool becomes true when a write was done and its answer was lost.
type lostAnswer struct{}

// forgetful is a broken store: a Write does not look at the versions of what it puts. It takes its time, so that others
// write between the read of its caller and this write.
type forgetful struct{ store.Store }

func (s forgetful) Write(ctx context.Context, changes ...store.Change) error {
	<-time.After(rand.N(300 * time.Microsecond))
	for {
		for i, c := range changes {
			items, err := s.Get(ctx, c.Item.Key)
			if err != nil {
				return err
			}
			if changes[i].Expect = ""; len(items) == 1 {
				changes[i].Expect = items[0].Version
			}
		}
		if err := s.Store.Write(ctx, changes...); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// lagging is a broken store: every other Get sees what was there a while ago.
type lagging struct {
	store.Store
	old atomic.Pointer[map[store.Key][]store.Item]
}

func (s *lagging) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	items, err := s.Store.Get(ctx, keys...)
	if err != nil || len(keys) != 3 {
		return items, err
	}
	if before := s.old.Load(); before != nil && rand.N(2) == 0 {
		if stale, ok := (*before)[keys[0]]; ok {
			return stale, nil
		}
	}
	if s.old.Load() == nil || rand.N(8) == 0 {
		s.old.Store(&map[store.Key][]store.Item{keys[0]: items})
	}
	return items, nil
}

// torn is a store that keeps its promises but no better ones: the items of a Get are not of one moment.
type torn struct{ store.Store }

func (s torn) Get(ctx context.Context, keys ...store.Key) (all []store.Item, err error) {
	found := make([][]store.Item, len(keys))
	for _, i := range rand.Perm(len(keys)) {
		if found[i], err = s.Store.Get(ctx, keys[i]); err != nil {
			return nil, err
		}
		pause := time.NewTimer(rand.N(300 * time.Microsecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		}
	}
	for _, items := range found {
		all = append(all, items...)
	}
	return all, nil
}

package faults

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/store"
)

// errDisk is what a broken store says. Nobody outside may read it.
var errDisk = errors.New("disk 7 is on fire")

// A luck is what happens to one call of a store, or to all from one on.
type luck struct {
	name    string
	before  bool          // the call fails and nothing was done
	after   bool          // the call fails although it was done
	delay   time.Duration // before it answers rightly
	stall   bool          // no answer until the request ends
	lost    bool          // it loses against a writer who does not exist
	cancel  bool          // the client leaves while it runs
	garble  bool          // what it reads makes no sense
	lasting bool          // all later calls as well
	beaten  bool          // a rival does something just before it
	chased  bool          // a rival does something just after it
	stale   bool          // a read sees what was there a while ago
}

var misfortunes = []luck{
	{name: "fails", before: true},
	{name: "fails after it was done", after: true},
	{name: "fails from now on", before: true, lasting: true},
	{name: "loses its answers from now on", after: true, lasting: true},
	{name: "is late", delay: 3 * time.Second},
	{name: "stalls", stall: true},
	{name: "stalls after it was done", stall: true, after: true},
	{name: "stalls from now on", stall: true, lasting: true},
	{name: "conflicts", lost: true},
	{name: "conflicts from now on", lost: true, lasting: true},
	{name: "reads garbage", garble: true},
	{name: "reads garbage from now on", garble: true, lasting: true},
	{name: "is left alone", cancel: true, before: true},
	{name: "is left alone after it was done", cancel: true, after: true},
}

// unlucky is a store in memory that has luck at its nth call.
type unlucky struct {
	store.Store

	mu     sync.Mutex
	calls  int
	at     int // 0: never
	luck   luck
	struck bool
	leave  func() // cancels the request that runs
	rival  func() // what a rival does
	past   map[store.Key]store.Item
}

// strikes counts a call and says what happens to it.
func (s *unlucky) strikes(write bool) luck {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.at == 0 || s.calls < s.at || s.calls > s.at && !s.luck.lasting {
		return luck{}
	}
	s.struck = true
	if s.luck.lost && !write { // only a Write can lose
		return luck{}
	}
	return s.luck
}

func (s *unlucky) plan(at int, l luck) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.at, s.luck, s.struck = 0, at, l, false
}

func (s *unlucky) hasStruck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.struck
}

func (s *unlucky) request(leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave = leave
}

func (s *unlucky) call(ctx context.Context, write bool, do func() error) error {
	_, err := s.callWith(ctx, write, do)
	return err
}

func (s *unlucky) callWith(ctx context.Context, write bool, do func() error) (luck, error) {
	l := s.strikes(write)
	return l, l.befall(ctx, s, do)
}

func (l luck) befall(ctx context.Context, s *unlucky, do func() error) error {
	if l.delay > 0 {
		select {
		case <-time.After(l.delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if l.lost {
		return store.ErrConflict
	}
	if l.beaten || l.chased {
		if l.beaten {
			s.rival()
		}
		err := do()
		if l.chased {
			s.rival()
		}
		return err
	}
	if good := l == (luck{}) || l.delay > 0 || l.garble || l.stale; good || l.after {
		if err := do(); err != nil || good {
			return err
		}
	}
	if l.cancel {
		s.mu.Lock()
		leave := s.leave
		s.mu.Unlock()
		leave()
	}
	if l.stall || l.cancel {
		<-ctx.Done()
		return ctx.Err()
	}
	return errDisk
}

func (s *unlucky) Get(ctx context.Context, keys ...store.Key) (items []store.Item, err error) {
	l, err := s.callWith(ctx, false, func() (err error) { items, err = s.Store.Get(ctx, keys...); return err })
	if err != nil {
		return nil, err
	}
	if l.stale {
		items = nil
		for _, k := range keys {
			if item, ok := s.past[k]; ok {
				items = append(items, item)
			}
		}
	}
	for i := range items {
		if l.garble {
			items[i].Value = []byte(`{"used":1,"order":[],"s":"x","flow":2,"tries":-1`)
		}
	}
	return items, nil
}

func (s *unlucky) Write(ctx context.Context, changes ...store.Change) error {
	return s.call(ctx, true, func() error { return s.Store.Write(ctx, changes...) })
}

func (s *unlucky) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (sum int64, err error) {
	err = s.call(ctx, false, func() (err error) { sum, err = s.Store.Add(ctx, k, delta, expires); return err })
	if err != nil {
		return 0, err
	}
	return sum, nil
}

func (s *unlucky) List(ctx context.Context, part, after string, limit int) (items []store.Item, next string, err error) {
	err = s.call(ctx, false, func() (err error) { items, next, err = s.Store.List(ctx, part, after, limit); return err })
	if err != nil {
		return nil, "", err
	}
	return items, next, nil
}

// witness is a store that remembers what was written.
type witness struct {
	store.Store
	mu      sync.Mutex
	written strings.Builder
}

func (s *witness) Write(ctx context.Context, changes ...store.Change) error {
	s.mu.Lock()
	for _, c := range changes {
		s.written.WriteString(c.Item.Key.Part + " " + c.Item.Key.ID + " " + string(c.Item.Value) + "\n")
	}
	s.mu.Unlock()
	return s.Store.Write(ctx, changes...)
}

func (s *witness) everything() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written.String()
}

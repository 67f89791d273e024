package hash

import (
	"context"
	"sync"
	"time"
)

// gate lets few hashes run and few calls wait. It has no goroutine: a call that ends starts the next ones.
type gate struct {
	mu      sync.Mutex
	slots   int // hashes that run at most
	budget  int // KiB that running hashes take at most; a larger one runs alone
	running int
	used    int
	queues  [2]queue // common calls, and known ones
	last    int      // the queue that had the last turn
	turn    uint64
	average time.Duration // of a hash
}

const (
	common = iota
	known
)

// queue is the waiting calls of one kind.
type queue struct {
	most    int // calls that wait at most
	waiting int
	shares  map[string]*share
}

// share is the calls of one network: those that run, and those that wait, oldest first.
type share struct {
	running int
	waiting []*waiter
	turn    uint64 // when it came, or when a hash of it last began or ended
}

type waiter struct {
	memory  int
	ready   chan struct{}
	started bool // else it was turned away
}

func newGate(slots, budget, most int) *gate {
	g := &gate{slots: slots, budget: budget, average: 50 * time.Millisecond}
	g.queues[common] = queue{most: most, shares: map[string]*share{}}
	g.queues[known] = queue{most: max(most/4, 1), shares: map[string]*share{}}
	return g
}

// enter waits until a hash of so many KiB may run. The caller calls release once, when the hash has ended.
func (g *gate) enter(ctx context.Context, memory int) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	network, isKnown := shareOf(ctx)
	kind := common
	if isKnown {
		kind = known
	}
	w := &waiter{memory: memory, ready: make(chan struct{})}
	if !g.join(kind, network, w) {
		return nil, g.busy()
	}
	select {
	case <-w.ready:
	case <-ctx.Done():
		if g.leave(kind, network, w) {
			return nil, ctx.Err()
		}
	}
	if !w.started {
		return nil, g.busy()
	}
	began := time.Now()
	return func() { g.ended(kind, network, w, time.Since(began)) }, nil
}

// join puts w into its queue, or reports that there is no room for it.
func (g *gate) join(kind int, network string, w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := &g.queues[kind]
	s := q.shares[network]
	if s == nil { // it comes after the networks that wait already
		g.turn++
		s = &share{turn: g.turn}
	}
	idle := g.queues[common].waiting+g.queues[known].waiting == 0 && g.fits(w.memory)
	if !idle && q.waiting >= q.most && !q.giveWay(len(s.waiting)+1) {
		return false
	}
	q.shares[network] = s
	s.waiting = append(s.waiting, w)
	q.waiting++
	g.next()
	return true
}

// giveWay turns away the newest call of the network that has most calls waiting, if that network has more than n.
func (q *queue) giveWay(n int) bool {
	var largest *share
	for _, s := range q.shares {
		if largest == nil || len(s.waiting) > len(largest.waiting) {
			largest = s
		}
	}
	if largest == nil || len(largest.waiting) <= n {
		return false
	}
	end := len(largest.waiting) - 1
	close(largest.waiting[end].ready)
	largest.waiting = largest.waiting[:end]
	q.waiting--
	return true
}

// leave takes w out of its queue, and reports false if it has started or was turned away in the meantime.
func (g *gate) leave(kind int, network string, w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := &g.queues[kind]
	s := q.shares[network]
	if s == nil {
		return false
	}
	for i, other := range s.waiting {
		if other == w {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			q.waiting--
			q.forget(network, s)
			g.next()
			return true
		}
	}
	return false
}

func (g *gate) ended(kind int, network string, w *waiter, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := &g.queues[kind]
	s := q.shares[network]
	g.running--
	g.used -= w.memory
	s.running--
	g.turn++
	s.turn = g.turn
	g.average += (took - g.average) / 8
	q.forget(network, s)
	g.next()
}

func (q *queue) forget(network string, s *share) {
	if s.running == 0 && len(s.waiting) == 0 {
		delete(q.shares, network)
	}
}

func (g *gate) fits(memory int) bool {
	return g.running < g.slots && (g.used+memory <= g.budget || g.running == 0)
}

// next starts waiting calls while there is room. The first in turn is never overtaken by a smaller one behind it.
func (g *gate) next() {
	for {
		kind := 1 - g.last
		if g.queues[kind].waiting == 0 {
			kind = g.last
		}
		s := g.queues[kind].first()
		if s == nil || !g.fits(s.waiting[0].memory) {
			return
		}
		w := s.waiting[0]
		s.waiting = s.waiting[1:]
		g.queues[kind].waiting--
		g.turn++
		g.last, s.turn = kind, g.turn
		g.running++
		g.used += w.memory
		s.running++
		w.started = true
		close(w.ready)
	}
}

// first returns the network whose turn it is. Of the networks with a waiting call it is the one with the fewest hashes
// running, and of these the one that has waited longest for a turn.
func (q *queue) first() *share {
	var best *share
	for _, s := range q.shares {
		if len(s.waiting) == 0 {
			continue
		}
		if best == nil || s.running < best.running || s.running == best.running && s.turn < best.turn {
			best = s
		}
	}
	return best
}

// busy returns the error for a call that was turned away, with the time that the calls before it need.
func (g *gate) busy() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	ahead := g.queues[common].waiting + g.queues[known].waiting + 1
	wait := g.average * time.Duration(ahead) / time.Duration(g.slots)
	seconds := (wait + time.Second - 1) / time.Second
	return &BusyError{RetryAfter: max(seconds, 1) * time.Second}
}

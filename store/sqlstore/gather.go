package sqlstore

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/posternauth/postern/store"
)

// Most of a read from a server is the way there and back, in system calls. So few statements of a Store are under way
// at once; reads that come meanwhile wait for one of them to end, and then go together, in one statement. A read that
// waits has not begun, so it sees every write that was answered before it was called.
//
// As with writes, no extra goroutine does this: the first of those who wait runs the statement and hands out the rows.
type readQueue struct {
	run func(context.Context, []store.Key) ([]store.Item, error) // reads the item of each key, empty if there is none

	mu        sync.Mutex
	waiting   []*lookup
	gathering bool // a statement is about to begin, and takes along who comes
	company   bool // reads came together lately

	running int // statements that are under way
	reads   int // in them
	era     int // since when they are counted

	away     distance
	seen     int           // statements that were measured since away was set
	shortest time.Duration // of them
}

// distance is how far away the server is.
type distance int

const (
	near   distance = iota
	middle          // two statements are under way at once
	far             // no read waits
)

const (
	// lag is how long a read waits for the statements that are under way. A server that is further away gains nothing
	// from waiting, and a connection that hangs must not hold up the others.
	lag = 2 * time.Millisecond

	// full is how many keys a statement needs that waits for no other one: with most reads, of two keys, there is no
	// room for more.
	full = store.MaxKeys - 1

	// measured is how many statements are looked at to see how far away the server is. The shortest of them counts,
	// which a busy server does not make long.
	measured = 32

	// trust is how long a read waits for the one that took it along.
	trust = time.Second
)

// lookup is one call's read.
type lookup struct {
	keys []store.Key

	state state      // guarded by readQueue.mu
	turn  chan state // gets leading or done, once
	found []store.Item
	err   error // with found, read only after done
}

// get reads the items of keys: each at the place of its key.
func (q *readQueue) get(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	if q.away == far {
		q.mu.Unlock()
		return q.timed(ctx, keys)
	}
	l := &lookup{keys: keys}
	if q.free() {
		q.gathering = true
		q.mu.Unlock()
		return q.lead(ctx, l)
	}
	l.turn = make(chan state, 1)
	q.waiting, q.company = append(q.waiting, l), true
	q.next() // those who wait may fill a statement now
	q.mu.Unlock()
	return q.wait(ctx, l)
}

// wait waits until l was run, or runs it.
func (q *readQueue) wait(ctx context.Context, l *lookup) ([]store.Item, error) {
	limit := time.NewTimer(lag)
	defer limit.Stop()
	trusting := false
	for again := false; ; again = true {
		select {
		case turn := <-l.turn:
			if turn == leading {
				return q.lead(ctx, l)
			}
			if l.err == nil {
				return l.found, nil
			}
			return q.timed(ctx, l.keys) // the error may be about the call that led
		case <-limit.C:
			switch along := q.overdue(l, again); {
			case along && trusting:
				return q.timed(ctx, l.keys)
			case along:
				trusting = true
				limit.Reset(trust)
			default:
				limit.Reset(lag)
			}
		case <-ctx.Done():
			q.leave(l)
			return nil, ctx.Err()
		}
	}
}

// timed runs a statement, and learns from it how far away the server is. Where the way alone takes half as long as a
// read would wait, waiting saves less than it costs.
func (q *readQueue) timed(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	begun := time.Now()
	found, err := q.run(ctx, keys)
	if err != nil {
		return nil, err
	}
	took := time.Since(begun)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seen == 0 || took < q.shortest {
		q.shortest = took
	}
	if q.seen++; q.seen == measured {
		q.away, q.seen = near, 0
		if q.shortest > lag/2 {
			q.away = far
		} else if q.shortest > lag/8 {
			q.away = middle
		}
	}
	return found, nil
}

// lead runs l, and with it the first of those who wait, as many as fit into a statement.
func (q *readQueue) lead(ctx context.Context, l *lookup) ([]store.Item, error) {
	if q.lately() {
		runtime.Gosched() // those who were answered by the last statement may be about to ask again
	}
	others, era := q.take(store.MaxKeys - len(l.keys))
	defer q.pass(1+len(others), era)
	if len(others) == 0 {
		return q.timed(ctx, l.keys)
	}
	defer func() {
		for _, other := range others {
			other.turn <- done
		}
	}()
	keys := slices.Clone(l.keys)
	for _, other := range others {
		keys = append(keys, other.keys...)
	}
	found, err := q.timed(ctx, keys)
	if err != nil {
		return nil, err
	}
	n := len(l.keys)
	for at, rest := n, others; len(rest) > 0; rest = rest[1:] {
		end := at + len(rest[0].keys)
		rest[0].found, rest[0].err = found[at:end:end], nil
		at = end
	}
	return found[:n:n], nil
}

// lately reports whether reads came together lately.
func (q *readQueue) lately() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.company
}

// free reports whether a statement may begin. Beside one of several reads it must be full, or the server not near:
// otherwise it is better to wait, and to bring along who comes meanwhile. Two reads alone are both quick.
func (q *readQueue) free() bool {
	switch {
	case q.gathering:
		return false
	case q.running == 0 || q.running == 1 && (q.reads == 1 || q.away == middle):
		return true
	}
	n := 0
	for _, l := range q.waiting {
		if n += len(l.keys); n >= full {
			return true
		}
	}
	return false
}

// next makes the first of those who wait lead, if a statement may begin.
func (q *readQueue) next() {
	if len(q.waiting) == 0 || !q.free() {
		return
	}
	q.gathering = true
	first := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	first.state = leading
	first.turn <- leading
}

// take takes the first lookups off the queue, as many as have n keys together, for a statement that begins now.
func (q *readQueue) take(n int) (others []*lookup, era int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := 0
	for _, l := range q.waiting {
		if n -= len(l.keys); n < 0 {
			break
		}
		l.state, l.err = joined, errUnfinished
		taken++
	}
	others = slices.Clone(q.waiting[:taken])
	q.waiting = slices.Delete(q.waiting, 0, taken)
	q.gathering, q.company = false, taken > 0
	q.running, q.reads = q.running+1, q.reads+1+taken
	q.next()
	return others, q.era
}

// pass ends a statement of n reads that began in an era.
func (q *readQueue) pass(n, era int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if era == q.era {
		q.running, q.reads = q.running-1, q.reads-n
		q.next()
	}
}

// overdue is for a read that has waited for too long, and returns whether another took it along. If none did, what is
// under way hangs, or the server is slow: it no longer counts. The first of those who have waited then leads the
// others, so that the second of them gives it a moment.
func (q *readQueue) overdue(l *lookup, again bool) (along bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.state == queued && (again || !q.gathering) {
		q.era++
		q.running, q.reads, q.gathering = 0, 0, false
		q.next()
	}
	return l.state == joined
}

// leave is for a read that gives up.
func (q *readQueue) leave(l *lookup) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch l.state {
	case queued:
		q.waiting = slices.DeleteFunc(q.waiting, func(other *lookup) bool { return other == l })
	case leading:
		q.gathering = false
		q.next()
	}
}

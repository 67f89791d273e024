package sqlstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/posternauth/postern/store"
)

// Most of a read from a server is the way there and back, in system calls. So few reads of a Store are under way at
// once; those that come meanwhile wait for one of them to end, and then go together, in one statement. A read that
// waits has not begun, so it sees every write that was answered before it was called.
//
// As with writes, no extra goroutine does this: the first of those who wait runs the statement and hands out the rows.
type readQueue struct {
	run func(context.Context, []store.Key) ([]store.Item, error) // reads the item of each key, empty if there is none

	mu      sync.Mutex
	running int // who has a turn
	waiting []*lookup

	far      bool          // the server is so far away that no read waits
	seen     int           // statements that were measured since far was set
	shortest time.Duration // of them
}

const (
	// abreast is how many reads are under way before others wait.
	abreast = 2

	// lag is how long a read waits for its turn before it goes alone. A server that is further away gains nothing from
	// waiting, and a connection that hangs must not hold up the others.
	lag = 2 * time.Millisecond

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
	if q.far {
		q.mu.Unlock()
		return q.timed(ctx, keys)
	}
	if q.running < abreast {
		q.running++
		q.mu.Unlock()
		defer q.pass()
		return q.timed(ctx, keys)
	}
	l := &lookup{keys: keys, turn: make(chan state, 1)}
	q.waiting = append(q.waiting, l)
	q.mu.Unlock()

	limit := time.NewTimer(lag)
	defer limit.Stop()
	for last := false; ; last = true {
		select {
		case turn := <-l.turn:
			if turn == leading {
				defer q.pass()
				return q.lead(ctx, l)
			}
			if l.err == nil {
				return l.found, nil
			}
			return q.timed(ctx, keys) // the error may be about the call that led
		case <-limit.C:
			if at := q.leave(l); at == queued || at == joined && last {
				return q.timed(ctx, keys)
			}
			limit.Reset(trust)
		case <-ctx.Done():
			if q.leave(l) == leading {
				q.pass()
			}
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
		q.far, q.seen = q.shortest > lag/2, 0
	}
	return found, nil
}

// lead runs l, and with it the first of those who wait, as many as fit into a statement.
func (q *readQueue) lead(ctx context.Context, l *lookup) ([]store.Item, error) {
	others := q.take(store.MaxKeys - len(l.keys))
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

// pass gives the turn to the first who waits.
func (q *readQueue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running--
		return
	}
	first := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	first.state = leading
	first.turn <- leading
}

// leave takes a lookup off the queue, and returns what it was.
func (q *readQueue) leave(l *lookup) state {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.state == queued {
		q.waiting = slices.DeleteFunc(q.waiting, func(other *lookup) bool { return other == l })
	}
	return l.state
}

// take takes the first lookups off the queue, as many as have n keys together.
func (q *readQueue) take(n int) []*lookup {
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
	others := slices.Clone(q.waiting[:taken])
	q.waiting = slices.Delete(q.waiting, 0, taken)
	return others
}

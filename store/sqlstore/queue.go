package sqlstore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/posternauth/postern/store"
)

// SQLite lets one connection write at a time, and most of a write is the wait for the disk. So the writes of a Store
// queue here, in the order they come, instead of wearing each other down at the database's lock; and those that have
// gathered while one was running are then run together, in one transaction with one sync.
//
// No extra goroutine does this. The caller whose turn it is runs what has gathered, hands out the results and
// passes the turn to the first who came since.
//
// A server has many writers and does this by itself, so there is no queue for one.
type writeQueue struct {
	mu      sync.Mutex
	running bool // somebody has the turn
	waiting []*job
}

// job is one call's write.
type job struct {
	several bool // it is of more than one statement
	run     func(ctx context.Context, on runner) error

	state state      // guarded by writeQueue.mu
	turn  chan state // gets leading or done, once
	err   error      // read only after done
}

type state uint8

const (
	queued  state = iota
	leading       // has the turn, and runs the others
	joined        // is being run by another
	done
)

// together is the most writes that share a transaction.
const together = 64

// errUnfinished stands where a leader did not come back, which takes a panic in the driver.
var errUnfinished = errors.New("the write was not brought to an end")

// write runs f when its turn comes, alone or with others, and returns its error. Any error other than
// store.ErrConflict leaves open whether it was applied.
func (s *Store) write(ctx context.Context, several bool, f func(ctx context.Context, on runner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q := &s.queue
	j := &job{several: several, run: f}
	if s.dialect.server {
		return s.alone(ctx, j)
	}
	q.mu.Lock()
	if !q.running {
		q.running = true
		q.mu.Unlock()
		defer q.pass()
		return s.alone(ctx, j)
	}
	j.turn = make(chan state, 1)
	q.waiting = append(q.waiting, j)
	q.mu.Unlock()

	select {
	case turn := <-j.turn:
		if turn == done {
			return j.err
		}
	case <-ctx.Done():
		q.mu.Lock()
		at := j.state
		if at == queued {
			q.waiting = slices.DeleteFunc(q.waiting, func(other *job) bool { return other == j })
		}
		q.mu.Unlock()
		if at == leading {
			q.pass()
		}
		return ctx.Err()
	}
	defer q.pass()
	return s.lead(ctx, j)
}

// pass gives the turn to the first who waits.
func (q *writeQueue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running = false
		return
	}
	first := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	first.state = leading
	first.turn <- leading
}

// lead runs j, and with it those who wait by the time the database has given the lock.
func (s *Store) lead(ctx context.Context, j *job) error {
	if !s.queue.anyoneWaits() {
		return s.alone(ctx, j)
	}
	var jobs []*job
	defer func() {
		for _, each := range jobs {
			if each != j {
				each.turn <- done
			}
		}
	}()
	var answers []error // of jobs, if the transaction is committed; without its end, after a panic, they say nothing
	err := s.writeTogether(ctx, func(ctx context.Context, on runner) error {
		jobs = append(s.queue.take(together-1), j)
		for _, each := range jobs {
			err := s.within(ctx, on, each)
			if err != nil && err != store.ErrConflict {
				return err
			}
			answers = append(answers, err)
		}
		return nil
	})
	for i, each := range jobs {
		if each.err = err; err == nil {
			each.err = answers[i]
		}
	}
	if len(jobs) == 0 { // the transaction did not begin
		return err
	}
	return j.err
}

func (q *writeQueue) anyoneWaits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// take takes up to n jobs off the queue, to be run by the caller.
func (q *writeQueue) take(n int) []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(len(q.waiting), n)
	jobs := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	for _, each := range jobs {
		each.state, each.err = joined, errUnfinished
	}
	return jobs
}

// alone runs a job with nobody beside it: one statement needs no transaction.
func (s *Store) alone(ctx context.Context, j *job) error {
	switch {
	case j.several && s.dialect.server: // any of the statements may be in another's way, and then all are undone
		return s.patiently(ctx, func() error {
			return s.transact(ctx, func(on runner) error { return j.run(ctx, on) })
		})
	case j.several:
		return s.writeTogether(ctx, j.run)
	case !s.dialect.server:
		return s.writeOne(ctx, j.run)
	}
	return s.patiently(ctx, func() error {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		return j.run(ctx, connection{conn})
	})
}

// within runs a job inside a transaction of several, so that its conflict undoes its own statements and no other's.
func (s *Store) within(ctx context.Context, on runner, j *job) error {
	if !j.several {
		return j.run(ctx, on)
	}
	if _, err := on.exec(ctx, "SAVEPOINT postern"); err != nil {
		return err
	}
	err := j.run(ctx, on)
	if err == store.ErrConflict {
		if _, err := on.exec(ctx, "ROLLBACK TO SAVEPOINT postern"); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if _, err := on.exec(ctx, "RELEASE SAVEPOINT postern"); err != nil {
		return err
	}
	return err
}

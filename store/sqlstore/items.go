package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/posternauth/postern/store"
)

// Get implements [store.Store] with one statement.
func (s *Store) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err := store.CheckKeys(keys...); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, ctx.Err()
	}
	read := s.lookUp
	if s.dialect.server {
		read = s.reads.get
	}
	found, err := read(ctx, keys)
	if err != nil {
		return nil, failed("reading items", err)
	}
	return slices.DeleteFunc(found, func(it store.Item) bool { return it.Version == "" }), nil
}

// lookUp reads items with one statement, each to the place of its key. An item that is not there stays empty.
func (s *Store) lookUp(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	query, args := s.dialect.find(keys, s.nowMilli())
	found := make([]store.Item, len(keys))
	err := s.reading(ctx, func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		clear(found)
		if s.dialect.server {
			return s.readDirectly(ctx, query, args, keys, found)
		}
		return s.read(s.brief(ctx), query, args, keys, found)
	})
	return found, err
}

// read runs a query of Get and puts each item it finds at the place of its key. The first column is the place, unless
// there is but one.
func (s *Store) read(ctx context.Context, query string, args []any, keys []store.Key, found []store.Item) error {
	return s.rows(ctx, autocommit{s}, query, args, func(rows *sql.Rows) error {
		var place int
		var value []byte
		var expires sql.NullInt64
		var version string
		into := []any{&place, &value, &expires, &version}
		if len(keys) == 1 {
			into = into[1:]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		found[place] = itemAt(keys[place], value, expires, version)
		return nil
	})
}

// Write implements [store.Store]. One change is one statement; several are a transaction.
func (s *Store) Write(ctx context.Context, changes ...store.Change) error {
	if err := store.CheckChanges(changes...); err != nil {
		return err
	}
	if len(changes) == 0 {
		return ctx.Err()
	}
	several := len(changes) > 1
	if several && s.dialect.server {
		changes = inOrder(changes)
	}
	err := s.write(ctx, several, func(ctx context.Context, on runner) error {
		if several && s.dialect.server {
			if err := hold(ctx, on, changes); err != nil {
				return err
			}
		}
		now := s.nowMilli()
		for _, c := range changes {
			if err := s.change(ctx, on, c, several, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && err != store.ErrConflict {
		return failed("writing items", err)
	}
	if err == nil {
		s.sweepSometimes(ctx)
	}
	return err
}

// change applies one change, alone or one of several, or answers store.ErrConflict.
func (s *Store) change(ctx context.Context, on runner, c store.Change, several bool, now int64) error {
	k, it, q := c.Item.Key, c.Item, &s.dialect.queries
	value := it.Value
	if value == nil {
		value = []byte{} // a nil slice would be NULL
	}
	var n int64
	var err error
	switch {
	case c.Op == store.OpCheck:
		return s.check(ctx, on, c, several, now)
	case c.Op == store.OpDelete:
		n, err = on.exec(ctx, q.deleteVersion, k.Part, k.ID, c.Expect, now)
	case c.Expect == "":
		args := []any{k.Part, k.ID, value, milli(it.Expires), it.Version}
		if s.dialect.server {
			args = append(args, lockNumber(k))
		}
		n, err = on.exec(ctx, q.putAbsent, append(args, now)...)
	default:
		n, err = on.exec(ctx, q.putVersion, value, milli(it.Expires), it.Version, k.Part, k.ID, c.Expect, now)
	}
	if err == nil && n == 0 {
		return store.ErrConflict
	}
	return err
}

func (s *Store) check(ctx context.Context, on runner, c store.Change, several bool, now int64) error {
	query := s.dialect.queries.selectVersion
	if several && c.Expect != "" {
		query = s.dialect.queries.holdVersion
	}
	version := ""
	err := s.rows(ctx, on, query, []any{c.Item.Key.Part, c.Item.Key.ID, now}, func(rows *sql.Rows) error {
		return rows.Scan(&version)
	})
	if err == nil && version != c.Expect {
		return store.ErrConflict
	}
	return err
}

// Add implements [store.Store] with one statement.
func (s *Store) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if err := store.CheckAdd(k, delta, expires); err != nil {
		return 0, err
	}
	sum := new(int64) // its own, because a call that gives up may leave before the statement is done
	err := s.write(ctx, false, func(ctx context.Context, on runner) error {
		now := s.nowMilli()
		return s.rows(ctx, on, s.dialect.queries.addCounter, []any{k.Part, k.ID, delta, milli(expires), now, now}, func(rows *sql.Rows) error {
			return rows.Scan(sum)
		})
	})
	if err != nil {
		return 0, failed("adding to a counter", err)
	}
	s.sweepSometimes(ctx)
	return *sum, nil
}

// List implements [store.Store]. It is strongly consistent here.
func (s *Store) List(ctx context.Context, part, after string, limit int) (items []store.Item, next string, err error) {
	if err := store.CheckList(part, after, limit); err != nil {
		return nil, "", err
	}
	err = s.reading(ctx, func() error {
		items = nil
		// One row more than asked for shows whether there is a next page.
		return s.rows(ctx, autocommit{s}, s.dialect.queries.page, []any{part, after, s.nowMilli(), limit + 1}, func(rows *sql.Rows) error {
			var id, version string
			var value []byte
			var expires sql.NullInt64
			if err := rows.Scan(&id, &value, &expires, &version); err != nil {
				return err
			}
			items = append(items, itemAt(store.Key{Part: part, ID: id}, value, expires, version))
			return nil
		})
	})
	if err != nil {
		return nil, "", failed("listing items", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].Key.ID
	}
	return items, next, nil
}

const (
	sweepEvery = 64  // writes of this Store
	sweepBatch = 128 // rows of each table: more than as many writes commonly make, so that removal keeps up

	// sweepMargin keeps rows past their end, so that a process whose clock is ahead does not remove what is alive to
	// others.
	sweepMargin = int64(time.Minute / time.Millisecond)
)

// Sweep removes at most limit items and limit counters that expired a minute ago or earlier, and returns how many it
// removed. Only the size of the tables depends on it.
func (s *Store) Sweep(ctx context.Context, limit int) (removed int, err error) {
	n := new(int64)
	err = s.write(ctx, true, func(ctx context.Context, on runner) error {
		*n = 0
		before := s.nowMilli() - sweepMargin
		for _, query := range []string{s.dialect.queries.sweepItems, s.dialect.queries.sweepCounters} {
			rows, err := on.exec(ctx, query, before, limit)
			if err != nil {
				return err
			}
			*n += rows
		}
		return nil
	})
	if err != nil {
		return 0, failed("removing expired rows", err)
	}
	return int(*n), nil
}

// sweepSometimes removes a batch now and then. Its error is dropped on purpose: the write that brought it here has
// succeeded, a later one tries again, and a database that is really broken says so to the next caller.
func (s *Store) sweepSometimes(ctx context.Context) {
	if !s.skipSweep && s.writes.Add(1)%sweepEvery == 0 {
		_, _ = s.Sweep(ctx, sweepBatch)
	}
}

package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// runner runs statements: each for itself, or within a transaction.
type runner interface {
	exec(ctx context.Context, query string, args ...any) (rowsAffected int64, err error)
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// autocommit runs each statement for itself, prepared.
type autocommit struct{ s *Store }

func (a autocommit) exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := a.s.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	return affected(stmt.ExecContext(ctx, args...))
}

func (a autocommit) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := a.s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// transaction runs statements on the connection that holds one.
type transaction struct{ conn *sql.Conn }

func (t transaction) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(t.conn.ExecContext(ctx, query, args...))
}

func (t transaction) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.conn.QueryContext(ctx, query, args...)
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// rows reads a result to its end: only there does a statement that also writes say whether it was committed.
func (s *Store) rows(ctx context.Context, on runner, query string, args []any, each func(*sql.Rows) error) error {
	rows, err := on.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// patience is how long a call waits for another process to let go of the database, on top of the driver's own timeout.
const patience = 10 * time.Second

// patiently repeats f while the database is held by another process. A busy database has done nothing, so that no
// write is applied twice.
func (s *Store) patiently(ctx context.Context, f func() error) error {
	err := f()
	if err == nil || !s.dialect.busy(err) {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-limit.Done():
			timer.Stop()
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), err)
			}
			return fmt.Errorf("held by another process for %v, which should commit sooner: %w", patience, err)
		}
		if err = f(); err == nil || !s.dialect.busy(err) {
			return err
		}
	}
}

// transact runs f in a transaction of its own, which it begins as soon as ctx and the database allow and commits
// whatever ctx says by then.
func (s *Store) transact(ctx context.Context, f func(on runner) error) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	on := transaction{conn}
	run := func(ctx context.Context, query string) error {
		_, err := conn.ExecContext(ctx, query)
		return err
	}
	// From here on the connection must not go back to the pool with the transaction open, whatever becomes of ctx.
	whole := context.WithoutCancel(ctx)
	open := true
	defer func() {
		if open && run(whole, "ROLLBACK") != nil {
			conn.Raw(func(any) error { return driver.ErrBadConn }) // the pool closes it, and that rolls back
		}
	}()
	if err := s.patiently(ctx, func() error { return run(ctx, s.dialect.begin) }); err != nil {
		return err
	}
	if err := f(on); err != nil {
		return err
	}
	err = s.patiently(whole, func() error { return run(whole, "COMMIT") })
	open = err != nil
	return err
}

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

// autocommit runs each statement for itself, prepared. Drivers of Postgres prepare by themselves, or do not where
// something between them and the server forbids it; through them it only reads.
type autocommit struct{ s *Store }

func (a autocommit) exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := a.s.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	return affected(stmt.ExecContext(ctx, args...))
}

func (a autocommit) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if a.s.dialect.server {
		return a.s.db.QueryContext(ctx, query, args...)
	}
	stmt, err := a.s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// connection runs statements on one connection: within the transaction it holds or, where it holds none, each for
// itself. Unlike a sql.DB, a sql.Conn never repeats a statement on another connection. A driver may ask for that with
// driver.ErrBadConn although the server has heard the statement (pgx does in its simple protocol), and a write
// repeated so would be counted twice, or would be in conflict with itself.
type connection struct{ conn *sql.Conn }

func (c connection) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(c.conn.ExecContext(ctx, query, args...))
}

func (c connection) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.conn.QueryContext(ctx, query, args...)
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

// patience is how long a call waits for others to let go of the database, on top of the driver's own timeout.
const patience = 10 * time.Second

// patiently repeats f while others are in its way. A busy database has done nothing, so that no write is applied twice.
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

// connections is how many a call tries that may: a server that was started again leaves a pool of broken ones.
const connections = 3

// reading is patiently for what changes nothing, which may therefore be tried again when a connection breaks.
func (s *Store) reading(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := s.patiently(ctx, f)
		if err == nil || n == connections || !s.broken(ctx, err) {
			return err
		}
	}
}

// broken reports whether it was the connection that failed, and not the caller who gave up.
func (s *Store) broken(ctx context.Context, err error) bool {
	return s.dialect.lost != nil && ctx.Err() == nil && s.dialect.lost(err)
}

// begin starts a transaction on a connection that nothing else uses.
func (s *Store) begin(ctx context.Context) (*sql.Conn, error) {
	for n := 1; ; n++ {
		var conn *sql.Conn
		err := s.patiently(ctx, func() (err error) { // a new connection sets journal_mode, which may find the file busy
			conn, err = s.db.Conn(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		err = s.patiently(ctx, func() error {
			_, err := conn.ExecContext(ctx, s.dialect.begin)
			return err
		})
		if err == nil {
			return conn, nil
		}
		discard(conn) // it may have begun all the same
		if n == connections || !s.broken(ctx, err) {
			return nil, err
		}
	}
}

// discard makes the pool close a connection, which undoes the transaction it is in.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // which is the answer
	_ = conn.Close()                                           // and now there is nothing left to close
}

// transact runs f in a new transaction. It begins as soon as ctx and the database allow.
func (s *Store) transact(ctx context.Context, f func(on runner) error) error {
	conn, err := s.begin(ctx)
	if err != nil {
		return err
	}
	open := true
	defer func() {
		if open {
			// The connection must not go back to the pool with the transaction open, whatever has become of ctx.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
				discard(conn)
			}
		}
		_ = conn.Close() // gives it back to the pool; what it could say was said
	}()
	if err := f(connection{conn}); err != nil {
		return err
	}
	err = s.commit(ctx, connection{conn})
	open = err != nil
	return err
}

// commit ends a transaction. One of a file is brought to its end whatever ctx says by then; a server may not answer.
func (s *Store) commit(ctx context.Context, on runner) error {
	if s.dialect.server {
		_, err := on.exec(ctx, "COMMIT")
		return err
	}
	ctx = context.WithoutCancel(ctx)
	return s.patiently(ctx, func() error {
		_, err := on.exec(ctx, "COMMIT")
		return err
	})
}

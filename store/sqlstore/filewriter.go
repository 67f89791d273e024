package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/posternauth/postern/store"
)

// A fileWriter is the connection on which a Store writes to a file. The Store keeps it: its statements are prepared
// once, because reading the text of a statement takes SQLite as long as running it, and its pages stay in its cache,
// because SQLite drops those that another connection may have changed.
type fileWriter struct {
	mu       sync.Mutex // of the call that has the turn of the queue, or of Close
	conn     *sql.Conn  // nil: none yet
	prepared map[string]*sql.Stmt
}

// release gives the connection back to the pool.
func (w *fileWriter) release() error {
	if w.conn == nil {
		return nil
	}
	err := errors.Join(w.forget(), w.conn.Close())
	w.conn, w.prepared = nil, nil
	return err
}

// drop makes the pool close the connection, which undoes the transaction it may be in.
func (w *fileWriter) drop() {
	if w.conn != nil {
		_ = w.forget() // there is nothing to be done about it
		discard(w.conn)
		w.conn, w.prepared = nil, nil
	}
}

// forget closes the statements. The pool does not know of them, and as long as one is open, SQLite keeps the file and
// its locks, even if the connection is closed.
func (w *fileWriter) forget() error {
	var errs []error
	for _, stmt := range w.prepared {
		errs = append(errs, stmt.Close())
	}
	clear(w.prepared)
	return errors.Join(errs...)
}

func (w *fileWriter) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := w.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.prepared[query] = stmt
	return stmt, nil
}

func (w *fileWriter) exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := w.statement(ctx, query)
	if err != nil {
		return 0, err
	}
	return affected(stmt.ExecContext(ctx, args...))
}

func (w *fileWriter) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// fileConnection returns the connection that writes. A small pool gets it back after each write by done, so that there
// are some for reads.
func (s *Store) fileConnection(ctx context.Context) (w *fileWriter, done func(), err error) {
	w, done = &s.writer, func() {}
	if w.conn != nil && s.closed() {
		w.drop()
	}
	if s.smallPool() {
		done = func() { _ = w.release() } // the write has said what there is to say
	}
	if w.conn == nil {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		w.conn, w.prepared = conn, map[string]*sql.Stmt{}
	}
	return w, done, nil
}

// smallPool reports whether the pool has too few connections to keep one.
func (s *Store) smallPool() bool {
	limit := s.db.Stats().MaxOpenConnections // 0: none
	return limit > 0 && limit < 4
}

// brief returns the context of a statement of a file that takes microseconds. To be able to interrupt it, the driver
// and database/sql would start a goroutine each, so it is brought to its end whatever ctx says by then. But while
// others have all connections, maybe for long, it is ctx that ends the wait for one.
func (s *Store) brief(ctx context.Context) context.Context {
	if pool := s.db.Stats(); pool.MaxOpenConnections > 0 && pool.InUse >= pool.MaxOpenConnections {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// closed reports whether the program has closed the database: database/sql leaves a connection that is in use open, so
// that this Store would go on writing. A pool that is open refuses a context that has ended, and a closed one says so.
func (s *Store) closed() bool {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	conn, err := s.db.Conn(ended)
	if err == nil {
		conn.Close()
	}
	return err != nil && !errors.Is(err, context.Canceled)
}

// writeOne runs a job of one statement. The statement is brought to its end whatever ctx says by then: to be able to
// interrupt it, the driver would start a goroutine for each, and what it waits for, SQLite does not let go of.
func (s *Store) writeOne(ctx context.Context, f func(context.Context, runner) error) error {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	return s.patiently(ctx, func() error {
		if s.smallPool() {
			return f(s.brief(ctx), autocommit{s})
		}
		w, _, err := s.fileConnection(ctx)
		if err != nil {
			return err
		}
		err = f(context.WithoutCancel(ctx), w)
		if err != nil && err != store.ErrConflict && !s.dialect.busy(err) {
			w.drop()
		}
		return err
	})
}

// writeTogether runs f in a new transaction. It begins as soon as ctx and the database allow, and from then on nothing
// can be in its way: it is brought to its end, whatever ctx says by then.
func (s *Store) writeTogether(ctx context.Context, f func(context.Context, runner) error) error {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	var w *fileWriter
	done := func() {}
	defer func() { done() }()
	whole := context.WithoutCancel(ctx)
	err := s.patiently(ctx, func() error { // a new connection sets journal_mode, which may find the file busy
		got, after, err := s.fileConnection(ctx)
		if err != nil {
			return err
		}
		w, done = got, after
		_, err = w.exec(whole, s.dialect.begin)
		return err
	})
	if err != nil {
		if w != nil && !s.dialect.busy(err) {
			w.drop() // it may have begun all the same
		}
		return err
	}
	open := true
	defer func() {
		if open {
			if _, err := w.exec(whole, "ROLLBACK"); err != nil {
				w.drop()
			}
		}
	}()
	if err := f(whole, w); err != nil {
		return err
	}
	err = s.commit(whole, w)
	open = err != nil
	return err
}

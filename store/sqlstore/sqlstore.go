// Package sqlstore keeps Postern's items in an SQL database: SQLite or Postgres, over database/sql.
//
// It imports no driver. The program opens the database with the one it likes and hands it over:
//
//	import _ "modernc.org/sqlite"
//
//	db, err := sql.Open("sqlite", sqlstore.DSN("auth.db"))
//	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
//
// or
//
//	import _ "github.com/jackc/pgx/v5/stdlib"
//
//	db, err := sql.Open("pgx", "postgres://postern@db.internal/app?target_session_attrs=read-write")
//	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.Postgres})
//
// Open creates and upgrades the tables, whose names all begin with postern_, so that they may live beside the
// application's own. Of several programs that open at once, one does it and the others wait. What it would run is
// returned by [Schema] for an empty database, and by [Upgrade] for one with older tables. The view postern_sessions
// shows the sessions to people; no code reads it.
//
// An upgrade that only adds leaves a program of the version before at work. One that does more raises postern_schema's
// oldest, and Open of a program older than that answers [ErrSchema].
//
// # Settings of SQLite
//
// They belong to the connection string, for SQLite keeps most of them per connection. [DSN] writes it for
// modernc.org/sqlite. For github.com/mattn/go-sqlite3 the same is
//
//	file:auth.db?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_foreign_keys=1&_txlock=immediate
//
// journal_mode WAL lets reads go on beside a write. synchronous FULL makes an acknowledged sign-out survive a power
// cut; NORMAL may lose the last moments of it (never its order), FULL costs one more sync to disk a write. busy_timeout
// is how long a connection waits for another process; the store waits on for up to ten seconds, or until the context
// ends. A ":memory:" database is one database per connection: set db.SetMaxOpenConns(1), or use [store.Memory].
//
// Put the file on a local disk. Several processes of one machine may share it; machines may not, since the locks of
// network file systems do not hold.
//
// Writes of one Store that come at the same time share a transaction and its sync to disk, each still succeeding or
// failing for itself. So make one Store for a file and use it from everywhere. Do not call it while holding a
// transaction of your own on the same file: it would wait for you.
//
// # Settings of Postgres
//
// The database has the encoding UTF8; its collation does not matter, for the columns have their own. The tables live in
// the first schema of search_path. A user who only serves needs SELECT, INSERT, UPDATE and DELETE on postern_items and
// postern_counters, and SELECT on postern_schema.
//
// Reads must see what was written, so connect to the primary, never to a replica. Leave synchronous_commit on: without it
// a crash of the server takes back what was acknowledged.
//
// Get, List, Add and a Write of one change are one statement. A Write of several is a transaction under READ COMMITTED,
// whatever the default of the database: rows are locked in the order of their keys, and keys that must be absent by
// transaction-level advisory locks on a hash of the key. No session state is used, so a pooler in transaction mode may
// stand in between; where it cannot keep prepared statements, add default_query_exec_mode=exec for pgx.
//
// A read is tried on another connection when one breaks. A write is not, since it may have happened: the error says so
// by being neither [store.ErrConflict] nor [store.ErrInvalid].
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern/store"
)

// Config says where the items are kept.
type Config struct {
	// DB is the open database. Required. It stays the caller's: Close leaves it open.
	DB *sql.DB

	// Dialect is the kind of database behind DB. Required, because database/sql does not tell.
	Dialect Dialect

	// Now is the clock that decides what has expired. Default time.Now. Processes that share a database should agree
	// on the time within a minute: rows are removed when they have been expired for that long.
	Now func() time.Time

	// SkipMigrations makes Open only check that the tables fit, for programs whose database user may not create tables.
	// Run the statements of Schema or Upgrade beforehand. Default false: Open creates and upgrades the tables.
	SkipMigrations bool

	// SkipSweep leaves the removal of expired rows to calls of Sweep. Default false: every 64th write on this Store
	// removes up to 128 items and 128 counters.
	SkipSweep bool
}

// A Store is a [store.Store] in an SQL database. Make it with [Open].
type Store struct {
	db        *sql.DB
	dialect   *dialect
	now       func() time.Time
	skipSweep bool

	writes atomic.Uint64 // counts towards the next sweep
	queue  writeQueue

	mu         sync.RWMutex
	statements map[string]*sql.Stmt
}

var _ store.Store = (*Store)(nil)

// Open makes a Store on the database, and its tables unless they are there. Several processes may do so at once. The
// error matches [ErrSchema] when the tables are missing ([ErrNoTables]) or too old under SkipMigrations, or belong to a
// newer Postern that this one cannot work with.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.DB == nil {
		return nil, errors.New("sqlstore: Config.DB is missing: open the database with its driver and pass it")
	}
	d, err := dialectOf(c.Dialect)
	if err != nil {
		return nil, err
	}
	s := &Store{db: c.DB, dialect: d, now: c.Now, skipSweep: c.SkipSweep, statements: make(map[string]*sql.Stmt)}
	if s.now == nil {
		s.now = time.Now
	}
	if !c.SkipMigrations {
		if err := s.migrate(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.checkSchema(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close frees the prepared statements. Call it after the last use of the Store; the database stays open.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, stmt := range s.statements {
		errs = append(errs, stmt.Close())
	}
	clear(s.statements)
	return errors.Join(errs...)
}

// prepare returns the statement of a query, kept for the life of the Store: compiling a query costs SQLite as much as
// running it. There are about 40 of them.
func (s *Store) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.statements[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := s.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.statements[query]; first != nil {
		stmt.Close() // another call was faster; this one was never used
		return first, nil
	}
	s.statements[query] = stmt
	return stmt, nil
}

func (s *Store) nowMilli() int64 { return s.now().UnixMilli() }

// milli is a time as the tables hold it.
func milli(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// itemAt makes an item of a row.
func itemAt(k store.Key, value []byte, expires sql.NullInt64, version string) store.Item {
	it := store.Item{Key: k, Value: value, Version: version}
	if expires.Valid {
		it.Expires = time.UnixMilli(expires.Int64).UTC()
	}
	return it
}

func failed(what string, err error) error { return fmt.Errorf("sqlstore: %s: %w", what, err) }

// Package sqlstore keeps Postern's items in an SQL database: SQLite or Postgres, over database/sql.
//
// It imports no driver. The program opens the database with any driver and passes it to [Open]:
//
//	import _ "modernc.org/sqlite"
//
//	db, err := sql.Open("sqlite", sqlstore.DSN("auth.db"))
//	db.SetMaxOpenConns(8)
//	db.SetMaxIdleConns(8)
//	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
//
// or
//
//	import _ "github.com/jackc/pgx/v5/stdlib"
//
//	db, err := sql.Open("pgx", "postgres://postern@db.internal/app?target_session_attrs=read-write")
//	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.Postgres})
//
// Open creates and upgrades the tables. Their names all begin with postern_, so they can share a database with the
// tables of the application. If several programs open at the same time, one of them does this and the others wait.
// [Migrate] and the command "postern migrate" do the same for programs that may not. [Schema] returns the statements
// for an empty database, and [Upgrade] those for older tables. The view postern_sessions shows the sessions to
// people; no code reads it.
//
// After an upgrade that only adds something, programs of the version before still work. Any other upgrade raises the
// column oldest of postern_schema; in a program older than that, Open returns [ErrSchema].
//
// # Settings of SQLite
//
// The settings are in the connection string, because SQLite keeps most of them for each connection. [DSN] writes it
// for modernc.org/sqlite. For github.com/mattn/go-sqlite3 the same is
//
//	file:auth.db?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_foreign_keys=1&_txlock=immediate
//
// With journal_mode WAL, reads and a write can run at the same time. With synchronous FULL, an acknowledged sign-out
// survives a power cut. With NORMAL a power cut may lose the last writes (never an earlier one without the later
// ones); FULL costs one more sync to disk for each write. busy_timeout is how long a connection waits for another
// process; the store waits for up to ten seconds, or until the context ends. A ":memory:" database is a separate
// database for each connection: set db.SetMaxOpenConns(1), or use [store.Memory].
//
// Keep as many connections as you allow, as above: database/sql keeps two, and to open one takes longer than ten
// reads. More than a few for each processor make nothing faster. The Store keeps one of them for its writes until
// Close, if there are at least four.
//
// Put the file on a local disk. Several processes of one machine may share it. Several machines may not, because the
// locks of network file systems are not reliable.
//
// Writes of one Store at the same time share a transaction and its sync to disk; each of them succeeds or fails
// separately. So make one Store for a file and use it in the whole program. Do not call it while you hold a
// transaction on the same file: it would wait for that transaction.
//
// # Settings of Postgres
//
// The database must have the encoding UTF8. Its collation does not matter, because the columns are sorted by bytes.
// The tables are in the first schema of search_path. With SkipMigrations, the database user needs SELECT, INSERT,
// UPDATE and DELETE on postern_items and postern_counters, and SELECT on postern_schema.
//
// Connect to the primary and never to a replica, because a read must see every earlier write. Leave
// synchronous_commit on: without it, a crash of the server loses acknowledged writes.
//
// Get, List, Add and a Write of one change are one statement. A Write of several changes is a transaction under READ
// COMMITTED, even if the database has another default. Rows are locked in the order of their keys. Keys that must be
// absent are locked by advisory locks of the transaction, on a hash of the key. No session state of Postgres is used,
// so a pooler in transaction mode works. If the pooler cannot keep prepared statements, add
// default_query_exec_mode=exec for pgx.
//
// Gets that come while others are under way wait for up to two milliseconds and share a statement, which has the
// context of one of them. If it fails, the others read again by themselves. No Get waits for a server that is further
// away than a millisecond.
//
// If a connection breaks, a read is repeated on another one. A write is not, because it may have been applied: its
// error is then neither [store.ErrConflict] nor [store.ErrInvalid].
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
	// DB is the open database. Required. The caller closes it; Close of the Store leaves it open.
	DB *sql.DB

	// Dialect is the kind of database behind DB. Required, because database/sql does not know it.
	Dialect Dialect

	// Now is the clock that decides what has expired. Processes that share a database should agree on the time within a
	// minute: rows are removed when they have been expired for that long.
	//
	// Defaults to time.Now.
	Now func() time.Time

	// SkipMigrations makes Open only check the version of the tables. It is for programs whose database user may not
	// create tables. Run the statements of Schema or Upgrade before.
	//
	// Defaults to false: Open creates and upgrades the tables.
	SkipMigrations bool

	// SkipSweep leaves the removal of expired rows to calls of Sweep.
	//
	// Defaults to false: every 64th write on this Store removes up to 128 items and 128 counters.
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
	writer fileWriter // of a file
	reads  readQueue  // of a server

	mu         sync.RWMutex
	statements map[string]*sql.Stmt
}

var _ store.Store = (*Store)(nil)

// Open makes a Store on the database, and creates its tables if they are missing. Several processes may do so at the
// same time. With SkipMigrations, the error matches [ErrSchema] if the tables are missing ([ErrNoTables]) or too old.
// The error also matches ErrSchema if the tables are of a newer Postern and this one cannot use them.
func Open(ctx context.Context, c Config) (*Store, error) {
	s, err := without(c)
	if err != nil {
		return nil, err
	}
	if !c.SkipMigrations {
		if _, err := s.migrate(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.checkSchema(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// without makes a Store without a look at its tables.
func without(c Config) (*Store, error) {
	if c.DB == nil {
		return nil, errors.New("sqlstore: Config.DB is missing: open the database with its driver and pass it")
	}
	d, err := dialectOf(c.Dialect)
	if err != nil {
		return nil, err
	}
	s := &Store{db: c.DB, dialect: d, now: c.Now, skipSweep: c.SkipSweep, statements: make(map[string]*sql.Stmt)}
	s.reads.run = s.lookUp
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Close frees the prepared statements and, of a file, the connection that writes. Call it after the last use of the
// Store, and before the database is closed; the database stays open. It waits for the write that is under way.
func (s *Store) Close() error {
	s.writer.mu.Lock()
	errs := []error{s.writer.release()}
	s.writer.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
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

func failed(what string, err error) error {
	return fmt.Errorf("sqlstore: %s: %w%s", what, err, poolerHint(err))
}

package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
	"github.com/posternauth/postern/store/storetest"
)

// openDB opens a database by its connection string until the end of the test.
func openDB(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return db
}

// openStore opens a store on the database until the end of the test.
func openStore(t testing.TB, db *sql.DB, now func() time.Time) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return openStore(t, openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db"))), now)
	})
}

// Two handles on one file, as two processes have them: every call takes the other one.
func TestSQLite_TwoHandles(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		path := filepath.Join(t.TempDir(), "test.db")
		return &alternating{stores: [2]store.Store{
			openStore(t, openDB(t, sqlstore.DSN(path)), now),
			openStore(t, openDB(t, sqlstore.DSN(path)), now),
		}}
	})
}

// One connection for all: what a ":memory:" database needs.
func TestSQLite_InMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		db := openDB(t, ":memory:")
		db.SetMaxOpenConns(1)
		return openStore(t, db, now)
	})
}

// SQLite without the settings recommended: readers and writers shut each other out, and no driver waits for a lock.
func TestSQLite_NoSettings(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		db := openDB(t, "file:"+filepath.Join(t.TempDir(), "test.db")+"?_pragma=synchronous(OFF)")
		return openStore(t, db, now)
	})
}

type alternating struct {
	stores [2]store.Store
	n      atomic.Uint64
}

func (a *alternating) next() store.Store { return a.stores[a.n.Add(1)%2] }

func (a *alternating) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	return a.next().Get(ctx, keys...)
}

func (a *alternating) Write(ctx context.Context, changes ...store.Change) error {
	return a.next().Write(ctx, changes...)
}

func (a *alternating) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	return a.next().Add(ctx, k, delta, expires)
}

func (a *alternating) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	return a.next().List(ctx, part, after, limit)
}

package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// busyConnector opens connections to a SQLite file. The first ones fail, because another process holds the file.
type busyConnector struct {
	sqlite driver.Driver
	dsn    string
	busy   atomic.Int64 // so many more connections fail
}

func (c *busyConnector) Driver() driver.Driver { return c.sqlite }

func (c *busyConnector) Connect(context.Context) (driver.Conn, error) {
	if c.busy.Add(-1) >= 0 {
		return nil, errors.New("database is locked (5) (SQLITE_BUSY)")
	}
	return c.sqlite.Open(c.dsn)
}

// sqliteDriver is the driver of modernc.org/sqlite.
func sqliteDriver(t *testing.T) driver.Driver {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return db.Driver()
}

// TestT2_FileIsBusyAtConnect: a new connection sets the journal mode, and SQLite does not wait for that while another
// process opens the same file. The store waits: neither Open nor a write fails.
func TestT2_FileIsBusyAtConnect(t *testing.T) {
	c := &busyConnector{sqlite: sqliteDriver(t), dsn: sqlstore.DSN(filepath.Join(t.TempDir(), "auth.db"))}
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxIdleConns(-1) // every call opens a connection
	c.busy.Store(3)
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	a, b := store.Item{Key: store.Key{Part: "p", ID: "a"}, Value: []byte("1")}, store.Item{Key: store.Key{Part: "p", ID: "b"}, Value: []byte("2")}
	for name, do := range map[string]func() error{
		"a write of one": func() error { return st.Write(t.Context(), store.Put(a)) },
		"a write of several": func() error {
			return st.Write(t.Context(), store.Put(b), store.Put(store.Item{Key: store.Key{Part: "p", ID: "c"}}))
		},
		"a read":    func() error { _, err := st.Get(t.Context(), a.Key, b.Key); return err },
		"a counter": func() error { _, err := st.Add(t.Context(), a.Key, 1, forever); return err },
	} {
		c.busy.Store(3)
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

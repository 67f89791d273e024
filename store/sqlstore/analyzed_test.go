package sqlstore_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"modernc.org/sqlite"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// TestSQLite_Analyzed: SQLite plans no statement again for a call, nor after ANALYZE. Planning takes many small pieces
// of memory, so their number shows whether it does.
func TestSQLite_Analyzed(t *testing.T) {
	plain, analyzed := pieces(t, ""), pieces(t, "ANALYZE")
	for name, n := range plain {
		if n <= 0 || analyzed[name] <= 0 {
			t.Errorf("ten times %s take %d and %d pieces of memory: the counter of SQLite does not count", name, n, analyzed[name])
		}
		if analyzed[name] > n+n/4 || n > 200 {
			t.Errorf("ten times %s take %d pieces of memory after ANALYZE, and %d without", name, analyzed[name], n)
		}
	}
}

// pieces returns how many small pieces of memory SQLite takes for ten calls, on a database with 20,000 items.
func pieces(t *testing.T, after string) map[string]int {
	t.Helper()
	path := sqlstore.DSN(filepath.Join(t.TempDir(), "test.db"))
	db := openDB(t, path)
	openStore(t, db, nil)
	if _, err := db.Exec(`INSERT INTO postern_items (part, id, value, expires_ms, version)
		WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000)
		SELECT 'session:' || hex(randomblob(8)), hex(randomblob(8)), randomblob(100), ? + i / 500 * 500, '1' FROM c;
		INSERT INTO postern_items (part, id, value, version)
		WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20)
		SELECT 'p' || i, 'one', '', '1' FROM c; `+after, forever.UnixMilli()); err != nil {
		t.Fatal(err)
	}
	db = openDB(t, path)
	db.SetMaxOpenConns(1) // the counter is that of a connection
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, SkipSweep: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	numbers, versions := map[string]int{}, map[store.Key]string{}
	for _, call := range []struct {
		name string
		do   func(k store.Key) error
	}{
		{"Get", func(k store.Key) error { _, err := s.Get(t.Context(), k); return err }},
		{"Get of two", func(k store.Key) error { _, err := s.Get(t.Context(), k, store.Key{Part: k.Part, ID: "!"}); return err }},
		{"List", func(k store.Key) error { _, _, err := s.List(t.Context(), k.Part, "a", 10); return err }},
		{"Check", func(k store.Key) error { return s.Write(t.Context(), store.Check(k, "1")) }},
		{"Put", func(k store.Key) error {
			put := store.Put(store.Item{Key: k, Value: value, Version: "1"})
			versions[k] = put.Item.Version
			return s.Write(t.Context(), put)
		}},
		{"Delete", func(k store.Key) error { return s.Write(t.Context(), store.Delete(k, versions[k])) }},
	} {
		for i := 1; i <= 20; i++ {
			if err := call.do(store.Key{Part: fmt.Sprint("p", i), ID: "one"}); err != nil {
				t.Fatalf("%s: %v", call.name, err)
			}
			if i == 10 { // by now it is prepared
				numbers[call.name] -= lookaside(t, db)
			}
		}
		numbers[call.name] += lookaside(t, db)
	}
	return numbers
}

// lookaside returns how often SQLite has taken a small piece of memory on the connection.
func lookaside(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Raw(func(driverConn any) error {
		_, n, err = driverConn.(sqlite.DBStatus).Status(sqlite.DBStatusLookasideHit, false)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

package sqlstore_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// firstVersion makes the tables as their first version printed them: everything but the view.
func firstVersion(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
	t.Helper()
	first, rest, found := strings.Cut(sqlstore.Schema(dialect), "-- Sessions as a table")
	if !found || !strings.Contains(rest, "CREATE VIEW postern_sessions") {
		t.Fatal("the schema does not end with the view")
	}
	if _, err := db.Exec(first + "INSERT INTO postern_schema (id, version, oldest) VALUES (1, 1, 1)"); err != nil {
		t.Fatal(err)
	}
}

// versions reads the version of the tables and the oldest version of the code that works with them.
func versions(t *testing.T, db *sql.DB) (version, oldest int) {
	t.Helper()
	if err := db.QueryRow("SELECT version, oldest FROM postern_schema").Scan(&version, &oldest); err != nil {
		t.Fatal(err)
	}
	return version, oldest
}

// viewIsThere says whether the database has what the second version added.
func viewIsThere(db *sql.DB) bool {
	_, err := db.Exec("SELECT * FROM postern_sessions")
	return err == nil
}

// Tables of the first version, in use by a program that knows no other, are brought up to date under it. It goes on,
// and opens again after a restart.
func TestT6_Upgrade(t *testing.T) {
	onEach(t, "", func(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
		firstVersion(t, dialect, db)
		if _, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect, SkipMigrations: true}); !errors.Is(err, sqlstore.ErrSchema) ||
			!strings.Contains(err.Error(), "Open without SkipMigrations") || !strings.Contains(err.Error(), "postern migrate") {
			t.Errorf("with SkipMigrations: %v, want ErrSchema and what to do", err)
		}
		if _, err := db.Exec(`INSERT INTO postern_items (part, id, value, version) VALUES ('p', 'old', 'value', 'v1')`); err != nil {
			t.Fatal(err)
		}
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		items, err := s.Get(t.Context(), store.Key{Part: "p", ID: "old"})
		if err != nil || len(items) != 1 || string(items[0].Value) != "value" {
			t.Errorf("after the upgrade: %v, %v", items, err)
		}
		if version, oldest := versions(t, db); version != 2 || oldest != 1 || !viewIsThere(db) {
			t.Errorf("version %d for code of %d and newer, view %t; want 2 and 1, for the first code opens what names it, and the view", version, oldest, viewIsThere(db))
		}
		// The statements of the first version's program name their columns, so that what is added is not in their way.
		if _, err := db.Exec(`INSERT INTO postern_items (part, id, value, expires_ms, version) VALUES ('p', 'new', '', NULL, 'v1')`); err != nil {
			t.Errorf("a write as the first version did it: %v", err)
		}
	})
}

// What is printed for people to run does what Open does, once, and only to the version that it is for.
func TestT6_PrintedUpgrade(t *testing.T) {
	onEach(t, "", func(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
		upgrade, err := sqlstore.Upgrade(dialect, 1)
		if err != nil {
			t.Fatal(err)
		}
		open := func() error {
			s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect, SkipMigrations: true})
			if err != nil {
				return err
			}
			return errors.Join(s.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: "p", ID: "new"}})), s.Close())
		}
		if _, err := db.Exec(upgrade); err == nil {
			t.Error("it runs on an empty database")
		}
		if err := open(); !errors.Is(err, sqlstore.ErrNoTables) || !errors.Is(err, sqlstore.ErrSchema) {
			t.Errorf("on an empty database: %v, want ErrNoTables, which is an ErrSchema", err)
		}
		firstVersion(t, dialect, db)
		if _, err := db.Exec("INSERT INTO postern_items (part, id, value, version) VALUES ('p', 'old', 'value', 'v1')"); err != nil {
			t.Fatal(err)
		}
		if err := open(); !errors.Is(err, sqlstore.ErrSchema) || errors.Is(err, sqlstore.ErrNoTables) {
			t.Errorf("before it: %v, want ErrSchema and not ErrNoTables", err)
		}
		if _, err := db.Exec("UPDATE postern_schema SET version = 7"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(upgrade); err == nil || viewIsThere(db) {
			t.Errorf("on tables of another version: %v, the view is made: %t", err, viewIsThere(db))
		}
		if version, _ := versions(t, db); version != 7 {
			t.Errorf("it made version %d of version 7", version)
		}
		if _, err := db.Exec("UPDATE postern_schema SET version = 1"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(upgrade); err != nil {
			t.Fatal(err)
		}
		if err := open(); err != nil {
			t.Errorf("after it: %v", err)
		}
		if version, oldest := versions(t, db); version != 2 || oldest != 1 || !viewIsThere(db) {
			t.Errorf("version %d for code of %d and newer, view %t; want 2, 1 and the view", version, oldest, viewIsThere(db))
		}
		var n int
		if err := db.QueryRow("SELECT count(*) FROM postern_items").Scan(&n); err != nil || n != 2 {
			t.Errorf("%d items, %v; want the old one and the new one", n, err)
		}
		if _, err := db.Exec(upgrade); err == nil {
			t.Error("it runs a second time")
		}
		if err := open(); err == nil || errors.Is(err, sqlstore.ErrSchema) || !errors.Is(err, store.ErrConflict) {
			t.Errorf("after a second time: %v, want the tables to be well and the item to be there", err)
		}
	})
}

// Every version has a way to the newest, and nothing else has.
func TestUpgrade(t *testing.T) {
	const newest = 2
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		for from := -1; from <= newest+1; from++ {
			got, err := sqlstore.Upgrade(dialect, from)
			switch {
			case from < 0 || from > newest:
				if err == nil || got != "" || !strings.Contains(err.Error(), "versions 1 to 2") {
					t.Errorf("%s from %d: %q, %v; want an error that says the versions", dialect, from, got, err)
				}
			case from == 0:
				if err != nil || got != sqlstore.Schema(dialect) {
					t.Errorf("%s from 0: %v\n%s", dialect, err, got)
				}
			case from == newest:
				if err != nil || got != "" {
					t.Errorf("%s from the newest: %q, %v; want nothing", dialect, got, err)
				}
			default:
				if err != nil || strings.Contains(got, "CREATE TABLE") || !strings.Contains(got, "CREATE VIEW") {
					t.Errorf("%s from %d: %v\n%s", dialect, from, err, got)
				}
			}
		}
	}
	if got, err := sqlstore.Upgrade("oracle", 1); err == nil || got != "" {
		t.Errorf("an upgrade for an unknown dialect: %q, %v", got, err)
	}
}

// A file that is not a database is not taken for one without tables, for which the error says to make some.
func TestOpen_NoDatabase(t *testing.T) {
	db := openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "no such folder", "test.db")))
	_, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, SkipMigrations: true})
	if err == nil || errors.Is(err, sqlstore.ErrSchema) || !strings.Contains(err.Error(), "unable to open database file") {
		t.Errorf("%v, want what SQLite says and not ErrSchema", err)
	}
}

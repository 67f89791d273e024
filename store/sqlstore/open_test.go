package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

var (
	background = context.Background()
	forever    = time.Time{}
)

// openFile opens a file the way a program does, and returns what closes it.
func openFile(path string) (*sqlstore.Store, func() error, error) {
	db, err := sql.Open("sqlite", sqlstore.DSN(path))
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlstore.Open(background, sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return s, func() error { return errors.Join(s.Close(), db.Close()) }, nil
}

func TestOpen_RefusesHalfAConfig(t *testing.T) {
	db := openDB(t, ":memory:")
	for _, tc := range []struct {
		config sqlstore.Config
		want   string
	}{
		{sqlstore.Config{Dialect: sqlstore.SQLite}, "Config.DB is missing"},
		{sqlstore.Config{DB: db}, "Config.Dialect is missing"},
		{sqlstore.Config{DB: db, Dialect: "oracle"}, `unknown dialect "oracle"`},
	} {
		if _, err := sqlstore.Open(t.Context(), tc.config); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
}

// Many open a file that does not exist yet, at once, each with its own database handle.
func TestOpen_Together(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.db")
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			s, closeAll, err := openFile(file)
			if err != nil {
				t.Errorf("opener %d: %v", n, err)
				return
			}
			if err := s.Write(background, store.Put(store.Item{Key: store.Key{Part: "p", ID: fmt.Sprint(n)}})); err != nil {
				t.Errorf("opener %d: %v", n, err)
			}
			if err := closeAll(); err != nil {
				t.Errorf("opener %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	s, closeAll, err := openFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	if items, _, err := s.List(t.Context(), "p", "", 100); err != nil || len(items) != 12 {
		t.Errorf("%d items of 12, %v", len(items), err)
	}
}

func TestOpen_SkipMigrations(t *testing.T) {
	db := openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
	config := sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, SkipMigrations: true}
	if _, err := sqlstore.Open(t.Context(), config); !errors.Is(err, sqlstore.ErrSchema) {
		t.Fatalf("without tables: %v, want ErrSchema", err)
	}
	if _, err := db.Exec(sqlstore.Schema(sqlstore.SQLite)); err != nil {
		t.Fatalf("the printed schema does not run: %v", err)
	}
	s, err := sqlstore.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(t.Context(), store.Put(store.Item{Key: left})); err != nil {
		t.Fatal(err)
	}
}

// The schema that is printed and the one that Open makes are the same.
func TestSchema(t *testing.T) {
	tables := func(prepare func(db *sql.DB) error) (all []string) {
		db := openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
		if err := prepare(db); err != nil {
			t.Fatal(err)
		}
		rows, err := db.Query(`SELECT name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(s, "postern_") && !strings.HasPrefix(s, "sqlite_") {
				t.Errorf("a name without our prefix: %s", s)
			}
			all = append(all, strings.Join(strings.Fields(s), " "))
		}
		return all
	}
	printed := tables(func(db *sql.DB) error { _, err := db.Exec(sqlstore.Schema(sqlstore.SQLite)); return err })
	opened := tables(func(db *sql.DB) error {
		_, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
		return err
	})
	if len(printed) < 5 || strings.Join(printed, "\n") != strings.Join(opened, "\n") {
		t.Errorf("printed\n%s\nopened\n%s", strings.Join(printed, "\n"), strings.Join(opened, "\n"))
	}
	if s := sqlstore.Schema("oracle"); s != "" {
		t.Errorf("a schema for an unknown dialect: %s", s)
	}
}

// A newer Postern may have changed the tables: its row says whether this code can still work with them.
func TestT6_NewerTables(t *testing.T) {
	for _, tc := range []struct {
		name            string
		version, oldest int
		fits            bool
	}{{"only added to", 3, 1, true}, {"changed beyond us", 4, 3, false}} {
		t.Run(tc.name, func(t *testing.T) {
			db := openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
			openStore(t, db, nil)
			if _, err := db.Exec(`UPDATE postern_schema SET version = ?, oldest = ?`, tc.version, tc.oldest); err != nil {
				t.Fatal(err)
			}
			s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
			if tc.fits {
				if err != nil {
					t.Fatalf("got %v, want it to open", err)
				}
				defer s.Close()
			} else if !errors.Is(err, sqlstore.ErrSchema) || !strings.Contains(err.Error(), "upgrade it") {
				t.Errorf("got %v, want ErrSchema and what to do", err)
			}
			var version int
			if err := db.QueryRow(`SELECT version FROM postern_schema`).Scan(&version); err != nil || version != tc.version {
				t.Errorf("Open changed the version to %d, %v", version, err)
			}
		})
	}
}

func TestDSN(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "with space.db", "what?.db", "50%25.db", "a#b.db", "ü.db", "a&b=c.db", "a+b.db", "x;y.db"} {
		path := filepath.Join(dir, name)
		db := openDB(t, sqlstore.DSN(path))
		openStore(t, db, nil)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", sqlstore.DSN(path), err)
		}
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "foreign_keys": "1"} {
			var got string
			if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %s, %v; want %s", name, pragma, got, err, want)
			}
		}
	}
	t.Chdir(dir)
	openStore(t, openDB(t, sqlstore.DSN("relative.db")), nil)
	if _, err := os.Stat(filepath.Join(dir, "relative.db")); err != nil {
		t.Error(err)
	}
}

package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// oldCode runs the statements of an older version, as testdata keeps them.
type oldCode struct {
	t          *testing.T
	db         *sql.DB
	statements map[string]string
}

func readOldCode(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, version int) oldCode {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("testdata/statements-%d-%s.sql", version, dialect))
	if err != nil {
		t.Fatal(err)
	}
	old := oldCode{t, db, map[string]string{}}
	for part := range strings.SplitSeq(string(text), "-- ") {
		if name, statement, ok := strings.Cut(part, "\n"); ok {
			old.statements[name] = strings.TrimSuffix(strings.TrimSpace(statement), ";")
		}
	}
	return old
}

// exec runs a statement that changes n rows.
func (o oldCode) exec(n int64, name string, args ...any) {
	o.t.Helper()
	result, err := o.db.Exec(o.statements[name], args...)
	if err != nil {
		o.t.Fatalf("%s: %v", name, err)
	}
	if got, err := result.RowsAffected(); err != nil || got != n {
		o.t.Errorf("%s changed %d rows, %v; want %d", name, got, err, n)
	}
}

// read runs a statement that returns one row, whose first column becomes text.
func (o oldCode) read(into []any, name string, args ...any) {
	o.t.Helper()
	if err := o.db.QueryRow(o.statements[name], args...).Scan(into...); err != nil {
		o.t.Errorf("%s: %v", name, err)
	}
}

// TestT6_OldCodeBesideNew: the statements of the version before run on the newest tables beside the newest code, and
// each side reads and changes what the other wrote. So a program can be replaced, and rolled back, while it serves.
func TestT6_OldCodeBesideNew(t *testing.T) {
	onEach(t, "", func(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
		firstVersion(t, dialect, db)
		old := readOldCode(t, db, dialect, 1)
		put := func(id, value string) {
			args := []any{"p", id, []byte(value), nil, "v1"}
			if dialect == sqlstore.Postgres {
				args = append(args, 7) // the number of the lock of an absent key
			}
			old.exec(1, "putAbsent", append(args, time.Now().UnixMilli())...)
		}
		put("before", "old")
		if from, err := sqlstore.Migrate(t.Context(), sqlstore.Config{DB: db, Dialect: dialect}); err != nil || from != 1 {
			t.Fatalf("Migrate from %d: %v", from, err)
		}
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect, SkipMigrations: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		put("after", "old")
		items, err := s.Get(t.Context(), store.Key{Part: "p", ID: "before"}, store.Key{Part: "p", ID: "after"})
		if err != nil || len(items) != 2 || items[1].Version != "v1" || string(items[1].Value) != "old" {
			t.Fatalf("the new code reads %v, %v", items, err)
		}
		items[1].Value = []byte("new")
		created := store.Put(store.Item{Key: store.Key{Part: "p", ID: "created"}, Value: []byte("new"), Expires: time.Now().Add(time.Hour)})
		if err := s.Write(t.Context(), store.Put(items[1]), created); err != nil {
			t.Fatal(err)
		}

		now := time.Now().UnixMilli()
		var value []byte
		var expires sql.NullInt64
		var version, id string
		var place, n int64
		old.read([]any{&value, &expires, &version}, "one", "p", "created", now)
		if string(value) != "new" || !expires.Valid {
			t.Errorf("the old code reads %q, %v", value, expires)
		}
		old.read([]any{&id, &value, &expires, &version}, "page", "p", "b", now, 10)
		old.read([]any{&place, &value, &expires, &version}, "many", "p", "created", "p", "absent", now)
		old.read([]any{&version}, "holdVersion", "p", "created", now)
		old.read([]any{&version}, "selectVersion", "p", "created", now)
		old.exec(1, "putVersion", []byte("old again"), now-1, "v2", "p", "created", version, now)
		old.read([]any{&n}, "addCounter", "p", "c", 2, now+60_000, now, now)
		if n, err := s.Add(t.Context(), store.Key{Part: "p", ID: "c"}, 3, time.Now().Add(time.Minute)); err != nil || n != 5 {
			t.Errorf("a counter of both is %d, %v", n, err)
		}
		if err := s.Write(t.Context(), store.Check(created.Item.Key, version)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the new code does not see what the old changed: %v", err)
		}
		sweep := []any{now, now, 10}[3-sweepArguments(old.statements["sweepItems"]):]
		old.exec(1, "sweepItems", sweep...)
		old.exec(0, "sweepCounters", sweep...)
		old.exec(1, "deleteVersion", "p", "before", "v1", now)
		if items, err := s.Get(t.Context(), store.Key{Part: "p", ID: "before"}); err != nil || len(items) != 0 {
			t.Errorf("after the old code deleted it: %v, %v", items, err)
		}
	})
}

// sweepArguments counts the parameters of a statement.
func sweepArguments(statement string) int {
	if n := strings.Count(statement, "?"); n > 0 {
		return n
	}
	return strings.Count(statement, "$")
}

// TestT6_MigrateTogether: of many that migrate at once, one does it, and all return a version that was there.
func TestT6_MigrateTogether(t *testing.T) {
	onEach(t, "", func(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
		firstVersion(t, dialect, db)
		var wg sync.WaitGroup
		from := make([]int, 8)
		for i := range from {
			wg.Go(func() {
				var err error
				if from[i], err = sqlstore.Migrate(t.Context(), sqlstore.Config{DB: db, Dialect: dialect}); err != nil {
					t.Errorf("migration %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		did := 0
		for _, version := range from {
			switch version {
			case 1:
				did++
			case 2:
			default:
				t.Errorf("a migration from version %d", version)
			}
		}
		if did != 1 || !viewIsThere(db) {
			t.Errorf("%d migrations did it, want one; the view is there: %t", did, viewIsThere(db))
		}
	})
}

// TestT6_MigrateNewerTables: tables that need newer code are refused, and Migrate leaves them alone.
func TestT6_MigrateNewerTables(t *testing.T) {
	onEach(t, "", func(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
		c := sqlstore.Config{DB: db, Dialect: dialect}
		if found, err := sqlstore.Inspect(t.Context(), c); err != nil || found != (sqlstore.Tables{Newest: 2}) || !errors.Is(found.Fit(), sqlstore.ErrNoTables) {
			t.Errorf("an empty database: %+v, %v", found, err)
		}
		if _, err := sqlstore.Migrate(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			oldest int
			fits   bool
		}{{2, true}, {9, false}} {
			if _, err := db.Exec(fmt.Sprintf("UPDATE postern_schema SET version = 9, oldest = %d", tc.oldest)); err != nil {
				t.Fatal(err)
			}
			found, err := sqlstore.Inspect(t.Context(), c)
			if err != nil || found.Version != 9 || (found.Fit() == nil) != tc.fits {
				t.Errorf("oldest %d: %+v, %v, %v", tc.oldest, found, found.Fit(), err)
			}
			if from, err := sqlstore.Migrate(t.Context(), c); err != nil || from != 9 {
				t.Errorf("oldest %d: Migrate from %d, %v", tc.oldest, from, err)
			}
			_, err = sqlstore.Open(t.Context(), c)
			if (err == nil) != tc.fits || !tc.fits && (!errors.Is(err, sqlstore.ErrSchema) || !strings.Contains(err.Error(), "upgrade it")) {
				t.Errorf("oldest %d: Open: %v", tc.oldest, err)
			}
		}
	})
}

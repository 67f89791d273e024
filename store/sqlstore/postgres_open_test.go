package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// Many programs open an empty database at once, each with its own connections: one makes the tables.
func TestT6_PostgresOpenTogether(t *testing.T) {
	dsn := postgres(t)
	var wg sync.WaitGroup
	for n := range 10 {
		db := openPostgres(t, dsn)
		wg.Go(func() {
			s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.Postgres})
			if err != nil {
				t.Errorf("opener %d: %v", n, err)
				return
			}
			defer s.Close()
			if err := s.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: "p", ID: fmt.Sprint(n)}})); err != nil {
				t.Errorf("opener %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	s := postgresStore(t, openPostgres(t, dsn), nil)
	if items, _, err := s.List(t.Context(), "p", "", 100); err != nil || len(items) != 10 {
		t.Errorf("%d items of 10, %v", len(items), err)
	}
}

// The schema that is printed and the one that Open makes are the same, and a user who may not create tables works on
// it.
func TestPostgres_Schema(t *testing.T) {
	describe := func(db *sql.DB) string {
		t.Helper()
		var all string
		err := db.QueryRow(`SELECT string_agg(line, E'\n' ORDER BY line) FROM (
SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(collation_name, '') AS line
FROM information_schema.columns WHERE table_schema = current_schema()
UNION ALL SELECT replace(indexdef, schemaname, '') FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL SELECT replace(definition, schemaname, '') FROM pg_views WHERE schemaname = current_schema()
UNION ALL SELECT concat_ws(' ', 'schema', version, oldest) FROM postern_schema) AS lines`).Scan(&all)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	opened, printed := openPostgres(t, postgres(t)), openPostgres(t, postgres(t))
	postgresStore(t, opened, nil)
	config := sqlstore.Config{DB: printed, Dialect: sqlstore.Postgres, SkipMigrations: true}
	if _, err := sqlstore.Open(t.Context(), config); !errors.Is(err, sqlstore.ErrSchema) {
		t.Fatalf("without tables: %v, want ErrSchema", err)
	}
	if _, err := printed.Exec(sqlstore.Schema(sqlstore.Postgres)); err != nil {
		t.Fatalf("the printed schema does not run: %v", err)
	}
	if a, b := describe(opened), describe(printed); a != b || strings.Count(a, "\n") < 15 {
		t.Errorf("opened\n%s\nprinted\n%s", a, b)
	}

	var schema string
	if err := printed.QueryRow(`SELECT current_schema()`).Scan(&schema); err != nil {
		t.Fatal(err)
	}
	if _, err := printed.Exec(fmt.Sprintf(`CREATE ROLE user_of_%[1]s LOGIN;
GRANT USAGE ON SCHEMA %[1]s TO user_of_%[1]s;
GRANT SELECT ON postern_schema TO user_of_%[1]s;
GRANT SELECT, INSERT, UPDATE, DELETE ON postern_items, postern_counters TO user_of_%[1]s`, schema)); err != nil {
		t.Fatal(err)
	}
	limited := openPostgres(t, with(strings.Replace(shared.server.DSN(), "postgres@", "user_of_"+schema+"@", 1), "search_path="+schema))
	for _, skip := range []bool{true, false} { // there is nothing to migrate
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: limited, Dialect: sqlstore.Postgres, SkipMigrations: skip})
		if err != nil {
			t.Fatal(err)
		}
		put := store.Put(store.Item{Key: store.Key{Part: "limited", ID: fmt.Sprint(skip)}})
		if err := s.Write(t.Context(), put, store.Put(store.Item{Key: store.Key{Part: "two", ID: fmt.Sprint(skip)}})); err != nil {
			t.Error(err)
		}
		if err := s.Write(t.Context(), store.Delete(put.Item.Key, put.Item.Version)); err != nil {
			t.Error(err)
		}
		if _, err := s.Add(t.Context(), put.Item.Key, 1, forever); err != nil {
			t.Error(err)
		}
		if _, err := s.Sweep(t.Context(), 10); err != nil {
			t.Error(err)
		}
	}
	if _, err := limited.Exec("DROP TABLE postern_items"); err == nil {
		t.Error("the limited user is not limited: this showed nothing")
	}
}

func TestT6_PostgresNewerTables(t *testing.T) {
	db := openPostgres(t, postgres(t))
	postgresStore(t, db, nil)
	if _, err := db.Exec("ALTER TABLE postern_items ADD COLUMN added text; UPDATE postern_schema SET version = 9, oldest = 2"); err != nil {
		t.Fatal(err)
	}
	s := postgresStore(t, db, nil)
	if err := s.Write(t.Context(), store.Put(store.Item{Key: left})); err != nil {
		t.Errorf("on tables that were only added to: %v", err)
	}
	if _, err := db.Exec("UPDATE postern_schema SET oldest = 3"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.Postgres}); !errors.Is(err, sqlstore.ErrSchema) || !strings.Contains(err.Error(), "upgrade it") {
		t.Errorf("on tables changed beyond us: %v, want ErrSchema and what to do", err)
	}
}

package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
	"github.com/posternauth/postern/store/storetest"
)

// shared is the one server of all tests but those that kill theirs. TestMain closes it.
var shared struct {
	sync.Mutex
	folder  string
	server  *testserver.PostgresServer
	schemas int
}

// postgres returns the connection string of a new schema on the shared server, with more parameters
// ("name=value"), or skips where there is no Postgres.
func postgres(t testing.TB, parameters ...string) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		var err error
		if shared.folder == "" {
			if shared.folder, err = os.MkdirTemp("", "postern-"); err != nil {
				t.Fatal(err)
			}
		}
		shared.server, err = testserver.StartPostgres(shared.folder, testserver.PostgresOptions{})
		if errors.Is(err, testserver.ErrNoPostgres) {
			testneed.Skip(t, err.Error())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	shared.schemas++
	schema := fmt.Sprint("test", shared.schemas)
	db := openPostgres(t, shared.server.DSN())
	if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatal(err)
	}
	return with(shared.server.DSN(), append(parameters, "search_path="+schema)...)
}

func closeShared() error {
	if shared.server == nil {
		return os.RemoveAll(shared.folder)
	}
	return errors.Join(shared.server.Close(), os.RemoveAll(shared.folder))
}

// with adds parameters to a connection string.
func with(dsn string, parameters ...string) string {
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		dsn += "&" + name + "=" + url.PathEscape(value)
	}
	return dsn
}

// openPostgres opens a database until the end of the test.
func openPostgres(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxIdleConns(16)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return db
}

// postgresStore opens a store until the end of the test.
func postgresStore(t testing.TB, db *sql.DB, now func() time.Time) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.Postgres, Now: now})
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

// The contract, in every way a program may talk to the server: with prepared statements, with none, as behind
// PgBouncer, and under the isolation that others may have made the default.
func TestPostgres(t *testing.T) {
	for name, parameters := range map[string][]string{
		"prepared":        nil,
		"exec":            {"default_query_exec_mode=exec"},
		"simple protocol": {"default_query_exec_mode=simple_protocol"},
		"serializable":    {"default_transaction_isolation=serializable"},
		"repeatable read": {"default_transaction_isolation=repeatable read", "lock_timeout=2"},
	} {
		t.Run(name, func(t *testing.T) {
			db := openPostgres(t, postgres(t, parameters...))
			db.SetMaxOpenConns(12)
			postgresStore(t, db, nil)
			storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store { return postgresStore(t, db, now) })
		})
	}
}

// A driver that can do less than pgx.
func TestPostgres_BareDriver(t *testing.T) {
	db := openBare(t, postgres(t))
	db.SetMaxOpenConns(1)
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store { return postgresStore(t, db, now) })
}

// A pool of one connection, which a call that wanted two at once would wait for for ever.
func TestPostgres_OneConnection(t *testing.T) {
	db := openPostgres(t, postgres(t))
	db.SetMaxOpenConns(1)
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store { return postgresStore(t, db, now) })
}

// Two handles on one database, as two processes have them: every call takes the other one.
func TestPostgres_TwoHandles(t *testing.T) {
	dsn := postgres(t)
	one, two := openPostgres(t, dsn), openPostgres(t, dsn)
	one.SetMaxOpenConns(8)
	two.SetMaxOpenConns(8)
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return &alternating{stores: [2]store.Store{postgresStore(t, one, now), postgresStore(t, two, now)}}
	})
}

// Each call is the statements it says it is: what a round trip is to a function far from its database.
func TestPostgres_RoundTrips(t *testing.T) {
	counting := &counter{}
	db := counting.open(t, postgres(t))
	db.SetMaxOpenConns(1)
	s := postgresStore(t, db, nil)
	it := func(part, id string) store.Item { return store.Item{Key: store.Key{Part: part, ID: id}} }
	put := store.Put(it("p", "a"))
	ctx := context.Background()
	for _, tc := range []struct {
		name string
		want int
		call func() error
	}{
		{"Put", 1, func() error { return s.Write(ctx, put) }},
		{"Put again", 1, func() error { put = store.Put(put.Item); return s.Write(ctx, put) }},
		{"Check", 1, func() error { return s.Write(ctx, store.Check(put.Item.Key, put.Item.Version)) }},
		{"Get", 1, func() error { _, err := s.Get(ctx, put.Item.Key); return err }},
		{"Get of two", 1, func() error { _, err := s.Get(ctx, put.Item.Key, it("p", "!").Key); return err }},
		{"Get of two parts", 1, func() error { _, err := s.Get(ctx, put.Item.Key, it("q", "!").Key); return err }},
		{"List", 1, func() error { _, _, err := s.List(ctx, "p", "", 10); return err }},
		{"Add", 1, func() error { _, err := s.Add(ctx, put.Item.Key, 1, forever); return err }},
		{"two, one of them absent", 5, func() error {
			return s.Write(ctx, store.Put(it("p", "b")), store.Check(put.Item.Key, put.Item.Version)) // begin, lock, two, commit
		}},
		{"Delete", 1, func() error { return s.Write(ctx, store.Delete(put.Item.Key, put.Item.Version)) }},
	} {
		before := counting.n.Load()
		if err := tc.call(); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if n := int(counting.n.Load() - before); n != tc.want {
			t.Errorf("%s took %d statements, want %d", tc.name, n, tc.want)
		}
	}
}

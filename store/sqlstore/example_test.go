package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "postern")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	db, err := sql.Open("sqlite", sqlstore.DSN(filepath.Join(dir, "auth.db")))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	st, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()

	key := store.Key{Part: "session:1", ID: "row"}
	fmt.Println(st.Write(ctx, store.Put(store.Item{Key: key, Value: []byte(`{"user":"ada"}`)})))
	items, err := st.Get(ctx, key)
	fmt.Println(string(items[0].Value), err)
	// Output:
	// <nil>
	// {"user":"ada"} <nil>
}

// A function opens the database once, outside its handler, and keeps few connections: there are many functions, and a
// server has room for some hundred connections.
func ExampleOpen_postgres() {
	open := func(ctx context.Context, dsn string) (*sqlstore.Store, error) {
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(2)
		db.SetConnMaxIdleTime(5 * time.Minute)
		return sqlstore.Open(ctx, sqlstore.Config{
			DB:             db,
			Dialect:        sqlstore.Postgres,
			SkipMigrations: true, // done when the function was deployed
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := open(ctx, "postgres://postern@127.0.0.1:1/app")
	fmt.Println("no server:", err != nil, "tables missing:", errors.Is(err, sqlstore.ErrSchema))
	// Output:
	// no server: true tables missing: false
}

// What Open would run on an empty database, for a migration tool or a careful eye.
func ExampleSchema() {
	for line := range strings.Lines(sqlstore.Schema(sqlstore.Postgres)) {
		if strings.HasPrefix(line, "CREATE") {
			fmt.Print(line)
		}
	}
	// Output:
	// CREATE TABLE IF NOT EXISTS postern_schema (
	// CREATE TABLE postern_items (
	// CREATE INDEX postern_items_expires ON postern_items (expires_ms) WHERE expires_ms IS NOT NULL;
	// CREATE TABLE postern_counters (
	// CREATE INDEX postern_counters_expires ON postern_counters (expires_ms) WHERE expires_ms IS NOT NULL;
	// CREATE VIEW postern_sessions AS
}

// What brings tables of the first version up to date, for a migration tool.
func ExampleUpgrade() {
	statements, err := sqlstore.Upgrade(sqlstore.SQLite, 1)
	for line := range strings.Lines(statements) {
		if strings.HasPrefix(line, "CREATE") || strings.HasPrefix(line, "UPDATE") {
			fmt.Print(line)
		}
	}
	fmt.Println(err)
	// Output:
	// UPDATE postern_schema SET version = CASE version WHEN 1 THEN version END;
	// CREATE VIEW postern_sessions AS
	// UPDATE postern_schema SET version = 2, oldest = 1;
	// <nil>
}

func ExampleDSN() {
	fmt.Println(strings.Join(strings.FieldsFunc(sqlstore.DSN("data/auth.db"), func(r rune) bool { return r == '?' || r == '&' }), "\n"))
	// Output:
	// file:data/auth.db
	// _txlock=immediate
	// _pragma=busy_timeout(5000)
	// _pragma=foreign_keys(1)
	// _pragma=journal_mode(WAL)
	// _pragma=synchronous(FULL)
}

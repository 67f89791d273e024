package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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

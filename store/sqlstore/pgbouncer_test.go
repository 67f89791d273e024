package sqlstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
	"github.com/posternauth/postern/store/storetest"
)

// Through PgBouncer in transaction mode the contract holds without prepared statements, and with them where PgBouncer
// keeps them. Where it does not, the error names the setting.
func TestPgBouncer(t *testing.T) {
	server := testserver.Postgres(t)
	if _, err := openPostgres(t, server.DSN()).Exec("CREATE DATABASE pooled"); err != nil {
		t.Fatal(err)
	}
	keepsNone := testserver.PgBouncer(t, server, "pooled", 0)

	t.Run("T1_WithoutPreparedStatements", func(t *testing.T) {
		db := openPostgres(t, with(keepsNone, "default_query_exec_mode=exec"))
		storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store { return postgresStore(t, db, now) })
	})

	t.Run("T3_PreparedStatementsNameTheSetting", func(t *testing.T) {
		hinted := 0
		for _, err := range busyPool(t, keepsNone) {
			var coded interface{ SQLState() string }
			if !errors.As(err, &coded) || coded.SQLState() != "42P05" && coded.SQLState() != "26000" {
				continue
			}
			if !strings.Contains(err.Error(), "add default_query_exec_mode=exec") {
				t.Fatalf("the error does not name the setting: %v", err)
			}
			hinted++
		}
		if hinted == 0 {
			t.Error("no call failed, although this PgBouncer keeps no prepared statements")
		}
	})

	if !testserver.KeepsPrepared(t) { // before 1.21 the part below does not exist
		return
	}
	t.Run("T1_KeptPreparedStatements", func(t *testing.T) {
		dsn := testserver.PgBouncer(t, server, "pooled", 200)
		for _, err := range busyPool(t, dsn) {
			t.Error(err)
		}
		db := openPostgres(t, dsn)
		storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store { return postgresStore(t, db, now) })
	})
}

// busyPool writes and reads with 16 clients at once, and returns the errors.
func busyPool(t *testing.T, dsn string) (errs []error) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: openPostgres(t, dsn), Dialect: sqlstore.Postgres})
	if err != nil {
		return []error{err}
	}
	t.Cleanup(func() { _ = s.Close() })
	var mu sync.Mutex
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			errs = append(errs, err)
		}
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				k := store.Key{Part: fmt.Sprint("p", i), ID: fmt.Sprint(j)}
				note(s.Write(t.Context(), store.Put(store.Item{Key: k})))
				_, err := s.Get(t.Context(), k)
				note(err)
			}
		})
	}
	wg.Wait()
	return errs
}

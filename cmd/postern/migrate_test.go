package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store/sqlstore"
)

// The statements that are printed make a store that the other commands work on, and bring an older one up to date.
func TestMigrate_Print(t *testing.T) {
	t.Setenv("POSTERN_STORE", "")
	path := filepath.Join(t.TempDir(), "a.db")
	for _, e := range []struct {
		dialect, driver, dsn, url string
		args                      []string
	}{
		{"sqlite", "sqlite", sqlstore.DSN(path), "sqlite:" + path, []string{"migrate", "--print", "sqlite"}},
		{"postgres", "pgx", "", "", []string{"migrate", "--print", "postgres"}},
	} {
		t.Run(e.dialect, func(t *testing.T) {
			if e.dsn == "" {
				e.dsn = testserver.Postgres(t).DSN()
				e.url = e.dsn
			}
			db, err := sql.Open(e.driver, e.dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			apply := func(args ...string) {
				t.Helper()
				out, errs, status := call(t, "", args...)
				if status != 0 || errs != "" {
					t.Fatalf("%v: %d %s", args, status, errs)
				}
				if _, err := db.Exec(out); err != nil {
					t.Fatalf("%v: %v", args, err)
				}
			}
			list := func() (string, string) {
				out, errs, _ := call(t, "", "sessions", "list", "--issuer", "https://api.example.com/auth", "--store", e.url, "u1")
				return out, errs
			}
			apply(e.args...)
			if out, errs := list(); !strings.HasPrefix(out, "No live session of u1") {
				t.Errorf("after the schema: %s%s", out, errs)
			}
			if _, err := db.Exec("DROP VIEW postern_sessions; UPDATE postern_schema SET version = 1"); err != nil { // as the first version was
				t.Fatal(err)
			}
			if out, errs := list(); out != "" || !strings.Contains(errs, "or run: postern migrate\n") {
				t.Errorf("on the first version: %s%s", out, errs)
			}
			apply("migrate", "--print", e.dialect, "--from", "1")
			if out, errs := list(); !strings.HasPrefix(out, "No live session of u1") {
				t.Errorf("after the upgrade: %s%s", out, errs)
			}
			if _, err := db.Exec("SELECT * FROM postern_sessions"); err != nil {
				t.Error(err)
			}
			apply("migrate", "--print", e.dialect, "--from", "2") // a comment
		})
	}
	if out, _, status := call(t, "", "migrate", "--print", "sqlite", "--from", "2"); status != 0 || out != "-- Version 2 is the newest: there is nothing to run.\n" {
		t.Errorf("from the newest: %d %s", status, out)
	}
	for args, says := range map[string]string{
		"migrate --print sqlite --from 99":        "versions 1 to 2",
		"migrate --print sqlite --from=-1":        "versions 1 to 2",
		"migrate --print sqlite --from one":       "--from",
		"migrate --print oracle":                  "--print must be one of",
		"migrate --from 1":                        "--from goes with --print",
		"migrate --print sqlite --store sqlite:a": "--print asks no database",
		"migrate --store mysql:a":                 "its scheme is not known",
		"migrate --store sqlite:":                 "want sqlite:FILE",
		"migrate --store postgres://a:b@c@d/e":    "not a URL of Postgres",
	} {
		if out, errs, status := call(t, "", strings.Fields(args)...); status != statusUsage || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%s: %d %s%s", args, status, out, errs)
		}
	}
}

// TestMigrate: it shows what it would do, does it, and finds it done.
func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	for dialect, where := range map[string]string{"sqlite": "sqlite:" + path, "postgres": testserver.Postgres(t).DSN()} {
		t.Run(dialect, func(t *testing.T) {
			migrate := func(want int, args ...string) string {
				t.Helper()
				out, errs, status := call(t, "", append([]string{"migrate", "--store", where}, args...)...)
				if status != want {
					t.Fatalf("%v: %d %s%s", args, status, out, errs)
				}
				return out + errs
			}
			if got := migrate(0, "--dry-run"); got != sqlstore.Schema(sqlstore.Dialect(dialect)) {
				t.Errorf("the dry run of an empty database prints %s", got)
			}
			if _, err := os.Stat(path); dialect == "sqlite" && err == nil {
				t.Error("the dry run made the file")
			}
			_, errs, status := call(t, "", "sessions", "list", "--issuer", "https://api.example.com/auth", "--store", where, "u1")
			if status != statusNo || dialect == "postgres" && !strings.Contains(errs, "postern migrate") {
				t.Errorf("before it: %d %s", status, errs)
			}
			if got := migrate(0); got != "The tables are made, of version 2.\n" {
				t.Errorf("the first run: %s", got)
			}
			if got := migrate(0, "--json"); got != `{"store":"`+dialect+`","from":2,"to":2,"dry_run":false}`+"\n" {
				t.Errorf("the second: %s", got)
			}
			driver, dsn := "pgx", where
			if dialect == "sqlite" {
				driver, dsn = "sqlite", sqlstore.DSN(path)
			}
			db, err := sql.Open(driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("DROP VIEW postern_sessions; UPDATE postern_schema SET version = 1"); err != nil {
				t.Fatal(err)
			}
			serves := func(says string) { // a server that may not change tables
				t.Helper()
				w := world{now: func() time.Time { return noon }}
				if _, _, err := openServed(t.Context(), w, where, false); err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("a server on these tables: %v, want %q", err, says)
				}
			}
			serves("postern migrate")
			if got := migrate(0, "--dry-run", "--json"); !strings.Contains(got, `"from":1,"to":2,"dry_run":true,"statements":"-- From version 1 to 2.`) {
				t.Errorf("the dry run of version 1: %s", got)
			}
			if got := migrate(0); got != "The tables are of version 2 now; they were of version 1.\n" {
				t.Errorf("from version 1: %s", got)
			}
			if _, err := db.Exec("UPDATE postern_schema SET version = 9, oldest = 2"); err != nil {
				t.Fatal(err)
			}
			if got := migrate(0); !strings.Contains(got, "newer than this Postern, which works with them") {
				t.Errorf("newer tables: %s", got)
			}
			if _, err := db.Exec("UPDATE postern_schema SET oldest = 9"); err != nil {
				t.Fatal(err)
			}
			serves("upgrade it")
			if got := migrate(statusNo); !strings.Contains(got, "upgrade it") {
				t.Errorf("tables for newer programs: %s", got)
			}
			if _, err := db.Exec("DROP TABLE postern_schema; CREATE TABLE postern_schema (app TEXT, version TEXT)"); err != nil {
				t.Fatal(err)
			}
			serves("not those of Postern")
			for _, args := range [][]string{nil, {"--dry-run"}} {
				if got := migrate(statusNo, args...); !strings.Contains(got, "not those of Postern (look at postern_schema): use another database") {
					t.Errorf("%v with a table of another program: %s", args, got)
				}
			}
		})
	}
}

// TestMigrate_WithoutTables: Redis has none, and the table of DynamoDB belongs to infrastructure tools.
func TestMigrate_WithoutTables(t *testing.T) {
	if out, errs, status := call(t, "", "migrate", "--store", "redis://127.0.0.1:1"); status != 0 || !strings.Contains(out, "there is nothing to do") {
		t.Errorf("redis: %d %s%s", status, out, errs)
	}
	moto := testserver.Moto(t)
	t.Setenv("AWS_ENDPOINT_URL", moto.URL())
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	out, errs, status := call(t, "", "migrate", "--store", "dynamodb:absent-table", "--json")
	if status != statusNo || errs != "" || !strings.Contains(out, `"problems":["there is no table absent-table`) {
		t.Errorf("dynamodb: %d %s%s", status, out, errs)
	}
}

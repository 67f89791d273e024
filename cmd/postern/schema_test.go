package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store/sqlstore"
)

// The statements that are printed make a store that the other commands work on, and bring an older one up to date.
func TestSchemaCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	for _, e := range []struct {
		dialect, driver, dsn, url string
		args                      []string
	}{
		{"sqlite", "sqlite", sqlstore.DSN(path), "sqlite:" + path, []string{"schema", "--dialect", "sqlite"}},
		{"postgres", "pgx", "", "", []string{"schema"}},
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
			if out, errs := list(); out != "" || !strings.Contains(errs, "postern schema --dialect "+e.dialect+" --from 1\n") {
				t.Errorf("on the first version: %s%s", out, errs)
			}
			apply("schema", "--dialect", e.dialect, "--from", "1")
			if out, errs := list(); !strings.HasPrefix(out, "No live session of u1") {
				t.Errorf("after the upgrade: %s%s", out, errs)
			}
			if _, err := db.Exec("SELECT * FROM postern_sessions"); err != nil {
				t.Error(err)
			}
			apply("schema", "--dialect", e.dialect, "--from", "2") // a comment
		})
	}
	if out, _, status := call(t, "", "schema", "--from", "2"); status != 0 || out != "-- Version 2 is the newest: there is nothing to run.\n" {
		t.Errorf("from the newest: %d %s", status, out)
	}
	for args, says := range map[string]string{
		"schema --from 99":        "versions 1 to 2",
		"schema --from=-1":        "versions 1 to 2",
		"schema --from one":       "--from",
		"schema --dialect oracle": "--dialect must be one of",
	} {
		if out, errs, status := call(t, "", strings.Fields(args)...); status != statusUsage || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%s: %d %s%s", args, status, out, errs)
		}
	}
}

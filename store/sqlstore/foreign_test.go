package sqlstore_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/posternauth/postern/store/sqlstore"
)

// TestT6_ForeignTables: a table postern_schema of another program, and a number without the tables that it stands for,
// are refused, and nothing is changed.
func TestT6_ForeignTables(t *testing.T) {
	const version = "CREATE TABLE postern_schema (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL, oldest INTEGER NOT NULL);"
	const (
		items    = "CREATE TABLE postern_items (part TEXT, id TEXT, value TEXT, expires_ms BIGINT, version TEXT);"
		counters = "CREATE TABLE postern_counters (part TEXT, id TEXT, n BIGINT, expires_ms BIGINT);"
	)
	for name, c := range map[string]struct{ statements, look string }{
		"other columns":            {"CREATE TABLE postern_schema (name TEXT, version TEXT)", "postern_schema"},
		"versions of another kind": {"CREATE TABLE postern_schema (id INTEGER, version TEXT, oldest TEXT); INSERT INTO postern_schema VALUES (1, '2.1', 'x')", "postern_schema"},
		"no version":               {version + items + counters + "INSERT INTO postern_schema VALUES (1, -1, 1)", "postern_schema"},
		"older than its oldest":    {version + items + counters + "INSERT INTO postern_schema VALUES (1, 1, 2)", "postern_schema"},
		"without items":            {version + counters + "INSERT INTO postern_schema VALUES (1, 2, 1)", "postern_items"},
		"without counters":         {version + items + "INSERT INTO postern_schema VALUES (1, 2, 1)", "postern_counters"},
		"items of another shape": {version + strings.Replace(items, "expires_ms", "expires", 1) + counters +
			"INSERT INTO postern_schema VALUES (1, 1, 1)", "postern_items"},
	} {
		onEach(t, name+" ", func(t *testing.T, dialect sqlstore.Dialect, db *sql.DB) {
			if _, err := db.Exec(c.statements); err != nil {
				t.Fatal(err)
			}
			_, inspect := sqlstore.Inspect(t.Context(), sqlstore.Config{DB: db, Dialect: dialect})
			_, migrate := sqlstore.Migrate(t.Context(), sqlstore.Config{DB: db, Dialect: dialect})
			_, open := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect})
			_, skip := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect, SkipMigrations: true})
			for what, err := range map[string]error{"Inspect": inspect, "Migrate": migrate, "Open": open, "Open with SkipMigrations": skip} {
				if !errors.Is(err, sqlstore.ErrSchema) || !errors.Is(err, sqlstore.ErrForeignTables) || errors.Is(err, sqlstore.ErrNoTables) ||
					!strings.Contains(err.Error(), "not those of Postern (look at "+c.look+"): use another database") {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := db.Exec("SELECT * FROM postern_sessions"); err == nil {
				t.Error("something was made")
			}
		})
	}
}

package sqlstore

import (
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/posternauth/postern/store"
)

// A Dialect is a kind of SQL database.
type Dialect string

const (
	// SQLite is SQLite 3.35 or newer, with any driver.
	SQLite Dialect = "sqlite"

	// Postgres is PostgreSQL 12 or newer, or a database with the same protocol, SQL and locks. The errors of the
	// driver must have the SQLSTATE, as those of pgx and lib/pq do.
	Postgres Dialect = "postgres"
)

// dialect is what differs between databases.
type dialect struct {
	folder        string           // of the schema files; its name is the Dialect
	begin         string           // starts a transaction
	busy          func(error) bool // another is in the way: nothing was done, try again
	lost          func(error) bool // the connection broke, so that a read may be tried on another; nil: it cannot
	missing       func(error) bool // there is no such table
	otherShape    func(error) bool // there is no such column
	server        bool             // many write at once, each for itself; else they queue here
	migrationLock string           // keeps other processes from migrating until the transaction ends; empty: begin does
	queries       queries

	// find returns the statement that reads the items of keys, and its arguments. Its first column is the place of the
	// key, from 0 on, unless there is but one.
	find func(keys []store.Key, now int64) (query string, args []any)
}

// queries are the statements. An item is alive while its expires_ms is NULL or greater than the present, which is
// always a parameter.
type queries struct {
	page                                      string
	putAbsent, putVersion                     string
	deleteVersion, selectVersion, holdVersion string
	addCounter                                string
	sweepItems, sweepCounters                 string
}

//go:embed sqlite/*.sql postgres/*.sql
var schemaFiles embed.FS

func dialectOf(name Dialect) (*dialect, error) {
	switch name {
	case SQLite:
		return sqliteDialect(), nil
	case Postgres:
		return postgresDialect(), nil
	case "":
		return nil, errors.New("sqlstore: Config.Dialect is missing: set it to sqlstore.SQLite or sqlstore.Postgres")
	}
	return nil, fmt.Errorf("sqlstore: unknown dialect %q: use sqlstore.SQLite or sqlstore.Postgres", string(name))
}

// The statements that are common SQL, with SQLite's placeholders.
const (
	selectOne = `SELECT value, expires_ms, version FROM postern_items
WHERE part = ? AND id = ? AND (expires_ms IS NULL OR expires_ms > ?)`

	selectPage = `SELECT id, value, expires_ms, version FROM postern_items
WHERE part = ? AND id > ? AND (expires_ms IS NULL OR expires_ms > ?) ORDER BY id LIMIT ?`

	putVersion = `UPDATE postern_items SET value = ?, expires_ms = ?, version = ?
WHERE part = ? AND id = ? AND version = ? AND (expires_ms IS NULL OR expires_ms > ?)`

	deleteVersion = `DELETE FROM postern_items
WHERE part = ? AND id = ? AND version = ? AND (expires_ms IS NULL OR expires_ms > ?)`

	selectVersion = `SELECT version FROM postern_items
WHERE part = ? AND id = ? AND (expires_ms IS NULL OR expires_ms > ?)`

	addCounter = `INSERT INTO postern_counters (part, id, n, expires_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (part, id) DO UPDATE SET
  n = CASE WHEN postern_counters.expires_ms <= ? THEN excluded.n ELSE postern_counters.n + excluded.n END,
  expires_ms = CASE WHEN postern_counters.expires_ms <= ? THEN excluded.expires_ms ELSE postern_counters.expires_ms END
RETURNING n`

	// takeExpired is the end of an INSERT that takes the place of an expired row, and of no other.
	takeExpired = `
ON CONFLICT (part, id) DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms, version = excluded.version
WHERE postern_items.expires_ms <= ?`
)

// numbered writes the placeholders as $1, $2 and so on. None of the statements has a question mark of another kind.
func numbered(query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

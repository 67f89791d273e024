package sqlstore

import (
	"embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// A Dialect is a kind of SQL database.
type Dialect string

// SQLite is SQLite 3.35 or newer, with any driver.
const SQLite Dialect = "sqlite"

// dialect is what differs between databases. The statements themselves, below, are common SQL.
type dialect struct {
	folder string           // of the schema files
	begin  string           // starts a transaction that no other can come in between
	busy   func(error) bool // another holds the lock: nothing was done, try again
}

//go:embed sqlite/*.sql
var schemaFiles embed.FS

func dialectOf(name Dialect) (*dialect, error) {
	switch name {
	case SQLite:
		// A plain BEGIN takes the write lock only at the first write, and by then what was read may be stale.
		return &dialect{folder: "sqlite", begin: "BEGIN IMMEDIATE", busy: sqliteBusy}, nil
	case "":
		return nil, errors.New("sqlstore: Config.Dialect is missing: set it to sqlstore.SQLite")
	}
	return nil, fmt.Errorf("sqlstore: unknown dialect %q: use sqlstore.SQLite", string(name))
}

// sqliteBusy knows SQLITE_BUSY (5) and SQLITE_LOCKED (6), whatever the driver makes of them: modernc's errors have the
// code as a method, those of other drivers carry SQLite's own text. sqlite.org/rescode.html
func sqliteBusy(err error) bool {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		primary := coded.Code() & 0xff
		return primary == 5 || primary == 6
	}
	return err != nil && (strings.Contains(err.Error(), "database is locked") || strings.Contains(err.Error(), "database table is locked"))
}

// DSN is the connection string that opens the file at path with modernc.org/sqlite and the settings the package comment
// recommends.
func DSN(path string) string {
	path = filepath.ToSlash(filepath.Clean(path))
	if filepath.VolumeName(path) != "" {
		path = "/" + path // file:/C:/... as sqlite.org/uri.html wants it
	}
	escaped := (&url.URL{Path: path}).EscapedPath()
	return "file:" + escaped + "?_txlock=immediate" +
		"&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
}

// The statements. An item is alive while its expires_ms is NULL or greater than the present, which is always a parameter.
const (
	selectOne = `SELECT value, expires_ms, version FROM postern_items
WHERE part = ? AND id = ? AND (expires_ms IS NULL OR expires_ms > ?)`

	selectPage = `SELECT id, value, expires_ms, version FROM postern_items
WHERE part = ? AND id > ? AND (expires_ms IS NULL OR expires_ms > ?) ORDER BY id LIMIT ?`

	// putAbsent takes the place of an expired row, and of no other.
	putAbsent = `INSERT INTO postern_items (part, id, value, expires_ms, version) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (part, id) DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms, version = excluded.version
WHERE postern_items.expires_ms <= ?`

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

	sweepItems = `DELETE FROM postern_items WHERE expires_ms <= ?
AND (part, id) IN (SELECT part, id FROM postern_items WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)`

	sweepCounters = `DELETE FROM postern_counters WHERE expires_ms <= ?
AND (part, id) IN (SELECT part, id FROM postern_counters WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)`
)

// selectMany reads n items by their keys, and says at which place each key stood.
func selectMany(n int) string {
	var b strings.Builder
	b.WriteString("WITH wanted (place, part, id) AS (VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "(%d, ?, ?)", i)
	}
	b.WriteString(`)
SELECT place, value, expires_ms, version FROM wanted CROSS JOIN postern_items AS i ON i.part = wanted.part AND i.id = wanted.id
WHERE expires_ms IS NULL OR expires_ms > ?`)
	return b.String()
}

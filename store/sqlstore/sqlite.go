package sqlstore

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/posternauth/postern/store"
)

func sqliteDialect() *dialect {
	one := steady(selectOne)
	var many [store.MaxKeys + 1]string
	for n := range many {
		many[n] = steady(sqliteMany(n))
	}
	return &dialect{
		folder: "sqlite",
		// A plain BEGIN takes the write lock only at the first write, and by then what was read may be stale.
		begin: "BEGIN IMMEDIATE",
		busy:  sqliteBusy,
		// SQLite has no separate code for this, and every driver passes its text on.
		missing:    func(err error) bool { return strings.Contains(err.Error(), "no such table") },
		otherShape: func(err error) bool { return strings.Contains(err.Error(), "no such column") },
		find: func(keys []store.Key, now int64) (query string, args []any) {
			query = many[len(keys)]
			if len(keys) == 1 {
				query = one
			}
			args = make([]any, 0, 2*len(keys)+1)
			for _, k := range keys {
				args = append(args, k.Part, k.ID)
			}
			return query, append(args, now)
		},
		queries: queries{
			page:       steady(selectPage),
			putAbsent:  "INSERT INTO postern_items (part, id, value, expires_ms, version) VALUES (?, ?, ?, ?, ?)" + takeExpired,
			putVersion: steady(putVersion), deleteVersion: steady(deleteVersion),
			selectVersion: steady(selectVersion), holdVersion: steady(selectVersion),
			addCounter: addCounter,
			sweepItems: sqliteSweep("postern_items"), sweepCounters: sqliteSweep("postern_counters"),
		},
	}
}

// steady writes the placeholders as +?, which is the same value, but not one that the planner looks at. A SQLite with
// STAT4, as modernc's, plans a statement again for every value that it looked at: lists always, reads after an ANALYZE.
// Planning takes as long as the read. sqlite.org/lang_expr.html says that a unary + does nothing.
func steady(query string) string { return strings.ReplaceAll(query, "?", "+?") }

func sqliteSweep(table string) string {
	return `DELETE FROM ` + table + ` WHERE (part, id) IN (SELECT part, id FROM ` + table + ` WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)`
}

// sqliteMany reads n items by their keys, and says at which place each key stood.
func sqliteMany(n int) string {
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

// DSN returns the connection string for the SQLite file at path, for modernc.org/sqlite and with the settings of the
// package comment.
func DSN(path string) string {
	path = filepath.ToSlash(filepath.Clean(path))
	if filepath.VolumeName(path) != "" {
		path = "/" + path // file:/C:/... as sqlite.org/uri.html wants it
	}
	escaped := (&url.URL{Path: path}).EscapedPath()
	return "file:" + escaped + "?_txlock=immediate" +
		"&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
}

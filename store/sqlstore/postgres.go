package sqlstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/posternauth/postern/store"
)

// How a Write of several changes is right on Postgres, under READ COMMITTED:
//
// A version that must stand is held by the lock of its row, which UPDATE, DELETE and SELECT FOR SHARE take after they
// waited for its holder, and then look at again. A row that must be absent cannot be locked, so its key is, by the
// advisory lock of its hash: shared by who wants it to stay absent, alone by who creates it, in a Write of one change
// too. First come all advisory locks, in the order of their numbers, then the rows, in the order of their keys; so no
// two Writes ever wait for each other.

func postgresDialect() *dialect {
	one := numbered(selectOne)
	return &dialect{
		folder:  "postgres",
		begin:   "BEGIN ISOLATION LEVEL READ COMMITTED",
		busy:    postgresBusy,
		lost:    postgresLost,
		missing: func(err error) bool { return sqlState(err) == "42P01" }, // undefined_table

		otherShape: func(err error) bool { return sqlState(err) == "42703" }, // undefined_column
		server:     true,
		find: func(keys []store.Key, now int64) (query string, args []any) {
			if len(keys) == 1 {
				return one, []any{keys[0].Part, keys[0].ID, now}
			}
			return postgresFind(keys, now)
		},
		// The number is of no meaning but to be always the same.
		migrationLock: "SELECT pg_advisory_xact_lock(7815462302591804411)",
		queries: queries{
			page: numbered(selectPage),
			putAbsent: numbered(`INSERT INTO postern_items (part, id, value, expires_ms, version)
SELECT ?::text, ?::text, ?::bytea, ?::bigint, ?::text FROM pg_advisory_xact_lock(?)` + takeExpired),
			putVersion: numbered(putVersion), deleteVersion: numbered(deleteVersion),
			selectVersion: numbered(selectVersion), holdVersion: numbered(selectVersion + " FOR SHARE"),
			addCounter: numbered(addCounter),
			sweepItems: postgresSweep("postern_items"), sweepCounters: postgresSweep("postern_counters"),
		},
	}
}

// postgresSweep passes over rows that a Write is about to take, and so waits for nobody.
func postgresSweep(table string) string {
	return numbered(`WITH gone AS MATERIALIZED (
  SELECT part, id FROM ` + table + ` WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ? FOR UPDATE SKIP LOCKED)
DELETE FROM ` + table + ` AS t USING gone WHERE t.part = gone.part AND t.id = gone.id`)
}

// sqlState is the code in an error of pgx or lib/pq, "" for an error that did not come from the server.
// postgresql.org/docs/current/errcodes-appendix.html
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// postgresBusy knows what the server says after it undid a transaction for the sake of another: serialization_failure,
// deadlock_detected and lock_not_available. The Writes here bring none of them about; settings and other programs may.
func postgresBusy(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01", "55P03":
		return true
	}
	return false
}

// postgresLost knows an error of the connection: one the server did not send, or admin_shutdown, crash_shutdown and
// class 08, connection_exception.
func postgresLost(err error) bool {
	code := sqlState(err)
	return code == "" || code == "57P01" || code == "57P02" || strings.HasPrefix(code, "08")
}

// poolerHint returns what to set when the server does not have the prepared statements that the driver believes it has,
// or has them already: duplicate_prepared_statement and invalid_sql_statement_name. A pooler in transaction mode, such
// as PgBouncer before 1.21, gives each transaction another connection to the server.
func poolerHint(err error) string {
	switch sqlState(err) {
	case "42P05", "26000":
		return " (prepared statements do not work through a pooler in transaction mode: add default_query_exec_mode=exec" +
			" to the connection string of pgx, or let the pooler keep them, with max_prepared_statements in PgBouncer 1.21 or newer)"
	}
	return ""
}

// lockNumber is the advisory lock of a key. All versions of this package must agree on it. Two keys of one number only
// wait for each other.
func lockNumber(k store.Key) int64 {
	sum := sha256.Sum256([]byte(k.Part + "\x00" + k.ID))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// hold takes the advisory locks of the keys that must be absent, in the order of their numbers.
func hold(ctx context.Context, on runner, changes []store.Change) error {
	type lock struct {
		number int64
		shared bool
	}
	var locks []lock
	for _, c := range changes {
		if c.Expect == "" {
			locks = append(locks, lock{lockNumber(c.Item.Key), c.Op == store.OpCheck})
		}
	}
	if len(locks) == 0 {
		return nil
	}
	slices.SortFunc(locks, func(a, b lock) int {
		switch {
		case a.number != b.number:
			return cmp.Compare(a.number, b.number)
		case a.shared == b.shared:
			return 0
		case b.shared: // alone before shared: never from a weaker lock to a stronger one
			return -1
		}
		return 1
	})
	var query strings.Builder
	args := make([]any, len(locks))
	for i, each := range locks {
		args[i] = each.number
		function := "pg_advisory_xact_lock"
		if each.shared {
			function = "pg_advisory_xact_lock_shared"
		}
		fmt.Fprintf(&query, ", %s($%d)", function, i+1)
	}
	_, err := on.exec(ctx, "SELECT "+strings.TrimPrefix(query.String(), ", "), args...)
	return err
}

// inOrder returns the changes in the order of their keys.
func inOrder(changes []store.Change) []store.Change {
	return slices.SortedFunc(slices.Values(changes), func(a, b store.Change) int {
		return cmp.Or(strings.Compare(a.Item.Key.Part, b.Item.Key.Part), strings.Compare(a.Item.Key.ID, b.Item.Key.ID))
	})
}

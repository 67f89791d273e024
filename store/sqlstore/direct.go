package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"

	"github.com/posternauth/postern/store"
)

// readDirectly is read without sql.Rows, which costs a goroutine for each query and as much time as a local server
// takes to answer. The pool is still database/sql's.
func (s *Store) readDirectly(ctx context.Context, query string, args []any, keys []store.Key, found []store.Item) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	var direct bool
	err = conn.Raw(func(driverConn any) error {
		queryer, ok := driverConn.(driver.QueryerContext)
		if direct = ok; !ok {
			return nil
		}
		named := make([]driver.NamedValue, len(args)) // of strings and an int64, which every driver takes as they are
		for i, arg := range args {
			named[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
		}
		rows, err := queryer.QueryContext(ctx, query, named)
		if err == driver.ErrSkip { // "prepare it instead"
			direct = false
			return nil
		}
		if err != nil {
			return err
		}
		defer rows.Close()
		return eachRow(rows, keys, found)
	})
	_ = conn.Close() // gives it back to the pool, before another is asked for
	if err == nil && !direct {
		return s.read(ctx, query, args, keys, found)
	}
	return err
}

func eachRow(rows driver.Rows, keys []store.Key, found []store.Item) error {
	var columns [4]driver.Value
	row := columns[:]
	if len(keys) == 1 {
		row = columns[1:] // there is no place, and it is 0
	}
	for {
		switch err := rows.Next(row); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
		place, one := columns[0].(int64)
		value, two := columns[1].([]byte)
		expires, three := columns[2].(int64)
		version, four := columns[3].(string)
		if text, ok := columns[3].([]byte); ok {
			version, four = string(text), true
		}
		if !one && len(keys) > 1 || !two || !three && columns[2] != nil || !four || int(place) >= len(keys) {
			return fmt.Errorf("the driver returned a row of %T, %T, %T and %T", columns[0], columns[1], columns[2], columns[3])
		}
		// The value is the driver's until its next row.
		found[place] = itemAt(keys[place], bytes.Clone(value), sql.NullInt64{Int64: expires, Valid: three}, version)
	}
}

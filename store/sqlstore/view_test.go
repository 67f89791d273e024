package sqlstore_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/sqlstore"
)

// openAny opens an empty database of the dialect.
func openAny(t *testing.T, dialect sqlstore.Dialect) *sql.DB {
	t.Helper()
	if dialect == sqlstore.Postgres {
		return openPostgres(t, postgres(t))
	}
	return openDB(t, sqlstore.DSN(filepath.Join(t.TempDir(), "test.db")))
}

// The view shows the sessions that are there, when and why each ended, and nothing else; and no item can break it.
func TestSessionsView(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	const ann, bob = "session:AAAAaaaa0000-_AA", "session:BBBBbbbb1111-_BB"
	tail := func(n int) string { return fmt.Sprintf("%022d", n) }
	milli := func(d time.Duration) int64 { return now.Add(d).UnixMilli() }
	item := func(part, id string, expires time.Duration, value string, args ...any) store.Change {
		it := store.Item{Key: store.Key{Part: part, ID: id}, Value: fmt.Appendf(nil, value, args...)}
		if expires != 0 {
			it.Expires = now.Add(expires)
		}
		return store.Put(it)
	}
	session := `{"iss":"https://a","kind":"user","sub":"%s","created":%d,"at":%d,"seen":%d,"absolute":%d,"n":3,"epoch":%d%s,"grant":{"properties":{},"client_id":"web"},"salt":"c2FsdA","kid":"1"}`
	hour := time.Hour
	changes := []store.Change{
		item(ann, "!", 0, `{"e":2}`),
		item(ann, tail(1), hour, session, "ann", milli(-3*hour), milli(-2*hour), milli(-hour), milli(2*hour), 2, `,"device":"\u0000\u0000 \\u0000","address":"192.0.2.1"`),
		item(ann, tail(2), hour, session, "ann", milli(-3*hour), milli(-2*hour), milli(-hour), milli(2*hour), 2, `,"ended":"reuse"`),
		item(ann, tail(3), hour, session, "ann", milli(-3*hour), milli(-2*hour), milli(-hour), milli(2*hour), 1, ``),
		item(ann, tail(4), -time.Second, session, "ann", milli(-3*hour), milli(-2*hour), milli(-hour), milli(-1), 2, ``),
		item(ann, "*", hour, `{"last":1,"sessions":[]}`),
		item(ann, "#"+tail(5), hour, session, "ann", 0, 0, 0, 0, 0, ``),
		item(ann, "#"+tail(5)[1:], hour, `not JSON`),
		item(bob, tail(6), hour, `{"kind":"staff","sub":"b'o\"b ü","created":%d,"at":%d,"absolute":%d}`, milli(-hour), milli(-time.Minute), milli(hour)),
		item("sessions:"+ann[8:], tail(7), hour, session, "no", 0, 0, 0, 0, 0, ``),
		item(ann+"A", tail(8), hour, "\xff\x00 not JSON"),
		item(ann[:23]+" ", tail(9), hour, "not JSON"),
		item(ann, tail(10)[1:], hour, "not JSON"),
		item(ann, tail(11)[1:]+"ü", hour, "not JSON"),
		item("session:' OR 1=1 --", "!", hour, `{"e":`),
	}
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			db := openAny(t, dialect)
			s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect, SkipSweep: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Write(t.Context(), changes...); err != nil {
				t.Fatal(err)
			}
			rows, err := db.Query(`SELECT id, iss, kind, sub, client_id, device, address, created_at, last_used_at, idle_expires_at, expires_at, ended FROM postern_sessions ORDER BY id`)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var got []string
			for rows.Next() {
				var kind, subject, id string
				var issuer, client, device, address, ended sql.NullString
				var created, used, idle, expires any
				if err := rows.Scan(&id, &issuer, &kind, &subject, &client, &device, &address, &created, &used, &idle, &expires, &ended); err != nil {
					t.Fatal(err)
				}
				ago := func(at any) time.Duration {
					if text, ok := at.(string); ok {
						if at, err = time.Parse("2006-01-02T15:04:05.000Z", text); err != nil {
							t.Error(err)
						}
					}
					return at.(time.Time).Sub(now)
				}
				device.String = strings.ToValidUTF8(strings.ReplaceAll(device.String, "\x00", "\ufffd"), "")
				got = append(got, fmt.Sprintf("%s %s %s (%s)(%s)(%s)(%s) %v %v %v %v %s", kind, subject, id, issuer.String, client.String, device.String, address.String, ago(created), ago(used), ago(idle), ago(expires), ended.String))
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			want := []string{
				"user ann AAAAaaaa0000-_AA." + tail(1) + " (https://a)(web)(\ufffd\ufffd \\u0000)(192.0.2.1) -3h0m0s -1h0m0s 1h0m0s 2h0m0s ",
				"user ann AAAAaaaa0000-_AA." + tail(2) + " (https://a)(web)()() -3h0m0s -1h0m0s 1h0m0s 2h0m0s reuse",
				"user ann AAAAaaaa0000-_AA." + tail(3) + " (https://a)(web)()() -3h0m0s -1h0m0s 1h0m0s 2h0m0s everywhere",
				"staff b'o\"b ü BBBBbbbb1111-_BB." + tail(6) + " ()()()() -1h0m0s -1m0s 1h0m0s 1h0m0s ",
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

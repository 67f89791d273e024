package totp_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// engines are stores, as two processes open them. Each call opens another one of the same data.
var engines = map[string]func(t *testing.T) func() store.Store{
	"Memory": func(*testing.T) func() store.Store {
		s := &store.Memory{}
		return func() store.Store { return s }
	},
	"SQLite": func(t *testing.T) func() store.Store {
		dsn := sqlstore.DSN(filepath.Join(t.TempDir(), "p.db"))
		return func() store.Store { return openSQL(t, "sqlite", dsn, sqlstore.SQLite) }
	},
	"Postgres": func(t *testing.T) func() store.Store {
		dsn := testserver.Postgres(t).DSN()
		return func() store.Store { return openSQL(t, "pgx", dsn, sqlstore.Postgres) }
	},
	"Redis": func(t *testing.T) func() store.Store {
		addr := testserver.Redis(t).Addr()
		return func() store.Store {
			c := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, PoolSize: 64})
			t.Cleanup(func() { c.Close() })
			s, err := redisstore.New(redisstore.Config{Client: c})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	},
}

func openSQL(t *testing.T, driver, dsn string, d sqlstore.Dialect) store.Store {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(20)
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: d})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A racer is one request of a race.
type racer struct {
	b     *browser
	state string
}

// race sends one code at once, by requests at two processes. It returns how many of them signed in: more than by their
// answers, by their sessions.
func race(t *testing.T, step, code string, racers []racer) (in int) {
	t.Helper()
	codes := make([]int, len(racers))
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i, r := range racers {
		done.Go(func() {
			ready.Wait()
			codes[i] = r.b.post(step, "state", r.state, "code", code).Code
		})
	}
	ready.Done()
	done.Wait()
	for i, r := range racers {
		if (codes[i] == http.StatusSeeOther) != (r.b.session() != nil) {
			t.Errorf("racer %d: %d, and a session is %v", i, codes[i], r.b.session() != nil)
		}
		switch codes[i] {
		case http.StatusSeeOther:
			in++
		case http.StatusBadRequest, http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		default:
			t.Errorf("racer %d: %d", i, codes[i])
		}
	}
	return in
}

// waiting are racers of one waiting sign-in, or each of another one, at two processes.
func waiting(first, second *world, n int, one bool) (list []racer) {
	shared := first.browser()
	state := shared.waits("ada")
	for i := range n {
		w := []*world{first, second}[i%2]
		r := racer{w.browser(), state}
		if one {
			r.b.Cookies = shared.clone().Cookies
		} else {
			r.b.Addr = fmt.Sprintf("198.51.%d.1:9", i)
			r.state = r.b.waits("ada")
		}
		list = append(list, r)
	}
	return list
}

// TestM7_RacersOfOneCode: of 100 requests with one right code, at two processes, one signs in: in one waiting sign-in
// and in as many as there are requests.
func TestM7_RacersOfOneCode(t *testing.T) {
	n := 100
	if raced {
		n = 24
	}
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			open := start(t)
			first := newWorld(t, func(o *options) { o.store = open() })
			first.Set(time.Now()) // servers have clocks
			second := newWorld(t, first.twin(), func(o *options) { o.store = open() })
			b := first.browser()
			app := b.enroll("ada")
			codes := b.codes()
			for _, one := range []bool{true, false} {
				if in := race(t, "/factors/totp/verify", app.code(first.Now()), waiting(first, second, n, one)); in != 1 {
					t.Errorf("one waiting sign-in %v: %d signed in by one code", one, in)
				}
				first.Advance(time.Hour) // the limit of the guesses
				before := first.head("ada").Backups["recovery"]
				if in := race(t, "/factors/recovery/verify", codes[0], waiting(first, second, n, one)); in != 1 {
					t.Errorf("one waiting sign-in %v: %d signed in by one recovery code", one, in)
				}
				if left := first.head("ada").Backups["recovery"]; left != before-1 {
					t.Errorf("%d codes are left of %d", left, before)
				}
				codes = codes[1:]
				first.Advance(time.Hour)
			}
		})
	}
}

// Of 20 requests that set up an app at once, one app counts.
func TestM7_RacersOfASetup(t *testing.T) {
	first := newWorld(t)
	second := newWorld(t, first.twin())
	b := first.browser()
	b.signIn("ada")
	a := b.get("/factors/totp/enroll")
	app, seed := appOf(t, a), part(t, seedOf, a)
	codes := make([]int, 20)
	var done sync.WaitGroup
	for i := range codes {
		c := b.clone()
		c.Handler = []*world{first, second}[i%2].auth
		done.Go(func() { codes[i] = c.post("/factors/totp/enroll", "seed", seed, "code", app.code(first.Now())).Code })
	}
	done.Wait()
	in := 0
	for i, code := range codes {
		switch code {
		case http.StatusOK:
			in++
		case http.StatusConflict, http.StatusUnauthorized:
		default:
			t.Errorf("racer %d: %d", i, code)
		}
	}
	if n := first.head("ada").Factors["totp"]; in != 1 || n != 1 {
		t.Errorf("%d were set up, %d are counted", in, n)
	}
}

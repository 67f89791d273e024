package password_test

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

// racers is how many requests race.
func racers() int {
	if raced {
		return 16
	}
	return 100
}

// TestP6_RacersOfOneLink: of 100 requests with one link, at two processes, one sets the password.
func TestP6_RacersOfOneLink(t *testing.T) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			open := start(t)
			w := newWorld(t, func(o *options) { o.store = open() })
			w.Set(time.Now()) // servers have clocks
			second := newWorld(t, w.twin(), func(o *options) { o.store = open() })
			old := w.browser()
			old.signUp("ada@example.com", good)
			token := w.browser().forgot("ada@example.com")
			racers := racers()
			codes := make([]int, racers)
			var ready, done sync.WaitGroup
			ready.Add(1)
			for i := range racers {
				done.Go(func() {
					b := []*world{w, second}[i%2].browser()
					b.Addr = fmt.Sprintf("198.51.%d.1:9", i)
					ready.Wait()
					codes[i] = b.post("/password/reset", "token", token, "password", fmt.Sprintf("%s %d", better, i)).Code
				})
			}
			ready.Done()
			done.Wait()
			winner := -1
			for i, c := range codes {
				switch {
				case c == http.StatusSeeOther && winner < 0:
					winner = i
				case c != http.StatusBadRequest && c != http.StatusServiceUnavailable:
					t.Errorf("racer %d: %d", i, c)
				}
			}
			if winner < 0 {
				t.Fatal("nobody set the password")
			}
			want(t, second.browser().signIn("ada@example.com", fmt.Sprintf("%s %d", better, winner)), http.StatusSeeOther, "/continue")
			want(t, w.browser().signIn("ada@example.com", good), http.StatusBadRequest, "wrong_password")
			if old.session() != nil {
				t.Error("the old session lives")
			}
		})
	}
}

// TestP5_RacersOfOneUser: of 100 guesses at once, at two processes, as many are compared as the limits allow.
func TestP5_RacersOfOneUser(t *testing.T) {
	w := newWorld(t)
	second := newWorld(t, w.twin())
	w.browser().signUp("ada@example.com", good)
	racers := racers()
	codes := make([]int, racers)
	var done sync.WaitGroup
	for i := range racers {
		b := []*world{w, second}[i%2].browser()
		b.Addr = fmt.Sprintf("198.51.%d.1:9", i)
		st := state(t, b.get("/password/authorize"))
		done.Go(func() {
			codes[i] = b.post("/password/callback", "state", st, "identifier", "ada@example.com", "password", better).Code
		})
	}
	done.Wait()
	compared := 0
	for i, c := range codes {
		switch c {
		case http.StatusBadRequest:
			compared++
		case http.StatusTooManyRequests:
		default:
			t.Errorf("racer %d: %d", i, c)
		}
	}
	if compared == 0 || compared > 10 {
		t.Errorf("%d guesses were compared, at most 10 are allowed", compared)
	}
}

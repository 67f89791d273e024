package accounts

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// engines are the stores that two processes share. Each opens the same database twice.
var engines = map[string]func(t *testing.T, now func() time.Time) (one, two store.Store){
	"SQLite": func(t *testing.T, now func() time.Time) (one, two store.Store) {
		dsn := sqlstore.DSN(filepath.Join(t.TempDir(), "accounts.db"))
		return openSQL(t, "sqlite", dsn, sqlstore.SQLite, now), openSQL(t, "sqlite", dsn, sqlstore.SQLite, now)
	},
	"Postgres": func(t *testing.T, now func() time.Time) (one, two store.Store) {
		dsn := testserver.Postgres(t).DSN()
		return openSQL(t, "pgx", dsn, sqlstore.Postgres, now), openSQL(t, "pgx", dsn, sqlstore.Postgres, now)
	},
	"Redis": func(t *testing.T, now func() time.Time) (one, two store.Store) {
		addr := testserver.Redis(t).Addr()
		return openRedis(t, addr, now), openRedis(t, addr, now)
	},
}

func openSQL(t *testing.T, driver, dsn string, d sqlstore.Dialect, now func() time.Time) store.Store {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(20)
	t.Cleanup(func() { _ = db.Close() })
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: d, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openRedis(t *testing.T, addr string, now func() time.Time) store.Store {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, PoolSize: 64})
	t.Cleanup(func() { _ = c.Close() })
	s, err := redisstore.New(redisstore.Config{Client: c, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const racers = 100

// race lets persons of two handlers do something at the same time, each from another client address.
func race(people []*person, do func(i int, p *person) reply) []reply {
	answers := make([]reply, len(people))
	var start, end sync.WaitGroup
	start.Add(1)
	for i, p := range people {
		end.Go(func() {
			start.Wait()
			answers[i] = do(i, p)
		})
	}
	start.Done()
	end.Wait()
	return answers
}

// crowd returns persons at two handlers by turns.
func (v *village) crowd(two *house) []*person {
	people := make([]*person, racers)
	for i := range people {
		people[i] = v.personAt([]*house{v.house, two}[i%2])
		people[i].Addr = fmt.Sprintf("198.51.%d.%d:1", i/10, 1+i%10)
	}
	return people
}

// won returns who was answered with a success, and fails for an answer that is neither that nor a refusal.
func won(t *testing.T, answers []reply) (winners []int) {
	t.Helper()
	for i, a := range answers {
		switch {
		case a.Code < 400:
			winners = append(winners, i)
		case a.Code >= 500:
			t.Errorf("racer %d: %d %s", i, a.Code, a.Body)
		}
	}
	return winners
}

// A hundred sign-ups of one address, a hundred accounts that want one identity, and a hundred resets by one link, at
// two handlers on one store: one wins each.
func TestA11_Racers(t *testing.T) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			var other store.Store
			v := newVillage(t, func(now func() time.Time) (one store.Store) {
				one, other = start(t, now)
				return one
			})
			two := v.open(other)
			t.Run("sign-up", func(t *testing.T) {
				people := v.crowd(two)
				answers := race(people, func(i int, p *person) reply { return p.at("door", fmt.Sprintf("racer%d same@example.com", i)) })
				winners := won(t, answers)
				owner, err := v.dir.Find(t.Context(), mailOf("same@example.com"))
				if len(winners) != 1 || err != nil || people[winners[0]].id() != owner {
					t.Fatalf("%d winners, the owner is %q, %v", len(winners), owner, err)
				}
				for i := range people {
					if u, err := two.dir.Find(t.Context(), postern.Identity{Issuer: "https://door.example", Subject: fmt.Sprintf("racer%d", i)}); (err == nil) != (i == winners[0]) {
						t.Errorf("racer %d is user %q", i, u)
					}
				}
			})
			t.Run("link", func(t *testing.T) {
				people, states := v.crowd(two), make([]string, racers)
				race(people, func(i int, p *person) reply {
					who := fmt.Sprintf("linker%d", i)
					p.at("door", who)
					p.prove(who)
					a := p.back(p.do("POST", "/account/identities/gate", nil), "wanted")
					states[i] = a.hidden("state")
					return a
				})
				winners := won(t, race(people, func(i int, p *person) reply {
					return p.do("POST", "/link", object{"state": states[i], "choice": "add"})
				}))
				owner, err := v.dir.Find(t.Context(), postern.Identity{Issuer: "https://gate.example", Subject: "wanted"})
				if len(winners) != 1 || err != nil || people[winners[0]].id() != owner {
					t.Fatalf("%d winners %v, the owner is %q, %v", len(winners), winners, owner, err)
				}
			})
			t.Run("reset", func(t *testing.T) {
				p := v.person()
				p.signUp("reset@example.com", first)
				p.must(200, "", "POST", "/password/forgot", object{"identifier": "reset@example.com"})
				_, q := v.link(v.mailed("password.reset"))
				password := func(i int) string { return fmt.Sprintf("%s nummer %d", second, i) }
				winners := won(t, race(v.crowd(two), func(i int, p *person) reply {
					return p.do("POST", "/password/reset", object{"token": q.Get("token"), "password": password(i)})
				}))
				if len(winners) != 1 {
					t.Fatalf("%d winners", len(winners))
				}
				if p.id() != "" {
					t.Error("the session from before the reset lives")
				}
				for _, i := range slices.Compact([]int{0, winners[0], racers - 1}) {
					a := v.person().byPassword("reset@example.com", password(i))
					if (a.Code == http.StatusOK) != (i == winners[0]) {
						t.Errorf("password %d of %d: %d %s", i, winners[0], a.Code, a.Body)
					}
				}
			})
		})
	}
}

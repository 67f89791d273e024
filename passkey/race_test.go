package passkey_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	virtual "github.com/descope/virtualwebauthn"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/internal/test/virtualkey"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/redisstore"
	"github.com/posternauth/postern/store/sqlstore"
)

// engines are stores, as two processes open them. Each call opens another one of the same data.
var engines = map[string]func(t *testing.T) func() store.Store{
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

// race calls run for each racer at once, at two processes, and counts the statuses.
func race(t *testing.T, run func(i int) int) map[int]int {
	t.Helper()
	codes := make([]int, racers())
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range codes {
		done.Go(func() {
			ready.Wait()
			codes[i] = run(i)
		})
	}
	ready.Done()
	done.Wait()
	count := map[int]int{}
	for _, c := range codes {
		count[c]++
	}
	return count
}

func onEngines(t *testing.T, test func(t *testing.T, worlds [2]*world)) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			open := start(t)
			w := newWorld(t, func(o *options) { o.store = open() })
			w.Set(time.Now()) // servers have clocks
			test(t, [2]*world{w, newWorld(t, w.twin(), func(o *options) { o.store = open() })})
		})
	}
}

// only checks that one racer succeeded, and that the others were refused or asked to try again.
func only(t *testing.T, count map[int]int, refused ...int) {
	t.Helper()
	left := racers() - count[http.StatusOK] - count[http.StatusServiceUnavailable]
	for _, status := range refused {
		left -= count[status]
	}
	if count[http.StatusOK] != 1 || left != 0 {
		t.Errorf("answers %v, want one 200 and else %v", count, refused)
	}
}

// TestW2_RacersOfOneChallenge: of 100 requests with one answer to one challenge, at two processes, one signs in.
func TestW2_RacersOfOneChallenge(t *testing.T) {
	onEngines(t, func(t *testing.T, worlds [2]*world) {
		d := newDevice()
		worlds[0].browser().signUp("ada@example.com", d)
		b := worlds[0].browser()
		page := b.get("/passkey/authorize")
		credential := d.show(t, page.form("").Data)
		only(t, race(t, func(i int) int {
			c := b.clone()
			c.w, c.Handler, c.Addr = worlds[i%2], worlds[i%2].auth, fmt.Sprintf("198.51.%d.1:9", i)
			return c.fill(page, credential).Code
		}), http.StatusBadRequest, http.StatusTooManyRequests)
	})
}

// TestW3_RacersOfOneCredential: 100 people register one credential at once: one has it afterwards, no matter who.
func TestW3_RacersOfOneCredential(t *testing.T) {
	onEngines(t, func(t *testing.T, worlds [2]*world) {
		d := newDevice()
		d.AddCredential(virtual.NewCredential(virtual.KeyTypeEC2))
		type person struct {
			b          *browser
			page       *answer
			credential string
		}
		people := make([]person, racers())
		for i := range people {
			b := worlds[i%2].browser()
			b.Addr = fmt.Sprintf("198.51.%d.1:9", i)
			page := b.post("/passkey/sign-up", "state", b.apply(fmt.Sprintf("person%d", i))).want(200, "passkey.sign-up")
			o, err := virtual.ParseAttestationOptions(string(page.form("").Data))
			if err != nil {
				t.Fatal(err)
			}
			people[i] = person{b, page, virtualkey.Create(d.rp, d.Authenticator, d.Credentials[0], *o)}
		}
		only(t, race(t, func(i int) int { return people[i].b.fill(people[i].page, people[i].credential).Code }), http.StatusConflict, http.StatusBadRequest)
		signedIn := 0
		for i, p := range people {
			if s := p.b.session(); s != nil {
				signedIn++
				if h := worlds[0].head(s.Subject); h.Ways.Passkeys != 1 {
					t.Errorf("person %d: head %+v", i, h)
				}
			}
		}
		if signedIn != 1 {
			t.Errorf("%d people are signed in", signedIn)
		}
	})
}

// TestA15_RacersRemoveTheLastWays: many requests remove all ways in of one account at once: one way is left.
func TestA15_RacersRemoveTheLastWays(t *testing.T) {
	onEngines(t, func(t *testing.T, worlds [2]*world) {
		b := worlds[0].browser()
		u := b.signUpPassword("adalovelace")
		var devices []*device
		for range 3 {
			devices = append(devices, newDevice())
			b.enroll(devices[len(devices)-1]).want(200, "passkey.added")
		}
		var ids []string
		for _, line := range b.get("/passkey/list").page.Lines {
			_, id, _ := strings.Cut(line.Link.URL, "id=")
			ids = append(ids, id)
		}
		for round := range 6 { // each time one of them wins, and the sessions of the others end
			b = worlds[0].browser()
			if round%2 == 0 && worlds[0].head(u).Ways.Passwords > 0 {
				b.signInPassword("adalovelace")
			} else {
				for _, d := range devices {
					if b.session() == nil {
						b.signIn(d)
					}
				}
			}
			race(t, func(i int) int {
				c := b.clone()
				c.w, c.Handler = worlds[i%2], worlds[i%2].auth
				if i%4 == 3 {
					return c.post("/password/remove").Code
				}
				return c.post("/passkey/remove", "id", ids[i%4]).Code
			})
			if h := worlds[0].head(u); h.Ways.Passkeys+h.Ways.Passwords < 1 {
				t.Fatalf("round %d: no way in is left: %+v", round, h)
			}
		}
		h := worlds[0].head(u)
		if h.Ways.Passkeys+h.Ways.Passwords != 1 {
			t.Errorf("left: %+v", h.Ways)
		}
		b, in := worlds[1].browser(), false
		for _, d := range devices {
			in = in || b.signIn(d).Code == 200
		}
		if !in && b.signInPassword("adalovelace").Code != 200 {
			t.Error("nobody can sign in")
		}
	})
}

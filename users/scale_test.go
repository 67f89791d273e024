package users_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/users"
)

// TestScale compares the cost of reads with 1,000 users and with many. It is run by hand, with the number of users:
//
//	POSTERN_USERS_SCALE=1000000 go test ./users -run TestScale -v -timeout 3h
//
// CI runs it with 2,000 users on SQLite, which shows that it works.
func TestScale(t *testing.T) {
	const few = 1000
	many, names, turns := 2*few, []string{"SQLite"}, 1
	if n := os.Getenv("POSTERN_USERS_SCALE"); n != "" {
		many, names, turns = must(strconv.Atoi(n))(t), []string{"SQLite", "Postgres"}, 40
	}
	for _, e := range engines {
		if !slices.Contains(names, e.name) {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			small := fill(t, newWorldOn(t, e.start(t)), few)
			large := fill(t, newWorldOn(t, anew(t, e)), many)
			for _, m := range []struct {
				name string
				read func(w *populated) error
			}{
				{"find", (*populated).find}, {"sign-in", (*populated).signIn}, {"first page", (*populated).firstPage}, {"later page", (*populated).laterPage},
			} {
				a, b := measure(t, small, m.read), measure(t, large, m.read)
				for range turns { // a slow moment of the machine counts for neither
					a = min(a, measure(t, small, m.read))
					b = min(b, measure(t, large, m.read))
				}
				t.Logf("%-12s %8d users %10v   %8d users %10v   × %.2f", m.name, few, a, many, b, float64(b)/float64(a))
				if many > 2*few && float64(b) > 1.5*float64(a) {
					t.Errorf("%s: %v with %d users, %v with %d", m.name, a, few, b, many)
				}
			}
		})
	}
}

// anew returns an engine that shares nothing with the one started before.
func anew(t *testing.T, e engine) string {
	t.Helper()
	if e.name != "Postgres" {
		return e.start(t)
	}
	p, err := postgresAnew(t)
	if err != nil {
		testneed.Skip(t, err.Error())
	}
	return "postgres " + p
}

// A populated is a world with users.
type populated struct {
	*world
	n      int
	cursor string
}

func numbered(i int) string { return fmt.Sprintf("user%07d@example.com", i) }

func fill(t *testing.T, w *world, n int) *populated {
	t.Helper()
	begin := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n && !t.Failed(); i = int(next.Add(1)) {
				s := signUp(account(fmt.Sprint("g", i), numbered(i)))
				s.Time = s.Time.Add(time.Duration(i) * time.Second)
				if _, err := w.dir.Create(background, s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d users made in %v", n, time.Since(begin).Round(time.Second))
	p := &populated{world: w, n: n}
	for range 5 { // a page in the middle
		page := must(w.dir.Search(background, users.Query{Cursor: p.cursor, Limit: 100}))(t)
		p.cursor = page.Next
	}
	return p
}

func (p *populated) find() error {
	_, err := p.dir.Find(background, mail(numbered(1+rand.N(p.n))))
	return err
}

func (p *populated) signIn() error {
	id, err := p.dir.Find(background, account(fmt.Sprint("g", 1+rand.N(p.n))))
	if err != nil {
		return err
	}
	_, err = p.dir.Get(context.Background(), id)
	return err
}

func (p *populated) page(cursor string) error {
	page, err := p.dir.Search(background, users.Query{Cursor: cursor})
	if err == nil && len(page.Users) != 50 {
		err = fmt.Errorf("a page of %d users", len(page.Users))
	}
	return err
}

func (p *populated) firstPage() error { return p.page("") }
func (p *populated) laterPage() error { return p.page(p.cursor) }

// measure returns the median of a read.
func measure(t *testing.T, p *populated, read func(*populated) error) time.Duration {
	t.Helper()
	var all []time.Duration
	for range 101 {
		begin := time.Now()
		if err := read(p); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

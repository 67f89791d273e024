package users_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// A meter counts what a deed costs on DynamoDB, where each row here is smaller than a unit: a read unit for a row that
// is read, half of one for a page of a listing, a write unit for a write of one row, two for each row of a larger one.
type meter struct {
	store.Store
	mu                 sync.Mutex
	trips, read, write int
	pages              int
}

func (m *meter) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	m.mu.Lock()
	m.trips, m.read = m.trips+1, m.read+len(keys)
	m.mu.Unlock()
	return m.Store.Get(ctx, keys...)
}

func (m *meter) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	m.mu.Lock()
	m.pages++
	m.mu.Unlock()
	return m.Store.List(ctx, part, after, limit)
}

func (m *meter) Write(ctx context.Context, changes ...store.Change) error {
	m.mu.Lock()
	m.trips++
	if m.write += len(changes); len(changes) > 1 {
		m.write += len(changes)
	}
	m.mu.Unlock()
	return m.Store.Write(ctx, changes...)
}

// TestCost_DynamoDB: the table of docs/users.md has what each deed costs.
func TestCost_DynamoDB(t *testing.T) {
	w := newWorld(t)
	w.pool = "pool"
	w.dir = w.on(w.store)
	ctx := t.Context()
	m := &meter{Store: w.store}
	d := w.on(m)
	n := 0
	signUp := func(id postern.Identity) postern.SignUp { // with fixed ids, which decide over the parts of the listing
		n++
		return postern.SignUp{ID: fmt.Sprintf("a sign-up of a test, number %d", n), Identity: id, Time: w.Now()}
	}
	id := must(w.dir.Create(ctx, signUp(account("g1", "ada@example.com"))))(t)
	other := must(w.dir.Create(ctx, signUp(account("g2"))))(t)
	for i := range 60 {
		must(w.dir.Create(ctx, signUp(account(fmt.Sprint("more", i)))))(t)
	}
	name := "Ada"
	var b strings.Builder
	b.WriteString("| deed | round trips | read units | write units | a million cost |\n| --- | ---: | ---: | ---: | ---: |\n")
	for _, deed := range []struct {
		name string
		do   func() error
	}{
		{"`Find`", func() error { return second(d.Find(ctx, mail("ada@example.com"))) }},
		{"`Get`", func() error { return second(d.Get(ctx, id)) }},
		{"`TouchLastSignIn`", func() error { return d.TouchLastSignIn(ctx, id) }},
		{"`Create`, with an address", func() error { return second(d.Create(ctx, signUp(mail("new@example.com")))) }},
		{"`Create`, with a provider's identity and an address", func() error { return second(d.Create(ctx, signUp(account("g3", "g3@example.com")))) }},
		{"`CreateWith`, with an address and a password", func() error {
			return second(d.CreateWith(ctx, signUp(mail("pw@example.com")), func(id string) []store.Change {
				return []store.Change{store.Put(store.Item{Key: store.Key{Part: head.Part(w.pool, id), ID: "password"}})}
			}))
		}},
		{"`Update`", func() error { return second(d.Update(ctx, id, "", users.Fields{Name: &name})) }},
		{"`SetRoles`", func() error { return d.SetRoles(ctx, id, []string{"reader"}, users.Extra{}) }},
		{"`AddAddress`", func() error { return d.AddAddress(ctx, id, "second@example.com", users.Extra{}) }},
		{"`ReplaceAddress`", func() error {
			return d.ReplaceAddress(ctx, id, "second@example.com", "third@example.com", users.Extra{})
		}},
		{"`RemoveAddress`", func() error { return d.RemoveAddress(ctx, id, "third@example.com", users.Extra{}) }},
		{"`Link`", func() error { return d.Link(ctx, id, account("g4")) }},
		{"`Unlink`", func() error { return d.Unlink(ctx, id, account("g4")) }},
		{"`Disable`", func() error { return d.Disable(ctx, id, "", time.Time{}, users.Extra{}) }},
		{"`Enable`", func() error { return d.Enable(ctx, id, users.Extra{}) }},
		{"`Delete`, of a user with one identity", func() error { return d.Delete(ctx, other, users.Extra{}) }},
		{"`Search`, the first page of 50 users", func() error { return second(d.Search(ctx, users.Query{})) }},
	} {
		m.trips, m.read, m.write, m.pages = 0, 0, 0, 0
		w.ok(deed.do())
		units := float64(m.read) + float64(m.pages)/2
		fmt.Fprintf(&b, "| %s | %d | %g | %d | $%.2f |\n", deed.name, m.trips+(m.pages+15)/16, units, m.write, units*0.125+float64(m.write)*0.625)
	}
	if m.trips, m.read = 0, 0; second(d.Find(ctx, mail("nobody@example.com"))) == nil || m.trips != 2 || m.read != 2 {
		t.Errorf("an address that is not known costs %d round trips and %d rows, as a known one should", m.trips, m.read)
	}
	doc := must(os.ReadFile("../docs/users.md"))(t)
	if !strings.Contains(string(doc), b.String()) {
		t.Errorf("docs/users.md has another table; it should be\n%s", b.String())
	}
}

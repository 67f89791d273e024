package postern_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// table is an application's own table of users, in memory.
type table struct {
	mu    sync.Mutex
	rows  map[string]*row
	byKey map[string]string // an identity, an address or a username -> user id
	made  map[string]string // SignUp.ID -> user id
	fail  error
}

type row struct {
	postern.Person
	ids []postern.Identity
}

func newTable() *table {
	return &table{rows: map[string]*row{}, byKey: map[string]string{}, made: map[string]string{}}
}

func (t *table) lock() func() { t.mu.Lock(); return t.mu.Unlock }

func (t *table) Find(_ context.Context, id postern.Identity) (string, error) {
	defer t.lock()()
	if t.fail != nil {
		return "", t.fail
	}
	if u := t.byKey[id.Key()]; u != "" && t.rows[u] != nil {
		return u, nil
	}
	return "", postern.ErrNoUser
}

func (t *table) Get(_ context.Context, userID string) (postern.Person, error) {
	defer t.lock()()
	if t.fail != nil {
		return postern.Person{}, t.fail
	}
	if r := t.rows[userID]; r != nil {
		return r.Person, nil
	}
	return postern.Person{}, postern.ErrNoUser
}

func keysOf(id postern.Identity) []string {
	all := []string{id.Key()}
	for _, a := range id.Addresses {
		if k := (postern.Identity{Issuer: postern.MailIssuer, Subject: a.Value}).Key(); a.Verified && !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return all
}

func (t *table) Create(_ context.Context, s postern.SignUp) (string, error) {
	defer t.lock()()
	if t.fail != nil {
		return "", t.fail
	}
	if u := t.made[s.ID]; u != "" {
		return u, nil
	}
	for _, k := range keysOf(s.Identity) {
		if t.byKey[k] != "" {
			return "", postern.ErrTaken
		}
	}
	u := fmt.Sprint("user-", len(t.rows)+1)
	t.rows[u] = &row{postern.Person{ID: u, Name: s.Name, Addresses: s.Identity.Addresses, Roles: s.Roles}, []postern.Identity{s.Identity}}
	t.made[s.ID] = u
	for _, k := range keysOf(s.Identity) {
		t.byKey[k] = u
	}
	return u, nil
}

func (t *table) Link(_ context.Context, userID string, id postern.Identity) error {
	defer t.lock()()
	if owner := t.byKey[id.Key()]; owner == userID {
		return nil
	} else if owner != "" {
		return postern.ErrTaken
	}
	t.byKey[id.Key()] = userID
	t.rows[userID].ids = append(t.rows[userID].ids, id)
	return nil
}

func (t *table) Unlink(_ context.Context, userID string, id postern.Identity) error {
	defer t.lock()()
	if t.byKey[id.Key()] == userID {
		delete(t.byKey, id.Key())
	}
	return nil
}

func (t *table) Identities(_ context.Context, userID string) ([]postern.Identity, error) {
	defer t.lock()()
	if t.fail != nil {
		return nil, t.fail
	}
	return slices.Clone(t.rows[userID].ids), nil
}

func (t *table) AddRoles(_ context.Context, userID string, roles ...string) error {
	defer t.lock()()
	t.rows[userID].Roles = append(t.rows[userID].Roles, roles...)
	return nil
}

// edit changes a row.
func (t *table) edit(userID string, change func(*postern.Person)) {
	defer t.lock()()
	change(&t.rows[userID].Person)
}

func (t *table) count() int { defer t.lock()(); return len(t.rows) }

// house is a handler whose sign-ins end in Config.Session.
type house struct {
	*testworld.World
	t        testing.TB
	auth     *postern.Auth
	sessions *session.Sessions
	kind     *postern.Kind[user]
	table    *table
	store    *flaky
	mails    testworld.List[postern.Mail]
	who      postern.Identity // whom the door knows
}

// at is the identity of a subject at the door.
func at(subject, address string, verified bool) postern.Identity {
	id := postern.Identity{Issuer: "https://door.example", Subject: subject, Name: subject}
	if address != "" {
		id.Addresses = []postern.Address{{Type: "email", Value: address, Verified: verified}}
	}
	return id
}

func newHouse(t testing.TB, change ...func(h *house, c *postern.Config)) *house {
	t.Helper()
	table := newTable()
	of := func(*session.Sessions, store.Store) postern.Users { return table }
	return newHouseOf(t, of, append([]func(h *house, c *postern.Config){func(h *house, _ *postern.Config) { h.table = table }}, change...)...)
}

// newHouseOf is newHouse with other users.
func newHouseOf(t testing.TB, of func(*session.Sessions, store.Store) postern.Users, change ...func(h *house, c *postern.Config)) *house {
	t.Helper()
	h := &house{World: testworld.New(), t: t, who: at("ada", "ada@example.com", true)}
	h.store = &flaky{Store: &store.Memory{Now: h.Now}}
	sc := h.Config(issuer)
	sc.Keys, sc.Store, sc.Logger = h.Ring(t, nil), h.store, nil
	var err error
	if h.sessions, err = session.New(sc); err != nil {
		t.Fatal(err)
	}
	h.kind = postern.NewKind(h.sessions, of(h.sessions, h.store), session.KindConfig[user]{Name: "user"}, func(p postern.Person) user { return user{Name: p.Name} })
	c := postern.Config{
		Sessions: h.sessions, Session: h.kind, Name: "Example", Logger: h.Logger(), Admit: postern.Open, TokenClients: []string{"tool"},
		Redirects: []string{"https://app.example.com/", "/welcome"},
		Providers: map[string]postern.Provider{"door": knows{h}, "other": knows{h}},
		Mail: func(_ context.Context, m postern.Mail) error {
			h.mails.Add(m)
			return nil
		},
	}
	for _, f := range change {
		f(h, &c)
	}
	if h.auth, err = postern.New(c); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) browser() *browser {
	return &browser{Browser: testworld.NewBrowser(h.auth), v: &world{World: h.World, t: h.t, auth: h.auth, sessions: h.sessions, store: h.store}, secure: true}
}

// signIn signs a browser in at the door as who, and returns the answer of the callback.
func (h *house) signIn(b *browser, who postern.Identity, query ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.through(b, who, issuer+"/door/authorize", query...)
}

// through begins at a URL that leads to the door, and comes back from there as who.
func (h *house) through(b *browser, who postern.Identity, begin string, query ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	h.who = who
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	if len(q) > 0 {
		begin += "?" + q.Encode()
	}
	w := b.get(begin)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || to.Query().Get("redirect_uri") == "" {
		return w // refused before the door
	}
	return b.get(to.Query().Get("redirect_uri") + "?" + url.Values{"state": {to.Query().Get("state")}, "code": {"c0de"}}.Encode())
}

// session returns the session of a browser, and false for a signed-out one.
func (h *house) session(b *browser) (*session.Session[user], bool) {
	h.t.Helper()
	var s *session.Session[user]
	guarded := testworld.NewBrowser(h.kind.Optional(handlerFunc(func(r requestOf) { s, _ = h.kind.From(r.Context()) })))
	guarded.Cookies = b.Cookies
	guarded.Do(guarded.Request("GET", "https://api.example.com/x", nil))
	return s, s != nil && s.Kind == "user"
}

var stateOf = regexp.MustCompile(`name="state" value="([^"]+)"`)

// state returns the hidden field of a page, or that of the page to which a form leads.
func state(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	if to, err := url.Parse(w.Header().Get("Location")); err == nil && to.Query().Get("state") != "" {
		return to.Query().Get("state")
	}
	m := stateOf.FindStringSubmatch(w.Body.String())
	if m == nil {
		t.Fatalf("no state in %d\n%s", w.Code, w.Body)
	}
	return m[1]
}

// code returns the code of the last mail to an address, and fails the test without one.
func (h *house) code(to string) string {
	h.t.Helper()
	all := h.mails.All()
	for _, m := range slices.Backward(all) {
		if c := m.Arg("code"); m.To == to && c != "" {
			return c
		}
	}
	h.t.Fatalf("no mail with a code to %s in %d", to, len(all))
	return ""
}

func (h *house) names() (all []string) {
	for _, m := range h.mails.All() {
		all = append(all, m.To+" "+strings.TrimPrefix(m.Name, "postern."))
	}
	return all
}

var errAway = errors.New("the table is away")

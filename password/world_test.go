package password_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

const (
	issuer = "https://api.example.com/auth"
	good   = "wolke sieben am fluss"
	better = "elf graue elefanten im nebel"
)

// hasher is one for all tests, as a process needs one.
var hasher = sync.OnceValue(func() *hash.Hasher {
	h, err := hash.New(hash.Config{Queue: 1000})
	if err != nil {
		panic(err)
	}
	return h
})

type profile struct {
	Name string `json:"name"`
}

// world is a handler with passwords, a directory and one more provider.
type world struct {
	*testworld.World
	t        testing.TB
	store    *counted
	ring     *keys.Ring
	sessions *session.Sessions
	dir      *users.Directory
	kind     *postern.Kind[profile]
	auth     *postern.Auth
	mails    testworld.List[postern.Mail]
	who      postern.Identity // whom the provider "door" knows
}

// counted counts the calls of a store, and fails them on demand.
type counted struct {
	store.Store
	mu    sync.Mutex
	calls []string
	fail  func(n int, write bool) (before, after error) // n counts from 1
	n     int
}

func (s *counted) call(write bool) (before, after error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, map[bool]string{true: "w", false: "r"}[write])
	s.n++
	if s.fail != nil {
		return s.fail(s.n, write)
	}
	return nil, nil
}

func (s *counted) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err, _ := s.call(false); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, keys...)
}

func (s *counted) Write(ctx context.Context, changes ...store.Change) error {
	before, after := s.call(true)
	if before != nil {
		return before
	}
	if err := s.Store.Write(ctx, changes...); err != nil {
		return err
	}
	return after
}

// taken returns the calls since the last time, as a string of r and w.
func (s *counted) taken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.calls, "")
	s.calls = nil
	return all
}

func (s *counted) failing(f func(n int, write bool) (before, after error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.n = f, 0
}

// door is a provider that knows everybody, at once.
type door struct{ w *world }

func (d door) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		f.Done(w, r, d.w.who, "oauth")
	}})
}

// options of a world.
type options struct {
	store    store.Store
	ring     *keys.Ring
	clock    *testworld.World
	password password.Config
	config   func(*postern.Config)
	users    func(*session.Sessions) postern.Users // nil: a Directory
}

func newWorld(t testing.TB, change ...func(o *options)) *world {
	t.Helper()
	w := &world{World: testworld.New(), t: t, who: postern.Identity{Issuer: "https://door.example", Subject: "ada"}}
	o := options{password: password.Config{Hasher: hasher()}}
	for _, f := range change {
		f(&o)
	}
	if o.clock != nil {
		w.World = o.clock
	}
	if o.store == nil {
		o.store = &store.Memory{Now: w.Now}
	}
	if o.ring == nil {
		o.ring = w.Ring(t, nil)
	}
	w.ring = o.ring
	w.store = &counted{Store: o.store}
	sc := w.World.Config(issuer)
	sc.Keys, sc.Store, sc.Logger = o.ring, w.store, nil
	var err error
	if w.sessions, err = session.New(sc); err != nil {
		t.Fatal(err)
	}
	if w.dir, err = users.New(users.Config{Sessions: w.sessions, AllowUsernames: true}); err != nil {
		t.Fatal(err)
	}
	var people postern.Users = w.dir
	if o.users != nil {
		people = o.users(w.sessions)
	}
	w.kind = postern.NewKind(w.sessions, people, session.KindConfig[profile]{Name: "user"}, func(p postern.Person) profile { return profile{p.Name} })
	c := postern.Config{
		Sessions: w.sessions, Session: w.kind, Name: "Example", Logger: w.Logger(), Admit: postern.Open, Usernames: true,
		Redirects: []string{"https://app.example.com/", "/welcome"},
		Providers: map[string]postern.Provider{"password": password.New(o.password), "door": door{w}},
		Mail: func(_ context.Context, m postern.Mail) error {
			w.mails.Add(m)
			return nil
		},
	}
	if o.config != nil {
		o.config(&c)
	}
	if w.auth, err = postern.New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

// browser is a browser of a world.
type browser struct {
	*testworld.Browser
	w *world
}

func (w *world) browser() *browser {
	return &browser{testworld.NewBrowser(w.auth), w}
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	return b.Do(b.Request(http.MethodGet, issuer+path, nil))
}

func (b *browser) post(path string, pairs ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.Do(b.Request(http.MethodPost, issuer+path, form))
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

func want(t testing.TB, w *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), text) && !strings.Contains(w.Header().Get("Location"), text) {
		t.Fatalf("%d to %q, want %d with %q\n%s", w.Code, w.Header().Get("Location"), status, text, w.Body)
	}
}

// code returns the code of the last mail to an address.
func (w *world) code(to string) string {
	w.t.Helper()
	for _, m := range slices.Backward(w.mails.All()) {
		if c := m.Arg("code"); m.To == to && c != "" {
			return c
		}
	}
	w.t.Fatalf("no mail with a code to %s", to)
	return ""
}

// apply goes through a sign-up to the page where the credential is chosen, and returns its state.
func (b *browser) apply(address string) string {
	b.w.t.Helper()
	st := state(b.w.t, b.post("/sign-up", "email", address))
	return state(b.w.t, b.post("/sign-up/code", "state", st, "code", b.w.code(address)))
}

// signUp makes a user with a password, and returns the id.
func (b *browser) signUp(address, password string) string {
	b.w.t.Helper()
	w := b.post("/password/sign-up", "state", b.apply(address), "password", password)
	want(b.w.t, w, http.StatusSeeOther, "/continue")
	return b.w.user(address)
}

func (w *world) user(address string) string {
	w.t.Helper()
	u, err := w.dir.Find(w.t.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: address})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// signIn types a name and a password.
func (b *browser) signIn(name, password string) *httptest.ResponseRecorder {
	b.w.t.Helper()
	return b.post("/password/callback", "state", state(b.w.t, b.get("/password/authorize")), "identifier", name, "password", password)
}

// session returns the session of a browser; nil for a signed-out one.
func (b *browser) session() (s *session.Session[profile]) {
	c := testworld.NewBrowser(b.w.kind.Optional(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ = b.w.kind.From(r.Context())
	}), session.CheckStore))
	c.Cookies = b.Cookies
	c.Do(c.Request(http.MethodGet, "https://api.example.com/x", nil))
	if s != nil && s.Kind != "user" {
		return nil
	}
	return s
}

func (w *world) head(userID string) head.Head {
	w.t.Helper()
	h, err := head.Get(w.t.Context(), w.store.Store, w.sessions.Issuer(), userID)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// events counts the events of a name.
func (w *world) events(name string) (n int) {
	for _, e := range w.Events.All() {
		if e.Name == name {
			n++
		}
	}
	return n
}

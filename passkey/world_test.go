package passkey_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

const (
	issuer = "https://auth.example.com/auth"
	origin = "https://auth.example.com"
	rpID   = "auth.example.com"
	phrase = "wolke sieben am fluss"
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

// world is a handler with passkeys, passwords, a directory, and a provider that knows everybody.
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
	calls strings.Builder
	fail  func(n int, call byte) (before, after error) // n counts from 1
	n     int
}

func (s *counted) call(kind byte) (before, after error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls.WriteByte(kind)
	s.n++
	if s.fail != nil {
		return s.fail(s.n, kind)
	}
	return nil, nil
}

func (s *counted) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err, _ := s.call('r'); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, keys...)
}

func (s *counted) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	if err, _ := s.call('l'); err != nil {
		return nil, "", err
	}
	return s.Store.List(ctx, part, after, limit)
}

func (s *counted) Write(ctx context.Context, changes ...store.Change) error {
	before, after := s.call('w')
	if before != nil {
		return before
	}
	if err := s.Store.Write(ctx, changes...); err != nil {
		return err
	}
	return after
}

// taken returns the calls since the last time, as a string of r, l and w.
func (s *counted) taken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.calls.Reset()
	return s.calls.String()
}

func (s *counted) failing(f func(n int, call byte) (before, after error)) {
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
	store   store.Store
	ring    *keys.Ring
	clock   *testworld.World
	passkey passkey.Config
	config  func(*postern.Config)
	users   func(*session.Sessions) postern.Users // nil: a Directory
}

// twin is another process of the same service.
func (w *world) twin() func(*options) {
	return func(o *options) { o.store, o.ring, o.clock = w.store.Store, w.ring, w.World }
}

func newWorld(t testing.TB, change ...func(o *options)) *world {
	t.Helper()
	w := &world{World: testworld.New(), t: t, who: postern.Identity{Issuer: "https://door.example", Subject: "ada"}}
	var o options
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
	w.ring, w.store = o.ring, &counted{Store: o.store}
	sc := w.World.Config(issuer)
	sc.Keys, sc.Store = o.ring, w.store
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
		Providers: map[string]postern.Provider{"passkey": passkey.New(o.passkey), "password": password.New(password.Config{Hasher: hasher()}), "door": door{w}},
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

// An answer is what a program gets.
type answer struct {
	*httptest.ResponseRecorder
	t    testing.TB
	page struct {
		Step, Error, Text, Description string
		RedirectURI                    string `json:"redirect_uri"`
		StepUp                         string `json:"step_up"`
		Data                           json.RawMessage
		Lines                          []struct {
			Label, Value string
			Link         struct{ URL string }
		}
		Forms []form
		Links []struct{ Name, URL string }
	}
}

type form struct {
	Name, URL string
	Hidden    map[string]string
	Data      json.RawMessage
}

// browser is a program with cookies, which reads pages as JSON.
type browser struct {
	*testworld.Browser
	w *world
}

func (w *world) browser() *browser {
	b := testworld.NewBrowser(w.auth)
	b.Header.Set("Accept", "application/json")
	return &browser{b, w}
}

func (b *browser) clone() *browser { return &browser{b.Browser.Clone(), b.w} }

func (b *browser) send(r *http.Request) *answer {
	b.w.t.Helper()
	a := &answer{ResponseRecorder: b.Do(r), t: b.w.t}
	if strings.HasPrefix(a.Header().Get("Content-Type"), "application/json") && r.URL.Path != "/auth/account" {
		if err := json.Unmarshal(a.Body.Bytes(), &a.page); err != nil {
			b.w.t.Fatalf("%v in %s", err, a.Body)
		}
	}
	return a
}

func full(path string) string {
	if strings.HasPrefix(path, "https:") {
		return path
	}
	return issuer + path
}

func (b *browser) get(path string) *answer {
	b.w.t.Helper()
	return b.send(b.Request(http.MethodGet, full(path), nil))
}

func (b *browser) post(path string, pairs ...string) *answer {
	b.w.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return b.send(b.Request(http.MethodPost, full(path), values))
}

// filled are the fields of a form with a credential, and more.
func filled(f form, credential string, pairs ...string) url.Values {
	values := url.Values{}
	for name, value := range f.Hidden {
		values.Set(name, value)
	}
	values.Set("credential", credential)
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values
}

// fill sends the form of a page with a credential, and more fields.
func (b *browser) fill(a *answer, credential string, pairs ...string) *answer {
	b.w.t.Helper()
	f := a.form("")
	return b.send(b.Request(http.MethodPost, f.URL, filled(f, credential, pairs...)))
}

// form returns a form of a page by its name; empty: the first.
func (a *answer) form(name string) form {
	a.t.Helper()
	for _, f := range a.page.Forms {
		if name == "" || f.Name == name {
			return f
		}
	}
	a.t.Fatalf("no form %q in %d %s", name, a.Code, a.Body)
	return form{}
}

// want checks the status, and a step, a code or a URL of the answer.
func (a *answer) want(status int, what string) *answer {
	a.t.Helper()
	if a.Code != status || !slices.Contains([]string{a.page.Step, a.page.Error}, what) && !strings.Contains(a.page.RedirectURI, what) {
		a.t.Fatalf("%d %s, want %d %q", a.Code, a.Body, status, what)
	}
	return a
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
	a := b.post("/sign-up", "email", address)
	if !strings.Contains(address, "@") {
		a = b.post("/sign-up", "username", address)
	} else {
		a = b.post("/sign-up/code", "state", a.form("").Hidden["state"], "code", b.w.code(address))
	}
	return a.form("").Hidden["state"]
}

// signUp makes a user with a passkey.
func (b *browser) signUp(name string, d *device) string {
	b.w.t.Helper()
	page := b.post("/passkey/sign-up", "state", b.apply(name)).want(200, "passkey.sign-up")
	b.fill(page, d.make(b.w.t, page.form("").Data)).want(200, "https://app.example.com/")
	return b.w.user(name)
}

// signUpPassword makes a user with a password.
func (b *browser) signUpPassword(name string) string {
	b.w.t.Helper()
	b.post("/password/sign-up", "state", b.apply(name), "password", phrase).want(200, "https://app.example.com/")
	return b.w.user(name)
}

func (b *browser) signInPassword(name string) *answer {
	b.w.t.Helper()
	page := b.get("/password/authorize")
	return b.post("/password/callback", "state", page.form("").Hidden["state"], "identifier", name, "password", phrase)
}

// signIn shows a passkey.
func (b *browser) signIn(d *device) *answer {
	b.w.t.Helper()
	page := b.get("/passkey/authorize").want(200, "passkey.sign-in")
	return b.fill(page, d.show(b.w.t, page.form("").Data))
}

// enroll adds a passkey to the account of the session.
func (b *browser) enroll(d *device) *answer {
	b.w.t.Helper()
	page := b.get("/passkey/enroll").want(200, "passkey.enroll")
	return b.fill(page, d.make(b.w.t, page.form("").Data))
}

func (w *world) user(name string) string {
	w.t.Helper()
	id := postern.Identity{Issuer: postern.MailIssuer, Subject: name}
	if !strings.Contains(name, "@") {
		id.Issuer = postern.NameIssuer
	}
	u, err := w.dir.Find(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// session returns the session of a browser; nil for a signed-out one.
func (b *browser) session() (s *session.Session[profile]) {
	c := testworld.NewBrowser(b.w.kind.Optional(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ = b.w.kind.From(r.Context())
	}), session.CheckStore))
	c.Cookies = b.Cookies
	c.Do(c.Request(http.MethodGet, "https://auth.example.com/x", nil))
	if s != nil && s.Kind != "user" {
		return nil
	}
	return s
}

// amr returns the methods of the session of a browser, with spaces between; "none" without a session.
func (b *browser) amr() string {
	s := b.session()
	if s == nil {
		return "none"
	}
	return strings.Join(s.Authentication.Methods, " ")
}

func (w *world) head(userID string) head.Head {
	w.t.Helper()
	h, err := head.Get(w.t.Context(), w.store.Store, w.sessions.Issuer(), userID)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) events() (names []string) {
	for _, e := range w.Events.Take() {
		names = append(names, e.Name)
	}
	return names
}

// notices returns the names of the mails to an address that are about its account.
func (w *world) notices(to string) (names []string) {
	for _, m := range w.mails.All() {
		if m.To == to && m.Arg("code") == "" {
			names = append(names, m.Name)
		}
	}
	return names
}

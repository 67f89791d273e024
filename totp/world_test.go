package totp_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/totp"
	"github.com/posternauth/postern/users"
)

const issuer = "https://api.example.com/auth"

type profile struct {
	Name string `json:"name"`
}

// world is a handler with a provider that knows everybody, and the factors of this package.
type world struct {
	*testworld.World
	t        testing.TB
	store    *spy
	vault    keys.Vault
	sessions *session.Sessions
	dir      *users.Directory
	kind     *postern.Kind[profile]
	auth     *postern.Auth
	mails    testworld.List[postern.Mail]
	proof    []string // amr of the first proof
}

// door signs in whom the parameter "as" names, at once.
type door struct{ w *world }

func (d door) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		name := r.Form.Get("as")
		f.Done(w, r, postern.Identity{Issuer: "https://door.example", Subject: name,
			Addresses: []postern.Address{{Type: "email", Value: name + "@example.com", Verified: true}}}, d.w.proof...)
	}})
}

type options struct {
	store  store.Store
	vault  keys.Vault
	clock  *testworld.World
	totp   totp.Config
	config func(*postern.Config)
}

func newWorld(t testing.TB, change ...func(o *options)) *world {
	t.Helper()
	w := &world{World: testworld.New(), t: t, proof: []string{"pwd"}}
	o := options{vault: new(keys.MemoryVault)}
	for _, f := range change {
		f(&o)
	}
	if o.clock != nil {
		w.World = o.clock
	}
	if o.store == nil {
		o.store = &store.Memory{Now: w.Now}
	}
	w.vault = o.vault
	w.store = &spy{Store: o.store}
	sc := w.World.Config(issuer)
	sc.Keys, sc.Store = w.Ring(t, o.vault), w.store
	var err error
	if w.sessions, err = session.New(sc); err != nil {
		t.Fatal(err)
	}
	if w.dir, err = users.New(users.Config{Sessions: w.sessions, Roles: users.Roles{"owner": {users.ScopeCredentials, users.ScopeRead, users.ScopeRoles}}}); err != nil {
		t.Fatal(err)
	}
	w.kind = postern.NewKind(w.sessions, w.dir, session.KindConfig[profile]{Name: "user"}, func(p postern.Person) profile { return profile{p.Name} })
	c := postern.Config{
		Sessions: w.sessions, Session: w.kind, Name: "Example Shop", Logger: w.Logger(),
		Redirects: []string{"https://app.example.com/", "/welcome"},
		Providers: map[string]postern.Provider{"door": door{w}},
		Factors:   map[string]postern.Provider{"totp": totp.New(o.totp), "recovery": totp.Recovery(o.totp)},
		Mail: func(_ context.Context, m postern.Mail) error {
			w.mails.Add(m)
			return nil
		},
	}
	c.Admin = w.dir.Admin(w.kind)
	if o.config != nil {
		o.config(&c)
	}
	if w.auth, err = postern.New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

// twin shares the store, the keys and the clock of a world, as a second process does.
func (w *world) twin() func(o *options) {
	return func(o *options) { o.store, o.vault, o.clock = w.store.Store, w.vault, w.World }
}

// browser is a browser of a world.
type browser struct {
	*testworld.Browser
	w *world
}

func (w *world) browser() *browser { return &browser{testworld.NewBrowser(w.auth), w} }

// program is a browser whose pages are read by a script.
func (w *world) program() *browser {
	b := w.browser()
	b.Header.Set("Accept", "application/json")
	return b
}

func (b *browser) clone() *browser { return &browser{b.Browser.Clone(), b.w} }

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

var style = regexp.MustCompile(`(?s)<style>.*</style>`)

func want(t testing.TB, a *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if a.Code != status || !strings.Contains(a.Body.String(), text) && !strings.Contains(a.Header().Get("Location"), text) {
		t.Fatalf("%d to %q, want %d with %q\n%s", a.Code, a.Header().Get("Location"), status, text, style.ReplaceAllString(a.Body.String(), ""))
	}
}

// page is a page as a program reads it.
type page struct {
	Step  string         `json:"step"`
	Error string         `json:"error"`
	Args  map[string]any `json:"args"`
	Text  string         `json:"text"`
	Lines []struct{ Label, Value string }
	Forms []struct {
		URL      string            `json:"url"`
		Hidden   map[string]string `json:"hidden"`
		Download bool              `json:"download"`
	} `json:"forms"`
	Links []struct{ Name, URL string } `json:"links"`
}

func read(t testing.TB, a *httptest.ResponseRecorder) (p page) {
	t.Helper()
	if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d: %v\n%s", a.Code, err, a.Body)
	}
	return p
}

var (
	stateOf = regexp.MustCompile(`name="state" value="([^"]+)"|[?&]state=([\w-]+)|"state":"([^"]+)"`)
	seedOf  = regexp.MustCompile(`name="seed" value="([^"]+)"|"seed":"([^"]+)"`)
	keyOf   = regexp.MustCompile(`[?&;]secret=([A-Z2-7]{32})|secret=([A-Z2-7]{32})`)
	codeOf  = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){3}\b`)
)

func part(t testing.TB, of *regexp.Regexp, a *httptest.ResponseRecorder) string {
	t.Helper()
	m := of.FindStringSubmatch(a.Body.String() + " " + a.Header().Get("Location"))
	if m == nil {
		t.Fatalf("nothing like %s in %d to %q\n%s", of, a.Code, a.Header().Get("Location"), a.Body)
	}
	return strings.Join(m[1:], "")
}

// An authenticator is the app of a person. It is written apart from the package: RFC 6238 by the text.
type authenticator struct{ seed []byte }

func appOf(t testing.TB, a *httptest.ResponseRecorder) authenticator {
	t.Helper()
	m := keyOf.FindStringSubmatch(a.Body.String())
	if m == nil {
		t.Fatalf("no key in %d\n%s", a.Code, a.Body)
	}
	seed, err := base32.StdEncoding.DecodeString(m[1] + m[2])
	if err != nil {
		t.Fatal(err)
	}
	return authenticator{seed}
}

func (p authenticator) code(at time.Time) string {
	mac := hmac.New(sha1.New, p.seed)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	h := mac.Sum(nil)
	o := h[19] & 15
	n := (int(h[o])&127)<<24 | int(h[o+1])<<16 | int(h[o+2])<<8 | int(h[o+3])
	return fmt.Sprintf("%06d", n%1_000_000)
}

// signIn proves who somebody is at the door. With a factor it ends at the form, and else with a session.
func (b *browser) signIn(name string) *httptest.ResponseRecorder {
	return b.get("/door/authorize?as=" + name)
}

// waits signs in as far as the second step, and returns the state of the form.
func (b *browser) waits(name string) string {
	b.w.t.Helper()
	return part(b.w.t, stateOf, b.signIn(name))
}

// enroll signs somebody in, sets up an app, and lets time pass so that the code of the setup is over.
func (b *browser) enroll(name string) authenticator {
	b.w.t.Helper()
	b.signIn(name)
	a := b.get("/factors/totp/enroll")
	want(b.w.t, a, http.StatusOK, "otpauth")
	app := appOf(b.w.t, a)
	want(b.w.t, b.post("/factors/totp/enroll", "seed", part(b.w.t, seedOf, a), "code", app.code(b.w.Now())), http.StatusOK, "Your app is set up")
	b.w.Advance(time.Minute)
	return app
}

// codes makes recovery codes in a fresh session.
func (b *browser) codes() []string {
	b.w.t.Helper()
	a := b.post("/factors/recovery/enroll")
	want(b.w.t, a, http.StatusOK, "Your recovery codes")
	all := codeOf.FindAllString(a.Body.String(), -1) // as lines, and in the form of the download
	list := all[:len(all)/2]
	if len(list) != 10 || !slices.Equal(slices.Sorted(slices.Values(list)), slices.Sorted(slices.Values(all[10:]))) {
		b.w.t.Fatalf("%d codes\n%s", len(list), a.Body)
	}
	return list
}

// session returns the session of a browser, after the store was asked; nil for a signed-out one.
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

func (w *world) user(name string) string {
	w.t.Helper()
	u, err := w.dir.Find(w.t.Context(), postern.Identity{Issuer: "https://door.example", Subject: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) head(name string) head.Head {
	w.t.Helper()
	h, err := head.Get(w.t.Context(), w.store, issuer, w.user(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) row(name, factor string) store.Key {
	return store.Key{Part: head.Part(issuer, w.user(name)), ID: "factor:" + factor}
}

// events counts the events with a name.
func (w *world) events(name string) (n int) {
	for _, e := range w.Events.All() {
		if e.Name == name {
			n++
		}
	}
	return n
}

// text is what a person types into an app.
func (p authenticator) text() string { return base32.StdEncoding.EncodeToString(p.seed) }

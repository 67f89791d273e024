package postern_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const issuer = "https://api.example.com/auth"

type user struct {
	Name string `json:"name"`
}

// world is a handler with what surrounds it.
type world struct {
	t        testing.TB
	auth     *postern.Auth
	sessions *session.Sessions
	users    *session.Kind[user]
	store    *flaky
	log      strings.Builder

	mu      sync.Mutex
	clock   time.Time
	events  []postern.Event
	signins []*postern.SignIn
}

func (v *world) now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.clock
}

func (v *world) advance(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clock = v.clock.Add(d)
}

// outcomes are the names and reasons of the events that end a sign-in.
func (v *world) outcomes() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []string
	for _, e := range v.events {
		if e.Name == "sign-in" || e.Name == "sign-in failed" || e.Name == "limited" {
			all = append(all, strings.TrimSpace(e.Name+" "+e.Reason))
		}
	}
	return all
}

func (v *world) finished() []*postern.SignIn {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.signins)
}

// flaky is a store that fails when told to.
type flaky struct {
	store.Store
	mu     sync.Mutex
	fail   error
	writes int
}

func (s *flaky) Write(ctx context.Context, changes ...store.Change) error {
	s.mu.Lock()
	s.writes++
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		return fail
	}
	return s.Store.Write(ctx, changes...)
}

func (s *flaky) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// door is a provider that answers as an OAuth provider does: by a redirect of the browser to its callback.
type door struct {
	formPost bool
	identity func(r *http.Request) postern.Identity // nil: subject "u1"
	hits     func()                                 // called after Resume, as a token request would be made
}

type doorState struct {
	Verifier string `json:"verifier"`
}

func (d door) Handler(f *postern.Flow) http.Handler {
	callback := func(w http.ResponseWriter, r *http.Request) {
		var state doorState
		if err := f.Resume(w, r, &state); err != nil {
			f.Fail(w, r, err)
			return
		}
		if d.hits != nil {
			d.hits()
		}
		if state.Verifier != "verifier of "+f.Name() {
			f.Fail(w, r, fmt.Errorf("verifier %q is not what Start was given", state.Verifier))
			return
		}
		if code := r.Form.Get("error"); code != "" {
			f.Fail(w, r, &postern.Error{Status: http.StatusForbidden, Code: "access_denied", Text: "You did not agree."})
			return
		}
		id := postern.Identity{Issuer: "https://door.example", Subject: "u1"}
		if d.identity != nil {
			id = d.identity(r)
		}
		f.Done(w, r, id, "oauth")
	}
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			start := f.Start
			if d.formPost {
				start = f.StartFormPost
			}
			id, err := start(w, r, doorState{"verifier of " + f.Name()})
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			to := url.Values{"state": {id}, "redirect_uri": {f.URL("callback")}}
			http.Redirect(w, r, "https://door.example/authorize?"+to.Encode(), http.StatusFound)
		},
		"GET callback":  callback,
		"POST callback": callback,
	})
}

// desk is a provider that asks on a page of its own, and is done without an attempt.
type desk struct{}

func (desk) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			f.Page(w, r, postern.Page{
				Title: "Who are you?", Text: "Asked at the desk.\n\nSay your name.", Error: r.Form.Get("complaint"),
				Form: &postern.Form{
					Action:  f.URL("authorize") + "?" + r.URL.RawQuery,
					Hidden:  map[string]string{"note": r.Form.Get("note")},
					Fields:  []postern.Field{{Name: "name", Label: "Name", Hint: "As your friends call you", Autocomplete: "name", Required: true, MaxLength: 40}},
					Origins: []string{"https://elsewhere.example", "bad; script-src *"},
				},
				Links: []postern.Link{{Text: "Help", URL: "/help"}, {Text: r.Form.Get("complaint"), URL: r.Form.Get("link")}},
			})
		},
		"POST authorize": func(w http.ResponseWriter, r *http.Request) {
			f.Done(w, r, postern.Identity{Issuer: issuer, Subject: r.PostForm.Get("name")}, "pwd")
		},
		"POST elsewhere": func(w http.ResponseWriter, r *http.Request) {
			f.Done(w, r, postern.Identity{Issuer: issuer, Subject: "anybody"})
		},
	})
}

func newRing(t testing.TB, now func() time.Time) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// newWorld makes a handler with a door, a door that posts, and a desk. change may alter the configurations.
func newWorld(t testing.TB, change ...func(v *world, s *session.Config, c *postern.Config)) *world {
	t.Helper()
	v := &world{t: t, clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	v.store = &flaky{Store: &store.Memory{Now: v.now}}
	sc := session.Config{
		Issuer: issuer, Audience: "api", Keys: newRing(t, v.now), Store: v.store, Now: v.now,
		OnEvent: func(_ context.Context, e session.Event) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.events = append(v.events, e)
		},
	}
	c := postern.Config{
		Redirects: []string{"https://app.example.com/", "/welcome", "http://127.0.0.1/native", "com.example.app:/in"},
		Providers: map[string]postern.Provider{"door": door{}, "post": door{formPost: true}, "desk": desk{}},
		Logger:    slog.New(slog.NewJSONHandler(&lockedWriter{v: v}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
		v.mu.Lock()
		v.signins = append(v.signins, in)
		v.mu.Unlock()
		return v.users.Cookie(w, r, session.Grant[user]{Subject: in.Identity.Subject, Auth: in.Auth}, in.Return)
	}
	for _, f := range change {
		f(v, &sc, &c)
	}
	var err error
	if v.sessions, err = session.New(sc); err != nil {
		t.Fatal(err)
	}
	v.users = session.NewKind[user](v.sessions, "user")
	c.Sessions = v.sessions
	if v.auth, err = postern.New(c); err != nil {
		t.Fatal(err)
	}
	return v
}

type lockedWriter struct{ v *world }

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.v.mu.Lock()
	defer l.v.mu.Unlock()
	return l.v.log.Write(p)
}

// browser keeps cookies, and looks at every answer it gets: its headers (X3) and its cookies (S3).
type browser struct {
	v       *world
	cookies map[string]string
	secure  bool // the issuer is https
	header  http.Header
}

func (v *world) browser() *browser {
	return &browser{v: v, cookies: map[string]string{}, secure: strings.HasPrefix(v.sessions.Issuer(), "https:"), header: http.Header{}}
}

func (b *browser) get(target string) *httptest.ResponseRecorder {
	return b.send(http.MethodGet, target, nil)
}

func (b *browser) post(target string, form url.Values) *httptest.ResponseRecorder {
	return b.send(http.MethodPost, target, form)
}

func (b *browser) send(method, target string, form url.Values) *httptest.ResponseRecorder {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, values := range b.header {
		r.Header[name] = values
	}
	return b.do(r)
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	b.v.t.Helper()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.v.auth.ServeHTTP(w, r)
	b.look(r, w.Result())
	for _, k := range w.Result().Cookies() {
		if k.MaxAge < 0 {
			delete(b.cookies, k.Name)
		} else {
			b.cookies[k.Name] = k.Value
		}
	}
	return w
}

// look checks what holds for every answer of the handler.
func (b *browser) look(r *http.Request, res *http.Response) {
	b.v.t.Helper()
	want := map[string]string{"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin"}
	if b.secure {
		want["Strict-Transport-Security"] = "max-age=31536000"
	}
	if !strings.Contains(r.URL.Path, "/.well-known/") {
		want["Cache-Control"], want["X-Frame-Options"] = "no-store", "DENY"
	}
	for name, value := range want {
		if got := res.Header.Get(name); got != value {
			b.v.t.Errorf("%s %s: %s is %q, want %q", r.Method, r.URL, name, got, value)
		}
	}
	if p := res.Header.Get("Referrer-Policy"); p != "no-referrer" && p != "same-origin" {
		b.v.t.Errorf("%s %s: Referrer-Policy %q", r.Method, r.URL, p)
	}
	if p := res.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || !strings.Contains(p, "frame-ancestors 'none'") || strings.Contains(p, "unsafe") {
		b.v.t.Errorf("%s %s: Content-Security-Policy %q", r.Method, r.URL, p)
	}
	if res.StatusCode == http.StatusTemporaryRedirect || res.StatusCode == http.StatusPermanentRedirect || r.Method == http.MethodPost && res.StatusCode == http.StatusFound {
		b.v.t.Errorf("%s %s: %d carries a form on to another place", r.Method, r.URL, res.StatusCode)
	}
	for _, k := range res.Cookies() {
		line := k.Raw
		if !k.HttpOnly || k.Path != "/" || k.Domain != "" || len(line) > 4096 ||
			b.secure && (!k.Secure || !strings.HasPrefix(k.Name, "__Host-")) ||
			k.SameSite != http.SameSiteLaxMode && k.SameSite != http.SameSiteNoneMode || k.SameSite == http.SameSiteNoneMode && !k.Secure {
			b.v.t.Errorf("%s %s: cookie %s", r.Method, r.URL, line)
		}
	}
}

// begin goes to an authorize URL and returns the state that was sent to the door.
func (b *browser) begin(provider string, query ...string) (state string) {
	b.v.t.Helper()
	w := b.get(b.v.sessions.Issuer() + "/" + provider + "/authorize" + join(query))
	to, err := url.Parse(w.Header().Get("Location"))
	if w.Code != http.StatusFound || err != nil || to.Host != "door.example" {
		b.v.t.Fatalf("authorize of %s: %d, Location %q\n%s", provider, w.Code, w.Header().Get("Location"), w.Body)
	}
	return to.Query().Get("state")
}

func join(query []string) string {
	if len(query) == 0 {
		return ""
	}
	return "?" + strings.Join(query, "&")
}

// callback is the URL the door sends the browser to.
func callback(provider, state string) string {
	return issuer + "/" + provider + "/callback?" + url.Values{"state": {state}, "code": {"c0de"}}.Encode()
}

// refused fails the test unless the answer is that refusal, and leads nowhere.
func refused(t testing.TB, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if w.Code != status || w.Header().Get("Location") != "" {
		t.Errorf("status %d, Location %q, want %d %s\n%s", w.Code, w.Header().Get("Location"), status, code, w.Body)
	}
	if strings.Contains(w.Header().Get("Content-Type"), "json") && !strings.Contains(w.Body.String(), `"error":"`+code+`"`) {
		t.Errorf("body %s, want code %s", w.Body, code)
	}
}

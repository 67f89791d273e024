package postern_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const issuer = "https://api.example.com/auth"

type user struct {
	Name string `json:"name"`
}

// world is a handler with its store, clock, log and events.
type world struct {
	*testworld.World
	t        testing.TB
	auth     *postern.Auth
	sessions *session.Sessions
	users    *session.Kind[user]
	store    *flaky
	ring     *keys.Ring
	signins  testworld.List[*postern.SignIn]
}

// outcomes are the names and reasons of the events that end a sign-in.
func (v *world) outcomes() []string {
	var all []string
	for _, e := range v.Events.All() {
		if e.Name == "sign-in" || e.Name == "sign-in failed" || e.Name == "limited" {
			all = append(all, strings.TrimSpace(e.Name+" "+e.Reason))
		}
	}
	return all
}

func (v *world) finished() []*postern.SignIn { return v.signins.All() }

// sessionsOf returns the sessions of the person with this subject at the provider door.
func (v *world) sessionsOf(subject string) []session.Info {
	v.t.Helper()
	key := postern.Identity{Issuer: "https://door.example", Subject: subject}.Key()
	page, err := v.sessions.List(v.t.Context(), key, session.ListOptions{})
	if err != nil {
		v.t.Fatal(err)
	}
	return page.Sessions
}

// flaky is a store that fails while its errors are set.
type flaky struct {
	store.Store
	mu     sync.Mutex
	fail   error
	failed error // of Get
	gets   int
	writes int
}

func (s *flaky) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	s.mu.Lock()
	s.gets++
	failed := s.failed
	s.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	return s.Store.Get(ctx, keys...)
}

// reads returns the number of Gets until now.
func (s *flaky) reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets
}

func (s *flaky) setGet(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
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

// door is a provider that answers as an OAuth provider: it redirects the browser to its callback.
type door struct {
	formPost bool
	identity func(r *http.Request) postern.Identity // nil: subject "u1"
	hits     func()                                 // called after Resume, in place of a token request
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
			f.Fail(w, r, fmt.Errorf("verifier %q is not the one given to Start", state.Verifier))
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

// desk is a provider that shows a form and calls Done without an attempt.
type desk struct{}

func (desk) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			f.Page(w, r, postern.Page{
				Name: "desk.ask", Title: "Who are you?", Text: "Asked at the desk.\n\nSay your name.", Error: r.Form.Get("complaint"),
				Forms: []postern.Form{{
					Action: f.URL("authorize") + "?" + r.URL.RawQuery,
					Hidden: map[string]string{"note": r.Form.Get("note")},
					Fields: []postern.Field{{Name: "name", Label: "Name", Hint: "As your friends call you", Autocomplete: "name", Required: true, MaxLength: 40}},
				}},
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

// newWorld makes a handler with a door, a door that answers by POST, and a desk. change may change the configurations.
func newWorld(t testing.TB, change ...func(v *world, s *session.Config, c *postern.Config)) *world {
	t.Helper()
	v := &world{World: testworld.New(), t: t}
	v.store = &flaky{Store: &store.Memory{Now: v.Now}}
	v.ring = v.Ring(t, nil)
	sc := v.Config(issuer)
	sc.Keys, sc.Store, sc.Logger = v.ring, v.store, nil
	c := postern.Config{
		Redirects: []string{"https://app.example.com/", "/welcome", "http://127.0.0.1/native", "com.example.app:/in"},
		Providers: map[string]postern.Provider{"door": door{}, "post": door{formPost: true}, "desk": desk{}},
		Logger:    v.Logger(),
	}
	c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
		v.signins.Add(in)
		return v.users.Cookie(w, r, session.Grant[user]{Subject: in.Identity.Key(), Authentication: in.Authentication}, in.Return)
	}
	for _, f := range change {
		f(v, &sc, &c)
	}
	if strings.HasPrefix(sc.Issuer, "http://localhost") { // of two names of this machine New accepts one
		c.Redirects = slices.DeleteFunc(c.Redirects, func(entry string) bool { return entry == "http://127.0.0.1/native" })
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

// browser checks the headers (X3) and cookies (S3) of every answer.
type browser struct {
	*testworld.Browser
	v      *world
	secure bool // the issuer is https
}

func (v *world) browser() *browser {
	return &browser{Browser: testworld.NewBrowser(v.auth), v: v, secure: strings.HasPrefix(v.sessions.Issuer(), "https:")}
}

func (b *browser) get(target string) *httptest.ResponseRecorder {
	return b.send(http.MethodGet, target, nil)
}

func (b *browser) post(target string, form url.Values) *httptest.ResponseRecorder {
	return b.send(http.MethodPost, target, form)
}

func (b *browser) send(method, target string, form url.Values) *httptest.ResponseRecorder {
	return b.do(b.Request(method, target, form))
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	b.v.t.Helper()
	w := b.Do(r)
	b.look(r, w.Result())
	return w
}

// landing follows the page between a form and another site, and returns the address where that page leads.
func (b *browser) landing(w *httptest.ResponseRecorder) string {
	b.v.t.Helper()
	location := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(location, b.v.sessions.Issuer()+"/continue?ticket=") {
		b.v.t.Fatalf("after a form: %d, Location %q\n%s", w.Code, location, w.Body)
	}
	return b.refresh(b.get(location))
}

// loads finds what makes a browser load more than the page, or run a script.
var loads = regexp.MustCompile(`(?i)<(script|link|img|iframe|frame|object|embed|audio|video|source|svg)\b|@import|\burl\(`)

var refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]*)">`)

// refresh returns the address of a page's own redirect. The page must have a link to it, too.
func (b *browser) refresh(w *httptest.ResponseRecorder) string {
	b.v.t.Helper()
	m := refresh.FindStringSubmatch(w.Body.String())
	if w.Code != http.StatusOK || m == nil || !strings.Contains(w.Body.String(), `<a href="`+m[1]+`">Continue</a>`) {
		b.v.t.Fatalf("a page that leads on: %d\n%s", w.Code, w.Body)
	}
	return html.UnescapeString(m[1])
}

// unmarked returns an address of the handler without the mark of an address that follows a form.
func unmarked(t testing.TB, target string) string {
	t.Helper()
	at := max(strings.LastIndex(target, "?postern_form="), strings.LastIndex(target, "&postern_form="))
	if at < 0 {
		t.Errorf("%s has no mark of an address that follows a form", target)
		return target
	}
	return target[:at]
}

// answered posts the answer of a form_post provider from a page of another site, and returns the address of the second
// step without the mark.
func (b *browser) answered(provider, state string, more ...string) string {
	b.v.t.Helper()
	return unmarked(b.v.t, b.answeredMarked(provider, state, more...))
}

// answeredMarked is answered with the mark.
func (b *browser) answeredMarked(provider, state string, more ...string) string {
	b.v.t.Helper()
	form := url.Values{"state": {state}, "code": {"c0de"}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, b.v.sessions.Issuer()+"/"+provider+"/callback", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://door.example")
	w := b.do(r)
	step := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(step, b.v.sessions.Issuer()+"/"+provider+"/callback?posted=") {
		b.v.t.Errorf("POST callback of %s: %d to %q\n%s", provider, w.Code, step, w.Body)
	}
	return step
}

// look checks the rules for every answer of the handler. OpenAuth's pages had no policy, could be framed and cached,
// and loaded fonts from elsewhere (its finding O15).
func (b *browser) look(r *http.Request, res *http.Response) {
	b.v.t.Helper()
	want := map[string]string{"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin"}
	if b.secure {
		want["Strict-Transport-Security"] = "max-age=31536000"
	}
	file := strings.Contains(r.URL.Path, "/assets/") && res.StatusCode == http.StatusOK
	if !strings.Contains(r.URL.Path, "/.well-known/") && !strings.HasSuffix(r.URL.Path, "/openapi.json") && !file { // public documents
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
	policy := res.Header.Get("Content-Security-Policy")
	if strings.HasPrefix(r.URL.Path, "/auth/admin/mail/") && strings.HasSuffix(policy, "; sandbox") { // a mail has its styles inside
		policy = strings.Replace(policy, "style-src 'unsafe-inline'; ", "", 1)
	}
	if p := policy; !strings.Contains(p, "default-src 'none'") || !strings.Contains(p, "frame-ancestors 'none'") || strings.Contains(p, "unsafe") {
		b.v.t.Errorf("%s %s: Content-Security-Policy %q", r.Method, r.URL, p)
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") && res.Header.Get("Location") == "" && r.Method != http.MethodHead {
		body, err := io.ReadAll(res.Body)
		if p := res.Header.Get("Content-Security-Policy"); err != nil || !strings.Contains(p, "base-uri 'none'") || !strings.Contains(p, "form-action") {
			b.v.t.Errorf("%s %s: Content-Security-Policy of a page %q, %v", r.Method, r.URL, p, err)
		}
		if m := loads.Find(body); m != nil {
			b.v.t.Errorf("%s %s: the page loads something: %s", r.Method, r.URL, m)
		}
	}
	if res.StatusCode == http.StatusTemporaryRedirect || res.StatusCode == http.StatusPermanentRedirect || r.Method == http.MethodPost && res.StatusCode == http.StatusFound {
		b.v.t.Errorf("%s %s: %d redirects a form to another place", r.Method, r.URL, res.StatusCode)
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
	location, status := w.Header().Get("Location"), http.StatusFound
	if strings.Contains(b.Header.Get("Accept"), "json") && w.Code == http.StatusOK {
		location, status = redirectURI(b.v.t, w), http.StatusOK
	}
	to, err := url.Parse(location)
	if w.Code != status || err != nil || to.Host != "door.example" {
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

// callback returns the URL to which the door sends the browser.
func callback(provider, state string) string {
	return issuer + "/" + provider + "/callback?" + url.Values{"state": {state}, "code": {"c0de"}}.Encode()
}

// redirectURI is where a client that wants JSON is led.
func redirectURI(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var led map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &led); err != nil || w.Code != http.StatusOK || len(led) != 1 || led["redirect_uri"] == "" ||
		w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Location") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("not led anywhere: %d %v\n%s", w.Code, w.Header(), w.Body)
	}
	return led["redirect_uri"]
}

// refused fails the test unless the answer has this status and code, and no Location.
func refused(t testing.TB, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if w.Code != status || w.Header().Get("Location") != "" {
		t.Errorf("status %d, Location %q, want %d %s\n%s", w.Code, w.Header().Get("Location"), status, code, w.Body)
	}
	if strings.Contains(w.Header().Get("Content-Type"), "json") && !strings.Contains(w.Body.String(), `"error":"`+code+`"`) {
		t.Errorf("body %s, want code %s", w.Body, code)
	}
}

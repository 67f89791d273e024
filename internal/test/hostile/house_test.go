package hostile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	home       = "https://app.example.com/"
	partnerURL = "https://partner.example"
	idpURL     = "https://idp.example"
)

// A house is a whole Postern with one browser before it and one provider behind it: two kinds of sessions, a guard for
// the tokens of a partner, the provider under two names, links and codes by mail.
type house struct {
	testing.TB
	auth     *postern.Auth
	sessions *session.Sessions
	user     *session.Kind[User]
	apikey   *session.Kind[User]
	partner  *session.External[map[string]any]
	idp      *fakeidp.IdP
	store    *counted
	log      bytes.Buffer // of the sessions
	browser  *testworld.Browser

	mail    postern.Mail      // the last
	answer  map[string]string // the provider's last token answer
	idToken string            // put into the next one, if set
	signIns int
}

// counted is a store that knows how often it was called.
type counted struct {
	store.Store
	reads, writes int
}

func (c *counted) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	c.reads++
	return c.Store.Get(ctx, keys...)
}

func (c *counted) Write(ctx context.Context, changes ...store.Change) error {
	c.writes++
	return c.Store.Write(ctx, changes...)
}

func (c *counted) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	c.writes++
	return c.Store.Add(ctx, k, delta, expires)
}

func (c *counted) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	c.reads++
	return c.Store.List(ctx, part, after, limit)
}

func newHouse(t testing.TB, f *forge) *house {
	t.Helper()
	clock := func() time.Time { return now }
	h := &house{TB: t, store: &counted{Store: &store.Memory{Now: clock}}}
	signing := must(keys.NewSigningKey(f.keys["es256"], keys.ES256, "es256"))(t)
	c := session.Config{Issuer: issuer, Audience: audience, Store: h.store, Now: clock,
		Logger: slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	testworld.Static(t, &c, signing)
	h.sessions = must(session.New(c))(t)
	h.user = session.NewKindConfig(h.sessions, session.KindConfig[User]{Name: "user", CookieName: "__Host-user"})
	h.apikey = session.NewKind[User](h.sessions, "apikey")
	theirs := must(keys.NewPublicKey(f.keys["eddsa"].Public(), keys.EdDSA, "eddsa"))(t)
	h.partner = must(session.NewExternal[map[string]any](session.ExternalConfig{Issuer: partnerURL, Audience: audience, Type: "at+jwt",
		Algorithms: []keys.Algorithm{keys.EdDSA}, Keys: must(keys.Static(theirs))(t), Now: clock}))(t)
	h.idp = must(fakeidp.New(fakeidp.Config{Issuer: idpURL, Auto: true, Now: clock, Algorithm: "ES256", Clients: []fakeidp.Client{
		{ID: "app", Secret: "s3cret", RedirectURIs: []string{issuer + "/idp/callback", issuer + "/other/callback"}}}}))(t)
	provider := oidc.New(oidc.Config{Issuer: idpURL, ClientID: "app", ClientSecret: "s3cret", Algorithms: []keys.Algorithm{keys.ES256},
		HTTPClient: &http.Client{Transport: h}})
	h.auth = must(postern.New(postern.Config{
		Sessions: h.sessions, Redirects: []string{home},
		Mail: h.send,
		Providers: map[string]postern.Provider{
			"idp": provider, "other": provider,
			"link": magic.Link(magic.Config{}), "code": magic.Code(magic.Config{}),
		},
		OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { h.signIns++; return nil },
	}))(t)
	h.browser = testworld.NewBrowser(h.auth)
	return h
}

// must returns the value or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (h *house) send(_ context.Context, m postern.Mail) error {
	h.mail = m
	return nil
}

// RoundTrip is the way to the provider. Its token answers are noted, and their ID token is changed if that is wanted.
func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI = r.URL.RequestURI()
	h.idp.ServeHTTP(rec, in)
	if r.URL.Path == "/token" && rec.Code == http.StatusOK {
		var answer map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			return nil, err
		}
		h.answer = map[string]string{}
		for name, value := range answer {
			h.answer[name], _ = value.(string)
		}
		if h.idToken != "" {
			answer["id_token"] = h.idToken
		}
		rec.Body = bytes.NewBuffer(must(json.Marshal(answer))(h))
		rec.Header().Del("Content-Length")
	}
	res := rec.Result()
	res.Request = r
	return res, nil
}

// browse makes a request of the browser to the application.
func (h *house) browse(method, target string, form url.Values) *http.Response {
	return h.browser.Do(h.browser.Request(method, target, form)).Result()
}

// location is where an answer leads, which must be somewhere.
func (h *house) location(res *http.Response) *url.URL {
	h.Helper()
	u, err := res.Location()
	if err != nil {
		h.Fatalf("status %d: %v", res.StatusCode, err)
	}
	return u
}

// begin starts an attempt and returns the parameters it was sent away with, and the name of its cookie.
func (h *house) begin(provider string, form url.Values) (sent url.Values, cookie string) {
	h.Helper()
	before := maps.Clone(h.browser.Cookies)
	method := "GET"
	if form != nil {
		method = "POST"
	}
	sent = h.location(h.browse(method, issuer+"/"+provider+"/authorize", form)).Query()
	for name := range h.browser.Cookies {
		if _, old := before[name]; !old && strings.HasPrefix(name, "__Host-flow-") {
			cookie = name
		}
	}
	if sent.Get("state") == "" || cookie == "" {
		h.Fatalf("%s: no attempt was begun", provider)
	}
	return sent, cookie
}

// agree makes the provider sign in every caller, and returns the parameters of the callback.
func (h *house) agree(sent url.Values) url.Values {
	h.Helper()
	w := httptest.NewRecorder()
	h.idp.ServeHTTP(w, httptest.NewRequest("GET", idpURL+"/authorize?"+sent.Encode(), nil))
	return h.location(w.Result()).Query()
}

// signedIn reports whether a request signs somebody in.
func (h *house) signedIn(method, target string, form url.Values) bool {
	before := h.signIns
	h.browse(method, target, form)
	return h.signIns > before
}

const appVerifier = "verifier-of-the-application-0123456789abcdef"

// code is an authorization code of ours, for the application.
func (h *house) code() string {
	h.Helper()
	challenge := sha256.Sum256([]byte(appVerifier))
	w := httptest.NewRecorder()
	err := h.user.Code(w, httptest.NewRequest("GET", issuer, nil), session.Grant[User]{Subject: "u1"}, returnto.New(home, "", b64(string(challenge[:])), ""))
	if err != nil {
		h.Fatal(err)
	}
	return h.location(w.Result()).Query().Get("code")
}

// guarded reports whether a guard lets a request in that carries a value.
func guarded(require func(http.Handler, ...session.Need) http.Handler, name, value string) bool {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(name, value)
	w := httptest.NewRecorder()
	require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })).ServeHTTP(w, r)
	return w.Code == http.StatusTeapot
}

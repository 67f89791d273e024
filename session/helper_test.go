package session_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	issuer   = "https://api.example.com/auth"
	audience = "api"
)

type User struct {
	UserID   string `json:"userID"`
	TenantID string `json:"tenantID,omitempty"`
}

type APIKey struct {
	Name string `json:"name"`
}

// A world is an issuer with a clock that stands still, one key, and a store in memory. It records its log and events.
type world struct {
	*testworld.World
	t        testing.TB
	key      keys.SigningKey
	store    *store.Memory
	sessions *session.Sessions
	user     *session.Kind[User]
	apikey   *session.Kind[APIKey]
}

func newWorld(t testing.TB, changes ...func(*session.Config)) *world {
	t.Helper()
	w := &world{World: testworld.New(), t: t, key: must(keys.Generate(keys.ES256))(t)}
	c := w.Config(issuer)
	testworld.Static(t, &c, w.key)
	w.store = c.Store.(*store.Memory)
	for _, change := range changes {
		change(&c)
	}
	w.sessions = must(session.New(c))(t)
	w.user = session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "user", Stateless: true})
	w.apikey = session.NewKindConfig(w.sessions, session.KindConfig[APIKey]{Name: "apikey", Stateless: true, Access: 365 * 24 * time.Hour})
	return w
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

func (w *world) lastEvent() session.Event {
	all := w.Events.All()
	return all[len(all)-1]
}

func (w *world) eventNames() (names []string) {
	for _, e := range w.Events.All() {
		names = append(names, e.Name)
	}
	return names
}

func (w *world) grant() session.Grant[User] {
	return session.Grant[User]{
		Subject: "u1", Properties: User{UserID: "u1", TenantID: "t1"},
		Scopes: []string{"orders:read", "orders:write"}, Roles: []string{"owner"},
		Authentication: session.Authentication{Time: w.Now().Add(-time.Minute), Methods: []string{"oidc"}},
	}
}

func (w *world) token() string {
	w.t.Helper()
	return must(w.user.Create(w.t.Context(), w.grant()))(w.t).Access
}

// claims are those of a valid token of the kind user, to be spoiled.
func (w *world) claims() map[string]any {
	now := w.Now().Unix()
	return map[string]any{
		"iss": issuer, "aud": audience, "sub": "u1", "client_id": "web", "iat": now, "exp": now + 600,
		"jti": "j1", "sid": "s1", "type": "user", "properties": map[string]any{"userID": "u1"},
	}
}

func (w *world) with(name string, value any) map[string]any {
	c := maps.Clone(w.claims())
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

// sign makes a token of any claims, with the right key.
func (w *world) sign(claims any) string { return w.signAs(w.key, "at+jwt", claims) }

func (w *world) signAs(key keys.SigningKey, typ string, claims any) string {
	w.t.Helper()
	payload, raw := claims.(string)
	if !raw {
		payload = string(must(json.Marshal(claims))(w.t))
	}
	input := jose.SigningInput(string(key.Public().Algorithm()), key.Public().ID(), typ, []byte(payload))
	return jose.Compact(input, must(key.Sign(w.t.Context(), input))(w.t))
}

func (w *world) cookieName() string { return session.CookieNameOf(w.user) }

func ret(target string) session.Return { return returnto.New(target, "", "", "") }

// whoami answers with the subject of the user's session, or "public".
func (w *world) whoami() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, ok := w.user.From(r.Context())
		if !ok {
			_, _ = rw.Write([]byte(s.Kind))
			return
		}
		_, _ = rw.Write([]byte(s.Subject))
	})
}

// request makes one with headers given as name, value, name, value.
func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// errorCode is the stable code of an answer, which must have the one shape of an error.
func errorCode(t testing.TB, rec *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ Error string }
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || body.Error == "" {
		t.Errorf("answer %d is no JSON error: %s", rec.Code, rec.Body)
	}
	if got := rec.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("error has Content-Type %q", got)
	}
	if rec.Header().Get("Cache-Control") != "no-store" {
		t.Error("error may be cached")
	}
	return body.Error
}

func recorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// brokenSigner has lost its keys.
type brokenSigner struct{ keys.Signer }

func (brokenSigner) PublicKey(context.Context, string) (*keys.PublicKey, error) {
	return nil, keys.ErrUnavailable
}

func (brokenSigner) SigningKey(context.Context, time.Duration) (keys.SigningKey, error) {
	return nil, keys.ErrUnavailable
}

func (brokenSigner) PublicKeys(context.Context) ([]*keys.PublicKey, error) {
	return nil, keys.ErrUnavailable
}

// partnerToken is a token as another issuer makes it.
func partnerToken(key keys.SigningKey, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	input := jose.SigningInput(string(key.Public().Algorithm()), key.Public().ID(), "JWT", payload)
	signature, err := key.Sign(context.Background(), input)
	if err != nil {
		panic(err)
	}
	return jose.Compact(input, signature)
}

// number is the n of a refresh token.
func number(t testing.TB, token string) int64 {
	t.Helper()
	_, _, n, _, ok := session.ParseTicket(token)
	if !ok {
		t.Fatalf("%q is not a refresh token", token)
	}
	return n
}

package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestInspect checks one token against the needs of several routes at once.
func TestInspect(t *testing.T) {
	w := newWorld(t)
	i := session.Inspect(session.AnyOf(w.user, w.apikey),
		nil, []session.Need{session.Scope("orders:read")}, []session.Need{session.Scope("admin")}, []session.Need{session.Role("owner"), session.Fresh(time.Second)})
	v, err := i.Token(t.Context(), w.token())
	if err != nil {
		t.Fatal(err)
	}
	for n, met := range []bool{true, true, false, false} {
		if (v.Unmet[n] == nil) != met || !met && !errors.Is(v.Unmet[n], session.ErrNeed) {
			t.Errorf("needs %d: %v", n, v.Unmet[n])
		}
	}
	if v.Issuer != issuer || v.Audience != audience || v.External || v.Cookie || v.Session.Kind != "user" || string(v.Session.Properties) != `{"userID":"u1","tenantID":"t1"}` {
		t.Errorf("%+v", v)
	}
	if status, code, body := i.Explain(t.Context(), v.Unmet[2]); status != 403 || code != "insufficient_scope" || !strings.Contains(string(body), `"includes":["admin"]`) {
		t.Errorf("%d %s %s", status, code, body)
	}
	if _, err := i.Token(t.Context(), "a.b.c"); session.Reason(err) != "malformed" {
		t.Error(err)
	}
}

// TestInspect_Request: the token is looked for where a guard does, and nothing is refreshed.
func TestInspect_Request(t *testing.T) {
	w := newWorld(t)
	web := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "web", CookieName: "web"})
	i := session.Inspect(web)
	tokens := must(web.Create(t.Context(), w.grant()))(t)
	ask := func(method string, header ...string) error {
		r := httptest.NewRequest(method, issuer, nil)
		for n := 0; n < len(header); n += 2 {
			r.Header.Add(header[n], header[n+1])
		}
		_, err := i.Request(r)
		return err
	}
	for name, c := range map[string]struct {
		got, want error
	}{
		"header":              {ask("POST", "Authorization", "Bearer "+tokens.Access), nil},
		"cookie":              {ask("GET", "Cookie", "web="+tokens.Access), nil},
		"cookie, cross-site":  {ask("POST", "Cookie", "web="+tokens.Access, "Sec-Fetch-Site", "cross-site"), session.ErrCrossOrigin},
		"nothing":             {ask("GET"), session.ErrMissing},
		"two":                 {ask("GET", "Cookie", "web=a; web=b"), session.ErrDuplicate},
		"refresh token alone": {ask("GET", "Cookie", "web-refresh="+tokens.Refresh), session.ErrExpired},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

// TestInspect_Store: one question to the store for all routes, and none where no route has one.
func TestInspect_Store(t *testing.T) {
	counted := &countedStore{}
	w := newWorld(t, func(c *session.Config) { counted.Store = c.Store; c.Store = counted })
	web := session.NewKind[User](w.sessions, "web")
	tokens := must(web.Create(t.Context(), w.grant()))(t)
	with, without := session.Inspect(web, nil, []session.Need{session.CheckStore}, []session.Need{session.CheckStore}), session.Inspect(web, nil)
	counted.gets = 0
	if _, err := without.Token(t.Context(), tokens.Access); err != nil || counted.gets != 0 {
		t.Errorf("%v, %d", err, counted.gets)
	}
	if _, err := with.Token(t.Context(), tokens.Access); err != nil || counted.gets != 1 {
		t.Errorf("%v, %d questions, want 1", err, counted.gets)
	}
	if err := w.sessions.Revoke(t.Context(), tokens.SessionID); err != nil {
		t.Fatal(err)
	}
	if _, err := with.Token(t.Context(), tokens.Access); !errors.Is(err, session.ErrEnded) {
		t.Errorf("ended: %v", err)
	}
}

type countedStore struct {
	store.Store
	gets int
}

func (s *countedStore) Get(ctx context.Context, k ...store.Key) ([]store.Item, error) {
	s.gets++
	return s.Store.Get(ctx, k...)
}

// TestFromVerifiedClaims: the claims of a token give the session that Verify returns for the token, or the same error.
func TestFromVerifiedClaims(t *testing.T) {
	w := newWorld(t)
	for name, value := range map[string]any{"": nil, "iss": "x", "aud": "x", "type": "x", "exp": 1, "iat": nil, "nbf": 99999999999, "sub": nil, "jti": nil, "properties": nil, "roles": "x", "scope": 1} {
		claims := w.with(name, value)
		payload := must(json.Marshal(claims))(t)
		want, verr := w.user.Verify(t.Context(), w.sign(claims))
		got, aerr := w.user.FromVerifiedClaims(t.Context(), payload)
		if session.Reason(verr) != session.Reason(aerr) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v and %v", name, verr, aerr)
		}
	}
	if _, err := w.user.FromVerifiedClaims(t.Context(), nil); session.Reason(err) != "malformed" {
		t.Error(err)
	}
	live := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "live", CheckStore: true})
	claims := w.with("type", "live")
	claims["exp"] = w.Now().Unix() + 200
	if _, err := live.FromVerifiedClaims(t.Context(), must(json.Marshal(claims))(t)); !errors.Is(err, session.ErrEnded) && !errors.Is(err, session.ErrRefresh) {
		t.Errorf("a session that is in no store: %v", err)
	}
}

// TestGuardVerifiedClaims: the guard trusts the claims that it gets, and reads no token from the request.
func TestGuardVerifiedClaims(t *testing.T) {
	w := newWorld(t)
	payload := must(json.Marshal(w.claims()))(t)
	type word struct {
		claims []byte
		cookie bool
		err    error
	}
	ask := func(said word, method string, header ...string) int {
		g := w.user.GuardVerifiedClaims(func(*http.Request) ([]byte, bool, error) { return said.claims, said.cookie, said.err })
		r := httptest.NewRequest(method, issuer, nil)
		for n := 0; n < len(header); n += 2 {
			r.Header.Add(header[n], header[n+1])
		}
		rec := httptest.NewRecorder()
		g.Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if s, ok := w.user.From(r.Context()); !ok || s.Subject != "u1" {
				t.Errorf("%+v", s)
			}
		})).ServeHTTP(rec, r)
		return rec.Code
	}
	for name, c := range map[string]struct{ got, want int }{
		"believed":                  {ask(word{claims: payload}, "POST"), 200},
		"none":                      {ask(word{err: session.ErrMissing}, "GET"), 401},
		"none, and a good token":    {ask(word{err: session.ErrMissing}, "GET", "Authorization", "Bearer "+w.token()), 401},
		"believed, and a bad token": {ask(word{claims: payload}, "GET", "Authorization", "Bearer x"), 200},
		"another kind":              {ask(word{claims: must(json.Marshal(w.with("type", "apikey")))(t)}, "GET"), 401},
		"cookie":                    {ask(word{claims: payload, cookie: true}, "POST", "Sec-Fetch-Site", "same-origin"), 200},
		"cookie of another origin":  {ask(word{claims: payload, cookie: true}, "POST", "Sec-Fetch-Site", "cross-site"), 403},
		"keys unavailable there":    {ask(word{err: session.ErrUnavailable}, "GET"), 503},
		"an error of the program":   {ask(word{err: errors.New("x")}, "GET"), 500},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
	told := func(*http.Request) ([]byte, bool, error) { return payload, false, nil }
	rec := httptest.NewRecorder()
	session.AnyOf(w.apikey.GuardVerifiedClaims(told), w.user.GuardVerifiedClaims(told)).Require(http.NotFoundHandler(), session.Scope("x")).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != 403 {
		t.Errorf("one of two kinds, a need that is not met: %d", rec.Code)
	}
	defer func() {
		if recover() == nil {
			t.Error("AnyOf mixes what is believed with what is checked")
		}
	}()
	session.AnyOf(w.user, w.apikey.GuardVerifiedClaims(told))
}

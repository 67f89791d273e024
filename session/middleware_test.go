package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// Every form of a guard becomes a middleware, and answers as its Require and Optional do.
func TestMiddleware_EveryGuard(t *testing.T) {
	sessions := open()
	user := session.NewKind[User](sessions, "user")
	robot := session.NewKind[APIKey](sessions, "robot")
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	external, err := session.NewExternal[map[string]any](session.ExternalConfig{
		Issuer: "https://id.example.com", Audience: "api", Algorithms: []keys.Algorithm{keys.EdDSA}, Keys: ring,
	})
	if err != nil {
		t.Fatal(err)
	}
	mint := func(scopes ...string) string {
		tokens, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1", Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return tokens.Access
	}
	key, err := robot.Create(context.Background(), session.Grant[APIKey]{Subject: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	plain, reader := mint(), mint("read")
	read := session.Scope("read")
	for name, tc := range map[string]struct {
		guard session.Guard
		needs []session.Need
		want  map[string]int // by token
	}{
		"kind":            {user, nil, map[string]int{plain: 200, reader: 200, key.Access: 401, "": 401}},
		"kind, need":      {user, []session.Need{read}, map[string]int{plain: 403, reader: 200, key.Access: 401, "": 401}},
		"with":            {user.With(read), nil, map[string]int{plain: 403, reader: 200, key.Access: 401, "": 401}},
		"any of":          {session.AnyOf(user, robot), nil, map[string]int{plain: 200, key.Access: 200, "": 401}},
		"any of, need":    {session.AnyOf(user, robot), []session.Need{read}, map[string]int{plain: 403, reader: 200, key.Access: 403, "": 401}},
		"external":        {external, nil, map[string]int{plain: 401, "": 401}},
		"any of external": {session.AnyOf(user, external), nil, map[string]int{plain: 200, "": 401}},
	} {
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, signedIn := user.From(r.Context())
			fmt.Fprint(w, signedIn, s.Subject)
		})
		required, optional := session.Middleware(tc.guard, tc.needs...), session.OptionalMiddleware(tc.guard, tc.needs...)
		for token, want := range tc.want {
			for _, pair := range [][2]http.Handler{{required(next), tc.guard.Require(next, tc.needs...)}, {optional(next), tc.guard.Optional(next, tc.needs...)}} {
				got, same := get(pair[0], "/x", token), get(pair[1], "/x", token)
				if got.Code != same.Code || got.Body.String() != same.Body.String() {
					t.Errorf("%s: %d %s, but the guard itself answers %d %s", name, got.Code, got.Body, same.Code, same.Body)
				}
			}
			if got := get(required(next), "/x", token); got.Code != want {
				t.Errorf("%s: %d, want %d\n%s", name, got.Code, want, got.Body)
			}
		}
		if got := get(optional(next), "/x", ""); got.Code != 200 || got.Body.String() != "false" {
			t.Errorf("%s, optional and signed out: %d %s", name, got.Code, got.Body)
		}
	}
}

// One middleware serves many routes, and a second one with other needs changes nothing about it.
func TestMiddleware_SharesNothing(t *testing.T) {
	user := session.NewKind[User](open(), "user")
	base := user.With(session.Scope("a"))
	first := session.Middleware(base, session.Scope("b"))
	second := session.Middleware(base, session.Scope("c"))
	tokens, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1", Scopes: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	for _, route := range []string{"/1", "/2"} {
		if w := get(first(next), route, tokens.Access); w.Code != 204 {
			t.Errorf("%s: %d %s", route, w.Code, w.Body)
		}
		w := get(second(next), route, tokens.Access)
		var body struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 403 {
			t.Errorf("%s with the need c: %d %s", route, w.Code, w.Body)
		}
	}
}

// A mistake shows when the program starts.
func TestMiddleware_PanicsEarly(t *testing.T) {
	robot := session.NewKindConfig(open(), session.KindConfig[APIKey]{Name: "robot", Stateless: true})
	for name, make := range map[string]func(){
		"nil guard":        func() { session.Middleware(nil) },
		"nil guard, too":   func() { session.OptionalMiddleware(nil) },
		"a need not to be": func() { session.Middleware(robot, session.CheckStore) },
		"nil handler":      func() { session.Middleware(robot)(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			make()
		}()
	}
}

func ExampleMiddleware() {
	user := session.NewKind[User](open(), "user")
	// chi: r.Use(members); echo: e.Use(echo.WrapMiddleware(members))
	members := session.Middleware(user, session.Role("member"))
	h := members(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		fmt.Fprint(w, "hello ", s.Subject)
	}))
	for _, roles := range [][]string{{"member"}, nil} {
		tokens, _ := user.Create(context.Background(), session.Grant[User]{Subject: "u1", Roles: roles})
		r := httptest.NewRequest("GET", "/club", nil)
		r.Header.Set("Authorization", "Bearer "+tokens.Access)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 403
}

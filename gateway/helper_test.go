package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	issuer   = "https://api.example.com/auth"
	audience = "api"
)

type User struct {
	UserID string `json:"userID"`
	Name   string `json:"name,omitempty"`
}

// A world is an issuer with a clock that stands still, a key and a store in memory.
type world struct {
	*testworld.World
	t        testing.TB
	key      keys.SigningKey
	store    *store.Memory
	sessions *session.Sessions
	user     *session.Kind[User] // of an hour, in no store
	live     *session.Kind[User] // in the store, which is asked each time
	other    *session.Kind[User] // one that the authorizers of the tests do not let in
}

func newWorld(t testing.TB, changes ...func(*session.Config)) *world {
	t.Helper()
	w := &world{World: testworld.New(), t: t, key: must(keys.Generate(keys.ES256))(t)}
	c := w.Config(issuer)
	testworld.Static(t, &c, w.key)
	w.store, c.Origins = c.Store.(*store.Memory), []string{"https://app.example.com"}
	for _, change := range changes {
		change(&c)
	}
	w.sessions = must(session.New(c))(t)
	w.user = session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "user", Stateless: true, CookieName: "session", WebSocketProtocol: true})
	w.live = session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "live", CheckStore: true})
	w.other = session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "other", Stateless: true})
	return w
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) token(k *session.Kind[User], subject string, scopes ...string) string {
	w.t.Helper()
	g := session.Grant[User]{Subject: subject, Properties: User{UserID: subject, Name: "Bob"}, Scopes: scopes,
		Roles: []string{"owner", "editor"}, Authentication: session.Authentication{Time: w.Now().Add(-time.Minute), Methods: []string{"pwd", "otp"}}}
	return must(k.Create(w.t.Context(), g))(w.t).Access
}

// sign makes a token of any claims.
func (w *world) sign(key keys.SigningKey, typ string, claims map[string]any) string {
	w.t.Helper()
	payload := must(json.Marshal(claims))(w.t)
	public := key.Public()
	input := jose.SigningInput(string(public.Algorithm()), public.ID(), typ, payload)
	return jose.Compact(input, must(key.Sign(w.t.Context(), input))(w.t))
}

// claims are those of a valid token of the kind user, with some replaced; nil removes one.
func (w *world) claims(with map[string]any) map[string]any {
	now := w.Now().Unix()
	c := map[string]any{
		"iss": issuer, "aud": audience, "sub": "u1", "client_id": "web", "iat": now, "exp": now + 600,
		"jti": "j1", "sid": "s1", "type": "user", "properties": map[string]any{"userID": "u1"},
	}
	maps.Copy(c, with)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func (w *world) authorizer(c gateway.Config) *gateway.Authorizer {
	w.t.Helper()
	if c.Guard == nil {
		c.Guard = w.user
	}
	c.Now = w.Now
	return must(gateway.New(c))(w.t)
}

func (w *world) function(c gateway.Config) lambdatest.Function {
	return lambdatest.Func(w.authorizer(c).Invoke)
}

// backend answers 200 with the event it got.
var backend = lambdatest.Func(func(_ context.Context, event []byte) ([]byte, error) {
	return json.Marshal(map[string]any{"statusCode": 200, "body": string(event), "headers": map[string]string{"Content-Type": "application/json"}})
})

// api is a gateway of some kind with one authorizer for all its routes, which are "GET /orders/{id}" and so on.
func (w *world) api(kind lambdatest.APIType, a *lambdatest.LambdaAuthorizer, change func(*lambdatest.Config), routes ...string) *lambdatest.Gateway {
	w.t.Helper()
	c := lambdatest.Config{Type: kind, Now: w.Now, Stage: "prod"}
	for _, r := range routes {
		var route lambdatest.Route
		route.Method, route.Path = cut(r)
		route.Function, route.Authorizer = backend, a
		c.Routes = append(c.Routes, route)
	}
	if change != nil {
		change(&c)
	}
	return must(lambdatest.New(c))(w.t)
}

func cut(route string) (method, path string) {
	for i := range route {
		if route[i] == ' ' {
			return route[:i], route[i+1:]
		}
	}
	return "", route
}

// call asks for a path below the stage.
func call(g http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	g.ServeHTTP(rec, r)
	return rec
}

func bearer(token string) (name, value string) { return "Authorization", "Bearer " + token }

// outcome of an authorizer for the ARN in its event: "allow", "deny", "401", "500" and, for a no without a policy,
// "false".
func outcome(out []byte, err error, method, path string) string {
	if err != nil {
		if err.Error() == "Unauthorized" {
			return "401"
		}
		return "500"
	}
	var a struct {
		Authorized *bool `json:"isAuthorized"`
		Policy     *struct {
			Statement []struct {
				Effect   string
				Resource []string
			}
		} `json:"policyDocument"`
	}
	if json.Unmarshal(out, &a) != nil || a.Authorized == nil && a.Policy == nil {
		return "malformed"
	}
	if a.Authorized != nil {
		if *a.Authorized {
			return "allow"
		}
		return "false"
	}
	verdict := "deny"
	for _, s := range a.Policy.Statement {
		for _, r := range s.Resource {
			_, rest, _ := bytes.Cut([]byte(r), []byte("/"))
			_, rest, _ = bytes.Cut(rest, []byte("/"))
			if star(string(rest), method+path) {
				if s.Effect != "Allow" {
					return "deny"
				}
				verdict = "allow"
			}
		}
	}
	return verdict
}

// star matches "*" with any text; slow and plain.
func star(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		return star(pattern[1:], s) || s != "" && star(pattern, s[1:])
	}
	return s != "" && s[0] == pattern[0] && star(pattern[1:], s[1:])
}

var errDown = errors.New("the keys are on fire")

// downKeys are keys that are unavailable.
type downKeys struct{}

func (downKeys) PublicKey(context.Context, string) (*keys.PublicKey, error) {
	return nil, errors.Join(keys.ErrUnavailable, errDown)
}

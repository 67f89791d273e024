package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// bothWays asks for a route with a token of another issuer, directly and behind a JWT authorizer, and returns the
// answers.
func bothWays[T any](t *testing.T, kind lambdatest.APIType, log *slog.Logger, claims map[string]any, needs ...session.Need) (direct, behind *httptest.ResponseRecorder) {
	t.Helper()
	w, jwt := newIssuer(t)
	foreign := must(session.NewExternal[T](session.ExternalConfig{Issuer: jwt.Issuer, Audience: audience, Algorithms: []keys.Algorithm{keys.RS256},
		Keys: must(keys.StaticSigner(w.key))(t), Now: w.Now, Logger: log}))(t)
	tell := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, _ := foreign.From(r.Context())
		_ = json.NewEncoder(rw).Encode(s.Properties)
	})
	function := lambdatest.Func(must(lambdahttp.New(gateway.FromAuthorizer(foreign).Require(tell, needs...), lambdahttp.Config{}))(t).Invoke)
	g := must(lambdatest.New(lambdatest.Config{Type: kind, Stage: "prod", Now: w.Now, Routes: []lambdatest.Route{{Path: "/a", Function: function, Authorizer: jwt}}}))(t)
	payload := map[string]any{"iss": jwt.Issuer, "aud": audience, "sub": "u9", "iat": w.Now().Unix(), "exp": w.Now().Unix() + 60}
	for name, value := range claims {
		payload[name] = value
	}
	name, value := bearer(w.sign(w.key, "JWT", payload))
	r := httptest.NewRequest("GET", "/a", nil)
	r.Header.Set(name, value)
	direct = httptest.NewRecorder()
	foreign.Require(tell, needs...).ServeHTTP(direct, r)
	return direct, call(g, "GET", "/a", name, value)
}

var jwtFronts = []lambdatest.APIType{lambdatest.REST, lambdatest.HTTPAPI, lambdatest.HTTPAPIv1}

// TestTrusted_NothingInvented: claims that became strings give another issuer's token no role, scope or method that it
// doesn't have. A REST API passes them on as they are, so there the verdict is the same.
func TestTrusted_NothingInvented(t *testing.T) {
	role, scope, otp := session.Role("admin"), session.Scope("b"), session.AuthMethod("otp")
	for _, c := range []struct {
		claims       map[string]any
		need         session.Need
		direct, http bool // let in directly (and behind a REST API), behind an HTTP API
	}{
		{map[string]any{"roles": []string{"admin", "x"}}, role, true, false},
		{map[string]any{"roles": []string{"guest admin"}}, role, false, false},
		{map[string]any{"roles": "[admin]"}, role, false, false},
		{map[string]any{"roles": "admin"}, role, false, false},
		{map[string]any{"scope": "a b"}, scope, true, true},
		{map[string]any{"scope": []string{"a b"}}, scope, false, false},
		{map[string]any{"scope": []string{"a", "b", "c"}}, scope, false, false},
		{map[string]any{"scope": map[string]any{"x": "a b c"}}, scope, false, false},
		{map[string]any{"scope": "[a b c]"}, scope, true, false},
		{map[string]any{"scp": "a b"}, scope, true, true},
		{map[string]any{"scp": []string{"a", "b"}}, scope, true, false},
		{map[string]any{"scp": []string{"a b"}}, scope, false, false},
		{map[string]any{"scp": []string{"a b c"}}, scope, false, false},
		{map[string]any{"scp": "[b]"}, scope, false, false},
		{map[string]any{"scope": true}, session.Scope("true"), false, false},
		{map[string]any{"scope": 7}, session.Scope("7"), false, false},
		{map[string]any{"amr": []string{"pwd", "otp"}}, otp, true, false},
		{map[string]any{"amr": []string{"x otp"}}, otp, false, false},
		{map[string]any{"amr": "[otp]"}, otp, false, false},
		{map[string]any{"auth_time": time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Unix()}, session.Fresh(time.Minute), true, true},
	} {
		for _, kind := range jwtFronts {
			direct, behind := bothWays[struct{}](t, kind, nil, c.claims, c.need)
			want := c.http
			if kind == lambdatest.REST {
				want = c.direct
			}
			if got := direct.Code == 200; got != c.direct {
				t.Errorf("%v, directly: %d %s", c.claims, direct.Code, direct.Body)
			}
			if got := behind.Code == 200; got != want || behind.Code >= 500 {
				t.Errorf("%v, behind %v: %d %s", c.claims, kind, behind.Code, behind.Body)
			}
		}
	}
}

// Inner is embedded by a pointer, which encoding/json can set for an exported type only.
type Inner struct{ Permissions []string }

// TestTrusted_ExternalTypes: fields that can be read from a string come through; with others the answer is an error
// that says so.
func TestTrusted_ExternalTypes(t *testing.T) {
	type embedded struct {
		Verified *bool `json:"email_verified"`
	}
	type sure struct {
		embedded
		Email   string
		Age     int     `json:"age"`
		Score   float64 `json:"score,omitempty"`
		Quoted  int     `json:"quoted,string"`
		Since   time.Time
		Skipped []string `json:"-"`
		Aud     any      `json:"aud"`
	}
	claims := map[string]any{"email_verified": true, "email": "123", "age": 41, "score": 1.5, "quoted": "7", "since": "2026-03-01T12:00:00Z",
		"groups": []string{"a b"}, "null": nil, "permissions": []string{"read"}, "address": map[string]any{"country": "DE"}}
	for _, kind := range jwtFronts {
		direct, behind := bothWays[sure](t, kind, nil, claims)
		if direct.Code != 200 || behind.Code != 200 || behind.Body.String() != direct.Body.String() || !strings.Contains(direct.Body.String(), `"email_verified":true`) {
			t.Errorf("%v: %d %s, directly %d %s", kind, behind.Code, behind.Body, direct.Code, direct.Body)
		}
		if _, behind := bothWays[sure](t, kind, nil, map[string]any{"email_verified": "yes"}); behind.Code != 401 {
			t.Errorf("%v, a text for a boolean: %d", kind, behind.Code)
		}
		if _, behind := bothWays[sure](t, kind, nil, map[string]any{"age": "old"}); behind.Code != 401 {
			t.Errorf("%v, a text for a number: %d", kind, behind.Code)
		}
	}
	type twice struct { // of one shape, so that either may have it
		A string `json:"email"`
		B string `json:"Email"`
	}
	for _, kind := range jwtFronts {
		if _, behind := bothWays[twice](t, kind, nil, map[string]any{"email": "a@example.com"}); behind.Code != 200 || !strings.Contains(behind.Body.String(), `"email":"a@example.com"`) {
			t.Errorf("%v, two fields of one shape: %d %s", kind, behind.Code, behind.Body)
		}
	}
	unsure[struct{ Permissions []string }](t, claims, "Permissions", "[]string")
	unsure[struct{ *Inner }](t, claims, "Permissions")
	unsure[struct {
		Address struct{ Country string } `json:"address"`
	}](t, claims, "address")
	unsure[struct {
		Address map[string]string `json:"address"`
	}](t, claims, "address")
	unsure[struct {
		Any any `json:"email_verified"`
	}](t, claims, "email_verified")
	unsure[struct {
		Raw json.RawMessage `json:"age"`
	}](t, claims, "age")
	unsure[struct {
		A int    `json:"age"`
		B string `json:"Age"`
	}](t, map[string]any{"Age": "x"}, "Age")
	unsure[map[string]any](t, claims, "map[string]interface {}")
	unsure[json.RawMessage](t, claims, "json.RawMessage")
	unsure[any](t, claims, "interface {}")
}

// unsure checks that T is refused behind an HTTP API, whatever the token says, with a word on what to do in the log.
func unsure[T any](t *testing.T, claims map[string]any, words ...string) {
	t.Helper()
	for _, kind := range jwtFronts {
		for _, claims := range []map[string]any{claims, nil} {
			var log bytes.Buffer
			direct, behind := bothWays[T](t, kind, slog.New(slog.NewTextHandler(&log, nil)), claims)
			if direct.Code != 200 {
				t.Errorf("%T, directly: %d %s", *new(T), direct.Code, direct.Body)
			}
			if kind == lambdatest.REST {
				if behind.Code != 200 || behind.Body.String() != direct.Body.String() {
					t.Errorf("%T behind %v: %d %s, directly %s", *new(T), kind, behind.Code, behind.Body, direct.Body)
				}
				continue
			}
			if behind.Code != 500 || strings.Contains(behind.Body.String(), "gateway") {
				t.Errorf("%T behind %v: %d %s, want 500", *new(T), kind, behind.Code, behind.Body)
			}
			for _, word := range append(words, "level=ERROR", "Lambda authorizer") {
				if !strings.Contains(log.String(), word) {
					t.Errorf("%T behind %v: %q is not in the log: %s", *new(T), kind, word, log.String())
				}
			}
		}
	}
}

// TestRead_ExternalStrings: what is composed is nobody's name, and a session's properties are not looked for in
// another issuer's token.
func TestRead_ExternalStrings(t *testing.T) {
	w := newWorld(t)
	foreign := must(session.NewExternal[struct {
		Properties string `json:"properties"`
	}](session.ExternalConfig{Issuer: "https://i.example", Clients: []string{"web"}, Algorithms: []keys.Algorithm{keys.RS256}, Keys: downKeys{}, Now: w.Now}))(t)
	event := func(change map[string]any) []byte {
		c := map[string]any{"iss": "https://i.example", "sub": "u1", "exp": fmt.Sprint(w.Now().Unix() + 60), "client_id": "web", "properties": `{"a":1}`}
		for k, v := range change {
			c[k] = v
		}
		return must(json.Marshal(map[string]any{"version": "2.0", "requestContext": map[string]any{"apiId": "x", "authorizer": map[string]any{"jwt": map[string]any{"claims": c}}}}))(t)
	}
	if s, err := gateway.Read(t.Context(), foreign, event(nil)); err != nil || s.Properties.Properties != `{"a":1}` || s.ClientID != "web" {
		t.Errorf("%+v, %v", s, err)
	}
	for reason, change := range map[string]map[string]any{
		"claims": {"sub": "[u1]"}, "audience": {"client_id": "[web]"}, "expired": {"exp": "1"}, "issuer": {"iss": "[https://i.example]"},
	} {
		if _, err := gateway.Read(t.Context(), foreign, event(change)); session.Reason(err) != reason {
			t.Errorf("%v: %v, want %s", change, err, reason)
		}
	}
	if _, err := gateway.Read(t.Context(), foreign, event(map[string]any{"sub": "map[name:u1]"})); session.Reason(err) != "claims" {
		t.Errorf("an object for a subject: %v", err)
	}
}

// twoFronts asks for a session's properties behind a JWT authorizer of each kind of API and behind a Lambda authorizer.
func twoFronts[T any](t *testing.T, properties T, jwt bool) {
	t.Helper()
	w, authorizer := newIssuer(t)
	k := session.NewKindConfig(w.sessions, session.KindConfig[T]{Name: "k", Stateless: true})
	tokens := must(k.Create(t.Context(), session.Grant[T]{Subject: "u1", Properties: properties}))(t)
	want := string(must(json.Marshal(properties))(t))
	h := gateway.FromAuthorizer(k).Require(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, _ := k.From(r.Context())
		_ = json.NewEncoder(rw).Encode(s.Properties)
	}))
	function := lambdatest.Func(must(lambdahttp.New(h, lambdahttp.Config{}))(t).Invoke)
	own := &lambdatest.LambdaAuthorizer{Function: lambdatest.Func(must(gateway.New(gateway.Config{Guard: k, Policies: true, Now: w.Now}))(t).Invoke)}
	name, value := bearer(tokens.Access)
	for _, kind := range jwtFronts {
		g := must(lambdatest.New(lambdatest.Config{Type: kind, Stage: "prod", Now: w.Now, Routes: []lambdatest.Route{
			{Path: "/jwt", Function: function, Authorizer: authorizer}, {Path: "/lambda", Function: function, Authorizer: own}}}))(t)
		for _, path := range []string{"/jwt", "/lambda"} {
			status := 200
			if path == "/jwt" && kind != lambdatest.REST && !jwt {
				status = 500
			}
			rec := call(g, "GET", path, name, value)
			if got := strings.TrimSpace(rec.Body.String()); rec.Code != status || status == 200 && got != want {
				t.Errorf("%T %s, %v%s: %d %s, want %d", properties, want, kind, path, rec.Code, got, status)
			}
		}
	}
}

// odd writes its own JSON.
type odd struct{}

func (odd) MarshalJSON() ([]byte, error) { return []byte(`"{}"`), nil }

// TestTrusted_PropertyShapes: properties that are no object come through as they were, or are an error.
func TestTrusted_PropertyShapes(t *testing.T) {
	for _, text := range []string{"plain", "123", "null", "true", "", `{"a":1}`, "[a b]", `"`, "<b> ü"} {
		twoFronts(t, text, true)
	}
	twoFronts(t, 7, true)
	twoFronts(t, -1.5, true)
	twoFronts(t, true, true)
	twoFronts(t, &User{UserID: "u1"}, true)
	twoFronts(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), true)
	twoFronts(t, map[string]any{"a": "<b>", "list": []string{"x y", "z"}, "nil": nil, "n": 1.5}, true)
	twoFronts(t, []string{"a", "b"}, false)
	twoFronts[any](t, "a", false)
	twoFronts(t, json.RawMessage(`{"a":1}`), false)
	if _, err := gateway.Read(t.Context(), session.NewKindConfig(newWorld(t).sessions, session.KindConfig[odd]{Name: "k", Stateless: true}),
		[]byte(`{"version":"2.0","requestContext":{"apiId":"x","authorizer":{"jwt":{"claims":{"sub":"u1"}}}}}`)); !errors.Is(err, gateway.ErrStrings) {
		t.Errorf("a type that writes its own JSON: %v", err)
	}
}

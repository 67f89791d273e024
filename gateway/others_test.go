package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// TestAppSync: fields, the context of resolvers, and answers that are kept no longer than the token is good.
func TestAppSync(t *testing.T) {
	w := newWorld(t)
	api := must(lambdatest.NewAppSync(lambdatest.AppSyncConfig{Now: w.Now, TTL: time.Hour, Function: w.function(gateway.Config{
		Fields: []gateway.Field{{Name: "Mutation.deleteUser", Needs: []session.Need{session.Scope("admin")}}, {Name: "User.email", Needs: []session.Need{session.Scope("read")}}},
	})}))(t)
	token := w.token(w.user, "u1", "read")
	ask := func(token string) (*lambdatest.AppSyncGrant, error) {
		return api.Authorize(t.Context(), lambdatest.AppSyncRequest{Token: token, Query: "query { a }"})
	}
	grant, err := ask(token)
	if err != nil {
		t.Fatal(err)
	}
	if !grant.Denies("Mutation", "deleteUser") || grant.Denies("User", "email") || grant.ResolverContext["sub"] != "u1" {
		t.Errorf("%+v", grant)
	}
	if grant, err := ask("Bearer " + token); err != nil || grant.ResolverContext["sub"] != "u1" {
		t.Errorf("with Bearer: %v", err)
	}
	event := must(json.Marshal(map[string]any{"arguments": map[string]any{}, "identity": map[string]any{"resolverContext": grant.ResolverContext}}))(t)
	if s, err := gateway.Read(t.Context(), w.user, event); err != nil || s.Properties.Name != "Bob" || !s.Authentication.Time.Equal(w.Now().Add(-time.Minute)) {
		t.Errorf("in a resolver: %+v, %v", s, err)
	}
	w.Advance(59 * time.Minute)
	if grant, err := ask(token); err != nil || grant.Cached {
		t.Errorf("a minute before it expires: %+v, %v", grant, err)
	}
	w.Advance(59 * time.Second)
	if _, err := ask(token); err != nil {
		t.Error(err)
	}
	w.Advance(time.Minute)
	for name, token := range map[string]string{"expired": token, "of another kind": w.token(w.other, "u1"), "none": "x"} {
		if _, err := ask(token); !errors.Is(err, lambdatest.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAppSync_TTL: what is said of caching.
func TestAppSync_TTL(t *testing.T) {
	w := newWorld(t)
	token := w.token(w.user, "u1")
	for _, c := range []struct {
		age    time.Duration
		config gateway.Config
		want   string
	}{
		{0, gateway.Config{}, `"ttlOverride":60}`}, {0, gateway.Config{TTL: 10 * time.Minute}, `"ttlOverride":600}`},
		{59*time.Minute + 30*time.Second, gateway.Config{}, `"ttlOverride":30}`}, {40 * time.Second, gateway.Config{}, `"ttlOverride":0}`}, // within the leeway
		{-20 * time.Second, gateway.Config{Uncached: true}, `"ttlOverride":0}`},
	} {
		w.Advance(c.age)
		if _, out := w.asks("AppSync", token, c.config); !strings.HasSuffix(string(out), c.want) {
			t.Errorf("%v: %s, want %s", c.config.TTL, out, c.want)
		}
	}
}

// TestWebSocket: each place a token may be in, what the functions get to know, and that a connection outlives its
// token.
func TestWebSocket(t *testing.T) {
	w := newWorld(t)
	var seen []byte
	echo := lambdatest.Func(func(ctx context.Context, event []byte) ([]byte, error) {
		seen = event
		return []byte(`{"statusCode":200}`), nil
	})
	ws := must(lambdatest.NewWebSocket(lambdatest.WebSocketConfig{
		Routes: map[string]lambdatest.Function{"$connect": echo, "$default": echo}, Now: w.Now,
		Authorizer: &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{Query: "token"}), TTL: lambdatest.NoCache, IdentitySource: []string{"context.stage"}},
	}))(t)
	token := w.token(w.user, "u1")
	var conn *lambdatest.Conn
	for name, c := range map[string]struct {
		query  string
		header []string
		status int
	}{
		"header":                 {"", []string{"Authorization", "Bearer " + token}, 101},
		"query":                  {"?token=" + token, nil, 101},
		"query, twice":           {"?token=" + token + "&token=x", nil, 401},
		"another parameter":      {"?access_token=" + token, nil, 401},
		"subprotocol":            {"", []string{"Sec-WebSocket-Protocol", "chat, bearer." + token}, 101},
		"cookie":                 {"", []string{"Cookie", "session=" + token, "Origin", "https://app.example.com"}, 101},
		"cookie, without origin": {"", []string{"Cookie", "session=" + token}, 403},
		"cookie, other origin":   {"", []string{"Cookie", "session=" + token, "Origin", "https://app.example.com.evil.example"}, 403},
		"header before query":    {"?token=" + token, []string{"Authorization", "Bearer x.y.z"}, 401},
		"nothing":                {"", nil, 401},
	} {
		r := httptest.NewRequest("GET", "https://ws.example.com/prod"+c.query, nil)
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		cn, res := ws.Connect(r)
		if res.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, c.status)
		}
		if cn != nil {
			conn = cn
		}
	}
	if _, err := conn.Send(t.Context(), []byte(`{"action":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if s, err := gateway.Read(t.Context(), w.user, seen); err != nil || s.Subject != "u1" || s.Properties.Name != "Bob" {
		t.Errorf("in a message: %+v, %v", s, err)
	}
	w.Advance(2 * time.Hour)
	if _, err := conn.Send(t.Context(), []byte(`{"action":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := gateway.Read(t.Context(), w.user, seen); !errors.Is(err, session.ErrExpired) {
		t.Errorf("two hours later: %v", err)
	}
}

// TestUsageKey: the key of the plan comes from the session.
func TestUsageKey(t *testing.T) {
	w := newWorld(t)
	auth := &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{UsageKey: func(s *gateway.Session) string { return "plan-of-" + s.Subject }})}
	g := must(lambdatest.New(lambdatest.Config{Type: lambdatest.REST, Stage: "prod", Now: w.Now, APIKeys: []string{"plan-of-u1"}, APIKeySource: "AUTHORIZER",
		Routes: []lambdatest.Route{{Path: "/a", Function: backend, Authorizer: auth, APIKeyRequired: true}}}))(t)
	for subject, status := range map[string]int{"u1": 200, "u2": 403} {
		name, value := bearer(w.token(w.user, subject))
		if rec := call(g, "GET", "/a", name, value); rec.Code != status {
			t.Errorf("%s: %d, want %d: %s", subject, rec.Code, status, rec.Body)
		}
	}
}

// TestNew_Refuses: a configuration that can't work is refused, with a word on what to do.
func TestNew_Refuses(t *testing.T) {
	w := newWorld(t)
	var many []gateway.Route
	for i := range 12 {
		many = append(many, gateway.Route{Path: "/a/" + strings.Repeat("b", i+1) + "/*"})
	}
	for want, c := range map[string]gateway.Config{
		"Guard is missing":    {},
		"OnInvalid":           {Guard: w.user, OnInvalid: 9},
		"TTL":                 {Guard: w.user, TTL: 2 * time.Hour},
		"a slash":             {Guard: w.user, Routes: []gateway.Route{{Path: "orders"}}},
		"write *":             {Guard: w.user, Routes: []gateway.Route{{Path: "/orders/{id}"}}},
		"'?'":                 {Guard: w.user, Routes: []gateway.Route{{Path: "/orders/?"}}},
		"'$'":                 {Guard: w.user, Routes: []gateway.Route{{Path: "/$x"}}},
		"'%'":                 {Guard: w.user, Routes: []gateway.Route{{Path: "/a%20b"}}},
		"'ü'":                 {Guard: w.user, Routes: []gateway.Route{{Path: "/ü"}}},
		"empty":               {Guard: w.user, Routes: []gateway.Route{{Path: "/a//b"}}},
		"ends in a dot":       {Guard: w.user, Routes: []gateway.Route{{Path: "/a/../b"}}},
		"that ends in a dot":  {Guard: w.user, Routes: []gateway.Route{{Path: "/a./b"}}},
		"';'":                 {Guard: w.user, Routes: []gateway.Route{{Path: "/a;b"}}},
		"bytes: at most 256":  {Guard: w.user, Routes: []gateway.Route{{Path: "/" + strings.Repeat("a", 256)}}},
		"the method":          {Guard: w.user, Routes: []gateway.Route{{Method: "get", Path: "/"}}},
		"there already":       {Guard: w.user, Routes: []gateway.Route{{Path: "/a"}, {Method: "GET", Path: "/a"}}},
		"$connect twice":      {Guard: w.user, Routes: []gateway.Route{{Path: "$connect"}, {Path: "$connect"}}},
		"a policy of":         {Guard: w.user, Routes: append(many, gateway.Route{Path: "/" + strings.Repeat("c", 200)})},
		"Mutation.deleteUser": {Guard: w.user, Fields: []gateway.Field{{Name: "deleteUser"}}},
	} {
		if _, err := gateway.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

package gateway_test

import (
	"context"
	"encoding/json"
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

// TestG1_SimpleClosedWithinOpen: a yes for "/orders/*" is none for "/orders/export", in any order of requests, and a
// route of the API with every method is allowed only where every method is.
func TestG1_SimpleClosedWithinOpen(t *testing.T) {
	w := newWorld(t)
	read, admin := []session.Need{session.Scope("read")}, []session.Need{session.Scope("admin")}
	routes := []gateway.Route{
		{Path: "/orders/*", Needs: read}, {Path: "/orders/export", Needs: admin}, {Method: "GET", Path: "/readable"}, {Method: "POST", Path: "/readable", Needs: admin},
		{Method: "GET", Path: "/whole/*"}, {Path: "/open/*"},
	}
	auth := &lambdatest.LambdaAuthorizer{SimpleResponses: true, Function: w.function(gateway.Config{Routes: routes}), IdentitySource: []string{gateway.HTTPSource, gateway.HTTPRouteSource}}
	g := w.api(lambdatest.HTTPAPI, auth, nil, "GET /orders/export", "GET /orders/list/{id}", "ANY /readable", "ANY /whole/{proxy+}", "ANY /open/{proxy+}")
	weak, strong := w.token(w.user, "u1", "read"), w.token(w.user, "u2", "read", "admin")
	for range 2 { // the second time from the cache
		for _, c := range []struct {
			token, request string
			status         int
		}{
			{weak, "GET /orders/list/1", 200}, {weak, "GET /orders/export", 403}, {strong, "GET /orders/export", 200}, {weak, "GET /orders/export", 403},
			{weak, "GET /readable", 403}, {weak, "POST /readable", 403}, {strong, "GET /readable", 403}, // no route for PUT
			{strong, "POST /whole/x", 403}, {strong, "GET /whole/x", 403}, {weak, "DELETE /open/x", 200},
		} {
			method, path := cut(c.request)
			name, value := bearer(c.token)
			if rec := call(g, method, path, name, value); rec.Code != c.status {
				t.Errorf("%s, weak %v: %d, want %d", c.request, c.token == weak, rec.Code, c.status)
			}
		}
	}
}

// TestG1_SimpleDefaultRoute: $default of an API stands for every method and path, so a rule for one method is not
// enough.
func TestG1_SimpleDefaultRoute(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		routes []gateway.Route
		status int
	}{{[]gateway.Route{{Method: "GET", Path: "/*"}}, 403}, {[]gateway.Route{{Path: "/*"}}, 200}} {
		auth := &lambdatest.LambdaAuthorizer{SimpleResponses: true, Function: w.function(gateway.Config{Routes: c.routes}), IdentitySource: []string{gateway.HTTPSource, gateway.HTTPRouteSource}}
		g := w.api(lambdatest.HTTPAPI, auth, nil, "$default")
		name, value := bearer(w.token(w.user, "u1"))
		for _, method := range []string{"GET", "DELETE"} {
			if rec := call(g, method, "/x", name, value); rec.Code != c.status {
				t.Errorf("%s with %+v: %d, want %d", method, c.routes, rec.Code, c.status)
			}
		}
	}
}

// TestG3_NeedOfTheClosestRoute: where several routes refuse a request, the client gets the needs of the one that fits
// best, in whatever order they stand.
func TestG3_NeedOfTheClosestRoute(t *testing.T) {
	w := newWorld(t)
	routes := []gateway.Route{{Path: "/*", Needs: []session.Need{session.Scope("far")}}, {Path: "/pay/now", Needs: []session.Need{session.Scope("close")}}, {Path: "/pay/*", Needs: []session.Need{session.Scope("between")}},
		{Path: "/open/*"}}
	name, value := bearer(w.token(w.user, "u1"))
	for _, front := range fourFronts {
		for _, turned := range []bool{false, true} {
			if turned {
				routes = []gateway.Route{routes[1], routes[3], routes[2], routes[0]}
			}
			a := w.authorizer(gateway.Config{Uncached: true, Routes: routes, Policies: front.policies})
			var answer []byte
			auth := front.auth
			auth.TTL, auth.Function = lambdatest.NoCache, lambdatest.Func(func(ctx context.Context, event []byte) (out []byte, err error) {
				answer, err = a.Invoke(ctx, event)
				return answer, err
			})
			g := w.api(front.kind, &auth, nil, "ANY /{proxy+}")
			for path, scope := range map[string]string{"/pay/now": "close", "/pay/later": "between", "/else": "far", "/open/%2e%2e/pay/now": "close"} {
				r, _ := written("GET", "/prod"+path)
				r.Header.Set(name, value)
				rec := httptest.NewRecorder()
				if g.ServeHTTP(rec, r); rec.Code != 403 || !strings.Contains(string(answer), scope+`\"`) {
					t.Errorf("%s, turned %v: %s is %d: %s", front.name, turned, path, rec.Code, answer)
				}
			}
		}
	}
}

// TestG3_NeedOfTheRouteThatCloses: a route within a closed one, within an open one, is closed although its own
// needs are met. The client gets the needs of the route that closes it.
func TestG3_NeedOfTheRouteThatCloses(t *testing.T) {
	w := newWorld(t)
	routes := []gateway.Route{{Path: "/pay/free/*"}, {Path: "/*"}, {Path: "/pay/*", Needs: []session.Need{session.Scope("between")}}}
	name, value := bearer(w.token(w.user, "u1"))
	for _, front := range fourFronts {
		a := w.authorizer(gateway.Config{Uncached: true, Routes: routes, Policies: front.policies})
		var answer []byte
		auth := front.auth
		auth.TTL, auth.Function = lambdatest.NoCache, lambdatest.Func(func(ctx context.Context, event []byte) (out []byte, err error) {
			answer, err = a.Invoke(ctx, event)
			return answer, err
		})
		g := w.api(front.kind, &auth, nil, "ANY /{proxy+}")
		for _, path := range []string{"/pay/free/x", "/pay/x"} {
			if rec := call(g, "GET", path, name, value); rec.Code != 403 || !strings.Contains(string(answer), `between\"`) {
				t.Errorf("%s: %s is %d: %s", front.name, path, rec.Code, answer)
			}
		}
	}
}

// TestG6_NamesWithSpaces: a role, scope or method of another issuer's token that holds a space is not two, wherever the
// function behind looks for it.
func TestG6_NamesWithSpaces(t *testing.T) {
	w := newWorld(t)
	foreign := must(session.NewExternal[struct{}](session.ExternalConfig{Issuer: issuer, Audience: audience, Algorithms: []keys.Algorithm{keys.ES256}, Keys: must(keys.Static(w.key.Public()))(t), Now: w.Now}))(t)
	payload := w.claims(map[string]any{"type": nil, "roles": []string{"guest admin", "x", "", "y\tadmin"}, "amr": []string{"pwd otp", "hwk"}, "scp": []string{"a b", "c"}, "scope": nil})
	name, value := bearer(w.sign(w.key, "JWT", payload))
	for _, front := range fourFronts {
		var seen struct {
			Context struct {
				Authorizer map[string]json.RawMessage
			} `json:"requestContext"`
		}
		h := gateway.FromAuthorizer(foreign).Require(served(1), session.Role("admin"))
		behind := must(lambdahttp.New(h, lambdahttp.Config{}))(t)
		auth := front.auth
		auth.Function = w.function(gateway.Config{Guard: foreign, Policies: front.policies})
		g := w.api(front.kind, &auth, func(c *lambdatest.Config) {
			c.Routes[0].Function = lambdatest.Func(func(ctx context.Context, event []byte) ([]byte, error) {
				if err := json.Unmarshal(event, &seen); err != nil {
					t.Error(err)
				}
				return behind.Invoke(ctx, event)
			})
		}, "GET /a")
		if rec := call(g, "GET", "/a", name, value); rec.Code != 403 {
			t.Errorf("%s: the role is two behind the authorizer: %d %s", front.name, rec.Code, rec.Body)
		}
		got := seen.Context.Authorizer
		if nested, ok := got["lambda"]; ok {
			got = nil
			if err := json.Unmarshal(nested, &got); err != nil {
				t.Fatal(err)
			}
		}
		if string(got["roles"]) != `"x"` || string(got["amr"]) != `"hwk"` || string(got["scope"]) != `"c"` {
			t.Errorf("%s: roles %s, amr %s, scope %s", front.name, got["roles"], got["amr"], got["scope"])
		}
	}
}

// TestG6_ReservedNames: Config.Context can't set what Read or API Gateway would take for a word of the authorizer,
// whether or not it is there.
func TestG6_ReservedNames(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"iss", "aud", "sub", "sid", "jti", "client_id", "scope", "roles", "amr", "auth_time", "iat", "exp", "type", "properties", "session_claims",
		"cookie", "error", "body", "claims", "scopes", "principalId", "integrationLatency", "jwt", "lambda"} {
		for _, kind := range kinds {
			if got, out := w.asks(kind, "Bearer "+w.token(w.user, "u1"), gateway.Config{WithoutProperties: true, Context: func(*gateway.Session) map[string]any { return map[string]any{name: "x"} }}); got != "500" {
				t.Errorf("%s, %s: %s %s", kind, name, got, out)
			}
		}
	}
}

// TestWebSocket_ParameterWithoutName: with no Query configured, a parameter without a name is not a token.
func TestWebSocket_ParameterWithoutName(t *testing.T) {
	w := newWorld(t)
	token := w.token(w.user, "u1")
	for query, status := range map[string]int{"": 401, "token": 101} {
		ws := must(lambdatest.NewWebSocket(lambdatest.WebSocketConfig{Now: w.Now, Routes: map[string]lambdatest.Function{"$default": backend},
			Authorizer: &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{Query: query}), TTL: lambdatest.NoCache, IdentitySource: []string{"context.stage"}}}))(t)
		if _, res := ws.Connect(httptest.NewRequest("GET", "https://ws.example.com/prod?"+query+"="+token, nil)); res.StatusCode != status {
			t.Errorf("Query %q: %d, want %d", query, res.StatusCode, status)
		}
	}
}

// TestWebSocket_RoutesWithoutConnect: with Routes, none of which is $connect, nobody connects.
func TestWebSocket_RoutesWithoutConnect(t *testing.T) {
	w := newWorld(t)
	ws := must(lambdatest.NewWebSocket(lambdatest.WebSocketConfig{Now: w.Now, Routes: map[string]lambdatest.Function{"$default": backend},
		Authorizer: &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{Routes: []gateway.Route{{Path: "/*"}}})}}))(t)
	r := httptest.NewRequest("GET", "https://ws.example.com/prod", nil)
	r.Header.Set(bearer(w.token(w.user, "u1")))
	if _, res := ws.Connect(r); res.StatusCode != 403 {
		t.Errorf("%d, want 403", res.StatusCode)
	}
}

// TestAppSync_Scheme: the token stands alone, or after the scheme in any case and with any spaces between.
func TestAppSync_Scheme(t *testing.T) {
	w := newWorld(t)
	token := w.token(w.user, "u1")
	for value, want := range map[string]string{token: "allow", "Bearer " + token: "allow", "bearer " + token: "allow", "BEARER   " + token: "allow",
		"Basic " + token: "false", "Bearer": "false", "Bearer ": "false", " " + token: "false", "Bearer\t" + token: "false"} {
		if got, out := w.asks("AppSync", value, gateway.Config{}); got != want {
			t.Errorf("%.20q: %s %s", value, got, out)
		}
	}
}

// TestAppSync_FieldsBesideRoutes: Routes and Fields of one authorizer keep their own needs.
func TestAppSync_FieldsBesideRoutes(t *testing.T) {
	w := newWorld(t)
	admin := []session.Need{session.Scope("admin")}
	c := gateway.Config{Routes: []gateway.Route{{Path: "/a"}, {Path: "/b", Needs: admin}, {Path: "$connect"}},
		Fields: []gateway.Field{{Name: "Mutation.a", Needs: admin}, {Name: "Query.b"}, {Name: "Query.c", Needs: admin}}}
	_, out := w.asks("AppSync", w.token(w.user, "u1"), c)
	if !strings.Contains(string(out), `"deniedFields":["Mutation.a","Query.c"]`) {
		t.Errorf("%s", out)
	}
	if got, out := w.asks("REST", "Bearer "+w.token(w.user, "u1"), c); got != "allow" || strings.Contains(string(out), "GET/b") {
		t.Errorf("%s %s", got, out)
	}
}

// TestUsageKey_OfRESTAlone: a usage plan is of REST APIs, with either type of authorizer.
func TestUsageKey_OfRESTAlone(t *testing.T) {
	w := newWorld(t)
	for _, kind := range kinds {
		_, out := w.asks(kind, "Bearer "+w.token(w.user, "u1"), gateway.Config{UsageKey: func(*gateway.Session) string { return "plan" }})
		if got := strings.Contains(string(out), `"usageIdentifierKey":"plan"`); got != (kind == "TOKEN" || kind == "REST") {
			t.Errorf("%s: %s", kind, out)
		}
	}
}

// TestG7_LongAfter: neither a token nor what an authorizer once wrote of it is good when the token has expired,
// however late.
func TestG7_LongAfter(t *testing.T) {
	w := newWorld(t)
	token := w.token(w.user, "u1")
	for _, front := range fourFronts {
		for _, late := range []time.Duration{0, 59 * time.Minute, 2 * time.Hour, 400 * 24 * time.Hour} {
			now := w.Now()
			auth := front.auth
			auth.TTL, auth.Function = lambdatest.NoCache, w.function(gateway.Config{Policies: front.policies})
			var kept []byte
			g := w.api(front.kind, &auth, func(c *lambdatest.Config) {
				c.Routes[0].Function = lambdatest.Func(func(ctx context.Context, event []byte) ([]byte, error) {
					kept = event
					return backend.Invoke(ctx, event)
				})
			}, "GET /a")
			name, value := bearer(token)
			if rec := call(g, "GET", "/a", name, value); rec.Code != 200 {
				t.Fatalf("%s: %d", front.name, rec.Code)
			}
			w.Advance(late)
			_, err := gateway.Read(t.Context(), w.user, kept)
			if expired := late >= time.Hour; (session.Reason(err) == "expired") != expired || !expired && err != nil {
				t.Errorf("%s, %v later: %v", front.name, late, err)
			}
			rec := call(g, "GET", "/a", name, value)
			if expired := late >= time.Hour; (rec.Code == 200) == expired {
				t.Errorf("%s, the token %v later: %d", front.name, late, rec.Code)
			}
			w.Advance(now.Sub(w.Now()))
		}
	}
}

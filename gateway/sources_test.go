package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/posternauth/postern/keys"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// TestG1_ForgedRouteKey: a client that sends the key of a route, in what is an identity source, does not make the
// answer one that is kept for that route.
func TestG1_ForgedRouteKey(t *testing.T) {
	w := newWorld(t)
	f := w.function(gateway.Config{Routes: []gateway.Route{{Path: "/me"}, {Path: "/admin/*", Needs: []session.Need{session.Scope("admin")}}}})
	k, v := bearer(w.token(w.user, "u1"))
	for _, c := range []struct {
		source, query string
		header        []string
	}{
		{"$request.header.X-Tenant", "", []string{"X-Tenant", "GET /me"}},
		{"$request.querystring.tenant", "?tenant=GET%20/me", nil},
		{"$request.header.Cookie", "", []string{"Cookie", "GET /me"}},
		{"$request.header.User-Agent", "", []string{"User-Agent", "GET /me"}},
	} {
		a := &lambdatest.LambdaAuthorizer{SimpleResponses: true, IdentitySource: []string{gateway.HTTPSource, c.source}, Function: f}
		g := w.api(lambdatest.HTTPAPI, a, nil, "GET /me", "GET /admin/{proxy+}")
		for _, path := range []string{"/me", "/admin/x", "/me"} {
			if rec := call(g, "GET", path+c.query, append([]string{k, v}, c.header...)...); rec.Code != 500 {
				t.Errorf("%s, %s: %d, want 500", c.source, path, rec.Code)
			}
		}
	}
	// Where the key of the route is an identity source, a client may send anything except the key of a route among
	// other values.
	a := &lambdatest.LambdaAuthorizer{SimpleResponses: true, IdentitySource: []string{gateway.HTTPSource, gateway.HTTPRouteSource, "$request.header.X-Tenant"}, Function: f}
	g := w.api(lambdatest.HTTPAPI, a, nil, "GET /me", "GET /admin/{proxy+}")
	for range 2 { // the second time from the cache
		for _, c := range []struct {
			path, tenant string
			status       int
		}{{"/me", "t1", 200}, {"/me", "GET /admin/{proxy+}", 200}, {"/admin/x", "t1", 403}, {"/admin/x", "GET /me", 403}, {"/me", "a,GET /me", 500}, {"/me", "a, GET /me,b", 500}} {
			if rec := call(g, "GET", c.path, k, v, "X-Tenant", c.tenant); rec.Code != c.status {
				t.Errorf("%s for %q: %d, want %d", c.path, c.tenant, rec.Code, c.status)
			}
		}
	}
}

// TestG1_ForgedRouteKeyInACookie: one cookie among several may be what an identity source takes out of the header.
func TestG1_ForgedRouteKeyInACookie(t *testing.T) {
	w := newWorld(t)
	a := w.authorizer(gateway.Config{Routes: []gateway.Route{{Path: "/a"}}})
	token := "Bearer " + w.token(w.user, "u1")
	for cookie, ok := range map[string]bool{"b=c": true, "GET /a": false} {
		event := must(json.Marshal(map[string]any{"type": "REQUEST", "version": "2.0", "routeArn": testARN, "routeKey": "GET /a", "rawPath": "/a", "identitySource": []string{token, "GET /a"},
			"headers": map[string]string{"authorization": token}, "cookies": []string{"a=b", cookie}}))(t)
		if out, err := a.Invoke(t.Context(), event); (err == nil) != ok {
			t.Errorf("%s: %s, %v", cookie, out, err)
		}
	}
}

// TestG4_ErrorOfOtherEvents: an event without an authorizer's members is ErrEvent, and the error has sixteen names at
// most.
func TestG4_ErrorOfOtherEvents(t *testing.T) {
	w := newWorld(t)
	many := map[string]any{"authorizationToken": w.token(w.user, "u1")} // without a requestContext it is not AppSync's
	for i := range 40 {
		many[fmt.Sprintf("member%d", i)] = "value"
	}
	for _, event := range []map[string]any{many, {"authorizationToken": w.token(w.user, "u1")}, {"authorizationToken": "x", "requestContext": map[string]any{}}} {
		out, err := w.authorizer(gateway.Config{}).Invoke(t.Context(), must(json.Marshal(event))(t))
		if !errors.Is(err, gateway.ErrEvent) || strings.Count(err.Error(), `"`) > 32 || strings.Contains(err.Error(), "value") {
			t.Errorf("%s, %v", out, err)
		}
	}
}

// TestG3_UnknownFailure: an error that is neither the token's fault nor known is a 500, with OnInvalid Deny too.
func TestG3_UnknownFailure(t *testing.T) {
	odd := newWorld(t, func(c *session.Config) { c.Keys = oddKeys{} })
	w := newWorld(t)
	for _, kind := range kinds {
		for _, on := range []gateway.OnInvalid{gateway.Unauthorized, gateway.Deny} {
			if got, out := odd.asks(kind, "Bearer "+w.token(w.user, "u1"), gateway.Config{OnInvalid: on}); got != "500" {
				t.Errorf("%s: %s %s", kind, got, out)
			}
		}
	}
}

// oddKeys fail with an error that package keys does not know.
type oddKeys struct{}

func (oddKeys) PublicKey(context.Context, string) (*keys.PublicKey, error) {
	return nil, errors.New("odd")
}

// TestG1_TokenIsNoSource: where results are not kept by the token nobody is let in, so that nobody is by another's.
func TestG1_TokenIsNoSource(t *testing.T) {
	w := newWorld(t)
	k, v := bearer(w.token(w.user, "u1"))
	for _, c := range []struct {
		name    string
		auth    lambdatest.LambdaAuthorizer
		config  gateway.Config
		sources []string
		status  int
	}{
		{"simple", lambdatest.LambdaAuthorizer{SimpleResponses: true}, gateway.Config{}, []string{"$request.header.X-Tenant"}, 500},
		{"2.0 policies", lambdatest.LambdaAuthorizer{}, gateway.Config{Policies: true}, []string{"$request.header.X-Tenant"}, 500},
		{"1.0", lambdatest.LambdaAuthorizer{PayloadVersion: "1.0"}, gateway.Config{}, []string{"$request.header.X-Tenant"}, 500},
		{"1.0, of several", lambdatest.LambdaAuthorizer{PayloadVersion: "1.0"}, gateway.Config{}, []string{"$request.header.X-Tenant", "$request.header.Host"}, 500},
		{"by routes alone", lambdatest.LambdaAuthorizer{SimpleResponses: true}, gateway.Config{Routes: []gateway.Route{{Path: "/me"}}}, []string{gateway.HTTPRouteSource}, 500},
		{"not kept", lambdatest.LambdaAuthorizer{SimpleResponses: true, TTL: lambdatest.NoCache}, gateway.Config{Uncached: true}, []string{"$request.header.X-Tenant"}, 200},
		{"simple, both", lambdatest.LambdaAuthorizer{SimpleResponses: true}, gateway.Config{}, []string{"$request.header.X-Tenant", gateway.HTTPSource}, 200},
		{"2.0 policies, both", lambdatest.LambdaAuthorizer{}, gateway.Config{Policies: true}, []string{gateway.HTTPSource, "$request.header.X-Tenant"}, 200},
		{"1.0, both", lambdatest.LambdaAuthorizer{PayloadVersion: "1.0"}, gateway.Config{}, []string{"$request.header.X-Tenant", gateway.HTTPSource}, 200},
	} {
		auth := c.auth
		auth.IdentitySource, auth.Function = c.sources, w.function(c.config)
		g := w.api(lambdatest.HTTPAPI, &auth, nil, "GET /me")
		if rec := call(g, "GET", "/me", k, v, "X-Tenant", "t1"); rec.Code != c.status {
			t.Errorf("%s: %d, want %d", c.name, rec.Code, c.status)
		}
		if rec := call(g, "GET", "/me", "X-Tenant", "t1"); rec.Code < 400 {
			t.Errorf("%s, without a token: %d", c.name, rec.Code)
		}
	}
}

// TestG3_NewerSignIn: that a newer sign-in is needed is a 401 wherever one can be answered, and else a 403.
func TestG3_NewerSignIn(t *testing.T) {
	w := newWorld(t)
	fresh, scope := []session.Need{session.Fresh(time.Second)}, []session.Need{session.Scope("pay")}
	k, v := bearer(w.token(w.user, "u1"))
	for _, c := range []struct {
		name    string
		kind    lambdatest.APIType
		auth    lambdatest.LambdaAuthorizer
		simple  bool
		needs   []session.Need
		answers [3]int // Unauthorized, Deny, UnauthorizedAlways
	}{
		{"REST", lambdatest.REST, lambdatest.LambdaAuthorizer{}, false, fresh, [3]int{401, 403, 401}},
		{"1.0", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{PayloadVersion: "1.0"}, false, fresh, [3]int{401, 403, 401}},
		{"2.0 policies", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{}, false, fresh, [3]int{401, 403, 401}},
		{"simple", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{SimpleResponses: true}, true, fresh, [3]int{403, 403, 401}},
		{"REST, a scope", lambdatest.REST, lambdatest.LambdaAuthorizer{}, false, scope, [3]int{403, 403, 403}},
		{"simple, a scope", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{SimpleResponses: true}, true, scope, [3]int{403, 403, 403}},
	} {
		for on, status := range c.answers {
			for _, config := range []gateway.Config{{Routes: []gateway.Route{{Path: "/pay", Needs: c.needs}}}, {Guard: w.user.With(c.needs...)}} {
				config.Uncached, config.Policies, config.OnInvalid = true, !c.simple, gateway.OnInvalid(on)
				auth := c.auth
				auth.TTL, auth.Function = lambdatest.NoCache, w.function(config)
				g := w.api(c.kind, &auth, nil, "GET /pay")
				if rec := call(g, "GET", "/pay", k, v); rec.Code != status {
					t.Errorf("%s, OnInvalid %d, %d routes: %d, want %d", c.name, on, len(config.Routes), rec.Code, status)
				}
			}
		}
	}
	for on, status := range []int{401, 403, 401} {
		for _, config := range []gateway.Config{{Routes: []gateway.Route{{Path: "$connect", Needs: fresh}}}, {Guard: w.user.With(fresh...)}} {
			config.OnInvalid = gateway.OnInvalid(on)
			ws := must(lambdatest.NewWebSocket(lambdatest.WebSocketConfig{Now: w.Now, Routes: map[string]lambdatest.Function{"$default": backend},
				Authorizer: &lambdatest.LambdaAuthorizer{Function: w.function(config)}}))(t)
			r := httptest.NewRequest("GET", "https://ws.example.com/prod", nil)
			r.Header.Set(k, v)
			if _, res := ws.Connect(r); res.StatusCode != status {
				t.Errorf("WebSocket, OnInvalid %d, %d routes: %d, want %d", on, len(config.Routes), res.StatusCode, status)
			}
		}
	}
}

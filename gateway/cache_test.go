package gateway_test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// The routes of the API and of the authorizer in the tests of caching: each way of lying within another one.
var (
	g1API    = []string{"ANY /", "GET /open/{id}", "GET /orders", "GET /orders/{id}", "POST /orders", "DELETE /orders/{id}", "ANY /admin/{proxy+}", "GET /files/{proxy+}", "PUT /nothing"}
	g1Routes = []gateway.Route{
		{Method: "GET", Path: "/open/*"},
		{Method: "GET", Path: "/orders", Needs: []session.Need{session.Scope("read")}},
		{Method: "GET", Path: "/orders/*", Needs: []session.Need{session.Scope("read")}},
		{Method: "POST", Path: "/orders", Needs: []session.Need{session.Scope("write")}},
		{Method: "DELETE", Path: "/orders/*", Needs: []session.Need{session.Scope("read", "write")}},
		{Path: "/admin/*", Needs: []session.Need{session.Scope("admin")}},
		{Method: "GET", Path: "/files/*"},
	}
	// Routes that only a policy can express.
	g1Nested = append(g1Routes[:len(g1Routes):len(g1Routes)],
		gateway.Route{Method: "GET", Path: "/orders/export", Needs: []session.Need{session.Scope("admin")}},
		gateway.Route{Method: "GET", Path: "/files/secret/*", Needs: []session.Need{session.Scope("admin")}},
		gateway.Route{Method: "GET", Path: "/files/secret/public", Needs: []session.Need{session.Scope("read")}},
	)
	g1Requests = []string{"GET /open/1", "GET /open/2", "GET /orders", "GET /orders/5", "GET /orders/export", "POST /orders", "DELETE /orders/5",
		"GET /admin/x", "POST /admin/y", "GET /files/a", "GET /files/secret/a", "GET /files/secret/public", "PUT /nothing", "GET /orders/*", "GET /files/%2A"}
)

// want is the expected status, written down apart from any policy. policies means that the nested routes count.
func want(token string, scopes map[string]bool, request string, policies bool) int {
	if token == "" {
		return http.StatusUnauthorized
	}
	ok := map[string]bool{
		"GET /open/1": true, "GET /open/2": true, "GET /files/a": true, "GET /files/%2A": true,
		"GET /orders": scopes["read"], "GET /orders/5": scopes["read"], "GET /orders/*": scopes["read"], "POST /orders": scopes["write"],
		"DELETE /orders/5": scopes["read"] && scopes["write"], "GET /admin/x": scopes["admin"], "POST /admin/y": scopes["admin"],
		"GET /orders/export": scopes["read"], "GET /files/secret/a": true, "GET /files/secret/public": true,
	}
	if policies {
		ok["GET /orders/export"] = scopes["admin"]
		ok["GET /files/secret/a"] = scopes["admin"]
		// An exception to an exception, which policies do not know.
		ok["GET /files/secret/public"] = scopes["read"] && scopes["admin"]
	}
	if ok[request] {
		return http.StatusOK
	}
	return http.StatusForbidden
}

// TestG1_CachedEqualsUncached plays random requests against gateways that cache and gateways that do not.
func TestG1_CachedEqualsUncached(t *testing.T) {
	n := 6_000
	if os.Getenv("POSTERN_TEST_LONG") != "" {
		n = 100_000
	}
	w := newWorld(t)
	type holder struct {
		token  string
		scopes map[string]bool
	}
	var holders []holder
	for _, scopes := range [][]string{nil, {"read"}, {"write"}, {"read", "write"}, {"admin"}, {"read", "admin"}, {"read", "write", "admin"}} {
		h := holder{token: w.token(w.user, "u", scopes...), scopes: map[string]bool{}}
		for _, s := range scopes {
			h.scopes[s] = true
		}
		holders = append(holders, h)
	}
	policies := w.authorizer(gateway.Config{Routes: g1Nested, Policies: true})
	simple := w.authorizer(gateway.Config{Routes: g1Routes})
	type pair struct {
		name         string
		nested       bool
		on, off      map[string]*lambdatest.Gateway // by stage
		hits, denied int
	}
	stages := []string{"prod", "dev"}
	build := func(name string, kind lambdatest.APIType, nested bool, a lambdatest.LambdaAuthorizer) *pair {
		p := &pair{name: name, nested: nested, on: map[string]*lambdatest.Gateway{}, off: map[string]*lambdatest.Gateway{}}
		for _, stage := range stages {
			cached, uncached := a, a
			uncached.TTL = lambdatest.NoCache
			p.on[stage] = w.api(kind, &cached, func(c *lambdatest.Config) {
				c.Stage = stage
				c.OnDecision = func(d lambdatest.Decision) {
					if d.Cached {
						p.hits++
					}
				}
			}, g1API...)
			p.off[stage] = w.api(kind, &uncached, func(c *lambdatest.Config) { c.Stage = stage }, g1API...)
		}
		return p
	}
	pairs := []*pair{
		build("REST TOKEN", lambdatest.REST, true, lambdatest.LambdaAuthorizer{Function: lambdatest.Func(policies.Invoke), Type: lambdatest.TokenAuthorizer, IdentityValidation: gateway.IdentityValidation}),
		build("REST REQUEST", lambdatest.REST, true, lambdatest.LambdaAuthorizer{Function: lambdatest.Func(policies.Invoke), IdentitySource: []string{gateway.RESTSource}}),
		build("HTTP 1.0", lambdatest.HTTPAPI, true, lambdatest.LambdaAuthorizer{Function: lambdatest.Func(policies.Invoke), PayloadVersion: "1.0", IdentitySource: []string{gateway.HTTPSource}}),
		build("HTTP 2.0 policy", lambdatest.HTTPAPI, true, lambdatest.LambdaAuthorizer{Function: lambdatest.Func(policies.Invoke), IdentitySource: []string{gateway.HTTPSource}}),
		build("HTTP 2.0 simple", lambdatest.HTTPAPI, false, lambdatest.LambdaAuthorizer{Function: lambdatest.Func(simple.Invoke), SimpleResponses: true,
			IdentitySource: []string{gateway.HTTPSource, gateway.HTTPRouteSource}}),
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		if rnd.IntN(200) == 0 {
			w.Advance(time.Duration(rnd.IntN(40)) * time.Second / 10) // so that entries of caches run out
		}
		if i%(n/4+1) == 0 {
			w.Advance(-w.Now().Sub(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))) // and tokens do not
		}
		p, h, stage := pairs[rnd.IntN(len(pairs))], holders[rnd.IntN(len(holders))], stages[rnd.IntN(2)]
		request := g1Requests[rnd.IntN(len(g1Requests))]
		method, path := cut(request)
		ask := func(g *lambdatest.Gateway) int {
			r := httptest.NewRequest(method, "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/"+stage+path, nil)
			r.Header.Set(bearer(h.token))
			rec := httptest.NewRecorder()
			g.ServeHTTP(rec, r)
			return rec.Code
		}
		cached, uncached := ask(p.on[stage]), ask(p.off[stage])
		if should := want(h.token, h.scopes, request, p.nested); cached != uncached || cached != should {
			t.Fatalf("%s, %s with %v: %d from the cache, %d without, want %d", p.name, request, h.scopes, cached, uncached, should)
		}
		if cached == http.StatusForbidden {
			p.denied++
		}
	}
	for _, p := range pairs {
		if p.hits < n/20 || p.denied == 0 {
			t.Errorf("%s: %d hits, %d denied: the cache was hardly tested", p.name, p.hits, p.denied)
		}
	}
}

// TestG1_WebSocket: what $connect says is asked anew for each connection.
func TestG1_WebSocket(t *testing.T) {
	w := newWorld(t)
	ws := must(lambdatest.NewWebSocket(lambdatest.WebSocketConfig{
		Routes:     map[string]lambdatest.Function{"$connect": backend, "$default": backend},
		Authorizer: &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{Routes: []gateway.Route{{Path: "$connect", Needs: []session.Need{session.Scope("chat")}}}})},
		Now:        w.Now,
	}))(t)
	for range 3 {
		for _, c := range []struct {
			token  string
			status int
		}{{w.token(w.user, "u1", "chat"), 101}, {w.token(w.user, "u1"), 403}, {w.token(w.other, "u1", "chat"), 401}, {"", 401}} {
			r := httptest.NewRequest("GET", "https://ws.example.com/prod", nil)
			if c.token != "" {
				r.Header.Set(bearer(c.token))
			}
			if _, res := ws.Connect(r); res.StatusCode != c.status {
				t.Errorf("status %d, want %d", res.StatusCode, c.status)
			}
		}
	}
}

// TestG1_SimpleNeedsRouteKey: an answer that could be wrong from the cache is none.
func TestG1_SimpleNeedsRouteKey(t *testing.T) {
	w := newWorld(t)
	token := w.token(w.user, "u1", "read", "write", "admin")
	for _, c := range []struct {
		name    string
		config  gateway.Config
		sources []string
		ttl     time.Duration
		route   string
		request string
		status  int
	}{
		{"no routes", gateway.Config{}, []string{gateway.HTTPSource}, 0, "GET /a", "GET /a", 200},
		{"no route key", gateway.Config{Routes: g1Routes}, []string{gateway.HTTPSource}, 0, "GET /orders", "GET /orders", 500},
		{"route key", gateway.Config{Routes: g1Routes}, []string{gateway.HTTPSource, gateway.HTTPRouteSource}, 0, "GET /orders", "GET /orders", 200},
		{"greedy route over several", gateway.Config{Routes: g1Routes}, []string{gateway.HTTPSource, gateway.HTTPRouteSource}, 0, "GET /{proxy+}", "GET /orders", 500},
		{"$default over several", gateway.Config{Routes: g1Routes}, []string{gateway.HTTPSource, gateway.HTTPRouteSource}, 0, "$default", "GET /orders", 500},
		{"greedy route within one", gateway.Config{Routes: g1Routes}, []string{gateway.HTTPSource, gateway.HTTPRouteSource}, 0, "GET /orders/{proxy+}", "GET /orders/1/2", 200},
		{"one more within the route", gateway.Config{Routes: g1Nested}, []string{gateway.HTTPSource, gateway.HTTPRouteSource}, 0, "GET /orders/{id}", "GET /orders/1", 500},
		{"uncached, by path", gateway.Config{Routes: g1Nested, Uncached: true}, nil, lambdatest.NoCache, "$default", "GET /orders/1", 200},
		{"uncached, with an identity source", gateway.Config{Routes: g1Nested, Uncached: true}, []string{gateway.HTTPSource}, lambdatest.NoCache, "$default", "GET /orders/1", 200},
		{"uncached, no rule", gateway.Config{Routes: g1Nested, Uncached: true}, nil, lambdatest.NoCache, "$default", "GET /else", 403},
		{"no identity sources: no cache", gateway.Config{Routes: g1Nested}, nil, lambdatest.NoCache, "$default", "GET /orders/1", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &lambdatest.LambdaAuthorizer{Function: w.function(c.config), SimpleResponses: true, IdentitySource: c.sources, TTL: c.ttl}
			g := w.api(lambdatest.HTTPAPI, a, nil, c.route)
			method, path := cut(c.request)
			name, value := bearer(token)
			if rec := call(g, method, path, name, value); rec.Code != c.status {
				t.Errorf("status %d, want %d: %s", rec.Code, c.status, rec.Body)
			}
		})
	}
}

// TestG1_CookiesAreNotCached: what the cache is not asked by decides nothing, and a cookie's answer is good for its
// method alone.
func TestG1_CookiesAreNotCached(t *testing.T) {
	w := newWorld(t)
	cookie := "session=" + w.token(w.user, "u1")
	same := []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}
	cross := []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}
	a := w.function(gateway.Config{})
	uncached := w.function(gateway.Config{Uncached: true})
	for _, kind := range []lambdatest.APIType{lambdatest.REST, lambdatest.HTTPAPI} {
		source := gateway.RESTSource
		cookieSource := "method.request.header.Cookie"
		if kind == lambdatest.HTTPAPI {
			source, cookieSource = gateway.HTTPSource, "$request.header.Cookie"
		}
		mk := func(f lambdatest.Function, ttl time.Duration, sources ...string) *lambdatest.Gateway {
			la := &lambdatest.LambdaAuthorizer{Function: f, TTL: ttl, IdentitySource: sources}
			if kind == lambdatest.HTTPAPI {
				la.PayloadVersion = "1.0"
			}
			return w.api(kind, la, nil, "ANY /a")
		}
		// A header without a token: the answer for the cookie would be kept for everybody who sends it.
		g := mk(a, 0, source)
		if rec := call(g, "GET", "/a", "Authorization", "Basic eDp5", "Cookie", cookie); rec.Code != 401 {
			t.Errorf("%v: another scheme and a cookie: %d, want 401", kind, rec.Code)
		}
		g = mk(uncached, lambdatest.NoCache)
		for _, c := range []struct {
			method string
			header []string
			status int
		}{{"GET", same, 200}, {"POST", same, 200}, {"POST", cross, 403}, {"GET", cross, 200},
			{"POST", []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.com"}, 200},
			{"GET", []string{"Cookie", cookie + "; " + cookie}, 401}} {
			if rec := call(g, c.method, "/a", c.header...); rec.Code != c.status {
				t.Errorf("%v: %s with %v: %d, want %d", kind, c.method, c.header[2:], rec.Code, c.status)
			}
		}
		// The same with routes.
		g = mk(w.function(gateway.Config{Uncached: true, Routes: []gateway.Route{{Path: "/*"}}}), 0, cookieSource)
		for _, c := range []struct {
			method string
			header []string
			status int
		}{{"GET", same, 200}, {"POST", cross, 403}, {"POST", same, 403}} { // the last is wrong, and safe: with TTL 0 it passes
			if rec := call(g, c.method, "/a", c.header...); rec.Code != c.status {
				t.Errorf("%v, routes: %s with %v: %d, want %d", kind, c.method, c.header[2:], rec.Code, c.status)
			}
		}
		// A cache after all: what a page of another origin may do is still no more than to read.
		g = mk(uncached, 0, cookieSource)
		if rec := call(g, "GET", "/a", same...); rec.Code != 200 {
			t.Errorf("%v: GET: %d", kind, rec.Code)
		}
		if rec := call(g, "POST", "/a", cross...); rec.Code != 403 {
			t.Errorf("%v: POST of another origin, from the cache: %d, want 403", kind, rec.Code)
		}
	}
}

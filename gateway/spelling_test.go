package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// fourFronts are the ways in which API Gateway asks about a path.
var fourFronts = []struct {
	name     string
	kind     lambdatest.APIType
	auth     lambdatest.LambdaAuthorizer
	policies bool
}{
	{"REST TOKEN", lambdatest.REST, lambdatest.LambdaAuthorizer{Type: lambdatest.TokenAuthorizer}, true},
	{"REST REQUEST", lambdatest.REST, lambdatest.LambdaAuthorizer{}, true},
	{"HTTP 1.0", lambdatest.HTTPAPIv1, lambdatest.LambdaAuthorizer{PayloadVersion: "1.0"}, true},
	{"HTTP 2.0 policy", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{}, true},
	{"HTTP 2.0 simple", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{SimpleResponses: true}, false},
}

// A table is a set of routes, of which some are closed to everybody.
type table struct {
	routes []gateway.Route
	closed []bool
}

// served answers 200, and names the route that a request was taken for.
func served(i int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Route", fmt.Sprint(i)) })
}

// mux routes as the table does: "/a/*" is the subtree "/a/", a handler for GET is one for HEAD, and what no route
// matches has a handler, too.
func (t table) mux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", served(-1))
	for i, r := range t.routes {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if r.Method == "" || r.Method == method {
				mux.Handle(method+" "+strings.TrimSuffix(r.Path, "*"), served(i))
			}
		}
	}
	return mux
}

// cleaning is a program that decodes and cleans the path by itself, instead of sending the client to the clean one.
func (t table) cleaning() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		best := -1
		clean := path.Clean(r.URL.Path)
		if clean != "/" && strings.HasSuffix(r.URL.Path, "/") {
			clean += "/"
		}
		for i, route := range t.routes {
			method := route.Method == "" || route.Method == r.Method || route.Method == "GET" && r.Method == "HEAD"
			if method && star(route.Path, clean) && (best < 0 || star(t.routes[best].Path, route.Path)) {
				best = i
			}
		}
		served(best).ServeHTTP(w, r)
	})
}

// words are the segments of the tables, with letters, digits and marks that can be escaped.
var words = []string{"admin", "orders", "export", "v1", "User-files", "x"}

func randomTable(rnd *rand.Rand) (t table) {
	seen := map[string]bool{}
	never := []session.Need{session.Scope("never")}
	for range 2 + rnd.IntN(4) {
		var b strings.Builder
		for range rnd.IntN(3) {
			b.WriteString("/" + words[rnd.IntN(len(words))])
		}
		p := b.String()
		if p == "" || rnd.IntN(2) == 0 {
			p += "/*"
		}
		if seen[p] {
			continue
		}
		seen[p] = true
		r := gateway.Route{Path: p, Method: []string{"", "", "GET"}[rnd.IntN(3)]}
		shut := rnd.IntN(2) == 0
		if shut {
			r.Needs = never
		}
		t.routes, t.closed = append(t.routes, r), append(t.closed, shut)
	}
	return t
}

// spell writes a path in some other way.
func spell(rnd *rand.Rand, p string) string {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	escaped := func(c byte) string { return fmt.Sprintf([]string{"%%%02x", "%%%02X"}[rnd.IntN(2)], c) }
	for range rnd.IntN(4) {
		i := rnd.IntN(len(p))
		switch rnd.IntN(10) {
		case 0, 1:
			p = p[:i] + escaped(p[i]) + p[i+1:]
		case 2:
			p = p[:i] + pick("/", "//", "/./", "/x/../", "/%2e/", "/x/%2E%2e/", "/.", "%2f", "%5c", "%2F..%2f") + p[i:]
		case 3:
			p = pick("/orders", "/x", "/v1", "/User-files/x", "") + pick("/..", "/../..", "/%2e%2e", "/.%2E", "/..;", "/..%5c", "//", "/.") + p
		case 4:
			p += pick("/", "/.", "/..", ".", ";a=b", "%00", "%20", "/%2e", "%3f", "%23", "%253F", "?", "//")
		case 5:
			p = strings.Replace(p, "%", "%25", 1)
		case 6:
			p = strings.Replace(p, "/", pick("//", "%2f", `%5C`, "/;/", "%252f", "/%c0%af/", "%e0%80%af"), 1)
		case 7:
			p = pick("/prod", "/v1", "/prod/v1") + p
		case 8:
			p = strings.ToUpper(p[:i]) + p[i:]
		case 9:
			p = p[:i] + pick("%09", "%0d%0a", "%c1%a1", "%C3%BC", "@", "%40", "~", "%7e") + p[i:]
		}
		if p == "" || p[0] != '/' {
			p = "/" + p
		}
	}
	return p
}

// TestG2_TwoReadersOfOnePath holds the authorizer to what a program behind it serves: for random routes and random
// spellings of their paths, nothing is served under a route that is closed, from API Gateway's cache or without one.
func TestG2_TwoReadersOfOnePath(t *testing.T) {
	pairs := 100_000
	if testing.Short() {
		pairs = 10_000
	}
	if os.Getenv("POSTERN_TEST_LONG") != "" {
		pairs = 2_000_000
	}
	w := newWorld(t)
	name, value := bearer(w.token(w.user, "u1", "read"))
	rnd := rand.New(rand.NewPCG(11, 12))
	passed, refused, closed := 0, 0, 0
	const perTable = 200
	for n := 0; n < pairs; n += perTable {
		routes := randomTable(rnd)
		front := fourFronts[rnd.IntN(len(fourFronts))]
		auth := front.auth
		uncached := rnd.IntN(3) == 0
		byRoute := !uncached && !front.policies // a yes is kept for each route of the API
		c := gateway.Config{Routes: routes.routes, Policies: front.policies, Uncached: uncached, OnInvalid: gateway.Deny}
		if auth.TTL = time.Hour; uncached {
			auth.TTL = lambdatest.NoCache
		}
		auth.Function = w.function(c)
		behind, cleaning := routes.mux(), rnd.IntN(2) == 0 && !byRoute // which knows the spelling of none of its requests
		if cleaning {
			behind = routes.cleaning()
		}
		gw := lambdatest.Config{Type: front.kind, Stage: "prod", Now: w.Now}
		lc := lambdahttp.Config{AllowLocal: true}
		prefix := "/prod"
		switch rnd.IntN(4) {
		case 0:
			gw.Domain, gw.BasePath, prefix, lc.StripPath = "api.example.com", "v1", "/v1", "/v1"
		case 1:
			gw.Domain, prefix = "api.example.com", ""
		case 2:
			lc.StripPath = "/v1" // of a domain that this request did not come by
		}
		function := lambdatest.Func(must(lambdahttp.New(behind, lc))(t).Invoke)
		gw.Routes = []lambdatest.Route{{Path: "/", Function: function, Authorizer: &auth}, {Path: "/{proxy+}", Function: function, Authorizer: &auth}}
		if byRoute {
			gw.Routes, auth.IdentitySource = nil, []string{gateway.HTTPSource, gateway.HTTPRouteSource}
			for _, r := range routes.routes {
				gw.Routes = append(gw.Routes, lambdatest.Route{Method: r.Method, Path: strings.Replace(r.Path, "*", "{proxy+}", 1), Function: function, Authorizer: &auth})
			}
		}
		g := must(lambdatest.New(gw))(t)
		for range perTable {
			target := strings.ReplaceAll(routes.routes[rnd.IntN(len(routes.routes))].Path, "*", words[rnd.IntN(len(words))])
			method := []string{"GET", "HEAD", "POST", "DELETE"}[rnd.IntN(4)]
			spelled := spell(rnd, target)
			r, ok := written(method, prefix+spelled)
			if !ok {
				continue
			}
			r.Header.Set(name, value)
			rec := httptest.NewRecorder()
			g.ServeHTTP(rec, r)
			if rec.Code != http.StatusOK {
				refused++
				continue
			}
			passed++
			var i int
			fmt.Sscan(rec.Header().Get("X-Route"), &i)
			if i < 0 || routes.closed[i] {
				closed++
				t.Errorf("%s, uncached %v, cleaning %v, domain %q, strip %q: %s %s is served by route %d of %s", front.name, uncached, cleaning, gw.Domain, lc.StripPath, method, prefix+spelled, i, routes)
				if closed > 5 {
					t.FailNow()
				}
			}
		}
	}
	t.Logf("%d passed, %d refused", passed, refused)
	if passed < pairs/20 || refused < pairs/20 {
		t.Errorf("%d passed, %d refused: one-sided", passed, refused)
	}
}

func (t table) String() string {
	var b strings.Builder
	for i, r := range t.routes {
		fmt.Fprintf(&b, "[%d %s %s closed=%v] ", i, r.Method, r.Path, t.closed[i])
	}
	return b.String()
}

// written is a request whose path is sent as it is written here. It is false for a path that net/http would refuse.
func written(method, raw string) (*http.Request, bool) {
	plain, err := url.PathUnescape(raw)
	if err != nil {
		return nil, false
	}
	r := httptest.NewRequest(method, "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/", nil)
	r.URL.Path, r.URL.RawPath = plain, raw
	return r, true
}

// TestG2_OtherSpellings asks for a closed path in the ways in which one program writes it and another one reads it.
func TestG2_OtherSpellings(t *testing.T) {
	w := newWorld(t)
	admin := []session.Need{session.Scope("admin")}
	routes := []gateway.Route{{Path: "/*"}, {Path: "/admin/*", Needs: admin}, {Method: "GET", Path: "/orders/export", Needs: admin}, {Path: "/V2-a_b/*", Needs: admin}}
	closed := []string{
		"/admin/users", "/%61dmin/users", "/%61%64%6d%69%6e/users", "/admi%6E/users", "/admi%6e/users", "/%2561dmin/users", "/%25%36%31dmin/users",
		"//admin/users", "/x//../admin/users", "/./admin/users", "/x/../admin/users", "/x/%2e%2e/admin/users", "/x/%2E%2e/admin/users", "/x/.%2e/admin/users",
		"/x/..%2fadmin/users", "/x%2F..%2Fadmin/users", `/x\..\admin/users`, "/x/..%5Cadmin/users", "/x/..;/admin/users", "/admin;a=b/users", "/admin%3bx/users",
		"/admin./users", "/admin%2fusers", "/admin%2Fusers", "/%c1%a1dmin/users", "/%C1%A1dmin/users", "/x/%c0%ae%c0%ae/admin/users", "/x/%C0%AE./admin/users", "/a%00dmin/users", "/%09admin/users",
		"/orders/export/", "/orders/export%2f", "/orders/export.", "/orders/./export", "/orders//export", "/orders/export;x", "/orders/export%3Bx", "/orders/export%23",
		"/orders/export%3fx", "/orders/export%3Fx", "/orders/x/../export", "/orders/expor%74", "/orders/export/.",
		"/%562-a_b/x", "/V%32-a_b/x", "/V2%2da_b/x", "/V2%2Da_b/x", "/V2-a%5fb/x", "/V2-a%5Fb/x",
	}
	// An HTTP API compares these decoded: a policy has no way to write them. No program in Go takes them for another
	// path.
	unsaid := []string{"/%c1%a1dmin/users", "/%C1%A1dmin/users", "/x/%c0%ae%c0%ae/admin/users", "/a%00dmin/users", "/%09admin/users"}
	open := []string{"/", "/a", "/a/b", "/bob%40example.com", "/bob@example.com", "/a%20b", "/%C3%BC", "/urn%3Aisbn%3a1", "/.well-known/x", "/a.b/c.d", "/a,b=c!", "/orders/exports", "/5%2C3"}
	for _, front := range fourFronts {
		for _, kept := range []bool{true, false} {
			if kept && !front.policies {
				continue // a greedy route needs policies
			}
			auth := front.auth
			if !kept {
				auth.TTL = lambdatest.NoCache
			}
			auth.Function = w.function(gateway.Config{Routes: routes, Policies: front.policies, Uncached: !kept})
			g := w.api(front.kind, &auth, nil, "ANY /", "ANY /{proxy+}")
			ask := func(token, path string) int {
				r, ok := written("GET", "/prod"+path)
				if !ok {
					t.Fatalf("%s can't be sent", path)
				}
				r.Header.Set(bearer(token))
				rec := httptest.NewRecorder()
				g.ServeHTTP(rec, r)
				return rec.Code
			}
			weak, strong := w.token(w.user, "u1"), w.token(w.user, "u2", "admin")
			for _, path := range closed {
				if kept && front.kind != lambdatest.REST && slices.Contains(unsaid, path) {
					continue
				}
				if code := ask(weak, path); code == http.StatusOK || code >= 500 {
					t.Errorf("%s, kept %v: %s is %d", front.name, kept, path, code)
				}
			}
			for _, path := range open {
				if code := ask(weak, path); code != http.StatusOK {
					t.Errorf("%s, kept %v: %s is %d", front.name, kept, path, code)
				}
			}
			for _, path := range []string{"/a%2fb", "/a;b", "/a%2e", "/a//b"} { // each reading is open, which only an exact answer can know
				if code := ask(weak, path); !kept && code != http.StatusOK || kept && front.kind == lambdatest.REST && code != http.StatusForbidden {
					t.Errorf("%s, kept %v: %s is %d", front.name, kept, path, code)
				}
			}
			for _, path := range append(open, "/admin/users", "/admin/a%2fb", "/a;b", "/%ff") { // nothing is closed to this one
				if code := ask(strong, path); code != http.StatusOK {
					t.Errorf("%s, kept %v, all needs met: %s is %d", front.name, kept, path, code)
				}
			}
		}
	}
}

// TestG2_OutsideOfAll: a session that may call all below a path gets out of it by no spelling, and writes what it likes
// within.
func TestG2_OutsideOfAll(t *testing.T) {
	w := newWorld(t)
	routes := []gateway.Route{{Path: "/orders"}, {Path: "/orders/*"}, {Path: "/files/*"}}
	for _, front := range fourFronts {
		auth := front.auth
		c := gateway.Config{Routes: routes[:2], Policies: front.policies, Uncached: !front.policies}
		if c.Uncached {
			auth.TTL = lambdatest.NoCache
		}
		auth.Function = w.function(c)
		g := w.api(front.kind, &auth, nil, "ANY /", "ANY /{proxy+}")
		folder := front.auth
		folder.TTL, folder.Function = auth.TTL, w.function(gateway.Config{Routes: routes[2:], Policies: front.policies, Uncached: c.Uncached})
		files := w.api(front.kind, &folder, nil, "ANY /", "ANY /{proxy+}")
		for _, c := range []struct {
			g    http.Handler
			path string
			ok   bool
		}{
			{g, "/orders", true}, {g, "/orders/", true}, {g, "/orders/1", true}, {g, "/orders/a%2Fb", true}, {g, "/orders/bob%40example.com", true}, {g, "/orders/a%3Ab", true},
			{g, "/orders/..", false}, {g, "/orders/../admin", false}, {g, "/orders/%2e%2e/admin", false}, {g, "/orders/.%2E/admin", false}, {g, "/orders/..%2fadmin", false},
			{g, `/orders/..\admin`, false}, {g, "/orders/..;/admin", false}, {g, "/orders/%252e%252e/admin", false}, {g, "/orders/%c0%ae%c0%ae/admin", false}, {g, "/orders/%C0%AE%C0%AE/admin", false},
			{g, "/orders/.%2fx", !front.policies}, {g, "/orders/.%2Fx", !front.policies}, {g, "/orders/.%5cx", !front.policies}, // within, which an exact answer knows
			{g, "/orders/.%5Cx", !front.policies}, {g, "/orders/J.%20Doe", true},
			{g, "/orders/.%09.%2fadmin/x", false}, {g, "/orders/.%0a.%5cadmin/x", false}, {g, "/orders/.%1f./admin", false}, {g, "/orders/.%7f./admin", false},
			{files, "/files/.%23x", false}, {files, "/files/.%3bx", false}, {files, "/files/.%3Fx", false}, {files, "/files/.%09", false}, {files, "/files/.%1f", false}, {files, "/files/.%7F", false},
			{files, "/files/1", true}, {files, "/files/a%20b", true}, {files, "/files/", true}, {files, "/files", false}, {files, "/files/.", false}, {files, "/files/%2e", false},
		} {
			r, ok := written("GET", "/prod"+c.path)
			if !ok {
				t.Fatalf("%s can't be sent", c.path)
			}
			r.Header.Set(bearer(w.token(w.user, "u1")))
			rec := httptest.NewRecorder()
			c.g.ServeHTTP(rec, r)
			if front.kind != lambdatest.REST && front.policies && slices.ContainsFunc([]string{"%c0", ".%09", ".%1f", ".%7f", ".%3f"}, func(e string) bool {
				return strings.Contains(strings.ToLower(c.path), e)
			}) {
				continue // decoded, a policy has no way to write it
			}
			if got := rec.Code == http.StatusOK; got != c.ok {
				t.Errorf("%s: %s is %d", front.name, c.path, rec.Code)
			}
		}
	}
}

// TestG2_Head: net/http serves HEAD by the handler for GET, so a route for one is a route for both, unless it has its
// own.
func TestG2_Head(t *testing.T) {
	w := newWorld(t)
	admin := []session.Need{session.Scope("admin")}
	routes := []gateway.Route{{Path: "/*"}, {Method: "GET", Path: "/admin/*", Needs: admin}, {Method: "HEAD", Path: "/own/*"}, {Method: "GET", Path: "/own/*", Needs: admin},
		{Method: "HEAD", Path: "/probe/*", Needs: admin}}
	only := []gateway.Route{{Method: "GET", Path: "/a"}}
	mux := http.NewServeMux()
	mux.Handle("GET /", served(0))
	mux.Handle("OPTIONS /", served(1))
	function := lambdatest.Func(must(lambdahttp.New(mux, lambdahttp.Config{}))(t).Invoke)
	for _, front := range fourFronts {
		for _, kept := range []bool{true, false} {
			for _, c := range []struct {
				routes []gateway.Route
				path   string
				status map[string]int
			}{
				{routes, "/admin/x", map[string]int{"GET": 403, "HEAD": 403, "OPTIONS": 200}},
				{routes, "/own/x", map[string]int{"GET": 403, "HEAD": 200}},
				{routes, "/probe/x", map[string]int{"GET": 200, "HEAD": 403}},
				{only, "/a", map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 403}},
			} {
				auth := front.auth
				auth.Function = w.function(gateway.Config{Routes: c.routes, Policies: front.policies, Uncached: !kept})
				if !front.policies {
					auth.IdentitySource = []string{gateway.HTTPSource, gateway.HTTPRouteSource}
				}
				if !kept {
					auth.TTL, auth.IdentitySource = lambdatest.NoCache, nil
				}
				g := w.api(front.kind, &auth, func(gw *lambdatest.Config) {
					for i, r := range gw.Routes {
						gw.Routes[i].Function, gw.Routes[i].Method, gw.Routes[i].Path = function, r.Method, c.path
					}
				}, "GET ", "HEAD ", "OPTIONS ")
				for method, status := range c.status {
					name, value := bearer(w.token(w.user, "u1"))
					if rec := call(g, method, c.path, name, value); rec.Code != status {
						t.Errorf("%s, kept %v: %s %s is %d, want %d", front.name, kept, method, c.path, rec.Code, status)
					}
				}
			}
		}
	}
}

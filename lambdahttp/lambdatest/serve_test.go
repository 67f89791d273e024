package lambdatest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHandler_Bootstrap: a real bootstrap, asked over HTTP, with each kind of gateway in front.
func TestHandler_Bootstrap(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{Concurrency: 2})
	for _, kind := range []APIType{FunctionURL, HTTPAPI, HTTPAPIv1, REST, ALB, ALBMultiValue} {
		t.Run(kind.String(), func(t *testing.T) {
			server := httptest.NewServer(Handler(kind, rt))
			defer server.Close()
			path := "/x/y"
			if kind == REST {
				path = "/prod/x/y"
			}
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					res, err := server.Client().Post(server.URL+path, "application/json", strings.NewReader(fmt.Sprintf(`{"n":%d}`, i)))
					if err != nil {
						t.Error(err)
						return
					}
					defer func() { _ = res.Body.Close() }()
					body, err := io.ReadAll(res.Body)
					if err != nil || res.StatusCode != http.StatusOK {
						t.Errorf("status %d: %v", res.StatusCode, err)
						return
					}
					var event struct{ Body string }
					if err := json.Unmarshal(body, &event); err != nil || event.Body != fmt.Sprintf(`{"n":%d}`, i) {
						t.Errorf("got %s and %v", body, err)
					}
				})
			}
			wg.Wait()
		})
	}
	if n := rt.Processes(); n < 1 || n > 2 {
		t.Errorf("%d processes, want 1 or 2", n)
	}
}

func TestHandler_RESTRoot(t *testing.T) {
	for path, want := range map[string]int{"/prod": 200, "/prod/": 200, "/prod/a/b": 200, "/": 403} {
		if res := serve(Handler(REST, ok()), request("GET", path, "")); res.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, res.StatusCode, want)
		}
	}
}

// Everything may be used by many at once.
func TestGateway_Concurrent(t *testing.T) {
	is, c := newIssuer(t), newClock()
	token := is.sign(t, map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{"iss": is.iss(), "aud": "api", "exp": c.Now().Unix() + 60})
	f := ok()
	lambda := &LambdaAuthorizer{Function: Func(echoing), IdentitySource: []string{"$request.header.Authorization", "$context.routeKey"}}
	jwt := &JWTAuthorizer{Issuer: is.iss(), Audience: []string{"api"}, HTTPClient: is.Client(), FetchTimeout: time.Minute}
	g := mustNew(t, Config{Now: c.Now, OnDecision: func(Decision) {}, Routes: []Route{
		{Method: "GET", Path: "/a", Function: f, Authorizer: lambda},
		{Method: "GET", Path: "/b", Function: f, Authorizer: lambda},
		{Method: "GET", Path: "/c", Function: f, Authorizer: jwt},
	}})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				path := []string{"/a", "/b", "/c"}[(i+n)%3]
				if res := serve(g, request("GET", path, "", "Authorization: "+token)); res.StatusCode != 200 {
					t.Errorf("%s: status %d", path, res.StatusCode)
				}
				if n == 25 {
					g.FlushAuthorizers()
				}
			}
		})
	}
	wg.Wait()
	if f.calls() != 400 {
		t.Errorf("%d calls, want 400", f.calls())
	}
}

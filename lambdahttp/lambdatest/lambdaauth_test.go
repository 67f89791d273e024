package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// api builds a gateway with the routes GET /a, POST /b and GET /open, of which the first two are guarded.
func api(t testing.TB, cfg Config, a RouteAuthorizer) (*Gateway, *recorder) {
	t.Helper()
	f := ok()
	cfg.Stage = "prod"
	cfg.Routes = []Route{
		{Method: "GET", Path: "/a", Function: f, Authorizer: a},
		{Method: "POST", Path: "/b", Function: f, Authorizer: a},
		{Method: "GET", Path: "/open", Function: f},
		{Method: "ANY", Path: "/p/{proxy+}", Function: f, Authorizer: a},
	}
	return mustNew(t, cfg), f
}

func policyResult(policy, rest string) string {
	return `{"principalId":"u1","policyDocument":` + policy + rest + `}`
}

// TestLambdaAuthorizer_Status: which outcome is which status, and what the client reads.
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html and, for the texts of
// 403, https://repost.aws/knowledge-center/api-gateway-403-error-lambda-authorizer
func TestLambdaAuthorizer_Status(t *testing.T) {
	const (
		forbidden = `{"message":"Forbidden"}`
		ise       = `{"message":"Internal Server Error"}`
		silent    = `{"Message":"User is not authorized to access this resource"}`
		null      = `{"message":null}`
		no        = `{"message":"Unauthorized"}`
	)
	rest, v1, v2 := &LambdaAuthorizer{}, &LambdaAuthorizer{PayloadVersion: "1.0"}, &LambdaAuthorizer{}
	simple := &LambdaAuthorizer{SimpleResponses: true}
	tests := []struct {
		name   string
		kind   APIType
		a      *LambdaAuthorizer
		out    string
		err    error
		status int
		body   string
	}{
		{"allow", REST, rest, policyResult(statements("Allow *"), ""), nil, 200, "ok"},
		{"empty principal", REST, rest, `{"principalId":"","policyDocument":` + statements("Allow *") + `}`, nil, 200, "ok"},
		{"allow elsewhere", REST, rest, policyResult(statements("Allow GET/z"), ""), nil, 403, silent},
		{"deny", REST, rest, policyResult(statements("Allow *", "Deny GET/a"), ""), nil, 403, strings.Replace(silent, "resource", "resource with an explicit deny", 1)},
		{"Unauthorized", REST, rest, "", errors.New("Unauthorized"), 401, no},
		{"another error", REST, rest, "", errors.New("unauthorized"), 500, null},
		{"wrapped", REST, rest, "", fmt.Errorf("check: %w", errors.New("Unauthorized")), 500, null},
		{"text for a policy", REST, rest, `"Unauthorized"`, nil, 500, null},
		{"null", REST, rest, `null`, nil, 500, null},
		{"no principal", REST, rest, `{"policyDocument":` + statements("Allow *") + `}`, nil, 500, null},
		{"no policy", REST, rest, `{"principalId":"u1"}`, nil, 500, null},
		{"simple answer", REST, rest, `{"isAuthorized":true}`, nil, 500, null},
		{"list in context", REST, rest, policyResult(statements("Allow *"), `,"context":{"a":["x"]}`), nil, 500, null},
		{"object in context", REST, rest, policyResult(statements("Allow *"), `,"context":{"a":{}}`), nil, 500, null},
		{"null in context", REST, rest, policyResult(statements("Allow *"), `,"context":{"a":null}`), nil, 500, null},
		{"context is text", REST, rest, policyResult(statements("Allow *"), `,"context":"a"`), nil, 500, null},
		{"reserved key", REST, rest, policyResult(statements("Allow *"), `,"context":{"claims":"a"}`), nil, 500, null},
		{"8 KB", REST, rest, policyResult(statements("Allow *"), `,"context":{"a":"`+strings.Repeat("x", 8192)+`"}`), nil, 500, null},
		{"key is a number", REST, rest, policyResult(statements("Allow *"), `,"usageIdentifierKey":1`), nil, 500, null},

		{"1.0 allow", HTTPAPI, v1, policyResult(statements("Allow *"), ""), nil, 200, "ok"},
		{"1.0 deny", HTTPAPI, v1, policyResult(statements("Deny *"), ""), nil, 403, forbidden},
		{"1.0 list in context", HTTPAPI, v1, policyResult(statements("Allow *"), `,"context":{"a":["x"]}`), nil, 500, ise},
		{"1.0 Unauthorized", HTTPAPI, v1, "", errors.New("Unauthorized"), 401, no},

		{"2.0 policy", HTTPAPI, v2, policyResult(statements("Allow *"), `,"context":{"a":["x"],"o":{"p":null}}`), nil, 200, "ok"},
		{"2.0 policy elsewhere", HTTPAPI, v2, policyResult(statements("Allow GET/z"), ""), nil, 403, forbidden},
		{"2.0 simple, not enabled", HTTPAPI, v2, `{"isAuthorized":true}`, nil, 500, ise},
		{"simple yes", HTTPAPI, simple, `{"isAuthorized":true}`, nil, 200, "ok"},
		{"simple no", HTTPAPI, simple, `{"isAuthorized":false}`, nil, 403, forbidden},
		{"simple text", HTTPAPI, simple, `{"isAuthorized":"true"}`, nil, 500, ise},
		{"simple missing", HTTPAPI, simple, `{}`, nil, 500, ise},
		{"simple null", HTTPAPI, simple, `{"isAuthorized":null}`, nil, 500, ise},
		{"simple, but a policy", HTTPAPI, simple, policyResult(statements("Allow *"), ""), nil, 500, ise},
		{"error", HTTPAPI, simple, "", errors.New("store is down"), 500, ise},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String()+" "+tt.name, func(t *testing.T) {
			fn := &recorder{out: tt.out, err: tt.err}
			a := *tt.a
			a.Function = fn
			var d Decision
			g, f := api(t, Config{Type: tt.kind, OnDecision: func(x Decision) { d = x }}, &a)
			res := serve(g, request("GET", "/prod/a", "", "Authorization: t"))
			if body := bodyOf(t, res); res.StatusCode != tt.status || body != tt.body {
				t.Errorf("got %d %s, want %d %s (%s)", res.StatusCode, body, tt.status, tt.body, d.Reason)
			}
			if passed := tt.status == 200; passed != (f.calls() == 1) || passed != (d.Status == 0) || passed != (d.Reason == "") || !d.Invoked || d.Cached {
				t.Errorf("%d calls of the function, decision %+v", f.calls(), d)
			}
			// Only results are kept, and neither errors nor what can't be read.
			serve(g, request("GET", "/prod/a", "", "Authorization: t"))
			if want := map[bool]int{true: 1, false: 2}[tt.status == 200 || tt.status == 403]; fn.calls() != want {
				t.Errorf("%d calls of the authorizer, want %d", fn.calls(), want)
			}
		})
	}
}

// TestLambdaAuthorizer_Shown: what the function behind gets to see.
func TestLambdaAuthorizer_Shown(t *testing.T) {
	context := `,"context":{"s":"v","n":1.50,"b":true}`
	tests := []struct {
		name string
		kind APIType
		a    LambdaAuthorizer
		out  string
		want string
	}{
		{"REST", REST, LambdaAuthorizer{}, policyResult(statements("Allow *"), context), `{"b":"true","integrationLatency":0,"n":"1.50","principalId":"u1","s":"v"}`},
		{"HTTP 1.0", HTTPAPIv1, LambdaAuthorizer{PayloadVersion: "1.0"}, policyResult(statements("Allow *"), context), `{"b":"true","n":"1.50","principalId":"u1","s":"v"}`},
		{"HTTP 2.0", HTTPAPI, LambdaAuthorizer{SimpleResponses: true}, `{"isAuthorized":true,"context":{"n":1,"l":["x"],"m":{"k":null}}}`, `{"lambda":{"l":["x"],"m":{"k":null},"n":1}}`},
		{"HTTP 2.0 without context", HTTPAPI, LambdaAuthorizer{SimpleResponses: true}, `{"isAuthorized":true}`, `{"lambda":null}`},
		{"HTTP 2.0 with authorizer 1.0", HTTPAPI, LambdaAuthorizer{PayloadVersion: "1.0"}, policyResult(statements("Allow *"), context), `{"lambda":{"b":"true","n":"1.50","s":"v"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.a.Function = &recorder{out: tt.out}
			g, f := api(t, Config{Type: tt.kind, Now: newClock().Now}, &tt.a)
			serve(g, request("GET", "/prod/a", "", "Authorization: t"))
			if got := asJSON(t, at(f.last(t), "requestContext.authorizer")); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestLambdaAuthorizer_IdentitySource: what is missing is a 401 without a call.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/configure-api-gateway-lambda-authorization.html
func TestLambdaAuthorizer_IdentitySource(t *testing.T) {
	token := LambdaAuthorizer{Type: TokenAuthorizer, IdentityValidation: `^Bearer [a-z]+$`}
	two := LambdaAuthorizer{IdentitySource: []string{"method.request.header.A", "method.request.querystring.q"}}
	twoOff := two
	twoOff.TTL = NoCache
	http2 := LambdaAuthorizer{TTL: NoCache, IdentitySource: []string{"$request.header.A", "$stageVariables.v", "$context.routeKey"}}
	tests := []struct {
		name     string
		kind     APIType
		a        LambdaAuthorizer
		target   string
		headers  []string
		called   bool
		identity string // identitySource in the event, as JSON
	}{
		{"token", REST, token, "/prod/a", []string{"Authorization: Bearer abc"}, true, `null`},
		{"no token", REST, token, "/prod/a", nil, false, ""},
		{"blank token", REST, token, "/prod/a", []string{"Authorization:  "}, false, ""},
		{"token of a wrong form", REST, token, "/prod/a", []string{"Authorization: Bearer a.b"}, false, ""},
		{"token of a TOKEN authorizer without cache", REST, LambdaAuthorizer{Type: TokenAuthorizer, TTL: NoCache}, "/prod/a", nil, false, ""},
		{"both", REST, two, "/prod/a?q=1", []string{"A: 1"}, true, `null`},
		{"one of two", REST, two, "/prod/a", []string{"A: 1"}, false, ""},
		{"one is empty", REST, two, "/prod/a?q=", []string{"A: 1"}, false, ""},
		{"without cache the function decides", REST, twoOff, "/prod/a", nil, true, `null`},
		{"no sources, no cache", REST, LambdaAuthorizer{TTL: NoCache}, "/prod/a", nil, true, `null`},
		{"default source", REST, LambdaAuthorizer{}, "/prod/a", nil, false, ""},
		{"HTTP", HTTPAPI, http2, "/prod/a", []string{"A: 1", "A: 2"}, true, `["1,2","x","GET /a"]`},
		{"HTTP checks without cache too", HTTPAPI, http2, "/prod/a", nil, false, ""},
		{"HTTP 1.0", HTTPAPI, LambdaAuthorizer{PayloadVersion: "1.0", IdentitySource: []string{"$request.header.A", "$request.querystring.q"}}, "/prod/a?q=7", []string{"A: 1"}, true, `"1,7"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fn := &recorder{out: policyResult(statements("Allow *"), "")}
			tt.a.Function = fn
			g, f := api(t, Config{Type: tt.kind, StageVariables: map[string]string{"v": "x"}}, &tt.a)
			res := serve(g, request("GET", tt.target, "", tt.headers...))
			if !tt.called {
				if res.StatusCode != 401 || fn.calls() != 0 || f.calls() != 0 || bodyOf(t, res) != `{"message":"Unauthorized"}` {
					t.Errorf("status %d, %d calls of the authorizer", res.StatusCode, fn.calls())
				}
				return
			}
			if res.StatusCode != 200 || fn.calls() != 1 {
				t.Fatalf("status %d, %d calls of the authorizer", res.StatusCode, fn.calls())
			}
			if got := asJSON(t, fn.last(t)["identitySource"]); got != tt.identity {
				t.Errorf("identitySource %s, want %s", got, tt.identity)
			}
		})
	}
}

// TestLambdaAuthorizer_ARN: the ARN of the method holds the path of the request, wildcards and all.
func TestLambdaAuthorizer_ARN(t *testing.T) {
	tests := []struct {
		kind         APIType
		cfg          Config
		target, want string
	}{
		{REST, Config{}, "/prod/p/x/y", "GET/p/x/y"},
		{REST, Config{}, "/prod/p/*", "GET/p/*"},
		{REST, Config{}, "/prod/p/%2A%3F", "GET/p/%2A%3F"},
		{REST, Config{Domain: "d", BasePath: "v1"}, "/v1/p/x", "GET/p/x"},
		{HTTPAPI, Config{}, "/prod/p/%2A", "GET/p/*"},
	}
	for _, tt := range tests {
		t.Run(tt.target, func(t *testing.T) {
			fn := &recorder{out: policyResult(statements("Allow *"), "")}
			tt.cfg.Type = tt.kind
			g, _ := api(t, tt.cfg, &LambdaAuthorizer{Function: fn})
			serve(g, request("GET", tt.target, "", "Authorization: t"))
			event := fn.last(t)
			arn := event["methodArn"]
			if tt.kind == HTTPAPI {
				arn = event["routeArn"]
			}
			if arn != apiARN+"/"+tt.want {
				t.Errorf("got %v, want %s", arn, apiARN+"/"+tt.want)
			}
		})
	}
	t.Run("above 1600 bytes", func(t *testing.T) {
		fn := &recorder{out: policyResult(statements("Allow *"), "")}
		g, _ := api(t, Config{Type: REST}, &LambdaAuthorizer{Function: fn})
		if res := serve(g, request("GET", "/prod/p/"+strings.Repeat("x", 1600), "", "Authorization: t")); res.StatusCode != 414 || fn.calls() != 0 {
			t.Errorf("status %d", res.StatusCode)
		}
	})
}

// echoing allows the one ARN it is asked about, as the well-known examples do.
func echoing(_ context.Context, event []byte) ([]byte, error) {
	var in struct{ MethodArn, RouteArn string }
	if err := json.Unmarshal(event, &in); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"principalId":"u","policyDocument":{"Statement":{"Effect":"Allow","Action":"execute-api:Invoke","Resource":%q}}}`, in.MethodArn+in.RouteArn), nil
}

// TestLambdaAuthorizer_Cache: a kept policy is evaluated for every route, until its time is over.
//
// Source: https://repost.aws/knowledge-center/api-gateway-lambda-authorization-errors
func TestLambdaAuthorizer_Cache(t *testing.T) {
	step := func(t *testing.T, g http.Handler, call, token string, want int) {
		t.Helper()
		method, path, _ := strings.Cut(call, " ")
		if res := serve(g, request(method, "/prod"+path, "", "Authorization: "+token)); res.StatusCode != want {
			t.Errorf("%s with %s: got %d, want %d", call, token, res.StatusCode, want)
		}
	}
	for _, kind := range []APIType{REST, HTTPAPI} {
		t.Run(kind.String(), func(t *testing.T) {
			c, calls := newClock(), 0
			g, _ := api(t, Config{Type: kind, Now: c.Now, OnDecision: func(d Decision) {
				if d.Invoked {
					calls++
				}
			}}, &LambdaAuthorizer{Function: Func(echoing)})
			step(t, g, "GET /a", "one", 200)
			step(t, g, "GET /a", "one", 200)
			step(t, g, "POST /b", "one", 403) // the classic bug
			step(t, g, "POST /b", "two", 200)
			step(t, g, "GET /a", "two", 403)
			if calls != 2 {
				t.Errorf("%d calls, want 2", calls)
			}
			c.Advance(299 * time.Second)
			step(t, g, "POST /b", "one", 403)
			c.Advance(time.Second)
			step(t, g, "POST /b", "one", 200)
			g.FlushAuthorizers()
			step(t, g, "GET /a", "one", 200)
			if calls != 4 {
				t.Errorf("%d calls, want 4", calls)
			}
		})
	}
	t.Run("a wildcard of a client", func(t *testing.T) {
		g, _ := api(t, Config{Type: HTTPAPI}, &LambdaAuthorizer{Function: Func(echoing)})
		step(t, g, "GET /p/*", "one", 200)
		step(t, g, "GET /p/admin", "one", 200) // what the echo has given away
	})
	t.Run("routeKey in the key", func(t *testing.T) {
		g, _ := api(t, Config{}, &LambdaAuthorizer{Function: Func(echoing), IdentitySource: []string{"$request.header.Authorization", "$context.routeKey"}})
		step(t, g, "GET /a", "one", 200)
		step(t, g, "POST /b", "one", 200)
	})
	t.Run("a simple answer counts for all routes", func(t *testing.T) {
		fn := &recorder{out: `{"isAuthorized":true}`}
		g, _ := api(t, Config{}, &LambdaAuthorizer{Function: fn, SimpleResponses: true})
		step(t, g, "GET /a", "one", 200)
		fn.out = `{"isAuthorized":false}`
		step(t, g, "POST /b", "one", 200)
		step(t, g, "POST /b", "two", 403)
	})
	t.Run("no cache", func(t *testing.T) {
		g, _ := api(t, Config{Type: REST}, &LambdaAuthorizer{Function: Func(echoing), TTL: NoCache})
		step(t, g, "GET /a", "one", 200)
		step(t, g, "POST /b", "one", 200)
	})
	t.Run("two authorizers, two caches", func(t *testing.T) {
		yes, no := &recorder{out: policyResult(statements("Allow *"), "")}, &recorder{out: policyResult(statements("Deny *"), "")}
		g := mustNew(t, Config{Type: REST, Routes: []Route{
			{Path: "/a", Function: ok(), Authorizer: &LambdaAuthorizer{Function: yes}},
			{Path: "/b", Function: ok(), Authorizer: &LambdaAuthorizer{Function: no}},
		}})
		step(t, g, "GET /a", "one", 200)
		step(t, g, "GET /b", "one", 403)
	})
	t.Run("values do not run together", func(t *testing.T) {
		if cacheKey([]string{"a", "b"}) == cacheKey([]string{`a","b`}) || cacheKey([]string{"a", ""}) == cacheKey([]string{"", "a"}) {
			t.Error("two lists have one key")
		}
	})
}

func TestLambdaAuthorizer_Timeout(t *testing.T) {
	slow := Func(func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })
	g, f := api(t, Config{Type: REST}, &LambdaAuthorizer{Function: slow, Timeout: 10 * time.Millisecond})
	if res := serve(g, request("GET", "/prod/a", "", "Authorization: t")); res.StatusCode != 500 || f.calls() != 0 {
		t.Errorf("status %d", res.StatusCode)
	}
	if res := serve(g, request("GET", "/prod/open", "")); res.StatusCode != 200 {
		t.Errorf("the open route: status %d", res.StatusCode)
	}
}

// TestAPIKey: the key of a usage plan, from the header or from the authorizer.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html
func TestAPIKey(t *testing.T) {
	tests := []struct {
		source, header, fromAuthorizer string
		status                         int
	}{
		{"HEADER", "k1", "", 200},
		{"HEADER", "", "k1", 403},
		{"HEADER", "k2", "", 403},
		{"AUTHORIZER", "", "k1", 200},
		{"AUTHORIZER", "k1", "", 403},
		{"AUTHORIZER", "", "k2", 403},
	}
	for _, tt := range tests {
		t.Run(tt.source+tt.header+tt.fromAuthorizer, func(t *testing.T) {
			f := ok()
			a := &LambdaAuthorizer{Function: &recorder{out: policyResult(statements("Allow *"), `,"usageIdentifierKey":"`+tt.fromAuthorizer+`"`)}}
			g := mustNew(t, Config{Type: REST, APIKeys: []string{"k1"}, APIKeySource: tt.source, Routes: []Route{{Path: "/a", Function: f, Authorizer: a, APIKeyRequired: true}}})
			for range 2 { // the second from the cache
				res := serve(g, request("GET", "/prod/a", "", "Authorization: t", "X-Api-Key: "+tt.header))
				if res.StatusCode != tt.status {
					t.Fatalf("got %d, want %d", res.StatusCode, tt.status)
				}
			}
			if tt.status == 200 && at(f.last(t), "requestContext.identity.apiKey") != "k1" {
				t.Error("the event does not name the key")
			}
		})
	}
}

// TestGatewayResponses: a REST API's own answers, replaced.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
func TestGatewayResponses(t *testing.T) {
	deny := &recorder{out: policyResult(statements("Deny *"), `,"context":{"body":"{\"need\":\"mfa\"}","n":7}`)}
	g, _ := api(t, Config{Type: REST, GatewayResponses: map[string]GatewayResponse{
		"ACCESS_DENIED": {Status: 418, Body: "$context.authorizer.body $context.authorizer.n $context.authorizer.principalId [$context.authorizer.nothing] $context.stage", Headers: map[string]string{"X-Why": "$context.error.responseType"}},
		"DEFAULT_4XX":   {Headers: map[string]string{"Access-Control-Allow-Origin": "'*'"}, Body: `{"m":$context.error.messageString,"r":"$context.resourcePath"}`},
	}}, &LambdaAuthorizer{Function: deny})
	res := serve(g, request("GET", "/prod/a", "", "Authorization: t"))
	if body := bodyOf(t, res); res.StatusCode != 418 || body != `{"need":"mfa"} 7 u1 [] prod` || res.Header.Get("X-Why") != "ACCESS_DENIED" {
		t.Errorf("got %d %s %v", res.StatusCode, body, res.Header)
	}
	if res := serve(g, request("GET", "/prod/none", "")); res.StatusCode != 403 || bodyOf(t, res) != `{"m":"Missing Authentication Token","r":""}` {
		t.Errorf("no route: got %d", res.StatusCode)
	}
	res = serve(g, request("GET", "/prod/a", ""))
	if body := bodyOf(t, res); res.StatusCode != 401 || body != `{"m":"Unauthorized","r":"/a"}` || res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got %d %s %v", res.StatusCode, body, res.Header)
	}
}

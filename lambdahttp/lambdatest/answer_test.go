package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAnswer: how results become responses.
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html,
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
func TestAnswer(t *testing.T) {
	const (
		rest502 = `{"message":"Internal server error"}`
		http502 = `{"message":"Internal Server Error"}`
	)
	tests := []struct {
		name   string
		kind   APIType
		out    string
		status int
		body   string
		header http.Header // some of them
	}{
		{"plain", REST, `{"statusCode":201,"headers":{"X-A":"1","X-N":2,"X-B":true},"body":"hi"}`, 201, "hi", http.Header{"X-A": {"1"}, "X-N": {"2"}, "X-B": {"true"}, "Content-Type": {"application/json"}}},
		{"status in quotes", REST, `{"statusCode":"404"}`, 404, "", nil},
		{"multi wins", REST, `{"statusCode":200,"headers":{"set-cookie":"z=1"},"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]}}`, 200, "", http.Header{"Set-Cookie": {"a=1", "b=2"}}},
		{"names that differ by case", ALB, `{"statusCode":200,"headers":{"set-cookie":"b=2","Set-Cookie":"a=1"}}`, 200, "", http.Header{"Set-Cookie": {"a=1", "b=2"}}},
		{"remapped", REST, `{"statusCode":401,"headers":{"WWW-Authenticate":"Bearer","Date":"x"}}`, 401, "", http.Header{"X-Amzn-Remapped-Www-Authenticate": {"Bearer"}, "X-Amzn-Remapped-Date": {"x"}, "Www-Authenticate": nil}},
		{"base64 without a binary type", REST, `{"statusCode":200,"isBase64Encoded":true,"body":"aGk=","headers":{"Content-Type":"text/plain"}}`, 200, "aGk=", nil},
		{"base64 of a binary type", REST, `{"statusCode":200,"isBase64Encoded":true,"body":"aGk=","headers":{"Content-Type":"image/png"}}`, 200, "hi", nil},
		{"no status", REST, `{"body":"hi"}`, 502, rest502, http.Header{"X-Amzn-Errortype": {"InternalServerErrorException"}}},
		{"body is an object", REST, `{"statusCode":200,"body":{}}`, 502, rest502, nil},
		{"header is a list", REST, `{"statusCode":200,"headers":{"X":["a"]}}`, 502, rest502, nil},
		{"unknown member", REST, `{"statusCode":200,"cookies":[]}`, 502, rest502, nil},
		{"not an object", REST, `"text"`, 502, rest502, nil},
		{"null", REST, `null`, 502, rest502, nil},
		{"not JSON", REST, `{`, 502, rest502, nil},
		{"bad status", REST, `{"statusCode":99}`, 502, rest502, nil},
		{"fraction", REST, `{"statusCode":200.5}`, 502, rest502, nil},
		{"line break in a header", REST, `{"statusCode":200,"headers":{"X":"a\r\nSet-Cookie: b"}}`, 502, rest502, nil},
		{"flag is a string", REST, `{"statusCode":200,"isBase64Encoded":"true"}`, 502, rest502, nil},

		{"1.0", HTTPAPIv1, `{"statusCode":200,"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]},"isBase64Encoded":true,"body":"aGk="}`, 200, "hi", http.Header{"Set-Cookie": {"a=1", "b=2"}}},
		{"1.0 without status", HTTPAPIv1, `{"body":"hi"}`, 502, http502, nil},

		{"2.0", HTTPAPI, `{"statusCode":200,"headers":{"www-authenticate":"Bearer"},"cookies":["a=1","b=2"],"multiValueHeaders":{"X-A":["ignored"]},"isBase64Encoded":true,"body":"aGk="}`, 200, "hi", http.Header{"Set-Cookie": {"a=1", "b=2"}, "Www-Authenticate": {"Bearer"}, "X-A": nil}},
		{"2.0 inferred", HTTPAPI, `{"hello":"world"}`, 200, `{"hello":"world"}`, http.Header{"Content-Type": {"application/json"}}},
		{"2.0 inferred text", HTTPAPI, `"hello"`, 200, `hello`, http.Header{"Content-Type": {"application/json"}}},
		{"2.0 inferred list", HTTPAPI, `[1]`, 200, `[1]`, nil},
		{"2.0 not JSON", HTTPAPI, `hello`, 502, http502, nil},
		{"2.0 bad base64", HTTPAPI, `{"statusCode":200,"isBase64Encoded":true,"body":"?"}`, 502, http502, nil},
		{"2.0 bad cookies", HTTPAPI, `{"statusCode":200,"cookies":"a=1"}`, 502, http502, nil},
		{"function URL", FunctionURL, `{"statusCode":204,"cookies":["a=1"]}`, 204, "", http.Header{"Set-Cookie": {"a=1"}}},

		{"ALB takes headers", ALB, `{"statusCode":200,"headers":{"X-A":"1"},"multiValueHeaders":{"X-A":["2"]},"body":"hi"}`, 200, "hi", http.Header{"X-A": {"1"}}},
		{"ALB takes lists", ALBMultiValue, `{"statusCode":200,"headers":{"X-A":"1"},"multiValueHeaders":{"X-A":["2","3"]},"body":"hi"}`, 200, "hi", http.Header{"X-A": {"2", "3"}}},
		{"ALB without status", ALB, `{"body":"hi"}`, 502, "<html><head><title>502 Bad Gateway</title></head></html>\r\n", nil},
		{"ALB above 1 MB", ALB, `{"statusCode":200,"body":"` + strings.Repeat("x", 1<<20) + `"}`, 502, "<html><head><title>502 Bad Gateway</title></head></html>\r\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String()+" "+tt.name, func(t *testing.T) {
			cfg := Config{Type: tt.kind, Routes: []Route{{Path: "/x", Function: &recorder{out: tt.out}}}}
			path := "/x"
			if tt.kind == REST {
				path, cfg.BinaryMediaTypes = "/prod/x", []string{"image/*"}
			}
			res := serve(mustNew(t, cfg), request("GET", path, ""))
			if body := bodyOf(t, res); res.StatusCode != tt.status || body != tt.body {
				t.Errorf("got %d %q, want %d %q", res.StatusCode, body, tt.status, tt.body)
			}
			for k, want := range tt.header {
				if got := res.Header[k]; strings.Join(got, "|") != strings.Join(want, "|") {
					t.Errorf("%s: got %q, want %q", k, got, want)
				}
			}
		})
	}
}

func TestGateway_FunctionFails(t *testing.T) {
	for kind, want := range map[APIType]string{REST: `{"message":"Internal server error"}`, HTTPAPI: `{"message":"Internal Server Error"}`, FunctionURL: `{"message":"Internal Server Error"}`} {
		path := "/x"
		if kind == REST {
			path = "/prod/x"
		}
		g := mustNew(t, Config{Type: kind, Routes: []Route{{Path: "/x", Function: &recorder{err: errors.New("secret of the function")}}}})
		if res := serve(g, request("GET", path, "")); res.StatusCode != 502 || bodyOf(t, res) != want {
			t.Errorf("%v: status %d", kind, res.StatusCode)
		}
	}
}

func TestGateway_Timeout(t *testing.T) {
	done := make(chan struct{})
	slow := Func(func(ctx context.Context, _ []byte) ([]byte, error) {
		<-ctx.Done()
		close(done)
		return nil, ctx.Err()
	})
	g := mustNew(t, Config{Type: REST, Timeout: 20 * time.Millisecond, Routes: []Route{{Path: "/x", Function: slow}}})
	res := serve(g, request("GET", "/prod/x", ""))
	if body := bodyOf(t, res); res.StatusCode != 504 || body != `{"message":"Endpoint request timed out"}` {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	<-done
}

// A client that hangs up does not stop the function.
func TestGateway_ClientGone(t *testing.T) {
	var err error
	f := Func(func(ctx context.Context, _ []byte) ([]byte, error) { err = ctx.Err(); return []byte(`{}`), nil })
	g := mustNew(t, Config{Routes: []Route{{Path: "/x", Function: f}}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res := serve(g, request("GET", "/x", "").WithContext(ctx)); res.StatusCode != 200 || err != nil {
		t.Errorf("status %d, the function saw %v", res.StatusCode, err)
	}
}

// TestGateway_Limits: 10,240 bytes of headers, 10 MB of body, 6 MB of event.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
func TestGateway_Limits(t *testing.T) {
	tests := []struct {
		name   string
		kind   APIType
		header int
		body   int
		status int
	}{
		{"header fits", HTTPAPI, 10000, 0, 200},
		{"header too long", HTTPAPI, 10240, 0, 431},
		{"REST header too long", REST, 10240, 0, 431},
		{"load balancers take more", ALB, 10240, 0, 200},
		{"body of 5 MB", REST, 0, 5 << 20, 200},
		{"body above 10 MB", REST, 0, 10<<20 + 1, 413},
		{"event above 6 MB", REST, 0, 7 << 20, 413},
		{"body above 6 MB", FunctionURL, 0, MaxPayload + 1, 413},
		{"body above 1 MB", ALB, 0, 1<<20 + 1, 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := "/x"
			if tt.kind == REST {
				path = "/prod/x"
			}
			f := Func(func(context.Context, []byte) ([]byte, error) { return []byte(`{"statusCode":200}`), nil })
			g := mustNew(t, Config{Type: tt.kind, Routes: []Route{{Path: "/x", Function: f}}})
			r := request("POST", path, strings.Repeat("b", tt.body), "Content-Type: text/plain", "X-Long: "+strings.Repeat("h", tt.header))
			if res := serve(g, r); res.StatusCode != tt.status {
				t.Errorf("got %d, want %d", res.StatusCode, tt.status)
			}
		})
	}
}

// TestRoute_Find: which route serves.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func TestRoute_Find(t *testing.T) {
	routes := []string{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "POST /only", "ANY /", "$default"}
	build := func(t *testing.T, kind APIType) http.Handler {
		var rs []Route
		for _, key := range routes {
			key := key
			if key == "$default" && kind == REST {
				continue
			}
			method, path, ok := strings.Cut(key, " ")
			if !ok {
				method, path = "", key
			}
			rs = append(rs, Route{Method: method, Path: path, Function: Func(func(context.Context, []byte) ([]byte, error) {
				return json.Marshal(map[string]any{"statusCode": 200, "body": key})
			})})
		}
		return mustNew(t, Config{Type: kind, Stage: "s", Routes: rs})
	}
	tests := []struct {
		kind         APIType
		method, path string
		want         string // the key, or the refusal
	}{
		{HTTPAPI, "GET", "/s/pets/dog/1", "GET /pets/dog/1"},
		{HTTPAPI, "GET", "/s/pets/dog/2", "GET /pets/dog/{id}"},
		{HTTPAPI, "GET", "/s/pets/cat/1/2", "GET /pets/{proxy+}"},
		{HTTPAPI, "POST", "/s/pets/dog/1", "ANY /{proxy+}"},
		{HTTPAPI, "GET", "/s/only", "ANY /{proxy+}"},
		{HTTPAPI, "GET", "/s", "ANY /"},
		{HTTPAPI, "GET", "/other/x", `{"message":"Not Found"}`},
		{HTTPAPI, "GET", "/sx", `{"message":"Not Found"}`},
		{REST, "GET", "/s/pets/dog/2/", "GET /pets/dog/{id}"},
		{REST, "POST", "/s/pets/dog/2", `{"message":"Missing Authentication Token"}`}, // the resource has no POST
		{REST, "GET", "/s/only", `{"message":"Missing Authentication Token"}`},
		{REST, "GET", "/s/%6Fnly", `{"message":"Missing Authentication Token"}`},
		{REST, "POST", "/s/%6Fnly", "POST /only"},
		{REST, "GET", "/s/a%2Fb", "ANY /{proxy+}"},
		{REST, "GET", "/sx", `{"message":"Forbidden"}`},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String()+" "+tt.method+" "+tt.path, func(t *testing.T) {
			res := serve(build(t, tt.kind), request(tt.method, tt.path, ""))
			if got := bodyOf(t, res); got != tt.want {
				t.Errorf("got %d %s, want %s", res.StatusCode, got, tt.want)
			}
		})
	}
	t.Run("$default", func(t *testing.T) {
		f := ok()
		g := mustNew(t, Config{Routes: []Route{{Method: "GET", Path: "/x", Function: ok()}, {Path: "$default", Function: f}}})
		if res := serve(g, request("POST", "/x", "")); res.StatusCode != 200 || f.calls() != 1 || f.last(t)["routeKey"] != "$default" {
			t.Errorf("status %d, %d calls", res.StatusCode, f.calls())
		}
	})
}

func TestNew_Refuses(t *testing.T) {
	f := ok()
	good := []Route{{Path: "/x", Function: f}}
	auth := func(a LambdaAuthorizer) []Route { return []Route{{Path: "/x", Function: f, Authorizer: &a}} }
	tests := map[string]Config{
		"kind":                    {Type: 99, Routes: good},
		"no routes":               {},
		"no function":             {Routes: []Route{{Path: "/x"}}},
		"path":                    {Routes: []Route{{Path: "x", Function: f}}},
		"half a variable":         {Routes: []Route{{Path: "/a{b}", Function: f}}},
		"empty variable":          {Routes: []Route{{Path: "/{+}", Function: f}}},
		"greedy in the middle":    {Routes: []Route{{Path: "/{a+}/b", Function: f}}},
		"twice":                   {Routes: []Route{good[0], good[0]}},
		"default on REST":         {Type: REST, Routes: []Route{{Path: "$default", Function: f}}},
		"default stage on REST":   {Type: REST, Stage: "$default", Routes: good},
		"base path, no domain":    {BasePath: "v1", Routes: good},
		"stage in path on HTTP":   {Domain: "d", StageInPath: true, Routes: good},
		"timeout":                 {Timeout: -1, Routes: good},
		"gateway responses":       {GatewayResponses: map[string]GatewayResponse{"X": {}}, Routes: good},
		"key source":              {Type: REST, APIKeySource: "X", Routes: good},
		"key on HTTP":             {Routes: []Route{{Path: "/x", Function: f, APIKeyRequired: true}}},
		"authorizer of a URL":     {Type: FunctionURL, Routes: auth(LambdaAuthorizer{Function: f})},
		"two routes of a URL":     {Type: FunctionURL, Routes: []Route{good[0], {Path: "/y", Function: f}}},
		"scopes, no JWT":          {Routes: []Route{{Path: "/x", Function: f, Scopes: []string{"a"}}}},
		"authorizer, no function": {Routes: auth(LambdaAuthorizer{})},
		"TOKEN on HTTP":           {Routes: auth(LambdaAuthorizer{Function: f, Type: TokenAuthorizer})},
		"unknown type":            {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, Type: "X"})},
		"version on REST":         {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, PayloadVersion: "1.0"})},
		"unknown version":         {Routes: auth(LambdaAuthorizer{Function: f, PayloadVersion: "3.0"})},
		"simple 1.0":              {Routes: auth(LambdaAuthorizer{Function: f, PayloadVersion: "1.0", SimpleResponses: true})},
		"regexp of REQUEST":       {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, IdentityValidation: "a"})},
		"bad regexp":              {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, Type: TokenAuthorizer, IdentityValidation: "("})},
		"TTL above an hour":       {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, TTL: time.Hour + time.Second})},
		"TTL below zero":          {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, TTL: -2})},
		"source of another API":   {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, IdentitySource: []string{"$request.header.A"}})},
		"unknown context":         {Routes: auth(LambdaAuthorizer{Function: f, IdentitySource: []string{"$context.nothing"}})},
		"two tokens":              {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, Type: TokenAuthorizer, IdentitySource: []string{"method.request.header.A", "method.request.header.B"}})},
		"token in the query":      {Type: REST, Routes: auth(LambdaAuthorizer{Function: f, Type: TokenAuthorizer, IdentitySource: []string{"method.request.querystring.A"}})},
		"JWT, no audience":        {Routes: []Route{{Path: "/x", Function: f, Authorizer: &JWTAuthorizer{Issuer: "https://a"}}}},
		"JWT, timeout":            {Routes: []Route{{Path: "/x", Function: f, Authorizer: &JWTAuthorizer{Issuer: "https://a", Audience: []string{"b"}, FetchTimeout: -1}}}},
		"JWT on http":             {Routes: []Route{{Path: "/x", Function: f, Authorizer: &JWTAuthorizer{Issuer: "http://a", Audience: []string{"b"}}}}},
		"JWT, issuer with query":  {Routes: []Route{{Path: "/x", Function: f, Authorizer: &JWTAuthorizer{Issuer: "https://a?b", Audience: []string{"b"}}}}},
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "lambdatest: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

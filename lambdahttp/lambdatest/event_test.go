package lambdatest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/quick"
)

const target = "/capture/space%20value?repeat=one&repeat=two&redirect=https%3A%2F%2Fa.example&literalPlus=a+b&encodedPlus=a%2Bb&empty="

// TestEvent_Members: one and the same request, as each front end shows it. The facts are those of events captured on
// AWS (github.com/hotsock/voker, vokerhttp/testdata) and of the pages named at the builders.
func TestEvent_Members(t *testing.T) {
	tests := []struct {
		kind APIType
		want map[string]string // member -> JSON
	}{
		{HTTPAPI, map[string]string{
			"version": `"2.0"`, "rawPath": `"/capture/space value"`, "routeKey": `"POST /capture/{x}"`,
			"rawQueryString":                    `"` + strings.Replace(target[strings.Index(target, "?")+1:], "&", `\u0026`, -1) + `"`,
			"queryStringParameters.repeat":      `"one,two"`,
			"queryStringParameters.literalPlus": `"a b"`, "queryStringParameters.encodedPlus": `"a+b"`, "queryStringParameters.empty": `""`,
			"cookies": `["a=1","b=2"]`, "headers.cookie": `null`, "headers.x-probe": `"p,q"`, "headers.host": `"api.example"`,
			"headers.x-forwarded-for": `"6.6.6.6, 203.0.113.7"`, "headers.x-forwarded-proto": `"https"`, "headers.content-length": `"7"`,
			"requestContext.http.method": `"POST"`, "requestContext.http.path": `"/capture/space value"`, "requestContext.http.sourceIp": `"203.0.113.7"`,
			"requestContext.stage": `"$default"`, "requestContext.domainPrefix": `"a1b2c3d4e5"`, "requestContext.accountId": `"123456789012"`,
			"requestContext.time": `"10/Jul/2026:12:00:00 +0000"`, "requestContext.timeEpoch": `1783684800000`, "requestContext.authorizer": `null`,
			"pathParameters": `{"x":"space value"}`, "body": `"{\"a\":1}"`, "isBase64Encoded": `false`, "httpMethod": `null`,
		}},
		{HTTPAPIv1, map[string]string{
			"version": `"1.0"`, "path": `"/capture/space value"`, "resource": `"/capture/{x}"`, "httpMethod": `"POST"`,
			"queryStringParameters.repeat": `"two"`, "multiValueQueryStringParameters.repeat": `["one","two"]`, "multiValueQueryStringParameters.encodedPlus": `["a+b"]`,
			"headers.X-Probe": `"q"`, "multiValueHeaders.X-Probe": `["p","q"]`, "headers.Cookie": `"a=1; b=2"`, "headers.Content-Length": `"7"`,
			"requestContext.identity.sourceIp": `"203.0.113.7"`, "requestContext.path": `"/capture/space value"`, "requestContext.resourceId": `"POST /capture/{x}"`,
			"body": `"{\"a\":1}"`, "isBase64Encoded": `false`, "cookies": `null`, "stageVariables": `null`,
		}},
		{REST, map[string]string{
			"version": `null`, "path": `"/capture/space%20value"`, "resource": `"/capture/{x}"`, "httpMethod": `"POST"`,
			"requestContext.path": `"/prod/capture/space%20value"`, "requestContext.stage": `"prod"`, "requestContext.resourcePath": `"/capture/{x}"`,
			"queryStringParameters.repeat": `"two"`, "multiValueQueryStringParameters.repeat": `["one","two"]`, "queryStringParameters.literalPlus": `"a b"`,
			"headers.X-Probe": `"q"`, "multiValueHeaders.X-Probe": `["p","q"]`, "headers.Cookie": `"a=1; b=2"`, "headers.Host": `"api.example"`,
			"headers.X-Forwarded-For": `"6.6.6.6, 203.0.113.7"`, "requestContext.identity.sourceIp": `"203.0.113.7"`,
			"pathParameters": `{"x":"space%20value"}`, "body": `"{\"a\":1}"`, "isBase64Encoded": `false`, "cookies": `null`,
		}},
		{FunctionURL, map[string]string{
			"version": `"2.0"`, "rawPath": `"/capture/space%20value"`, "requestContext.http.path": `"/capture/space value"`, "routeKey": `"$default"`,
			"requestContext.accountId": `"anonymous"`, "requestContext.domainName": `"a1b2c3d4e5.lambda-url.us-east-1.on.aws"`,
			"cookies": `["a=1","b=2"]`, "headers.cookie": `"a=1; b=2"`, "requestContext.stage": `"$default"`, "queryStringParameters.repeat": `"one,two"`,
		}},
		{ALB, map[string]string{
			"path": `"/capture/space%20value"`, "httpMethod": `"POST"`, "queryStringParameters.encodedPlus": `"a%2Bb"`, "queryStringParameters.repeat": `"two"`,
			"headers.x-probe": `"q"`, "headers.cookie": `"a=1; b=2"`, "headers.x-forwarded-for": `"6.6.6.6, 203.0.113.7"`, "multiValueHeaders": `null`, "version": `null`,
			"multiValueQueryStringParameters": `null`, "body": `"{\"a\":1}"`,
		}},
		{ALBMultiValue, map[string]string{
			"path": `"/capture/space%20value"`, "multiValueQueryStringParameters.redirect": `["https%3A%2F%2Fa.example"]`, "multiValueQueryStringParameters.repeat": `["one","two"]`,
			"multiValueHeaders.x-probe": `["p","q"]`, "headers": `null`, "queryStringParameters": `null`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String(), func(t *testing.T) {
			f := ok()
			g := mustNew(t, Config{Type: tt.kind, Now: newClock().Now, Routes: []Route{{Method: "post", Path: "/capture/{x}", Function: f}}})
			path := target
			if tt.kind == REST {
				path = "/prod" + target
			}
			r := request("POST", path, `{"a":1}`, "Content-Type: application/json", "X-Probe: p", "X-Probe: q", "Cookie: a=1; b=2", "X-Forwarded-For: 6.6.6.6")
			r.Host, r.RemoteAddr = "api.example", "203.0.113.7:4711"
			if res := serve(g, r); res.StatusCode != 200 || bodyOf(t, res) != "ok" {
				t.Fatalf("status %d", res.StatusCode)
			}
			doc := f.last(t)
			for member, want := range tt.want {
				if got := asJSON(t, at(doc, member)); got != want {
					t.Errorf("%s: got %s, want %s", member, got, want)
				}
			}
		})
	}
}

// TestEvent_Body: which bodies travel in base64.
//
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
func TestEvent_Body(t *testing.T) {
	tests := []struct {
		kind               APIType
		contentType, coded string // Content-Type, Content-Encoding
		body               string
		want               string // body and isBase64Encoded
	}{
		{HTTPAPI, "text/html; charset=utf-8", "", "hi", `["hi",false]`},
		{HTTPAPI, "application/json", "", "{}", `["{}",false]`},
		{HTTPAPI, "application/x-www-form-urlencoded", "", "a=1", `["YT0x",true]`},
		{HTTPAPI, "", "", "hi", `["aGk=",true]`},
		{HTTPAPI, "text/plain", "gzip", "hi", `["aGk=",true]`},
		{HTTPAPI, "text/plain", "identity", "hi", `["hi",false]`},
		{HTTPAPI, "text/plain", "", "", `[null,false]`},
		{HTTPAPIv1, "image/png", "", "\x89", `["iQ==",true]`},
		{HTTPAPIv1, "image/png", "", "", `[null,false]`},
		{FunctionURL, "image/png", "", "\x89", `["iQ==",true]`},
		{REST, "application/x-www-form-urlencoded", "", "a=1", `["a=1",false]`},
		{REST, "image/png", "", "\x89", `["iQ==",true]`},
		{REST, "image/gif", "", "\x89", `["�",false]`},
		{REST, "application/json", "", "", `[null,false]`},
		{ALB, "application/xml", "", "<a/>", `["\u003ca/\u003e",false]`},
		{ALB, "image/png", "", "\x89", `["iQ==",true]`},
		{ALB, "image/png", "", "", `["",false]`},
	}
	for _, tt := range tests {
		t.Run(tt.kind.String()+" "+tt.contentType+" "+tt.coded, func(t *testing.T) {
			f := ok()
			cfg := Config{Type: tt.kind, Stage: "s", Routes: []Route{{Path: "/x", Function: f}}}
			path := "/s/x"
			if tt.kind == REST {
				cfg.BinaryMediaTypes = []string{"image/png"}
			}
			if !tt.kind.api() {
				cfg.Stage, path = "", "/x"
			}
			r := request("POST", path, tt.body, "Content-Type: "+tt.contentType, "Content-Encoding: "+tt.coded)
			if res := serve(mustNew(t, cfg), r); res.StatusCode != 200 {
				t.Fatalf("status %d: %s", res.StatusCode, bodyOf(t, res))
			}
			doc := f.last(t)
			if got := asJSON(t, []any{doc["body"], doc["isBase64Encoded"]}); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestEvent_Paths: stage, custom domain and base path, as reported in localstack#12296, aws-powertools-python#579 and
// yulin#1037.
func TestEvent_Paths(t *testing.T) {
	tests := []struct {
		name           string
		cfg            Config
		target         string
		path, inContex string // event path or rawPath, and that of the request context
	}{
		{"REST, generated domain", Config{Type: REST, Stage: "live"}, "/live/x%2Fy", "/x%2Fy", "/live/x%2Fy"},
		{"REST, root", Config{Type: REST, Stage: "live"}, "/live", "/", "/live"},
		{"REST, domain", Config{Type: REST, Domain: "api.example"}, "/x", "/x", "/x"},
		{"REST, domain without a stage in the mapping", Config{Type: REST, Stage: "live", Domain: "api.example", StageInPath: true}, "/live/x", "/live/x", "/live/x"},
		{"REST, base path without a stage", Config{Type: REST, Stage: "live", Domain: "api.example", BasePath: "v1", StageInPath: true}, "/v1/live/x", "/v1/live/x", "/v1/live/x"},
		{"REST, base path and stage", Config{Type: REST, Stage: "live", Domain: "api.example", BasePath: "/v1/"}, "/v1/x", "/v1/x", "/v1/x"},
		{"HTTP, $default", Config{}, "/x%2Fy", "/x/y", "/x/y"},
		{"HTTP, stage", Config{Stage: "dev"}, "/dev/x", "/dev/x", "/dev/x"},
		{"HTTP, domain with stage", Config{Stage: "dev", Domain: "api.example"}, "/x", "/x", "/x"},
		{"HTTP, base path", Config{Stage: "dev", Domain: "api.example", BasePath: "v1"}, "/v1/x", "/v1/x", "/v1/x"},
		{"HTTP, decoded ?", Config{}, "/a%3Fadmin=1", "/a", "/a"},
		{"HTTP, decoded #", Config{}, "/hash%23value", "/hash#value", "/hash#value"},
		{"HTTP, unicode", Config{}, "/unicode-%CE%BB", "/unicode-λ", "/unicode-λ"},
		{"HTTP, decoded twice", Config{}, "/literal%252Fvalue", "/literal/value", "/literal/value"},
		{"HTTP, ? after the second time", Config{}, "/literal%253Fvalue", "/literal?value", "/literal?value"},
		{"HTTP, percent sign", Config{}, "/literal%2525value", "/literal%value", "/literal%value"},
		{"HTTP 1.0, stage", Config{Type: HTTPAPIv1, Stage: "dev"}, "/dev/a%20b", "/dev/a b", "/dev/a b"},
		{"function URL", Config{Type: FunctionURL}, "/a%2Fb%3F", "/a%2Fb%3F", "/a/b?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := ok()
			tt.cfg.Routes = []Route{{Path: "/{proxy+}", Function: f}}
			if tt.cfg.Type == REST {
				tt.cfg.Routes = append(tt.cfg.Routes, Route{Path: "/", Function: f})
			}
			if res := serve(mustNew(t, tt.cfg), request("GET", tt.target, "")); res.StatusCode != 200 {
				t.Fatalf("status %d", res.StatusCode)
			}
			doc := f.last(t)
			path, inContext := doc["path"], at(doc, "requestContext.path")
			if path == nil {
				path, inContext = doc["rawPath"], at(doc, "requestContext.http.path")
			}
			if path != tt.path || inContext != tt.inContex {
				t.Errorf("got %v and %v, want %v and %v", path, inContext, tt.path, tt.inContex)
			}
		})
	}
}

// A path that can't be decoded twice is rejected by HTTP APIs, and by nobody else.
func TestEvent_PathRejected(t *testing.T) {
	for kind, want := range map[APIType]int{HTTPAPI: 400, HTTPAPIv1: 400, FunctionURL: 200, REST: 200, ALB: 200} {
		f := ok()
		g := mustNew(t, Config{Type: kind, Stage: "s", Routes: []Route{{Path: "/{proxy+}", Function: f}}})
		if res := serve(g, request("GET", "/s/percent%25done", "")); res.StatusCode != want || (f.calls() == 1) != (want == 200) {
			t.Errorf("%v: got %d, want %d", kind, res.StatusCode, want)
		}
	}
}

func TestEvent_LowerCaseHeaders(t *testing.T) {
	f := ok()
	g := mustNew(t, Config{Type: REST, LowerCaseHeaders: true, Routes: []Route{{Path: "/x", Function: f}}})
	serve(g, request("GET", "/prod/x", "", "Authorization: t"))
	if doc := f.last(t); at(doc, "headers.authorization") != "t" || at(doc, "headers.Host") != "example.com" {
		t.Errorf("headers are %v", at(doc, "headers"))
	}
}

// Event never calls the function, and says when the gateway would answer by itself.
func TestGateway_Event(t *testing.T) {
	f := ok()
	g := mustNew(t, Config{Routes: []Route{{Path: "/x", Function: f}}})
	event, err := g.Event(request("GET", "/x", ""))
	if err != nil || !json.Valid(event) || f.calls() != 0 {
		t.Errorf("got %s and %v, %d calls", event, err, f.calls())
	}
	if _, err := g.Event(request("GET", "/y", "")); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a path without a route: %v", err)
	}
}

// Any header and any query make an event that is JSON.
func TestEvent_AnyQuery(t *testing.T) {
	kinds := []APIType{HTTPAPI, HTTPAPIv1, FunctionURL, ALB, ALBMultiValue}
	var gateways []*Gateway
	for _, k := range kinds {
		gateways = append(gateways, mustNew(t, Config{Type: k, Routes: []Route{{Path: "$default", Function: ok()}}}))
	}
	check := func(query, header string, body []byte) bool {
		for _, g := range gateways {
			r, err := http.NewRequest("POST", "http://x/", strings.NewReader(string(body)))
			if err != nil {
				return false
			}
			r.URL.RawQuery = query
			r.Header["X-Any"] = []string{header}
			event, err := g.Event(r)
			if err != nil || !json.Valid(event) {
				return false
			}
		}
		return true
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

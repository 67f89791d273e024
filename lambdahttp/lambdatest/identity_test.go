package lambdatest

import "testing"

// TestIdentitySource: each notation, and each context variable that can be named.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
func TestIdentitySource(t *testing.T) {
	tests := []struct {
		kind       APIType
		expr, want string
	}{
		{REST, "method.request.header.x-a", "2"},
		{REST, "method.request.querystring.q", "b c"},
		{REST, "stageVariables.v", "1"},
		{REST, "context.path", "/prod/a"},
		{HTTPAPI, "$request.header.X-A", "1,2"},
		{HTTPAPI, "$request.querystring.q", "a,b c"},
		{HTTPAPI, "$stageVariables.v", "1"},
		{HTTPAPI, "$context.accountId", "123456789012"},
		{HTTPAPI, "$context.apiId", "a1b2c3d4e5"},
		{HTTPAPI, "$context.domainName", "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"},
		{HTTPAPI, "$context.domainPrefix", "a1b2c3d4e5"},
		{HTTPAPI, "$context.httpMethod", "GET"},
		{HTTPAPI, "$context.identity.sourceIp", "203.0.113.7"},
		{HTTPAPI, "$context.identity.userAgent", "test"},
		{HTTPAPI, "$context.path", "/prod/a"},
		{HTTPAPI, "$context.protocol", "HTTP/1.1"},
		{HTTPAPI, "$context.resourcePath", "/a"},
		{HTTPAPI, "$context.routeKey", "GET /a"},
		{HTTPAPI, "$context.stage", "prod"},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			g, _ := api(t, Config{Type: tt.kind, StageVariables: map[string]string{"v": "1"}}, nil)
			s, err := g.identitySource(tt.expr)
			if err != nil {
				t.Fatal(err)
			}
			r := request("GET", "/prod/a?q=a&q=b+c", "", "X-A: 1", "X-A: 2", "User-Agent: test")
			r.RemoteAddr = "203.0.113.7:1"
			c, refused := g.newCall(r)
			if refused != nil {
				t.Fatal(refused)
			}
			if got := s(c); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	g, _ := api(t, Config{}, nil)
	for _, expr := range []string{"", "$request.header.", "request.header.A", "$request.body.a", "$request.path.a", "$context.", "method.request.header.A"} {
		if _, err := g.identitySource(expr); err == nil {
			t.Errorf("%q is taken", expr)
		}
	}
}

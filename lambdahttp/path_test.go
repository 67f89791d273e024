package lambdahttp_test

import (
	"net/http"
	"testing"

	"github.com/posternauth/postern/lambdahttp"
)

// TestPath_Stage: where the stage stands in the path depends on the API, the host and the mapping; the handler never
// sees it.
func TestPath_Stage(t *testing.T) {
	generated := func(stage, path string) sent { return sent{stage: stage, path: path} }
	custom := func(stage, path string) sent { return sent{stage: stage, path: path, domain: "api.example.com"} }
	with := func(s sent, route, param, value string) sent {
		s.resource, s.routeKey = route, "GET "+route
		if param != "" {
			s.params = map[string]string{param: value}
		}
		return s
	}
	for name, c := range map[string]struct {
		shape string
		s     sent
		strip string
		want  string
	}{
		"HTTP API, generated host":                   {"http-2.0", generated("dev", "/dev/users"), "", "/users"},
		"HTTP API, generated host, 1.0":              {"http-1.0", generated("dev", "/dev/users"), "", "/users"},
		"HTTP API, the stage alone":                  {"http-2.0", generated("dev", "/dev"), "", "/"},
		"HTTP API, the stage and a slash":            {"http-2.0", generated("dev", "/dev/"), "", "/"},
		"HTTP API, a name that begins like it":       {"http-2.0", generated("dev", "/device"), "", "/device"},
		"HTTP API, once only":                        {"http-2.0", generated("dev", "/dev/dev/x"), "", "/dev/x"},
		"HTTP API, $default":                         {"http-2.0", generated("$default", "/$default/x"), "", "/$default/x"},
		"HTTP API, two slashes":                      {"http-2.0", generated("dev", "/dev//evil.example"), "", "//evil.example"},
		"HTTP API, custom domain":                    {"http-2.0", custom("dev", "/dev/x"), "", "/dev/x"},
		"HTTP API, custom domain, a resource's name": {"http-2.0", with(custom("dev", "/dev/x"), "/dev/{id}", "id", "x"), "", "/dev/x"},
		"HTTP API, custom domain, key as the stage":  {"http-2.0", with(custom("v1", "/v1/users"), "/users", "", ""), "", "/v1/users"},
		"HTTP API, the same, with parameters":        {"http-2.0", with(custom("dev", "/dev/agents/12 3"), "/agents/{proxy+}", "proxy", "12 3"), "", "/dev/agents/12 3"},
		"HTTP API, the same, 1.0":                    {"http-1.0", with(custom("v1", "/v1/users"), "/users", "", ""), "", "/v1/users"},
		"HTTP API, the same, stripped":               {"http-2.0", with(custom("v1", "/v1/users"), "/users", "", ""), "/v1", "/users"},
		"HTTP API, the same, stripped once":          {"http-2.0", with(custom("v1", "/v1/v1/users"), "/v1/users", "", ""), "/v1", "/v1/users"},
		"HTTP API, custom domain, mapping":           {"http-2.0", custom("dev", "/v1/x"), "/v1", "/x"},
		"HTTP API, custom domain, mapping not sent":  {"http-2.0", custom("dev", "/x"), "/v1", "/x"},
		"REST, generated host":                       {"rest", generated("live", "/users"), "", "/users"},
		"REST, generated host, a resource's name":    {"rest", generated("live", "/live/x"), "", "/live/x"},
		"REST, domain without a base path or stage":  {"rest", with(custom("live", "/live/your/path"), "/{proxy+}", "proxy", "your/path"), "", "/your/path"},
		"REST, the same, last slash":                 {"rest", with(custom("live", "/live/your/path/"), "/{proxy+}", "proxy", "your/path"), "", "/your/path/"},
		"REST, the same, resource without parameter": {"rest", with(custom("live", "/live/users"), "/users", "", ""), "", "/users"},
		"REST, the same, encoded":                    {"rest", with(custom("live", "/live/a%2Fb"), "/{id}", "id", "a%2Fb"), "", "/a/b"},
		"REST, the same, the root":                   {"rest", with(custom("live", "/live"), "/", "", ""), "", "/"},
		"REST, domain with a base path, no stage":    {"rest", with(custom("live", "/v1/live/x"), "/{proxy+}", "proxy", "x"), "/v1", "/x"},
		"REST, domain with a base path and stage":    {"rest", with(custom("live", "/v1/x"), "/{proxy+}", "proxy", "x"), "/v1", "/x"},
		"REST, a base path of the stage's name":      {"rest", with(custom("v1", "/v1/users"), "/users", "", ""), "", "/users"},
		"REST, a resource of the stage's name":       {"rest", with(custom("live", "/live/x"), "/{proxy+}", "proxy", "live/x"), "", "/live/x"},
		"REST, no route in the event":                {"rest", with(custom("live", "/live/x"), "/{proxy+}", "", ""), "", "/live/x"},
		"load balancer":                              {"alb", generated("", "/live/x"), "", "/live/x"},
		"load balancer, base path":                   {"alb", generated("", "/v1/x"), "/v1", "/x"},
		"function URL, base path of a CDN":           {"function-url", generated("", "/api/v1/x"), "/api/v1", "/x"},
		"base path, a name that begins like it":      {"function-url", generated("", "/v1beta/x"), "/v1", "/v1beta/x"},
		"base path alone":                            {"function-url", generated("", "/v1"), "/v1", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			event := c.s.event(c.shape)
			if got := see(t, lambdahttp.Config{StripPath: c.strip}, event).Path; got != c.want {
				t.Errorf("path %q, want %q", got, c.want)
			}
			// AddPath comes in front of the same path, so it is the public one whatever the event had of it.
			if got := see(t, lambdahttp.Config{StripPath: c.strip, AddPath: "/dev"}, event); got.Path != "/dev"+c.want {
				t.Errorf("with AddPath: %q, want %q", got.Path, "/dev"+c.want)
			}
		})
	}
}

// TestPath_AsTheAuthorizerSawIt: StripPath takes off a base path, and nothing of the path within the API, which is
// what an authorizer in front has compared. Where that stays unclear, the answer is 400.
func TestPath_AsTheAuthorizerSawIt(t *testing.T) {
	for _, c := range []struct {
		shape, domain, stage, path, route, value, want string
	}{
		{"rest", "", "live", "/v1/admin", "/{proxy+}", "v1/admin", "/v1/admin"}, // the generated host has no base path
		{"http-2.0", "", "dev", "/dev/v1/admin", "/{proxy+}", "v1/admin", "/v1/admin"},
		{"http-1.0", "", "$default", "/v1/admin", "/{proxy+}", "v1/admin", "/v1/admin"},
		{"http-2.0", "", "$default", "/v1/admin", "$default", "", "/v1/admin"},
		{"rest", "vpce-1.execute-api.eu-west-1.vpce.amazonaws.com", "live", "/v1/admin", "/{proxy+}", "", "/v1/admin"},
		{"rest", "api.example.com", "live", "/v1/admin", "/{proxy+}", "v1/admin", "/v1/admin"}, // mapped without a base path
		{"http-2.0", "api.example.com", "dev", "/v1/admin", "/{proxy+}", "v1/admin", "/v1/admin"},
		{"http-1.0", "api.example.com", "dev", "/v1/admin", "/v1/{id}", "admin", "/v1/admin"},
		{"rest", "api.example.com", "live", "/v1/admin", "/{proxy+}", "admin", "/admin"},
		{"http-2.0", "api.example.com", "dev", "/v1/admin", "/{proxy+}", "admin", "/admin"},
		{"http-2.0", "api.example.com", "dev", "/v1/admin", "/admin", "", "/admin"},
		{"http-2.0", "api.example.com", "dev", "/v1/admin", "$default", "", "/admin"}, // a route without parameters
		{"rest", "api.example.com", "live", "/v1/live/admin", "/{proxy+}", "admin", "/admin"},
		{"rest", "api.example.com", "live", "/live/v1/admin", "/{proxy+}", "v1/admin", "/v1/admin"},
		{"rest", "api.example.com", "live", "/v1//admin", "/{proxy+}", "admin", ""},
		{"rest", "api.example.com", "live", "/live//admin", "/{proxy+}", "admin", ""},
		{"http-2.0", "api.example.com", "dev", "/v1/admin", "/{proxy+}", "v1/v1/admin", ""},
		{"rest", "api.example.com", "live", "//admin", "/{proxy+}", "admin", "//admin"}, // nothing to take off
	} {
		s := sent{path: c.path, domain: c.domain, stage: c.stage, resource: c.route, routeKey: "GET " + c.route, params: map[string]string{}}
		if c.route == "$default" {
			s.routeKey = c.route
		}
		for _, name := range []string{"proxy", "id"} {
			if c.value != "" {
				s.params[name] = c.value
			}
		}
		event := s.event(c.shape)
		if c.want != "" {
			if got := see(t, lambdahttp.Config{StripPath: "/v1"}, event).Path; got != c.want {
				t.Errorf("%+v: %q", c, got)
			}
			continue
		}
		if got := invoke(t, function(t, nobody, lambdahttp.Config{StripPath: "/v1"}), event); got.Status != 400 {
			t.Errorf("%+v: %d, want 400", c, got.Status)
		}
	}
}

// TestPath_NoHost: an event that doesn't say which host was called (of an emulator, say) keeps its path.
func TestPath_NoHost(t *testing.T) {
	for _, event := range []string{
		`{"version":"2.0","rawPath":"/dev/x","requestContext":{"stage":"dev","http":{"method":"GET"}}}`,
		`{"version":"1.0","path":"/dev/x","httpMethod":"GET","requestContext":{"stage":"dev"}}`,
		`{"path":"/dev/x","httpMethod":"GET","requestContext":{"stage":"dev"}}`,
	} {
		if got := see(t, lambdahttp.Config{}, []byte(event)).Path; got != "/dev/x" {
			t.Errorf("%s: %q", event, got)
		}
	}
}

// TestPath_Config: paths that can match nothing are refused at once.
func TestPath_Config(t *testing.T) {
	for _, p := range []string{"v1", "/v1/", "/", "/a?b", "/a%20b", "/a#b"} {
		if _, err := lambdahttp.New(nobody, lambdahttp.Config{StripPath: p}); err == nil {
			t.Errorf("StripPath %q is accepted", p)
		}
		if _, err := lambdahttp.New(nobody, lambdahttp.Config{AddPath: p}); err == nil {
			t.Errorf("AddPath %q is accepted", p)
		}
	}
	if _, err := lambdahttp.New(nil, lambdahttp.Config{}); err == nil {
		t.Error("a nil handler is accepted")
	}
}

var nobody = http.NotFoundHandler()

package infra_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// TestSAM_EndToEnd: a person signs in at the routes of the template, and calls both APIs of its example. The authorizer
// and the application are the programs that build.sh builds, with the variables and the settings of the templates; only
// the issuer is on this machine. The issuer is the house of infra/postern.toml in this process.
func TestSAM_EndToEnd(t *testing.T) {
	auth, example := sam(t), samExample(t)
	var h *house
	local := functiontest.Serve(t, func(url string) http.Handler {
		h = newHouse(t, func(c *serve.Config) { c.Issuer, c.Origins, c.Site = url+"/auth", nil, "" })
		h.issuer = url + "/auth"
		function, err := lambdahttp.New(h.inner.Handler(), lambdahttp.Config{AllowLocal: true})
		if err != nil {
			t.Fatal(err)
		}
		var routes []lambdatest.Route
		for _, r := range auth.Of("AWS::ApiGatewayV2::Route") {
			method, path, _ := strings.Cut(r.Text("RouteKey"), " ")
			routes = append(routes, lambdatest.Route{Method: method, Path: path, Function: lambdatest.Func(function.Invoke)})
		}
		h.handler = functiontest.Gateway(t, lambdatest.Config{Type: lambdatest.HTTPAPI, Routes: routes, Domain: strings.TrimPrefix(url, "http://")})
		return h.handler
	}) + "/auth"

	// The same metadata at each address, and nothing elsewhere.
	host := strings.TrimSuffix(local, "/auth")
	documents := map[string]string{}
	for _, path := range []string{"/auth/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/auth", "/.well-known/change-password", "/me"} {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, host+path, nil))
		documents[path] = strconv.Itoa(w.Code) + " " + w.Body.String()
	}
	if got := documents["/auth/.well-known/openid-configuration"]; !strings.Contains(got, `"issuer":"`+local+`"`) {
		t.Errorf("openid-configuration: %s", got)
	}
	if got := documents["/.well-known/oauth-authorization-server/auth"]; !strings.HasPrefix(got, "200") || !strings.Contains(got, `"issuer":"`+local+`"`) {
		t.Errorf("oauth-authorization-server: %s", got)
	}
	if got := documents["/me"]; !strings.HasPrefix(got, "404") {
		t.Errorf("a path outside of the issuer: %s", got)
	}

	b := h.browser()
	token := b.tokens(b.byCode("ada@example.com"))["access_token"].(string)

	root := infra.Root(t)
	authorizer, _ := functiontest.Start(t, functiontest.Build(t, filepath.Join(root, "cmd", "postern-authorizer")), environment(auth.Resources["Authorizer"], local)...)
	api, _ := functiontest.Start(t, functiontest.Build(t, filepath.Join(root, "infra", "example", "api")), environment(example.Resources["Application"], local)...)

	_, httpAPI := example.One(t, "AWS::ApiGatewayV2::Api")
	simple := "Body.components.securitySchemes.Postern.x-amazon-apigateway-authorizer."
	_, restAPI := example.One(t, "AWS::ApiGateway::RestApi")
	rest := "Body.securityDefinitions.Postern.x-amazon-apigateway-authorizer."
	seconds := func(r infra.Resource, path string) time.Duration {
		n, _ := r.Get(path + "authorizerResultTtlInSeconds").(float64)
		return time.Duration(n) * time.Second
	}
	guards := map[lambdatest.APIType]*lambdatest.LambdaAuthorizer{
		lambdatest.HTTPAPI: {
			Function: authorizer, IdentitySource: []string{httpAPI.Text(simple + "identitySource.0")}, TTL: seconds(httpAPI, simple),
			SimpleResponses: httpAPI.Text(simple+"enableSimpleResponses") == "true", PayloadVersion: httpAPI.Text(simple + "authorizerPayloadFormatVersion"),
		},
		lambdatest.REST: {
			Function: authorizer, Type: strings.ToUpper(restAPI.Text(rest + "type")), TTL: seconds(restAPI, rest),
			IdentitySource:     []string{"method.request.header." + restAPI.Text("Body.securityDefinitions.Postern.name")},
			IdentityValidation: restAPI.Text(rest + "identityValidationExpression"),
		},
	}
	callAPIs(t, api, guards, token)
}

// environment returns the variables of a function of a template, with an issuer of this machine.
func environment(f infra.Resource, issuer string) []string {
	variables, _ := f.Get("Environment.Variables").(map[string]any)
	var out []string
	for name, value := range variables {
		if name == "POSTERN_ISSUER" {
			value = issuer
		}
		out = append(out, fmt.Sprintf("%s=%v", name, value))
	}
	return out
}

// callAPIs calls the application behind the authorizer of each type of API: without a token, with a forged one, and
// twice with the right one, of which the second answer of the authorizer is kept by the gateway.
func callAPIs(t *testing.T, api lambdatest.Function, guards map[lambdatest.APIType]*lambdatest.LambdaAuthorizer, token string) {
	t.Helper()
	forged := token[:len(token)-4] + "AAAA"
	for kind, guard := range guards {
		gateway := functiontest.Gateway(t, lambdatest.Config{Type: kind, Routes: []lambdatest.Route{
			{Method: "GET", Path: "/me", Function: api, Authorizer: guard}, {Method: "GET", Path: "/health", Function: api},
		}})
		prefix := map[lambdatest.APIType]string{lambdatest.REST: "/prod"}[kind]
		refused := map[lambdatest.APIType]int{lambdatest.REST: http.StatusUnauthorized, lambdatest.HTTPAPI: http.StatusForbidden}[kind]
		for _, c := range []struct {
			path, token string
			status      int
		}{
			{"/health", "", 200}, {"/me", "", 401}, {"/me", forged, refused}, {"/me", token, 200}, {"/me", token, 200},
		} {
			r := httptest.NewRequest(http.MethodGet, prefix+c.path, nil)
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			w := httptest.NewRecorder()
			gateway.ServeHTTP(w, r)
			if w.Code != c.status || c.token == token && strings.TrimSpace(w.Body.String()) == "" {
				t.Errorf("%v %s with a token of %d characters: %d %s, want %d", kind, c.path, len(c.token), w.Code, w.Body, c.status)
			}
		}
	}
}

package gateway_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// TestG2_HostilePaths asks for paths that are wildcards to a policy, and then, from the cache, for what they could
// open.
func TestG2_HostilePaths(t *testing.T) {
	w := newWorld(t)
	routes := []gateway.Route{
		{Method: "GET", Path: "/public/*"},
		{Path: "/admin/*", Needs: []session.Need{session.Scope("admin")}},
	}
	hostile := []string{"/public/*", "/public/../*", "/public/?????", "/public/%2A", "/public/$%7Baws:username%7D", "/public/*/../../admin/x", "/public/%2e%2e/admin/x",
		"/public/**", "/public/;*", "/public/,arn:aws:execute-api:*", "/public/%22%5D,%22Resource%22:%22*", "/public/$connect", "/public/..%2f*", "//*", "/*", "/%3F"}
	for _, kind := range []struct {
		name string
		kind lambdatest.APIType
		auth lambdatest.LambdaAuthorizer
	}{
		{"REST", lambdatest.REST, lambdatest.LambdaAuthorizer{Type: lambdatest.TokenAuthorizer}},
		{"REST REQUEST", lambdatest.REST, lambdatest.LambdaAuthorizer{}},
		{"HTTP 1.0", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{PayloadVersion: "1.0"}},
		{"HTTP 2.0", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{}},
	} {
		for _, path := range hostile {
			t.Run(kind.name+" "+path, func(t *testing.T) {
				auth := kind.auth
				auth.Function = w.function(gateway.Config{Routes: routes, Policies: true})
				g := w.api(kind.kind, &auth, nil, "ANY /{proxy+}")
				name, value := bearer(w.token(w.user, "u1", "read"))
				r := httptest.NewRequest("GET", "https://api.example.com/prod", nil)
				r.URL.Path, r.URL.RawPath = "/prod"+unescape(path), "/prod"+path
				r.Header.Set(name, value)
				g.ServeHTTP(httptest.NewRecorder(), r)
				for _, request := range []string{"GET /admin/x", "POST /admin/x", "DELETE /public/x", "GET /else", "GET /"} {
					method, target := cut(request)
					if rec := call(g, method, target, name, value); rec.Code == 200 {
						t.Errorf("after %s, %s passes", path, request)
					}
				}
				if rec := call(g, "GET", "/public/x", name, value); rec.Code != 200 {
					t.Errorf("GET /public/x: %d", rec.Code)
				}
			})
		}
	}
}

func unescape(s string) string {
	return strings.NewReplacer("%2A", "*", "%7B", "{", "%7D", "}", "%22", `"`, "%5D", "]", "%2e", ".", "%2f", "/", "%3F", "?").Replace(s)
}

// TestG2_ResourceOfOneStage: each resource names one API and one stage, and no wildcard before the method.
func TestG2_ResourceOfOneStage(t *testing.T) {
	w := newWorld(t)
	a := w.authorizer(gateway.Config{})
	for arn, ok := range map[string]bool{
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/a":                            true,
		"arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3/prod/GET/":                  true,
		"arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3/$default/POST/a/b":                 true,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/*":                            true,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/$connect":                     true,
		"arn:aws:execute-api:us-east-1:random-account-id:random-api-id/dev/GET/me":                true, // serverless-offline
		"arn:aws:execute-api:us-east-1:123456789012:1234567890/test-invoke-stage/GET/":            true, // the console
		"arn:aws:execute-api:local:offline_account:offline_api/$default/GET/me":                   true,
		"arn:aws:execute-api:us-east-1:123456789012:a1b2c3/prod/$connect":                         false, // of a TOKEN authorizer
		"arn:aws:execute-api:us-east-1::a1b2c3/prod/GET/":                                         false,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/$connect/x":                       false,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/*/GET/":                                false,
		"arn:aws:execute-api:eu-west-1:123456789012:*/prod/GET/":                                  false,
		"arn:aws:execute-api:*:123456789012:a1b2c3/prod/GET/":                                     false,
		"arn:aws:execute-api:eu-west-1:*:a1b2c3/prod/GET/":                                        false,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/pr?d/GET/":                             false,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/${aws:username}/GET/":                  false,
		"arn:*:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/":                               false,
		"arn:aws:lambda:eu-west-1:123456789012:a1b2c3/prod/GET/":                                  false,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod":                                  false,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/*/":                               false,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3//GET/":                                 false,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/" + strings.Repeat("x", 200) + "/GET/": false,
		"":  false,
		"*": false,
	} {
		event := `{"type":"TOKEN","authorizationToken":"Bearer ` + w.token(w.user, "u1") + `","methodArn":"` + arn + `"}`
		out, err := a.Invoke(t.Context(), []byte(event))
		if (err == nil) != ok {
			t.Errorf("%s: %s, %v", arn, out, err)
		}
		if err == nil {
			stage, _, _ := strings.Cut(arn, "/GET/")
			stage, _, _ = strings.Cut(stage, "/POST/")
			if want := `"Resource":["` + stage + `/*"]`; !strings.Contains(string(out), want) {
				t.Errorf("%s: no %s in %s", arn, want, out)
			}
		}
	}
}

// TestARN_ErrorNamesThePart: the error for a bad ARN names the part that is wrong, and repeats nothing of the
// path.
func TestARN_ErrorNamesThePart(t *testing.T) {
	w := newWorld(t)
	a := w.authorizer(gateway.Config{})
	for arn, want := range map[string]string{
		"arn:aws:execute-api:eu-west-1:12*4:a1b2c3/prod/GET/marked":                                   "methodArn: its account has the character '*'",
		"arn:aws:execute-api:eu-west-1:123456789012:a1?c3/prod/GET/marked":                            "methodArn: its API has the character '?'",
		"arn:aws:execute-api:eu west-1:123456789012:a1b2c3/prod/GET/marked":                           "methodArn: its region has the character ' '",
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/pr.d/GET/marked":                           "methodArn: its stage has the character '.'",
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/G$T/marked":                           "methodArn: its method has the character '$'",
		"arn:aws:execute-api:eu-west-1::a1b2c3/prod/GET/marked":                                       "methodArn: its account is empty",
		"arn:gcp:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/marked":                           `methodArn: its partition does not begin with "aws"`,
		"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod":                                      "methodArn: API, stage and method",
		"arn:aws:lambda:eu-west-1:123456789012:function:marked":                                       "methodArn: it does not have the form arn:aws:execute-api",
		"arn:aws:execute-api:eu-west-1:123456789012:" + strings.Repeat("a", 250) + "/prod/GET/marked": "methodArn: it has 298 bytes up to its stage",
	} {
		_, err := a.Invoke(t.Context(), []byte(`{"type":"TOKEN","authorizationToken":"x","methodArn":"`+arn+`"}`))
		if !errors.Is(err, gateway.ErrEvent) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "marked") {
			t.Errorf("%s: %v", arn, err)
		}
	}
	if _, err := a.Invoke(t.Context(), []byte(`{"type":"REQUEST","version":"2.0","routeArn":"x"}`)); err == nil || !strings.Contains(err.Error(), "routeArn: it does not have the form") {
		t.Errorf("an HTTP API: %v", err)
	}
}

// TestG2_NoEcho: nothing of a request's path is in the answer.
func TestG2_NoEcho(t *testing.T) {
	w := newWorld(t)
	a := w.authorizer(gateway.Config{Routes: []gateway.Route{{Path: "/a/*"}}})
	event := `{"type":"TOKEN","authorizationToken":"Bearer ` + w.token(w.user, "u1") + `","methodArn":"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/a/marked-*-path"}`
	out := must(a.Invoke(t.Context(), []byte(event)))(t)
	if strings.Contains(string(out), "marked") {
		t.Errorf("the path is in %s", out)
	}
}

// TestG2_PathIsNoRoute: a REST API asked for /$connect is not a WebSocket, whose token could be in the query.
func TestG2_PathIsNoRoute(t *testing.T) {
	w := newWorld(t)
	a := w.authorizer(gateway.Config{Query: "token", Routes: []gateway.Route{{Path: "$connect"}}})
	auth := &lambdatest.LambdaAuthorizer{Function: lambdatest.Func(a.Invoke), TTL: lambdatest.NoCache}
	g := w.api(lambdatest.REST, auth, nil, "ANY /{proxy+}")
	token := w.token(w.user, "u1")
	if rec := call(g, "GET", "/$connect?token="+token); rec.Code != 401 {
		t.Errorf("a token in the query: %d, want 401", rec.Code)
	}
	name, value := bearer(token)
	if rec := call(g, "GET", "/$connect", name, value); rec.Code != 403 {
		t.Errorf("no route fits: %d, want 403", rec.Code)
	}
}

// TestARN_OfEmulators: an emulator's names for account and API are good in every kind of API, routes or none.
func TestARN_OfEmulators(t *testing.T) {
	w := newWorld(t)
	name, value := bearer(w.token(w.user, "u1"))
	for _, front := range fourFronts {
		for _, routes := range [][]gateway.Route{nil, {{Path: "/me"}}} {
			auth := front.auth
			auth.Function = w.function(gateway.Config{Policies: front.policies, Routes: routes})
			auth.IdentitySource = nil
			if !front.policies {
				auth.IdentitySource = []string{gateway.HTTPSource, gateway.HTTPRouteSource}
			}
			g := w.api(front.kind, &auth, func(c *lambdatest.Config) { c.Account, c.APIID = "random-account-id", "random-api-id" }, "GET /me")
			if rec := call(g, "GET", "/me", name, value); rec.Code != 200 {
				t.Errorf("%s, %d routes: %d %s", front.name, len(routes), rec.Code, rec.Body)
			}
		}
	}
}

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// TestLambda_Authorizer: the real bootstrap of an authorizer, asked by each kind of API about good tokens and bad
// ones, on two implementations of the Runtime API.
func TestLambda_Authorizer(t *testing.T) {
	const example = "../../../examples/lambda-authorizer"
	bootstrap := functiontest.Build(t, filepath.Join(example, "authorizer"))
	key := filepath.Join(t.TempDir(), "key.pem")
	command := filepath.Join(t.TempDir(), "token")
	if out, err := exec.Command("go", "build", "-o", command, "./"+example+"/token").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	token := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(command, append([]string{"-key", key}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	env := "PUBLIC_KEY=" + token("-public")
	good, other := "Bearer "+token("-scope", "orders:read"), "Bearer "+token("-scope", "something:else")
	forged := good[:len(good)-6] + "AAAAAA"

	for name, start := range map[string]func(t *testing.T) lambdatest.Function{
		"emulator":    func(t *testing.T) lambdatest.Function { f, _ := functiontest.Start(t, bootstrap, env); return f },
		"@vercel-fun": func(t *testing.T) lambdatest.Function { f, _ := startVercelFun(t, bootstrap, env); return f },
	} {
		t.Run(name, func(t *testing.T) {
			function := start(t)
			for _, c := range []struct {
				name       string
				kind       lambdatest.APIType
				authorizer lambdatest.LambdaAuthorizer
				refused    int // without a good token
			}{
				{"REST TOKEN", lambdatest.REST, lambdatest.LambdaAuthorizer{Type: lambdatest.TokenAuthorizer, IdentityValidation: gateway.IdentityValidation}, 401},
				{"REST REQUEST", lambdatest.REST, lambdatest.LambdaAuthorizer{Type: lambdatest.RequestAuthorizer}, 401},
				{"HTTP 1.0", lambdatest.HTTPAPIv1, lambdatest.LambdaAuthorizer{PayloadVersion: "1.0"}, 401},
				{"HTTP 2.0", lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{
					SimpleResponses: true, IdentitySource: []string{gateway.HTTPSource, gateway.HTTPRouteSource},
				}, 403},
			} {
				c.authorizer.Function, c.authorizer.TTL = function, gateway.TTL
				behind := lambdatest.Func(echoContext)
				api := functiontest.Gateway(t, lambdatest.Config{Type: c.kind, Routes: []lambdatest.Route{
					{Method: "GET", Path: "/orders", Function: behind, Authorizer: &c.authorizer},
					{Method: "POST", Path: "/orders", Function: behind, Authorizer: &c.authorizer},
				}})
				for _, ask := range []struct {
					method, token string
					want          int
				}{
					{"GET", good, 200}, {"GET", good, 200}, {"POST", good, 403}, {"GET", other, 403},
					{"GET", forged, c.refused}, {"GET", "Bearer a.b.c", c.refused}, {"GET", "", 401},
				} {
					path := "/orders"
					if c.kind == lambdatest.REST {
						path = "/prod/orders"
					}
					r := httptest.NewRequest(ask.method, path, nil)
					if ask.token != "" {
						r.Header.Set("Authorization", ask.token)
					}
					w := httptest.NewRecorder()
					api.ServeHTTP(w, r)
					if w.Code != ask.want || ask.want == http.StatusOK && !strings.Contains(w.Body.String(), "Example Ltd") {
						t.Errorf("%s: %s with %.20s…: %d %s, want %d", c.name, ask.method, ask.token, w.Code, w.Body, ask.want)
					}
				}
			}
			sync, err := lambdatest.NewAppSync(lambdatest.AppSyncConfig{Function: function})
			if err != nil {
				t.Fatal(err)
			}
			grant, err := sync.Authorize(t.Context(), lambdatest.AppSyncRequest{Token: strings.TrimPrefix(good, "Bearer "), Query: "{orders}"})
			if err != nil || grant.ResolverContext["sub"] != "Example Ltd" {
				t.Errorf("AppSync: %+v, %v", grant, err)
			}
			if _, err := sync.Authorize(t.Context(), lambdatest.AppSyncRequest{Token: strings.TrimPrefix(forged, "Bearer "), Query: "{orders}"}); !errors.Is(err, lambdatest.ErrUnauthorized) {
				t.Errorf("AppSync, forged: %v", err)
			}
		})
	}
}

// echoContext answers with what the authorizer said.
func echoContext(_ context.Context, event []byte) ([]byte, error) {
	var e struct {
		Context struct{ Authorizer json.RawMessage } `json:"requestContext"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"statusCode": 200, "body": string(e.Context.Authorizer)})
}

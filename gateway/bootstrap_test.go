package gateway_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// TestBootstrap runs an authorizer as it is deployed, behind the Runtime API and a REST API: what it returns is what
// API Gateway wants, errors to the letter.
func TestBootstrap(t *testing.T) {
	w := newWorld(t, func(c *session.Config) { c.Now = time.Now }) // the program uses the real clock
	binary := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", binary, "./testdata/bootstrap")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	set := must(keys.JWKS([]*keys.PublicKey{w.key.Public()}))(t)
	rt := must(lambdatest.NewRuntime(lambdatest.RuntimeConfig{Bootstrap: binary, Timeout: timeLimit, InitTimeout: timeLimit,
		Env: []string{"JWKS=" + string(set), "ISSUER=" + issuer, "AUDIENCE=" + audience}}))(t)
	defer rt.Close()
	g := must(lambdatest.New(lambdatest.Config{Type: lambdatest.REST, Stage: "prod", Routes: []lambdatest.Route{
		{Method: "GET", Path: "/a", Function: backend, Authorizer: &lambdatest.LambdaAuthorizer{Function: rt, Type: lambdatest.TokenAuthorizer, TTL: lambdatest.NoCache, Timeout: timeLimit}}}}))(t)
	for token, status := range map[string]int{w.token(w.user, "u1"): 200, w.token(w.other, "u1"): 401, "x.y.z": 401} {
		name, value := bearer(token)
		if rec := call(g, "GET", "/a", name, value); rec.Code != status {
			t.Errorf("%d, want %d: %s", rec.Code, status, rec.Body)
		}
	}
	var failed *lambdatest.FunctionError
	if _, err := rt.Invoke(t.Context(), eventOf(t, "TOKEN", "Bearer x.y.z")); !errors.As(err, &failed) || failed.Message != "Unauthorized" {
		t.Errorf("a bad token: %v", err)
	}
	if _, err := rt.Invoke(t.Context(), []byte(`{"Records":[]}`)); !errors.As(err, &failed) || failed.Message == "Unauthorized" {
		t.Errorf("another event: %v", err)
	}
	if n := rt.Processes(); n != 1 {
		t.Errorf("%d processes, want the one that began", n)
	}
}

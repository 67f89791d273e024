package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// TestLambda_Bounds: no process and no memory are mistakes, as no time is.
func TestLambda_Bounds(t *testing.T) {
	for _, flag := range []string{"--processes", "--memory", "--timeout"} {
		if _, errs, status := call(t, "", "lambda", flag, "0", "--addr", "127.0.0.1:0", t.TempDir()); status != statusUsage || !strings.Contains(errs, "above zero") {
			t.Errorf("%s 0: %d %s", flag, status, errs)
		}
	}
}

// TestL2_LambdaLines: a request prints one line, without its query, whatever its path and method hold.
func TestL2_LambdaLines(t *testing.T) {
	var out bytes.Buffer
	h := logged(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), &out)
	r := httptest.NewRequest(http.MethodGet, "/a%0Ab%1B%5B2J?code=c0de", nil)
	r.Method = "GET\x1b[2J"
	h.ServeHTTP(httptest.NewRecorder(), r)
	if line := out.String(); !strings.HasPrefix(line, "418  GET") || strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\x1b?") || strings.Contains(line, "c0de") {
		t.Errorf("%q", line)
	}
}

// TestLambda_AuthorizerOf: the flags make the authorizer that each kind of API would have.
func TestLambda_AuthorizerOf(t *testing.T) {
	for _, c := range []struct {
		event, kind string
		cache       time.Duration
		want        lambdatest.LambdaAuthorizer
	}{
		{"http", "request", 0, lambdatest.LambdaAuthorizer{Type: lambdatest.RequestAuthorizer, SimpleResponses: true, TTL: lambdatest.NoCache}},
		{"http-1.0", "request", time.Minute, lambdatest.LambdaAuthorizer{Type: lambdatest.RequestAuthorizer, PayloadVersion: "1.0", TTL: time.Minute}},
		{"rest", "request", time.Minute, lambdatest.LambdaAuthorizer{Type: lambdatest.RequestAuthorizer, TTL: time.Minute}},
		{"rest", "token", time.Minute, lambdatest.LambdaAuthorizer{Type: lambdatest.TokenAuthorizer, TTL: time.Minute}},
	} {
		command := lambdaCommand{Event: c.event, Authorizer: "b", AuthorizerType: c.kind, AuthorizerCache: span(c.cache)}
		guard, err := command.guard(func(string) (lambdatest.Function, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		got := guard.(*lambdatest.LambdaAuthorizer)
		if got.Type != c.want.Type || got.SimpleResponses != c.want.SimpleResponses || got.PayloadVersion != c.want.PayloadVersion || got.TTL != c.want.TTL {
			t.Errorf("%s, %s: %+v", c.event, c.kind, got)
		}
		for _, route := range command.routes(nil, guard) {
			if route.Authorizer != guard {
				t.Errorf("%s: %s is open", c.event, route.Path)
			}
		}
	}
	command := lambdaCommand{Event: "rest", Open: []string{"/public"}}
	var paths []string
	for _, route := range command.routes(nil, nil) {
		paths = append(paths, route.Path)
	}
	if got := strings.Join(paths, " "); got != "/public / /{proxy+}" {
		t.Errorf("routes of a REST API: %s", got)
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

type person struct {
	UserID string `json:"userID"`
}

// issuer serves the routes of an issuer on this machine, with the real clock, as the function has.
type issuer struct {
	url         string
	user, admin *session.Kind[person]
	down        atomic.Bool // it answers 503
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	functiontest.Serve(t, func(url string) http.Handler {
		i.url = url + "/auth"
		w := testworld.New()
		w.Set(time.Now())
		c := w.Config(i.url)
		key, err := keys.Generate(keys.RS256)
		if err != nil {
			t.Fatal(err)
		}
		testworld.Static(t, &c, key)
		sessions, err := session.New(c)
		if err != nil {
			t.Fatal(err)
		}
		i.user, i.admin = session.NewKind[person](sessions, "user"), session.NewKind[person](sessions, "admin")
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if i.down.Load() {
				http.Error(w, "down", http.StatusServiceUnavailable)
				return
			}
			sessions.Handler().ServeHTTP(w, r)
		})
	})
	return i
}

func (i *issuer) token(t *testing.T, k *session.Kind[person], scopes ...string) string {
	t.Helper()
	tokens, err := k.Create(t.Context(), session.Grant[person]{Subject: "u1", Properties: person{"u1"}, Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return tokens.Access
}

func (i *issuer) env(more ...string) []string {
	return append([]string{"POSTERN_ISSUER=" + i.url, "POSTERN_AUDIENCE=api"}, more...)
}

// backend answers with the subject that the authorizer passed on.
var backend = lambdatest.Func(func(_ context.Context, event []byte) ([]byte, error) {
	var e struct {
		RequestContext struct {
			Authorizer struct {
				PrincipalID string `json:"principalId"`
				Lambda      struct{ Sub string }
			}
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	a := e.RequestContext.Authorizer
	return json.Marshal(map[string]any{"statusCode": 200, "body": a.PrincipalID + a.Lambda.Sub})
})

// get sends a request to the stage prod of a gateway.
func get(g http.Handler, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/prod/a", nil)
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	rec := httptest.NewRecorder()
	g.ServeHTTP(rec, r)
	return rec
}

// TestEveryAPI: one bootstrap, as it is deployed, in front of each type of API.
func TestEveryAPI(t *testing.T) {
	i := newIssuer(t)
	bootstrap := functiontest.Build(t, ".")
	plain, _ := functiontest.Start(t, bootstrap, i.env()...)
	policies, _ := functiontest.Start(t, bootstrap, i.env("POSTERN_POLICIES=true", "POSTERN_IDENTITY_SOURCES="+gateway.HTTPSource)...)
	good, other := "Bearer "+i.token(t, i.user), "Bearer "+i.token(t, i.admin)
	for name, c := range map[string]struct {
		api        lambdatest.APIType
		authorizer lambdatest.LambdaAuthorizer
		bad        int // the status of a token that is not good
	}{
		"REST, TOKEN":     {lambdatest.REST, lambdatest.LambdaAuthorizer{Function: plain, Type: lambdatest.TokenAuthorizer, IdentityValidation: gateway.IdentityValidation}, 401},
		"REST, REQUEST":   {lambdatest.REST, lambdatest.LambdaAuthorizer{Function: plain, IdentitySource: []string{gateway.RESTSource}}, 401},
		"HTTP, format 1":  {lambdatest.HTTPAPIv1, lambdatest.LambdaAuthorizer{Function: plain, PayloadVersion: "1.0"}, 401},
		"HTTP, a yes":     {lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{Function: plain, SimpleResponses: true}, 403},
		"HTTP, by policy": {lambdatest.HTTPAPI, lambdatest.LambdaAuthorizer{Function: policies}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			c.authorizer.TTL, c.authorizer.Timeout = gateway.TTL, time.Minute
			g := functiontest.Gateway(t, lambdatest.Config{Type: c.api, Stage: "prod", Routes: []lambdatest.Route{{Method: "GET", Path: "/a", Function: backend, Authorizer: &c.authorizer}}})
			for range 2 { // the second answer comes from the cache
				if rec := get(g, "Authorization", good); rec.Code != 200 || rec.Body.String() != "u1" {
					t.Errorf("a session: %d %s", rec.Code, rec.Body)
				}
			}
			if rec := get(g, "Authorization", other); rec.Code != c.bad {
				t.Errorf("a session of another kind: %d, want %d", rec.Code, c.bad)
			}
			if rec := get(g); rec.Code != 401 {
				t.Errorf("no token: %d, want 401", rec.Code)
			}
		})
	}
	t.Run("AppSync", func(t *testing.T) {
		graph, err := lambdatest.NewAppSync(lambdatest.AppSyncConfig{Function: plain, TTL: gateway.TTL, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if grant, err := graph.Authorize(t.Context(), lambdatest.AppSyncRequest{Token: good, Query: "{ a }"}); err != nil || grant == nil {
			t.Errorf("a session: %v", err)
		}
		if _, err := graph.Authorize(t.Context(), lambdatest.AppSyncRequest{Token: other, Query: "{ a }"}); !errors.Is(err, lambdatest.ErrUnauthorized) {
			t.Errorf("a session of another kind: %v", err)
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		sockets, _ := functiontest.Start(t, bootstrap, i.env("POSTERN_IDENTITY_SOURCES=route.request.querystring.token")...)
		ws, err := lambdatest.NewWebSocket(lambdatest.WebSocketConfig{
			Routes:     map[string]lambdatest.Function{"$connect": backend},
			Authorizer: &lambdatest.LambdaAuthorizer{Function: sockets, IdentitySource: []string{"route.request.querystring.token"}, Timeout: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
		for token, status := range map[string]int{strings.TrimPrefix(good, "Bearer "): 101, strings.TrimPrefix(other, "Bearer "): 401} {
			if _, answer := ws.Connect(httptest.NewRequest("GET", "/prod?token="+token, nil)); answer.StatusCode != status {
				t.Errorf("connect: %d, want %d", answer.StatusCode, status)
			}
		}
	})
}

// TestScopes: every session needs the scopes of the setting.
func TestScopes(t *testing.T) {
	i := newIssuer(t)
	rt, _ := functiontest.Start(t, functiontest.Build(t, "."), i.env("POSTERN_SCOPES=orders:read, orders:write")...)
	g := functiontest.Gateway(t, lambdatest.Config{Type: lambdatest.REST, Routes: []lambdatest.Route{
		{Method: "GET", Path: "/a", Function: backend, Authorizer: &lambdatest.LambdaAuthorizer{Function: rt, Type: lambdatest.TokenAuthorizer, Timeout: time.Minute}}}})
	for scopes, status := range map[string]int{"orders:read orders:write": 200, "orders:read": 403} {
		if rec := get(g, "Authorization", "Bearer "+i.token(t, i.user, strings.Fields(scopes)...)); rec.Code != status {
			t.Errorf("%s: %d, want %d", scopes, rec.Code, status)
		}
	}
}

// TestUncached: without identity sources cookies are read, and only from trusted pages where something changes.
func TestUncached(t *testing.T) {
	i := newIssuer(t)
	rt, _ := functiontest.Start(t, functiontest.Build(t, "."), i.env("POSTERN_IDENTITY_SOURCES=none", "POSTERN_ORIGINS=http://127.0.0.1:3000")...)
	g := functiontest.Gateway(t, lambdatest.Config{Type: lambdatest.REST, Routes: []lambdatest.Route{
		{Path: "/a", Function: backend, Authorizer: &lambdatest.LambdaAuthorizer{Function: rt, TTL: lambdatest.NoCache, Timeout: time.Minute}}}})
	w := httptest.NewRecorder()
	if err := i.user.Cookie(w, httptest.NewRequest("GET", i.url, nil), session.Grant[person]{Subject: "u1", Properties: person{"u1"}}, returnto.New("http://127.0.0.1:3000/", "", "", "")); err != nil {
		t.Fatal(err)
	}
	var cookies []string
	for _, c := range w.Result().Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	for origin, status := range map[string]int{"http://127.0.0.1:3000": 200, "https://evil.example": 403} {
		r := httptest.NewRequest("POST", "/prod/a", nil)
		r.Header.Set("Cookie", strings.Join(cookies, "; "))
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		rec := httptest.NewRecorder()
		if g.ServeHTTP(rec, r); rec.Code != status {
			t.Errorf("a page of %s: %d, want %d", origin, rec.Code, status)
		}
	}
}

// TestNoKeys: while the keys cannot be read, nobody is let in, and the failure is a metric; a bad token is none.
func TestNoKeys(t *testing.T) {
	i := newIssuer(t)
	i.down.Store(true)
	rt, out := functiontest.Start(t, functiontest.Build(t, "."), i.env()...)
	g := functiontest.Gateway(t, lambdatest.Config{Type: lambdatest.REST, Routes: []lambdatest.Route{
		{Method: "GET", Path: "/a", Function: backend, Authorizer: &lambdatest.LambdaAuthorizer{Function: rt, Type: lambdatest.TokenAuthorizer, Timeout: time.Minute}}}})
	if rec := get(g, "Authorization", "Bearer x.y.z"); rec.Code != 401 {
		t.Errorf("a bad token: %d, want 401", rec.Code)
	}
	if rec := get(g, "Authorization", "Bearer "+i.token(t, i.user)); rec.Code != 500 {
		t.Errorf("without keys: %d, want 500", rec.Code)
	}
	lines := regexp.MustCompile(`(?m)^\{.*"_aws".*$`).FindAllString(out.Find(t, `(?s)^.*"_aws".*\n`), -1)
	if len(lines) != 1 {
		t.Fatalf("%d metrics, want one for the keys and none for the bad token: %q", len(lines), lines)
	}
	var metric struct {
		AWS struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
		Issuer string
		Errors int
	}
	if err := json.Unmarshal([]byte(lines[0]), &metric); err != nil {
		t.Fatal(err)
	}
	m := metric.AWS.CloudWatchMetrics
	if len(m) != 1 || m[0].Namespace != "Postern" || fmt.Sprint(m[0].Dimensions, m[0].Metrics) != "[[Issuer]] [{Errors Count}]" ||
		metric.Issuer != i.url || metric.Errors != 1 || time.Since(time.UnixMilli(metric.AWS.Timestamp)).Abs() > time.Hour {
		t.Errorf("the metric is %s", lines[0])
	}
}

// TestLinks: the authorizer links no engine of a store, no vault and no AWS SDK, so there is nothing in it that could
// read what it must not have. Of package keys, the linker keeps only what reads published keys.
func TestLinks(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "lambda.norpc", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	if len(linked) < 50 {
		t.Fatalf("only %d packages: the list is wrong", len(linked))
	}
	const module = "github.com/posternauth/postern"
	for _, name := range linked {
		for _, no := range []string{"/keys/", "/store/", "/secrets", "/sesmail", "/smtpmail", "/users", "/audit", "/internal/serve/run"} {
			if strings.HasPrefix(name, module+no) || name == module {
				t.Errorf("links %s", name)
			}
		}
		for _, no := range []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "database/sql"} {
			if strings.HasPrefix(name, no) {
				t.Errorf("links %s", name)
			}
		}
	}
	symbols, err := exec.Command("go", "tool", "nm", functiontest.Build(t, ".")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(symbols), module+"/keys.Remote") {
		t.Fatal("the symbols lack keys.Remote: the list is wrong")
	}
	if kept := regexp.MustCompile(module+`/keys\.(Open|Generate|\(?\*?(Ring|StoreVault|FileVault|MemoryVault))\b.*`).FindAllString(string(symbols), -1); len(kept) > 0 {
		t.Errorf("the binary has %q", kept)
	}
}

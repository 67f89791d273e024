package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const timeLimit = 20 * time.Second

const testARN = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/a"

// eventOf returns an event of each kind of API, with value where the token is.
func eventOf(t testing.TB, kind, value string) []byte {
	t.Helper()
	e := map[string]any{"type": "REQUEST", "methodArn": testARN, "httpMethod": "GET", "path": "/a", "headers": map[string]string{"Authorization": value}}
	switch kind {
	case "TOKEN":
		e = map[string]any{"type": "TOKEN", "methodArn": testARN, "authorizationToken": value}
	case "REST":
		e["multiValueHeaders"] = map[string][]string{"Authorization": {value}}
	case "1.0":
		e["version"], e["identitySource"], e["authorizationToken"] = "1.0", value, value
	case "2.0", "2.0 policy":
		e = map[string]any{"type": "REQUEST", "version": "2.0", "routeArn": testARN, "routeKey": "GET /a", "rawPath": "/prod/a",
			"identitySource": []string{value, "GET /a"}, "headers": map[string]string{"authorization": value}}
	case "WebSocket":
		e["methodArn"] = strings.TrimSuffix(testARN, "GET/a") + "$connect"
		e["requestContext"] = map[string]string{"eventType": "CONNECT", "connectionId": "c="}
	case "AppSync":
		e = map[string]any{"authorizationToken": value, "requestContext": map[string]any{"apiId": "x", "queryString": "query { a }"}}
	default:
		t.Fatal("no such kind: " + kind)
	}
	return must(json.Marshal(e))(t)
}

var kinds = []string{"TOKEN", "REST", "1.0", "2.0", "2.0 policy", "WebSocket", "AppSync"}

// asks returns what is decided for the Authorization header value, in each kind of event.
func (w *world) asks(kind, value string, c gateway.Config) (string, []byte) {
	w.t.Helper()
	c.Policies = kind == "2.0 policy"
	out, err := w.authorizer(c).Invoke(w.t.Context(), eventOf(w.t, kind, value))
	if kind == "WebSocket" {
		return outcome(out, err, "$connect", ""), out
	}
	return outcome(out, err, "GET", "/a"), out
}

func refused(kind string) string {
	if kind == "2.0" || kind == "AppSync" {
		return "false"
	}
	return "401"
}

// TestG3_BadTokens: five hundred of them, each refused as what it is and never as a failure of ours.
func TestG3_BadTokens(t *testing.T) {
	w := newWorld(t)
	good := w.token(w.user, "u1")
	stranger := must(keys.Generate(keys.ES256))(t)
	bad := []string{"", "Bearer", "Bearer ", "bearer a", "Bearer a.b", "Bearer a.b.c", "Bearer ..", "Basic eDp5", good, "Bearer " + good + ",Bearer " + good,
		"Bearer " + good + " " + good, "Bearer " + good + "\x00", "Bearer\t" + good, "Bearer " + strings.Repeat("a", 70000), "\xff\xfe", "Bearer " + good + "=",
		"Bearer " + w.token(w.other, "u1"), "Bearer " + w.sign(stranger, "at+jwt", w.claims(nil)), "Bearer " + w.sign(w.key, "JWT", w.claims(nil)), "Bearer null", "Bearer {}"}
	for name, value := range map[string]any{"iss": "https://evil.example", "aud": "other", "exp": 1, "nbf": 99999999999, "iat": 99999999999, "sub": nil, "type": "admin", "properties": nil, "jti": nil, "sid": 5, "scope": 7, "roles": "owner"} {
		bad = append(bad, "Bearer "+w.sign(w.key, "at+jwt", w.claims(map[string]any{name: value})))
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for len(bad) < 500 {
		b := []byte(good)
		for range 1 + rnd.IntN(3) {
			switch rnd.IntN(3) {
			case 0:
				b[rnd.IntN(len(b)-8)] ^= byte(1 << rnd.IntN(7))
			case 1:
				b = b[:len(b)-1-rnd.IntN(8)]
			default:
				i := rnd.IntN(len(b))
				b = append(b[:i:i], b[min(i+1, len(b)):]...)
			}
		}
		bad = append(bad, "Bearer "+string(b))
	}
	for i, value := range bad {
		for _, kind := range kinds {
			if kind == "AppSync" && value == good {
				continue // there a token has no "Bearer" before it
			}
			if got, out := w.asks(kind, value, gateway.Config{}); got != refused(kind) {
				t.Errorf("%s, %d: %s, want %s: %s", kind, i, got, refused(kind), out)
			}
		}
	}
}

// TestG3_OwnFailure: keys or store that are unavailable are neither a yes nor a no.
func TestG3_OwnFailure(t *testing.T) {
	w := newWorld(t)
	token := w.token(w.user, "u1")
	live := w.token(w.live, "u1")
	down := newWorld(t, func(c *session.Config) { c.Keys = downKeys{} })
	broken := newWorld(t, func(c *session.Config) {
		c.Keys, c.Store = must(keys.Static(w.key.Public()))(t), brokenStore{}
	})
	none := newWorld(t, func(c *session.Config) { c.Keys, c.Store = must(keys.Static(w.key.Public()))(t), nil })
	for _, kind := range kinds {
		for name, c := range map[string]struct {
			w     *world
			token string
			gateway.Config
		}{
			"keys down":                         {down, token, gateway.Config{}},
			"keys down, Deny":                   {down, token, gateway.Config{OnInvalid: gateway.Deny}},
			"store down":                        {broken, live, gateway.Config{Guard: broken.live}},
			"no store":                          {none, live, gateway.Config{Guard: none.live}},
			"store down, need of another route": {broken, live, gateway.Config{Guard: session.AnyOf(broken.user, broken.live), Routes: []gateway.Route{{Path: "/a"}, {Path: "$connect"}}}},
		} {
			if got, out := c.w.asks(kind, "Bearer "+c.token, c.Config); got != "500" {
				t.Errorf("%s, %s: %s: %s", kind, name, got, out)
			}
		}
	}
}

type brokenStore struct{ store.Store }

func (brokenStore) Get(context.Context, ...store.Key) ([]store.Item, error) { return nil, errDown }

// TestG3_Forbidden: needs that are not met are a 403, and say so.
func TestG3_Forbidden(t *testing.T) {
	w := newWorld(t)
	value := "Bearer " + w.token(w.user, "u1", "read")
	admin := []session.Need{session.Scope("admin")}
	for _, kind := range kinds {
		no := "deny"
		if kind == "2.0" || kind == "AppSync" {
			no = "false"
		}
		for name, c := range map[string]gateway.Config{
			"of the guard":  {Guard: w.user.With(admin...)},
			"of the route":  {Routes: []gateway.Route{{Path: "/a", Needs: admin}, {Path: "$connect", Needs: admin}}},
			"no such route": {Routes: []gateway.Route{{Path: "/b"}}},
		} {
			if kind == "AppSync" && name != "of the guard" {
				continue // it has no routes
			}
			got, out := w.asks(kind, value, c)
			if got != no {
				t.Errorf("%s, %s: %s, want %s", kind, name, got, no)
			}
			if kind != "AppSync" && !strings.Contains(string(out), `"error":"insufficient_scope"`) {
				t.Errorf("%s, %s: the context says nothing: %s", kind, name, out)
			}
		}
		if kind == "2.0" || kind == "AppSync" {
			continue
		}
		if got, out := w.asks(kind, "Bearer x.y.z", gateway.Config{OnInvalid: gateway.Deny}); got != "deny" || !strings.Contains(string(out), `"error":"invalid_token"`) || !strings.Contains(string(out), `"principalId":"anonymous"`) {
			t.Errorf("%s, OnInvalid Deny: %s: %s", kind, got, out)
		}
	}
}

// TestG3_UnauthorizedAlways: a 401 of HTTP APIs with simple responses, for who has tried it.
func TestG3_UnauthorizedAlways(t *testing.T) {
	w := newWorld(t)
	for on, status := range map[gateway.OnInvalid]int{gateway.Unauthorized: 403, gateway.Deny: 403, gateway.UnauthorizedAlways: 401} {
		auth := &lambdatest.LambdaAuthorizer{SimpleResponses: true, Function: w.function(gateway.Config{OnInvalid: on, Guard: w.user.With(session.Scope("a"))})}
		g := w.api(lambdatest.HTTPAPI, auth, nil, "GET /a")
		if rec := call(g, "GET", "/a", "Authorization", "Bearer x.y.z"); rec.Code != status {
			t.Errorf("%d: %d, want %d", on, rec.Code, status)
		}
		name, value := bearer(w.token(w.user, "u1"))
		if rec := call(g, "GET", "/a", name, value); rec.Code != 403 {
			t.Errorf("%d, a need that is not met: %d, want 403", on, rec.Code)
		}
	}
}

// TestG3_FailedNeedInBody: an authorizer without a cache names the need of the route is not met, as a handler would.
func TestG3_FailedNeedInBody(t *testing.T) {
	w := newWorld(t)
	auth := &lambdatest.LambdaAuthorizer{TTL: lambdatest.NoCache, Function: w.function(gateway.Config{Uncached: true, Routes: []gateway.Route{
		{Path: "/*"}, {Path: "/pay", Needs: []session.Need{session.Scope("pay"), session.Role("payer")}}, {Path: "/fresh", Needs: []session.Need{session.Fresh(time.Second)}},
	}})}
	g := w.api(lambdatest.REST, auth, func(c *lambdatest.Config) {
		c.GatewayResponses = map[string]lambdatest.GatewayResponse{"ACCESS_DENIED": {Body: "$context.authorizer.body"}}
	}, "ANY /{proxy+}")
	name, value := bearer(w.token(w.user, "u1"))
	rec := call(g, "GET", "/pay", name, value)
	var body struct {
		Error  string
		Failed []struct{ Claim string }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != 403 || body.Error != "insufficient_scope" || len(body.Failed) != 2 || body.Failed[0].Claim != "scope" {
		t.Errorf("%d %s (%v)", rec.Code, rec.Body, err)
	}
	if rec := call(g, "GET", "/fresh", name, value); rec.Code != 401 {
		t.Errorf("a newer sign-in is needed: %d, want 401", rec.Code)
	}
	if rec := call(g, "GET", "/pay/", name, value); rec.Code != 403 {
		t.Errorf("a slash more: %d, want 403", rec.Code)
	}
	if rec := call(g, "GET", "/else", name, value); rec.Code != 200 {
		t.Errorf("another path: %d, want 200", rec.Code)
	}
}

// FuzzAuthorizer: no event panics, and none without a good token is let in.
func FuzzAuthorizer(f *testing.F) {
	w := newWorld(f)
	for _, kind := range kinds {
		f.Add(eventOf(f, kind, "Bearer a.b.c"))
	}
	for _, s := range []string{`{}`, `null`, `[]`, `{"type":"REQUEST"}`, `{"type":"TOKEN","authorizationToken":null,"methodArn":"` + testARN + `"}`,
		`{"type":"REQUEST","methodArn":"` + testARN + `","headers":null,"multiValueHeaders":null,"queryStringParameters":null}`,
		`{"type":"REQUEST","version":"2.0","routeArn":"` + testARN + `","identitySource":null,"cookies":null,"routeKey":"$default"}`,
		`{"type":"REQUEST","methodArn":"` + testARN + `","isBase64Encoded":true,"body":"eA==","headers":{"authorization":"Bearer","Authorization":""}}`,
		`{"requestContext":{"elb":{"targetGroupArn":"x"}},"httpMethod":"GET","path":"/","headers":{}}`} {
		f.Add([]byte(s))
	}
	routes := []gateway.Route{{Path: "/*"}, {Path: "/a", Needs: []session.Need{session.Scope("a")}}, {Path: "$connect"}}
	var authorizers []*gateway.Authorizer
	for _, c := range []gateway.Config{{}, {Uncached: true, Query: "token", Routes: routes}, {Policies: true, OnInvalid: gateway.Deny, Routes: routes}} {
		authorizers = append(authorizers, w.authorizer(c))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		for _, a := range authorizers {
			out, err := a.Invoke(t.Context(), event)
			if err != nil && (out != nil || !errors.Is(err, gateway.ErrUnauthorized) && !errors.Is(err, gateway.ErrEvent)) {
				t.Fatalf("an error of ours for %q: %v", event, err)
			}
			if strings.Contains(string(out), `"Allow"`) || strings.Contains(string(out), `"isAuthorized":true`) {
				t.Fatalf("%q is let in: %s", event, out)
			}
			if err == nil {
				checkAnswer(t, out)
			}
			_, _ = gateway.Read(t.Context(), w.user, event) // does not panic
		}
	})
}

// TestG4_OfficialSamples: the sample events of aws-lambda-go, all of them, and cut off at each byte.
func TestG4_OfficialSamples(t *testing.T) {
	w := newWorld(t)
	a := w.authorizer(gateway.Config{Uncached: true})
	files, err := filepath.Glob(filepath.Join(moduleDir(t, "github.com/aws/aws-lambda-go"), "events", "testdata", "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d sample events: %v", len(files), err)
	}
	answered := map[string]string{}
	for _, file := range files {
		event := must(os.ReadFile(file))(t)
		out, err := a.Invoke(t.Context(), event)
		got := outcome(out, err, "GET", "/request")
		if err != nil && errors.Is(err, gateway.ErrEvent) {
			got = "other"
		}
		answered[filepath.Base(file)] = got
		for i := 0; i < len(event); i += 7 {
			if out, err := a.Invoke(t.Context(), event[:i]); err == nil {
				t.Errorf("%s cut at %d: %s", file, i, out)
			}
		}
	}
	for name, want := range map[string]string{
		"apigw-custom-auth-request.json":              "other", // its ARN has a wildcard for the stage
		"apigw-custom-auth-request-type-request.json": "401", "apigw-v2-custom-authorizer-v1-request.json": "401",
		"apigw-v2-custom-authorizer-v2-request.json": "false", "appsync-lambda-auth-request.json": "false",
		"apigw-request.json": "other", "apigw-v2-request-jwt-authorizer.json": "other", "s3-event.json": "other", "iot-custom-auth-request.json": "other",
	} {
		if answered[name] != want {
			t.Errorf("%s: %q, want %q", name, answered[name], want)
		}
	}
	for name, got := range answered {
		if got == "allow" || got == "500" || got == "malformed" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func ExampleAuthorizer_Invoke_unauthorized() {
	fmt.Println(gateway.ErrUnauthorized)
	// Output: Unauthorized
}

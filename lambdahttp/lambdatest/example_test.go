package lambdatest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// A policy that echoes the ARN it was asked about is right once, and wrong for as long as it is kept.
func ExampleNew() {
	hello := lambdatest.Func(func(context.Context, []byte) ([]byte, error) {
		return []byte(`{"statusCode": 200, "body": "hello"}`), nil
	})
	authorizer := &lambdatest.LambdaAuthorizer{
		Type: lambdatest.TokenAuthorizer,
		Function: lambdatest.Func(func(_ context.Context, event []byte) ([]byte, error) {
			var in struct{ AuthorizationToken, MethodArn string }
			if err := json.Unmarshal(event, &in); err != nil {
				return nil, err
			}
			if in.AuthorizationToken != "Bearer good" {
				return nil, errors.New("Unauthorized")
			}
			return fmt.Appendf(nil, `{"principalId": "u1", "policyDocument": {"Version": "2012-10-17", "Statement": [
				{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": %q}]}}`, in.MethodArn), nil
		}),
	}
	api, err := lambdatest.New(lambdatest.Config{Type: lambdatest.REST, Routes: []lambdatest.Route{
		{Method: "GET", Path: "/orders", Function: hello, Authorizer: authorizer},
		{Method: "POST", Path: "/orders", Function: hello, Authorizer: authorizer},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, method := range []string{"GET", "POST"} {
		r := httptest.NewRequest(method, "/prod/orders", http.NoBody)
		r.Header.Set("Authorization", "Bearer good")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(method, w.Code, w.Body)
	}
	// Output:
	// GET 200 hello
	// POST 403 {"Message":"User is not authorized to access this resource"}
}

// Handler serves a function as a function URL would.
func ExampleHandler() {
	f := lambdatest.Func(func(_ context.Context, event []byte) ([]byte, error) {
		var in struct{ RawPath string }
		if err := json.Unmarshal(event, &in); err != nil {
			return nil, err
		}
		return json.Marshal(map[string]any{"statusCode": 200, "body": "you asked for " + in.RawPath})
	})
	w := httptest.NewRecorder()
	lambdatest.Handler(lambdatest.FunctionURL, f).ServeHTTP(w, httptest.NewRequest("GET", "/a%20b", http.NoBody))
	fmt.Println(w.Code, w.Body)
	// Output: 200 you asked for /a%20b
}

// A runtime starts the program when the first event comes.
func ExampleNewRuntime() {
	rt, err := lambdatest.NewRuntime(lambdatest.RuntimeConfig{Bootstrap: "/nowhere/bootstrap"})
	if err != nil {
		fmt.Println("no such program")
		return
	}
	defer func() { _ = rt.Close() }()
	out, err := rt.Invoke(context.Background(), []byte(`{}`))
	fmt.Println(string(out), err)
	// Output: no such program
}

// An AppSync authorizer says how long its answer may be kept, and which fields are not for this user.
func ExampleAppSync() {
	api, err := lambdatest.NewAppSync(lambdatest.AppSyncConfig{
		Function: lambdatest.Func(func(context.Context, []byte) ([]byte, error) {
			return []byte(`{"isAuthorized": true, "resolverContext": {"sub": "u1"}, "deniedFields": ["User.email"], "ttlOverride": 30}`), nil
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	grant, err := api.Authorize(context.Background(), lambdatest.AppSyncRequest{Token: "t", Query: "{ me { email } }"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(grant.ResolverContext["sub"], grant.Denies("User", "email"), grant.Denies("User", "name"))
	// Output: u1 true false
}

// A WebSocket API asks its authorizer once, when a client connects.
func ExampleWebSocket() {
	api, err := lambdatest.NewWebSocket(lambdatest.WebSocketConfig{
		Routes: map[string]lambdatest.Function{
			"$default": lambdatest.Func(func(_ context.Context, event []byte) ([]byte, error) {
				var in struct{ Body string }
				err := json.Unmarshal(event, &in)
				return []byte("got " + in.Body), err
			}),
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, res := api.Connect(httptest.NewRequest("GET", "/", http.NoBody))
	fmt.Println(res.StatusCode)
	out, err := conn.Send(context.Background(), []byte("hello"))
	fmt.Println(string(out), err)
	// Output:
	// 101
	// got hello <nil>
}

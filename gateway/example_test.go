package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/session"
)

func exampleClock() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// exampleUser is a kind of session, and a token of it: what the rest of a program has.
func exampleUser() (*session.Kind[User], string) {
	key, err := keys.Generate(keys.RS256)
	if err != nil {
		log.Fatal(err)
	}
	ring, err := keys.StaticSigner(key)
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: "https://api.example.com/auth", Audience: "api", Keys: ring, Now: exampleClock})
	if err != nil {
		log.Fatal(err)
	}
	user := session.NewKindConfig(sessions, session.KindConfig[User]{Name: "user", Stateless: true})
	t, err := user.Create(context.Background(), session.Grant[User]{Subject: "u1", Properties: User{UserID: "u1"}, Scopes: []string{"orders:read"}})
	if err != nil {
		log.Fatal(err)
	}
	return user, t.Access
}

// An authorizer for a REST API. The policy is about every route, so that it is right for all of them when API Gateway
// keeps it. In a function's main, authorizer.Start() takes the place of Invoke.
func Example() {
	user, token := exampleUser()
	authorizer, err := gateway.New(gateway.Config{
		Guard: user,
		Routes: []gateway.Route{
			{Method: "GET", Path: "/orders/*", Needs: []session.Need{session.Scope("orders:read")}},
			{Method: "DELETE", Path: "/orders/*", Needs: []session.Need{session.Scope("orders:write")}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	event := `{"type": "TOKEN", "authorizationToken": "Bearer ` + token + `",
		"methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders/17"}`
	out, err := authorizer.Invoke(context.Background(), []byte(event))
	if err != nil {
		log.Fatal(err)
	}
	var answer struct {
		PrincipalID    string
		PolicyDocument struct {
			Statement []struct {
				Effect   string
				Resource []string
			}
		}
		Context struct{ Scope string }
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.PrincipalID, answer.Context.Scope)
	for _, s := range answer.PolicyDocument.Statement {
		for _, resource := range s.Resource {
			if s.Effect == "Allow" { // the others deny odd spellings of paths
				fmt.Println(s.Effect, strings.TrimPrefix(resource, "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3"))
			}
		}
	}

	_, err = authorizer.Invoke(context.Background(), []byte(`{"type": "TOKEN", "authorizationToken": "Bearer x.y.z",
		"methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders/17"}`))
	fmt.Println(err) // which API Gateway answers with a 401
	// Output:
	// u1 orders:read
	// Allow /prod/GET/orders/*
	// Allow /prod/HEAD/orders/*
	// Unauthorized
}

// The function behind an authorizer reads the session, and verifies no token a second time.
func ExampleFromAuthorizer() {
	user, _ := exampleUser()
	mux := http.NewServeMux()
	mux.Handle("GET /me", gateway.FromAuthorizer(user).Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := user.From(r.Context())
		fmt.Fprintln(w, "hello", s.Properties.UserID)
	})))
	function, err := lambdahttp.New(mux, lambdahttp.Config{})
	if err != nil {
		log.Fatal(err)
	}
	// What an HTTP API with a JWT authorizer sends.
	event := `{"version": "2.0", "routeKey": "GET /me", "rawPath": "/me", "headers": {}, "requestContext": {
		"apiId": "a1b2c3", "stage": "$default", "http": {"method": "GET", "path": "/me"},
		"authorizer": {"jwt": {"claims": {"iss": "https://api.example.com/auth", "aud": "api", "sub": "u1", "type": "user", "sid": "s1", "jti": "j1",
			"client_id": "web", "iat": "1772366400", "exp": "1772366700", "properties": "{\"userID\":\"u1\"}"}, "scopes": null}}}}`
	out, err := function.Invoke(context.Background(), []byte(event))
	if err != nil {
		log.Fatal(err)
	}
	var answer struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		log.Fatal(err)
	}
	fmt.Print(answer.StatusCode, " ", answer.Body)
	// Output: 200 hello u1
}

// A message of a WebSocket carries what the authorizer of $connect said.
func ExampleRead() {
	user, _ := exampleUser()
	event := `{"requestContext": {"routeKey": "$default", "eventType": "MESSAGE", "connectionId": "c=", "apiId": "a1b2c3", "authorizer": {
		"principalId": "u1", "iss": "https://api.example.com/auth", "aud": "api", "sub": "u1", "type": "user", "sid": "s1", "jti": "j1",
		"client_id": "web", "iat": "1772366400", "exp": "1772366700", "properties": "{\"userID\":\"u1\"}"}}, "body": "hello"}`
	s, err := gateway.Read(context.Background(), user, []byte(event))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Subject, s.Properties.UserID)
	// Output: u1 u1
}

// Tokens of Auth0 and of the program's own, through one authorizer.
func ExampleConfig() {
	user, _ := exampleUser()
	remote, err := keys.Remote(keys.RemoteConfig{URL: "https://tenant.eu.auth0.com/.well-known/jwks.json"})
	if err != nil {
		log.Fatal(err)
	}
	auth0, err := session.NewExternal[map[string]any](session.ExternalConfig{
		Issuer: "https://tenant.eu.auth0.com/", Audience: "https://api.example.com", Algorithms: []keys.Algorithm{keys.RS256}, Keys: remote,
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = gateway.New(gateway.Config{Guard: session.AnyOf(user, auth0.With(session.Scope("read:orders")))})
	fmt.Println(err)
	// Output: <nil>
}

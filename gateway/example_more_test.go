package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/session"
)

// A GraphQL API of AppSync: who lacks the scope gets null for the field, and the rest of the answer.
func ExampleConfig_fields() {
	user, token := exampleUser()
	authorizer, err := gateway.New(gateway.Config{
		Guard: user,
		Fields: []gateway.Field{
			{Name: "Query.orders", Needs: []session.Need{session.Scope("orders:read")}},
			{Name: "Mutation.deleteOrder", Needs: []session.Need{session.Scope("orders:write")}},
		},
		Now: exampleClock,
	})
	if err != nil {
		log.Fatal(err)
	}
	event := `{"authorizationToken": "` + token + `", "requestContext": {"apiId": "a1b2c3", "queryString": "query { orders { id } }"}}`
	out, err := authorizer.Invoke(context.Background(), []byte(event))
	if err != nil {
		log.Fatal(err)
	}
	var answer struct {
		IsAuthorized bool
		DeniedFields []string
		TTLOverride  int // seconds
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.IsAuthorized, answer.DeniedFields, answer.TTLOverride)
	// Output: true [Mutation.deleteOrder] 60
}

// A WebSocket API asks about $connect alone. Its client, which can set no header, sends the token as a parameter here;
// KindConfig.WebSocketProtocol lets it come as a subprotocol.
func ExampleConfig_connect() {
	user, token := exampleUser()
	authorizer, err := gateway.New(gateway.Config{
		Guard:  user,
		Routes: []gateway.Route{{Path: "$connect", Needs: []session.Need{session.Scope("orders:read")}}},
		Query:  "token",
		Now:    exampleClock,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{token, "x.y.z"} {
		event := `{"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/$connect",
			"headers": {"Host": "a1b2c3.execute-api.eu-west-1.amazonaws.com"}, "queryStringParameters": {"token": "` + token + `"},
			"requestContext": {"eventType": "CONNECT", "connectionId": "c="}}`
		out, err := authorizer.Invoke(context.Background(), []byte(event))
		if err != nil {
			fmt.Println(err) // which API Gateway answers with a 401
			continue
		}
		var answer struct{ PolicyDocument json.RawMessage }
		if err := json.Unmarshal(out, &answer); err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(answer.PolicyDocument))
	}
	// Output:
	// {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":["arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/*"]}]}
	// Unauthorized
}

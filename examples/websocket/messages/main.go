// Command messages is the function behind all routes of the WebSocket API. Who speaks is known from what the authorizer
// said when the connection began, which API Gateway sends along with each message.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/posternauth/postern/examples/websocket/chat"
	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/session"
)

type response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
}

func main() {
	members, err := chat.MembersFromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(func(ctx context.Context, event json.RawMessage) (response, error) { return handle(ctx, members, event) })
}

func handle(ctx context.Context, members *session.Kind[chat.Member], event []byte) (response, error) {
	var e struct {
		Body    string `json:"body"`
		Context struct {
			Route string `json:"routeKey"`
		} `json:"requestContext"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return response{}, err
	}
	if e.Context.Route == "$disconnect" {
		return response{StatusCode: 200}, nil
	}
	// A connection lives for two hours, its token perhaps for one: after that, the client must connect again.
	s, err := gateway.Read(ctx, members, event)
	if err != nil {
		return response{StatusCode: 401, Body: session.Reason(err)}, nil
	}
	if e.Context.Route == "$connect" { // one of the subprotocols must be chosen, and not the token
		return response{StatusCode: 200, Headers: map[string]string{"Sec-WebSocket-Protocol": "chat"}}, nil
	}
	return response{StatusCode: 200, Body: fmt.Sprintf("%s: %s", s.Properties.Name, e.Body)}, nil
}

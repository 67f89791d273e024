// Command postern-authorizer is the bootstrap of a Lambda authorizer: it checks the sessions of an issuer, with the
// keys that the issuer publishes. It holds no secret and reaches no store.
//
// One function serves REST, HTTP and WebSocket APIs and AppSync, see package gateway. Its settings are variables:
//
//	POSTERN_ISSUER            the issuer of the sessions, such as https://api.example.com/auth
//	POSTERN_AUDIENCE          the audience of the sessions
//	POSTERN_KIND              the kind of session that is let in; user by default
//	POSTERN_ACCESS            the longest life of an access token; 1h by default
//	POSTERN_SCOPES            scopes that each session must have, with commas; none by default
//	POSTERN_POLICIES          true: HTTP APIs get a policy instead of a yes or no
//	POSTERN_IDENTITY_SOURCES  the identity sources of the authorizer, with commas, or none
//	POSTERN_ORIGINS           origins whose pages may send cookies, with commas
//
// With the sources "none", API Gateway must keep no answers (authorizerResultTtlInSeconds is 0); then cookies are read
// too. The source route.request.querystring.NAME makes NAME the parameter with the token of a WebSocket, and
// route.request.header.Sec-WebSocket-Protocol allows the token as a subprotocol.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	h, err := newHandler(os.LookupEnv, os.Stdout, logger)
	if err != nil {
		logger.Error("the settings are wrong", "error", err)
		os.Exit(1)
	}
	lambda.Start(h)
}

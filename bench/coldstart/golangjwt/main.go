// Command golangjwt is a Lambda authorizer as it is written with golang-jwt: the peer of examples/lambda-authorizer.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/golang-jwt/jwt/v5"
)

func main() {
	key, err := jwt.ParseEdPublicKeyFromPEM([]byte(os.Getenv("PUBLIC_KEY")))
	if err != nil {
		log.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer(os.Getenv("ISSUER")), jwt.WithAudience(os.Getenv("AUDIENCE")), jwt.WithExpirationRequired())
	lambda.Start(func(_ context.Context, e events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
		var claims struct {
			jwt.RegisteredClaims
			Scope string `json:"scope"`
		}
		token, _ := strings.CutPrefix(e.AuthorizationToken, "Bearer ")
		if _, err := parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
			return events.APIGatewayCustomAuthorizerResponse{}, errors.New("Unauthorized") //nolint:staticcheck // API Gateway's text
		}
		stage := strings.Join(strings.SplitN(e.MethodArn, "/", 3)[:2], "/")
		return events.APIGatewayCustomAuthorizerResponse{
			PrincipalID: claims.Subject,
			PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{Version: "2012-10-17", Statement: []events.IAMPolicyStatement{
				{Action: []string{"execute-api:Invoke"}, Effect: "Allow", Resource: []string{stage + "/*"}},
			}},
			Context: map[string]any{"scope": claims.Scope},
		}, nil
	})
}

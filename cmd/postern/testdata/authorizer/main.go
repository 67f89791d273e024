// Command authorizer is a Lambda authorizer that lets the token "good" in.
package main

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(_ context.Context, e map[string]any) (map[string]any, error) {
		token, _ := e["authorizationToken"].(string)
		if headers, ok := e["headers"].(map[string]any); ok {
			for name, value := range headers {
				if strings.EqualFold(name, "Authorization") {
					token, _ = value.(string)
				}
			}
		}
		good := token == "Bearer good"
		arn, rest := e["methodArn"].(string)
		if !rest {
			return map[string]any{"isAuthorized": good, "context": map[string]any{"who": "ada"}}, nil
		}
		if !good {
			return nil, errors.New("Unauthorized")
		}
		stage := strings.Join(strings.Split(arn, "/")[:2], "/") + "/*"
		return map[string]any{"principalId": "ada", "context": map[string]any{"who": "ada"}, "policyDocument": map[string]any{
			"Version": "2012-10-17", "Statement": []any{map[string]any{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": stage}},
		}}, nil
	})
}

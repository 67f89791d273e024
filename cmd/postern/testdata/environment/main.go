// Command environment is a function that returns three variables of its environment.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context, events.LambdaFunctionURLRequest) (events.LambdaFunctionURLResponse, error) {
		return events.LambdaFunctionURLResponse{StatusCode: 200, Body: os.Getenv("ONE") + "|" + os.Getenv("TWO") + "|" + os.Getenv("THREE")}, nil
	})
}

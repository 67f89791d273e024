// Command postern-lambda is the auth server as a bootstrap for AWS Lambda: postern serve without a listener, with
// DynamoDB as its only store. The handler of the function chooses what it does:
//
//	auth     answers the requests of an API or a function URL; also any other name
//	rotator  is invoked by a schedule, and makes a new signing key when the newest is older than POSTERN_ROTATE
//
// Both read the file that POSTERN_CONFIG names, postern.toml beside the bootstrap by default: see package
// internal/serve. Of what it names, the rotator opens the keys alone: it reads no secret but the one that seals them.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	slog.SetDefault(logger)
	f, err := open(context.Background(), world{os.LookupEnv, os.ReadFile, os.Stdout, logger})
	if err != nil {
		logger.Error("the function cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(f)
}

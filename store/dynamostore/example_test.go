package dynamostore_test

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/store/dynamostore"
)

// In a Lambda function region and credentials are in the environment, and the config package of the SDK is not needed.
func ExampleNew() {
	client := dynamodb.New(dynamodb.Options{
		Region: os.Getenv("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
				SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
				SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
			}, nil
		}),
	})
	st, err := dynamostore.New(dynamostore.Config{Client: client, Table: "auth"})
	fmt.Println(st != nil, err)
	// Output: true <nil>
}

// For development, against a server such as moto's.
func ExampleCreateTable() {
	client := dynamodb.New(dynamodb.Options{
		Region:       "local",
		BaseEndpoint: aws.String("http://127.0.0.1:5000"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "any", SecretAccessKey: "any"}, nil
		}),
	})
	if err := dynamostore.CreateTable(context.Background(), client, "auth"); err != nil {
		fmt.Println(err)
	}
}

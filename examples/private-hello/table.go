package main

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
)

// local reports that this is a developer's machine.
func (s settings) local() bool { return strings.HasPrefix(s.origin, "http://localhost:") }

// openTable returns a store in a DynamoDB table, and a vault in the same table for the keys.
func openTable(table, vaultKey string) (store.Store, keys.Vault, error) {
	secret, err := base64.StdEncoding.DecodeString(vaultKey)
	if err != nil || len(secret) != 32 {
		return nil, nil, errors.New("VAULT_KEY is not 32 bytes in base64")
	}
	st, err := dynamostore.New(dynamostore.Config{Client: newDynamoDB(), Table: table})
	if err != nil {
		return nil, nil, err
	}
	return st, keys.StoreVault{Store: st, Sealer: keys.MasterKey(secret)}, nil
}

// newDynamoDB returns a client for the settings that Lambda puts into the environment.
func newDynamoDB() *dynamodb.Client {
	o := dynamodb.Options{
		Region: os.Getenv("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
				SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
				SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
			}, nil
		}),
	}
	if url := os.Getenv("AWS_ENDPOINT_URL"); url != "" { // a stand-in, such as moto
		o.BaseEndpoint = &url
	}
	return dynamodb.New(o)
}

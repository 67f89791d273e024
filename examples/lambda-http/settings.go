package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/smtpmail"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
)

type settings struct {
	origin, table, vaultKey, smtp, smtpUser, smtpPassword string
}

// local reports that this is a developer's machine.
func (s settings) local() bool { return strings.HasPrefix(s.origin, "http://") }

// parts opens what sessions are made of: the store, and in it the ring of keys. Every process opens the same ring; the
// first of all makes it.
func (s settings) parts() (store.Store, *keys.Ring, error) {
	switch {
	case s.origin == "":
		return nil, nil, errors.New("set ORIGIN to where people reach this function")
	case !s.local() && (s.table == "" || s.vaultKey == "" || s.smtp == ""):
		return nil, nil, errors.New("set TABLE, VAULT_KEY and SMTP: only on http://localhost something takes their place")
	}
	var st store.Store = &store.Memory{}
	var vault keys.Vault = &keys.MemoryVault{}
	if s.table != "" {
		table, err := dynamostore.New(dynamostore.Config{Client: newDynamoDB(), Table: s.table})
		if err != nil {
			return nil, nil, err
		}
		sealing, err := base64.StdEncoding.DecodeString(s.vaultKey)
		if err != nil {
			return nil, nil, errors.New("VAULT_KEY is not base64")
		}
		st, vault = table, keys.StoreVault{Store: table, Sealer: keys.MasterKey(sealing)}
	}
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: vault})
	return st, ring, err
}

// newDynamoDB returns a client for the settings that Lambda puts into the environment. The config package of the SDK
// would find the same, and make a cold start three times as long.
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

// sender returns the function that sends mails.
func (s settings) sender() (func(context.Context, postern.Mail) error, error) {
	if s.smtp == "" {
		return func(_ context.Context, m postern.Mail) error {
			fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
			return nil
		}, nil
	}
	mails, err := smtpmail.New(smtpmail.Config{
		Addr: s.smtp, Username: s.smtpUser, Password: s.smtpPassword, From: "no-reply@" + strings.TrimPrefix(s.origin, "https://"),
	})
	if err != nil {
		return nil, fmt.Errorf("SMTP: %w", err)
	}
	return mails.Send, nil
}

package main

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/audit"
	"github.com/posternauth/postern/internal/awsvault"
	"github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/internal/serve/emf"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/kmskeys"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/smsecrets"
	"github.com/posternauth/postern/secrets/ssmsecrets"
	"github.com/posternauth/postern/sesmail"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
)

// parts are the engines and services of this program: those of AWS, and no other.
func parts(w world, metrics *emf.Metrics) serve.Parts {
	c := awsConfig(w.lookupEnv)
	return serve.Parts{
		LookupEnv: w.lookupEnv, ReadFile: w.readFile, Logger: w.log, OnEvent: metrics.Event,
		OpenStore: func(_ context.Context, url string) (store.Store, func(), error) {
			table, ok := strings.CutPrefix(url, "dynamodb:")
			if !ok {
				return nil, nil, errors.New("this program has DynamoDB alone: write dynamodb:TABLE")
			}
			st, err := dynamostore.New(dynamostore.Config{Client: dynamodb.NewFromConfig(c), Table: table})
			return st, func() {}, err
		},
		OpenVault: func(ctx context.Context, v serve.VaultRequest) (keys.Vault, error) {
			return awsvault.Open(ctx, awsvault.Request{URL: v.URL, Ring: v.Ring, Store: v.Store, Key: v.Key, KMS: v.KMS,
				AWS: func(context.Context) (aws.Config, error) { return c, nil }})
		},
		OpenSigner: func(ctx context.Context, s serve.SignerRequest) (keys.Signer, error) {
			signer := kmskeys.SignerConfig{Report: s.Report, Now: s.Now}
			for _, k := range s.Keys {
				signer.Keys = append(signer.Keys, kmskeys.Key(k))
			}
			return awsvault.OpenSigner(ctx, signer, func(context.Context) (aws.Config, error) { return c, nil })
		},
		OpenSecrets: func(_ context.Context, s serve.SourceRequest) (secrets.Source, error) {
			switch s.Name {
			case "ssm":
				return ssmsecrets.New(ssmsecrets.Config{Client: ssm.NewFromConfig(c), Prefix: s.Prefix, Plain: s.Plain})
			case "secretsmanager":
				return smsecrets.New(smsecrets.Config{Client: secretsmanager.NewFromConfig(c), Prefix: s.Prefix, Plain: s.Plain})
			}
			return nil, nil
		},
		OpenMail: func(_ context.Context, m serve.Mail) (func(context.Context, postern.Mail) error, error) {
			sender, err := sesmail.New(sesmail.Config{Client: sesv2.NewFromConfig(c), From: m.From})
			if err != nil {
				return nil, err
			}
			return sender.Send, nil
		},
		OpenAudit: func(_ context.Context, a serve.AuditRequest) (func(context.Context, session.Event), func() error, error) {
			return openAudit(w, a)
		},
	}
}

// openAudit writes events into the log. A file ends with its process. A webhook needs a process that goes on between
// requests, and the rotator, which is the only one on a schedule, may not read the table where its events wait.
func openAudit(w world, a serve.AuditRequest) (func(context.Context, session.Event), func() error, error) {
	none := func() error { return nil }
	switch {
	case a.File != "":
		return nil, nil, errors.New("a function has no file that lasts: remove file, and keep the log")
	case a.Webhook != "":
		return nil, nil, errors.New("a function stands still between requests and cannot send again later: remove webhook, and subscribe to the log")
	case !a.Log:
		return func(context.Context, session.Event) {}, none, nil
	}
	l, err := audit.NewLog(audit.LogConfig{Logger: w.log})
	if err != nil {
		return nil, nil, err
	}
	return l.Event, none, nil
}

// awsConfig has the settings that Lambda puts into the environment. The config package of the SDK would find the same,
// and make a cold start several times as long.
func awsConfig(lookup func(string) (string, bool)) aws.Config {
	get := func(name string) string { value, _ := lookup(name); return value }
	c := aws.Config{
		Region: get("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID: get("AWS_ACCESS_KEY_ID"), SecretAccessKey: get("AWS_SECRET_ACCESS_KEY"), SessionToken: get("AWS_SESSION_TOKEN"),
			}, nil
		}),
	}
	if url := get("AWS_ENDPOINT_URL"); url != "" { // a stand-in, such as moto
		c.BaseEndpoint = &url
	}
	return c
}

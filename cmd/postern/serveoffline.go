package main

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern/internal/awsvault"
	server "github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/secrets/smsecrets"
	"github.com/posternauth/postern/secrets/ssmsecrets"
	"github.com/posternauth/postern/sesmail"
)

// nowhere is a configuration of AWS with which clients are made that are never called.
func nowhere() aws.Config { return aws.Config{Region: "us-east-1"} }

// offlineRules are what the parts of serve refuse without a call.
func offlineRules() server.Offline {
	return server.Offline{Store: checkServedURL, Vault: checkVault, Secrets: checkSource, Mail: checkSES}
}

// checkServedURL refuses what openServed could never open.
func checkServedURL(where string) error {
	const flag = "[store] url"
	err := checkStoreURL(flag, where)
	if err == nil {
		switch scheme, _, _ := strings.Cut(where, ":"); scheme {
		case "postgres", "postgresql":
			_, err = postgresConfig(flag, where)
		case "redis", "rediss":
			_, _, err = redisOptions(flag, where)
		}
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), flag+": "))
	}
	return nil
}

func checkVault(v server.VaultRequest) error {
	aws := func(context.Context) (aws.Config, error) { return nowhere(), nil }
	_, err := awsvault.Open(context.Background(), awsvault.Request{URL: v.URL, Ring: v.Ring, Store: v.Store, Key: v.Key, KMS: v.KMS, AWS: aws})
	return err
}

func checkSource(s server.SourceRequest) error {
	var err error
	switch s.Name {
	case "ssm":
		_, err = ssmsecrets.New(ssmsecrets.Config{Client: ssm.NewFromConfig(nowhere()), Prefix: s.Prefix, Plain: s.Plain})
	case "secretsmanager":
		_, err = smsecrets.New(smsecrets.Config{Client: secretsmanager.NewFromConfig(nowhere()), Prefix: s.Prefix, Plain: s.Plain})
	}
	return err
}

func checkSES(m server.Mail) error {
	_, err := sesmail.New(sesmail.Config{Client: sesv2.NewFromConfig(nowhere()), From: m.From, ConfigurationSet: m.ConfigurationSet, Timeout: m.Timeout})
	return err
}

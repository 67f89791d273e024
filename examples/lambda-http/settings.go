package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
)

type settings struct {
	origin, table, signingKey, secret, smtp, smtpUser, smtpPassword string
}

// local reports that this is a developer's machine.
func (s settings) local() bool { return strings.HasPrefix(s.origin, "http://") }

// parts are what sessions are made of.
type parts struct {
	keys    keys.Signer
	secrets keys.Secrets
	store   store.Store
}

func (s settings) parts() (parts, error) {
	switch {
	case s.origin == "":
		return parts{}, errors.New("set ORIGIN to where people reach this function")
	case !s.local() && (s.table == "" || s.signingKey == "" || s.secret == "" || s.smtp == ""):
		return parts{}, errors.New("set TABLE, SIGNING_KEY, SECRET and SMTP: only on http://localhost something takes their place")
	}
	p := parts{store: &store.Memory{}}
	if s.table != "" {
		st, err := dynamostore.New(dynamostore.Config{Client: newDynamoDB(), Table: s.table})
		if err != nil {
			return parts{}, err
		}
		p.store = st
	}
	if s.signingKey == "" || s.secret == "" {
		ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
		p.keys, p.secrets = ring, ring
		return p, err
	}
	key, err := keys.ParsePrivatePEM([]byte(s.signingKey), keys.RS256, "")
	if err != nil {
		return parts{}, fmt.Errorf("SIGNING_KEY: %w", err)
	}
	if p.keys, err = keys.StaticSigner(key); err != nil {
		return parts{}, err
	}
	master, err := base64.StdEncoding.DecodeString(s.secret)
	if err != nil {
		return parts{}, errors.New("SECRET is not base64")
	}
	secret, err := keys.NewSecret("1", master)
	if err != nil {
		return parts{}, fmt.Errorf("SECRET: %w", err)
	}
	p.secrets, err = keys.StaticSecrets(secret)
	return p, err
}

// newDynamoDB makes a client of what Lambda puts into the environment. The config package of the SDK would find the same,
// and make a cold start three times as long.
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

// send sends a mail.
func (s settings) send(_ context.Context, m magic.Message) error {
	if s.smtp == "" {
		fmt.Printf("To: %s\n\n%s\n", m.To, m.Text)
		return nil
	}
	host, _, err := net.SplitHostPort(s.smtp)
	if err != nil {
		return fmt.Errorf("SMTP: %w", err)
	}
	from := "no-reply@" + strings.TrimPrefix(s.origin, "https://")
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\n", from, m.To, mime.QEncoding.Encode("utf-8", m.Subject))
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(m.Text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return smtp.SendMail(s.smtp, smtp.PlainAuth("", s.smtpUser, s.smtpPassword, host), from, []string{m.To}, []byte(b.String()))
}

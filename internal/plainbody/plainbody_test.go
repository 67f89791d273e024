package plainbody_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/kmskeys"
	"github.com/posternauth/postern/keys/smkeys"
	"github.com/posternauth/postern/keys/ssmkeys"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/smsecrets"
	"github.com/posternauth/postern/secrets/ssmsecrets"
	"github.com/posternauth/postern/sesmail"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
)

// earlyAnswer is a network whose answer begins before net/http has checked that the body is not longer than announced.
// It checks it where net/http may do so at the latest: while the answer is being read. A check that fails closes the
// connection.
type earlyAnswer struct{ requests int }

func (e *earlyAnswer) RoundTrip(req *http.Request) (*http.Response, error) {
	e.requests++
	if _, err := io.CopyN(io.Discard, req.Body, req.ContentLength); err != nil {
		return nil, fmt.Errorf("the body ends early: %w", err)
	}
	answer := []byte(`{}`)
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: req,
		ContentLength: int64(len(answer)), Body: &lateCheck{Reader: bytes.NewReader(answer), sent: req.Body},
	}, nil
}

type lateCheck struct {
	io.Reader
	sent    io.Reader
	checked bool
}

func (l *lateCheck) Read(p []byte) (int, error) {
	if !l.checked {
		l.checked = true
		if more, err := io.Copy(io.Discard, l.sent); more > 0 || err != nil {
			return 0, net.ErrClosed
		}
	}
	return l.Reader.Read(p)
}

func (l *lateCheck) Close() error { return nil }

// An answer that begins while net/http still looks at the request is read whole, and the request is not sent again: a
// Put of an absent item does not end in doubt, and a mail is not sent twice.
func TestEarlyAnswer(t *testing.T) {
	who := credentials.NewStaticCredentialsProvider("any", "any", "")
	nowhere := aws.String("http://127.0.0.1:1")
	for name, send := range map[string]func(*http.Client) error{
		"put": func(c *http.Client) error {
			s, err := dynamostore.New(dynamostore.Config{Table: "auth", Client: dynamodb.New(dynamodb.Options{
				Region: "eu-central-1", BaseEndpoint: nowhere, HTTPClient: c, Credentials: who,
			})})
			if err != nil {
				return err
			}
			return s.Write(t.Context(), store.Put(store.Item{Key: store.Key{Part: "p", ID: "a"}, Value: []byte("v")}))
		},
		"mail": func(c *http.Client) error {
			s, err := sesmail.New(sesmail.Config{From: "auth@example.com", Client: sesv2.New(sesv2.Options{
				Region: "eu-central-1", BaseEndpoint: nowhere, HTTPClient: c, Credentials: who,
			})})
			if err != nil {
				return err
			}
			return s.Send(t.Context(), postern.Mail{To: "ana@example.com", Subject: "Code", Text: "123456"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			network := &earlyAnswer{}
			if err := send(&http.Client{Transport: network}); err != nil {
				t.Error(err)
			}
			if network.requests != 1 {
				t.Errorf("%d requests, want 1", network.requests)
			}
		})
	}
}

// The same for vaults, signers and sources of secrets. The empty answer is an error for some of them, and never that of
// a connection.
func TestEarlyAnswer_VaultsAndSources(t *testing.T) {
	config := func(c *http.Client) aws.Config {
		return aws.Config{
			Region: "eu-central-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), HTTPClient: c,
			Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
		}
	}
	const arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	secret := secrets.Key{App: "shop", Stage: "dev", Kind: secrets.Secret, Name: "ID"}
	for name, call := range map[string]func(context.Context, aws.Config) error{
		"ssmkeys": func(ctx context.Context, c aws.Config) error {
			v, err := ssmkeys.New(ssmkeys.Config{Client: ssm.NewFromConfig(c), Path: "/shop/keys"})
			if err == nil {
				_, _, err = v.Load(ctx)
			}
			return err
		},
		"smkeys": func(ctx context.Context, c aws.Config) error {
			v, err := smkeys.New(smkeys.Config{Client: secretsmanager.NewFromConfig(c), Name: "shop/keys"})
			if err == nil {
				_, _, err = v.Load(ctx)
			}
			return err
		},
		"kms sealer": func(ctx context.Context, c aws.Config) error {
			s, err := kmskeys.NewSealer(kmskeys.SealerConfig{Client: kms.NewFromConfig(c), ARN: arn})
			if err == nil {
				_, err = s.Seal(ctx, []byte("ring"), "place")
			}
			return err
		},
		"kms signer": func(ctx context.Context, c aws.Config) error {
			key := kmskeys.Key{ARN: arn, Algorithm: keys.ES256, Thumbprint: "0123456789012345678901234567890123456789012"}
			_, err := kmskeys.NewSigner(ctx, kmskeys.SignerConfig{Client: kms.NewFromConfig(c), Keys: []kmskeys.Key{key}})
			return err
		},
		"ssmsecrets": func(ctx context.Context, c aws.Config) error {
			s, err := ssmsecrets.New(ssmsecrets.Config{Client: ssm.NewFromConfig(c)})
			if err == nil {
				err = s.Set(ctx, secret, "v")
			}
			return err
		},
		"smsecrets": func(ctx context.Context, c aws.Config) error {
			s, err := smsecrets.New(smsecrets.Config{Client: secretsmanager.NewFromConfig(c)})
			if err == nil {
				err = s.Set(ctx, secret, "v")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			network := &earlyAnswer{}
			if err := call(t.Context(), config(&http.Client{Transport: network})); errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			if network.requests != 1 {
				t.Errorf("%d requests, want 1", network.requests)
			}
		})
	}
}

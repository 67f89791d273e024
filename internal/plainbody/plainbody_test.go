package plainbody_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/posternauth/postern"
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

package dynamostore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/store/storetest"
)

// motoOnce starts the one server of this test binary when the first test needs it.
var motoOnce = sync.OnceValues(func() (*testserver.MotoServer, error) { return testserver.StartMoto(os.TempDir()) })

var motoStarted bool

func TestMain(m *testing.M) {
	code := m.Run()
	if motoStarted {
		if server, err := motoOnce(); err == nil {
			if err := server.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "closing moto:", err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

func motoURL(t testing.TB) string {
	t.Helper()
	motoStarted = true
	server, err := motoOnce()
	if errors.Is(err, testserver.ErrNoMoto) {
		testneed.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return server.URL()
}

// newClient makes a client as a program does that does not link the config package.
func newClient(url string, transport http.RoundTripper) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       "eu-central-1",
		BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		HTTPClient: &http.Client{Transport: transport},
	})
}

// newTable makes a table of this test and a client that reaches it without faults.
func newTable(t testing.TB) (client *dynamodb.Client, table string) {
	t.Helper()
	url := motoURL(t)
	transport := &http.Transport{MaxIdleConnsPerHost: 200}
	t.Cleanup(transport.CloseIdleConnections)
	client, table = newClient(url, transport), "t-"+rand.Text()
	if err := dynamostore.CreateTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Transactions of moto copy all tables they touch; deleting keeps the server small.
		_, err := client.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: &table})
		if err != nil {
			t.Errorf("deleting the table: %v", err)
		}
	})
	return client, table
}

func openStore(t testing.TB, client dynamostore.Client, table string, now func() time.Time) *dynamostore.Store {
	t.Helper()
	s, err := dynamostore.New(dynamostore.Config{Client: client, Table: table, Now: now, RequestTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMoto(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		client, table := newTable(t)
		return openStore(t, client, table, now)
	})
}

package testserver_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testserver"
)

// call makes a request of DynamoDB with no client but net/http; moto checks no signature.
func call(t *testing.T, url, operation, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

func TestMoto(t *testing.T) {
	m := testserver.Moto(t)
	const table = `{"TableName":"t","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`
	if status, answer := call(t, m.URL(), "CreateTable", table); status != http.StatusOK {
		t.Fatalf("CreateTable: %d %s", status, answer)
	}
	if status, answer := call(t, m.URL(), "ListTables", `{}`); status != http.StatusOK || !strings.Contains(answer, `["t"]`) {
		t.Fatalf("ListTables: %d %s", status, answer)
	}
	if err := m.Reset(); err != nil {
		t.Fatal(err)
	}
	if status, answer := call(t, m.URL(), "ListTables", `{}`); status != http.StatusOK || !strings.Contains(answer, `[]`) {
		t.Fatalf("ListTables after Reset: %d %s", status, answer)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Reset(); err == nil {
		t.Error("Reset of a closed server succeeded")
	}
}

package smsecrets_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/smsecrets"
)

// A failing transport answers each GetSecretValue with an error of Secrets Manager while code is set.
type failing struct{ code string }

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.code != "" && strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetSecretValue") {
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
			Body: io.NopCloser(bytes.NewBufferString(fmt.Sprintf(`{"__type":%q,"message":"no"}`, f.code))), Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

func key(stage, name string) secrets.Key {
	return secrets.Key{App: "shop", Stage: stage, Kind: secrets.Secret, Name: name}
}

// TestSecretsManager: values are set, replaced, read, listed and removed. A failing call is no missing value (E1), a
// copied value does not open (E2), and a secret that is being deleted is not missing.
func TestSecretsManager(t *testing.T) {
	f := &failing{}
	api := secretsmanager.New(secretsmanager.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(testserver.Moto(t).URL()), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		HTTPClient: &http.Client{Transport: f}, RetryMaxAttempts: 1,
	})
	s, err := smsecrets.New(smsecrets.Config{Client: api})
	if err != nil {
		t.Fatal(err)
	}
	set := func(k secrets.Key, value string) {
		t.Helper()
		if err := s.Set(t.Context(), k, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, value := range []string{"first", "second"} {
		set(key("dev", "ID"), value)
	}
	set(key(secrets.FallbackStage, "SHARED"), strings.Repeat("long ", 10_000))
	opened, err := secrets.Open(secrets.Config{App: "shop", Stage: "dev", Sources: []secrets.Source{s}})
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Load(t.Context(), "ID", "SHARED"); err != nil {
		t.Error(err)
	}
	if v, err := opened.Get(t.Context(), "ID"); err != nil || v != "second" {
		t.Errorf("%q, %v", v, err)
	}
	if v, err := opened.Get(t.Context(), "SHARED"); err != nil || len(v) != 50_000 {
		t.Errorf("%d bytes, %v", len(v), err)
	}
	if _, err := opened.Get(t.Context(), "NONE"); !errors.Is(err, secrets.ErrMissing) {
		t.Errorf("missing: %v", err)
	}
	for _, code := range []string{"ThrottlingException", "AccessDeniedException", "DecryptionFailure", "InternalServiceError"} {
		f.code = code
		if _, err := opened.Get(t.Context(), "NONE"); err == nil || errors.Is(err, secrets.ErrMissing) {
			t.Errorf("%s: %v", code, err)
		}
	}
	f.code = ""

	out, err := api.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("/sst/shop/dev/Secret/ID/value")})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/sst/shop/prod/Secret/ID/value", "/sst/shop/prod/Secret/BINARY/value"} {
		in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: out.SecretString}
		if strings.Contains(name, "BINARY") {
			in.SecretString, in.SecretBinary = nil, []byte("x")
		}
		if _, err := api.CreateSecret(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := s.Lookup(t.Context(), []secrets.Key{key("prod", "ID")}); !errors.Is(err, secrets.ErrBound) {
		t.Errorf("copied: %v, %v", found, err)
	}
	if found, err := s.Lookup(t.Context(), []secrets.Key{key("prod", "BINARY")}); err == nil {
		t.Errorf("binary: %v", found)
	}

	list, err := s.List(t.Context(), "shop", "dev")
	if err != nil || len(list) != 1 || list[0].Key != key("dev", "ID") {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := api.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("/sst/shop/dev/Secret/ID/value")}); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(t.Context(), "shop", "dev"); err != nil || len(list) != 0 {
		t.Errorf("a deleted secret is listed: %v, %v", list, err)
	}
	if found, err := s.Lookup(t.Context(), []secrets.Key{key("dev", "ID")}); err == nil {
		t.Errorf("being deleted: %v; want an error, as it is there for some days", found)
	}
	if _, err := api.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("/sst/shop/dev/Secret/ID/value")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), key("dev", "ID")); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), key("dev", "ID")); !errors.Is(err, secrets.ErrMissing) {
		t.Errorf("twice: %v", err)
	}
}

func TestNew_Refusals(t *testing.T) {
	if _, err := smsecrets.New(smsecrets.Config{}); err == nil {
		t.Error("without a client")
	}
	for _, prefix := range []string{"sst", "/", "/sst/", "//sst", "/a b", "/é"} {
		if _, err := smsecrets.New(smsecrets.Config{Client: &secretsmanager.Client{}, Prefix: prefix}); err == nil {
			t.Errorf("prefix %q is accepted", prefix)
		}
	}
}

package ssmsecrets_test

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
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/ssmsecrets"
)

// A faulty transport answers calls of one action with an error of SSM, as long as there are some left.
type faulty struct {
	action, code string
	left         int
	calls        int
}

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	f.calls++
	if f.left > 0 && strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+f.action) {
		f.left--
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
			Body: io.NopCloser(bytes.NewBufferString(fmt.Sprintf(`{"__type":%q,"message":"Rate exceeded"}`, f.code))), Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

func client(url string, transport http.RoundTripper, attempts int) *ssm.Client {
	return ssm.New(ssm.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		HTTPClient: &http.Client{Transport: transport}, RetryMaxAttempts: attempts,
	})
}

func source(t *testing.T, c ssmsecrets.Config) *ssmsecrets.Source {
	t.Helper()
	s, err := ssmsecrets.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func key(stage, name string) secrets.Key {
	return secrets.Key{App: "shop", Stage: stage, Kind: secrets.Secret, Name: name}
}

// TestParameterStore: values are set, read, listed and removed, encrypted and at the paths of SST.
func TestParameterStore(t *testing.T) {
	url := testserver.Moto(t).URL()
	f := &faulty{}
	api := client(url, f, 1)
	s := source(t, ssmsecrets.Config{Client: api})
	for i := range 25 {
		if err := s.Set(t.Context(), key("dev", fmt.Sprintf("NAME_%02d", i)), fmt.Sprint("value ", i)); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for i := range 25 {
		names = append(names, fmt.Sprintf("NAME_%02d", i))
	}
	opened, err := secrets.Open(secrets.Config{App: "shop", Stage: "dev", Sources: []secrets.Source{s}})
	if err != nil {
		t.Fatal(err)
	}
	f.calls = 0
	if err := opened.Load(t.Context(), names...); err != nil || f.calls != 5 { // of each name that of the fallback stage too
		t.Errorf("%d calls, %v", f.calls, err)
	}
	if v, err := opened.Get(t.Context(), "NAME_24"); err != nil || v != "value 24" {
		t.Errorf("%q, %v", v, err)
	}
	raw, err := api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/sst/shop/dev/Secret/NAME_07/value"), WithDecryption: aws.Bool(false)})
	if err != nil || raw.Parameter.Type != types.ParameterTypeSecureString || strings.Contains(aws.ToString(raw.Parameter.Value), "value 7") && !strings.HasPrefix(aws.ToString(raw.Parameter.Value), "kms:") {
		t.Errorf("%+v, %v", raw, err)
	}
	list, err := s.List(t.Context(), "shop", "dev")
	if err != nil || len(list) != 25 || list[3].Key != key("dev", "NAME_03") || list[3].Changed.IsZero() {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := s.List(t.Context(), "shop", "de"); err != nil || len(list) != 0 {
		t.Errorf("another stage: %v, %v", list, err)
	}
	if err := s.Remove(t.Context(), key("dev", "NAME_03")); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), key("dev", "NAME_03")); !errors.Is(err, secrets.ErrMissing) {
		t.Errorf("twice: %v", err)
	}
	long := strings.Repeat("x", 6000)
	if err := s.Set(t.Context(), key("dev", "LONG"), long); err != nil {
		t.Errorf("an advanced parameter: %v", err)
	}
	if err := s.Set(t.Context(), key("dev", "LONG"), strings.Repeat("x", 9000)); err == nil || !strings.Contains(err.Error(), "smsecrets") {
		t.Errorf("too long: %v", err)
	}
}

// TestE1_Throttled: a call that SSM turns away is an error and no missing value, and a client that tries again gets the
// value.
func TestE1_Throttled(t *testing.T) {
	url := testserver.Moto(t).URL()
	if err := source(t, ssmsecrets.Config{Client: client(url, http.DefaultTransport, 1)}).Set(t.Context(), key("prod", "ID"), "v"); err != nil {
		t.Fatal(err)
	}
	environment := secrets.Environment{LookupEnv: func(name string) (string, bool) { return "of the environment", name == "ID" }}
	for _, code := range []string{"ThrottlingException", "AccessDeniedException", "InternalServerError", "InvalidKeyId"} {
		f := &faulty{action: "GetParameters", code: code, left: 1}
		s, err := secrets.Open(secrets.Config{App: "shop", Stage: "prod", Sources: []secrets.Source{source(t, ssmsecrets.Config{Client: client(url, f, 1)}), environment}})
		if err != nil {
			t.Fatal(err)
		}
		if v, err := s.Get(t.Context(), "ID"); err == nil || errors.Is(err, secrets.ErrMissing) || v != "" {
			t.Errorf("%s: %q, %v", code, v, err)
		}
		if v, err := s.Get(t.Context(), "ID"); err != nil || v != "v" {
			t.Errorf("after %s: %q, %v", code, v, err)
		}
	}
	f := &faulty{action: "GetParameters", code: "ThrottlingException", left: 2}
	s := source(t, ssmsecrets.Config{Client: client(url, f, 3)})
	if found, err := s.Lookup(t.Context(), []secrets.Key{key("prod", "ID")}); err != nil || found[key("prod", "ID")] != "v" {
		t.Errorf("with three attempts: %v, %v", found, err)
	}
}

// TestE2_Copied: a parameter that is copied to another stage or name does not open, plain values are accepted only if
// the configuration says so, and a secret that is not encrypted is never accepted.
func TestE2_Copied(t *testing.T) {
	api := client(testserver.Moto(t).URL(), http.DefaultTransport, 1)
	strict, lax := source(t, ssmsecrets.Config{Client: api}), source(t, ssmsecrets.Config{Client: api, Plain: true})
	if err := strict.Set(t.Context(), key("dev", "ID"), "of dev"); err != nil {
		t.Fatal(err)
	}
	out, err := api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/sst/shop/dev/Secret/ID/value"), WithDecryption: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	put := func(path, value string, kind types.ParameterType) {
		if _, err := api.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &path, Value: &value, Type: kind}); err != nil {
			t.Fatal(err)
		}
	}
	put("/sst/shop/prod/Secret/ID/value", *out.Parameter.Value, types.ParameterTypeSecureString)
	put("/sst/shop/dev/Secret/OTHER/value", *out.Parameter.Value, types.ParameterTypeSecureString)
	put("/sst/shop/prod/Secret/PLAIN/value", "from sst", types.ParameterTypeSecureString)
	put("/sst/shop/prod/Secret/OPEN/value", "readable", types.ParameterTypeString)
	for _, s := range []*ssmsecrets.Source{strict, lax} {
		for _, k := range []secrets.Key{key("prod", "ID"), key("dev", "OTHER")} {
			if found, err := s.Lookup(t.Context(), []secrets.Key{k}); !errors.Is(err, secrets.ErrBound) {
				t.Errorf("%v: %v, %v", k, found, err)
			}
		}
		if found, err := s.Lookup(t.Context(), []secrets.Key{key("prod", "OPEN")}); err == nil || strings.Contains(err.Error(), "readable") {
			t.Errorf("not encrypted: %v, %v", found, err)
		}
	}
	if found, err := strict.Lookup(t.Context(), []secrets.Key{key("prod", "PLAIN")}); err == nil || strings.Contains(err.Error(), "from sst") {
		t.Errorf("plain: %v, %v", found, err)
	}
	if found, err := lax.Lookup(t.Context(), []secrets.Key{key("prod", "PLAIN")}); err != nil || found[key("prod", "PLAIN")] != "from sst" {
		t.Errorf("plain, accepted: %v, %v", found, err)
	}
}

func TestNew_Refusals(t *testing.T) {
	if _, err := ssmsecrets.New(ssmsecrets.Config{}); err == nil {
		t.Error("without a client")
	}
	for _, prefix := range []string{"sst", "/", "/sst/", "//sst", "/a b", "/aws/x", "/ssm", "/../x/ ", "/é"} {
		if _, err := ssmsecrets.New(ssmsecrets.Config{Client: &ssm.Client{}, Prefix: prefix}); err == nil {
			t.Errorf("prefix %q is accepted", prefix)
		}
	}
}

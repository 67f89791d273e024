package lambdahttp_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/lambdahttp"
)

// samples returns the official sample events, which come with the source of aws-lambda-go.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "events", "testdata", "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d samples found, %v", len(files), err)
	}
	out := map[string][]byte{}
	for _, file := range files {
		if out[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestSamples: the address of some is the word "IP". Of all official events, the HTTP ones are served as the right
// kind, and the others refused as none.
func TestSamples(t *testing.T) {
	type want struct {
		kind                              lambdahttp.Format
		method, path, query, host, remote string
	}
	served := map[string]want{
		"apigw-request.json":                                {lambdahttp.REST, "POST", "/hello/world", "name=me", "gy415nuibc.execute-api.us-east-1.amazonaws.com", "192.168.196.186:0"},
		"apigw-restapi-openapi-request.json":                {lambdahttp.REST, "POST", "/hello/world", "name=me", "gy415nuibc.execute-api.us-east-1.amazonaws.com", "192.168.196.186:0"},
		"apigw-v2-request-no-authorizer.json":               {lambdahttp.HTTP2, "GET", "/", "", "aaaaaaaaaa.execute-api.us-west-2.amazonaws.com", "1.2.3.4:0"},
		"apigw-v2-request-jwt-authorizer.json":              {lambdahttp.HTTP2, "GET", "/my/path", "parameter1=value1&parameter1=value2&parameter2=value", "id.execute-api.us-east-1.amazonaws.com", "unknown:0"},
		"apigw-v2-request-lambda-authorizer.json":           {lambdahttp.HTTP2, "GET", "/my/path", "parameter1=value1&parameter1=value2&parameter2=value", "id.execute-api.us-east-1.amazonaws.com", "unknown:0"},
		"apigw-v2-request-iam.json":                         {lambdahttp.HTTP2, "GET", "/my/path", "parameter1=value1&parameter1=value2&parameter2=value", "id.execute-api.us-east-1.amazonaws.com", "unknown:0"},
		"lambda-urls-request.json":                          {lambdahttp.FunctionURL, "POST", "/my/path", "parameter1=value1&parameter1=value2&parameter2=value", "<url-id>.lambda-url.us-west-2.on.aws", "123.123.123.123:0"},
		"alb-lambda-target-request-headers-only.json":       {lambdahttp.ALB, "GET", "/", "key=hello", "lambda-test-alb-1334523864.us-east-1.elb.amazonaws.com", "25.12.198.67:0"},
		"alb-lambda-target-request-multivalue-headers.json": {lambdahttp.ALB, "GET", "/", "key=hello", "lambda-test-alb-1234567.us-east-1.elb.amazonaws.com", "72.21.198.67:0"},
	}
	var got want
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ev, _ := lambdahttp.From(r.Context())
		got = want{ev.Format, r.Method, r.URL.Path, r.URL.RawQuery, r.Host, r.RemoteAddr}
	}), lambdahttp.Config{})
	handedOver := 0
	withFallback := function(t, http.NotFoundHandler(), lambdahttp.Config{Fallback: func(_ context.Context, event []byte) ([]byte, error) {
		handedOver++
		return event, nil
	}})
	all := samples(t)
	for name, event := range all {
		got = want{}
		out, err := f.Invoke(t.Context(), event)
		if expected, ok := served[name]; ok {
			if err != nil || got != expected {
				t.Errorf("%s: %+v, %v, %s\nwant %+v", name, got, err, out, expected)
			}
			continue
		}
		if !errors.Is(err, lambdahttp.ErrNotHTTP) {
			t.Errorf("%s: served as %+v", name, got)
		}
		if _, err := withFallback.Invoke(t.Context(), event); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if handedOver != len(all)-len(served) {
		t.Errorf("%d of %d events went to the fallback", handedOver, len(all)-len(served))
	}
}

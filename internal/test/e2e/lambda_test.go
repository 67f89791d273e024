package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/store/dynamostore"
)

// The function under test is the example: sign-in by a mailed link, and an API.
const lambdaExample = "../../../examples/lambda-http"

var fronts = []lambdatest.APIType{lambdatest.HTTPAPI, lambdatest.HTTPAPIv1, lambdatest.REST, lambdatest.FunctionURL, lambdatest.ALB, lambdatest.ALBMultiValue}

// front is a gateway of a kind before a function, on a custom domain, so that no stage is in the path.
func front(t *testing.T, kind lambdatest.APIType, f lambdatest.Function) http.Handler {
	c := lambdatest.Config{Type: kind, Routes: []lambdatest.Route{{Path: "$default", Function: f}}}
	switch kind {
	case lambdatest.REST:
		c.Domain = "app.example.com"
		c.Routes = []lambdatest.Route{{Path: "/", Function: f}, {Path: "/{proxy+}", Function: f}}
	case lambdatest.HTTPAPI, lambdatest.HTTPAPIv1:
		c.Domain = "app.example.com"
	}
	return functiontest.Gateway(t, c)
}

// signInByLink goes from the sign-in page through the mail to a guarded route, as a person in a browser.
func signInByLink(t *testing.T, site string, printed *functiontest.Output) {
	t.Helper()
	browser := posterntest.Client(t)
	status := func(path string) int {
		t.Helper()
		res, err := browser.Get(site + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := status("/api/me"); got != http.StatusUnauthorized {
		t.Fatalf("the guarded route without a session: %d", got)
	}
	form := posterntest.SignIn(t, browser, site+"/auth/link/authorize")
	sent := posterntest.Submit(t, browser, form, url.Values{"email": {"ada@example.com"}})
	if sent.StatusCode != http.StatusOK {
		t.Fatalf("asking for a mail: %d", sent.StatusCode)
	}
	link := printed.Find(t, site+`/auth/link/\S+`)
	home := posterntest.Submit(t, browser, posterntest.SignIn(t, browser, link), nil)
	if body, _ := io.ReadAll(home.Body); home.StatusCode != http.StatusOK || !strings.Contains(string(body), "Hello, ada@example.com.") {
		t.Fatalf("the sign-in ends with %d %s", home.StatusCode, body)
	}
	if got := status("/api/me"); got != http.StatusOK {
		t.Errorf("the guarded route with a session: %d", got)
	}
	again, err := posterntest.Client(t).Get(link)
	if err != nil {
		t.Fatal(err)
	}
	again.Body.Close()
	if again.StatusCode != http.StatusBadRequest {
		t.Errorf("the link opened again in another browser: %d", again.StatusCode)
	}
	res, err := browser.Post(site+"/auth/signout", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := status("/api/me"); res.StatusCode != http.StatusNoContent || got != http.StatusUnauthorized {
		t.Errorf("sign-out %d, the guarded route after it %d", res.StatusCode, got)
	}
}

// TestLambda_SignIn: the real bootstrap behind each kind of gateway, on two implementations of the Runtime API.
func TestLambda_SignIn(t *testing.T) {
	bootstrap := functiontest.Build(t, lambdaExample)
	for name, start := range map[string]func(t *testing.T, env string) (lambdatest.Function, *functiontest.Output){
		"emulator": func(t *testing.T, env string) (lambdatest.Function, *functiontest.Output) {
			return functiontest.Start(t, bootstrap, env)
		},
		"@vercel-fun": func(t *testing.T, env string) (lambdatest.Function, *functiontest.Output) {
			return startVercelFun(t, bootstrap, env)
		},
	} {
		for _, kind := range fronts {
			t.Run(name+"/"+kind.String(), func(t *testing.T) {
				var printed *functiontest.Output
				site := functiontest.Serve(t, func(url string) http.Handler {
					function, out := start(t, "ORIGIN="+url)
					printed = out
					return front(t, kind, function)
				})
				signInByLink(t, site, printed)
			})
		}
	}
}

// anew runs each event in a new process, as if Lambda had ended the one before.
type anew struct {
	t         *testing.T
	bootstrap string
	env       []string
	printed   *functiontest.Output
	starts    atomic.Int64
}

func (a *anew) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	a.starts.Add(1)
	rt, err := lambdatest.NewRuntime(lambdatest.RuntimeConfig{
		Bootstrap: a.bootstrap, Env: a.env, Output: a.printed, Timeout: time.Minute, InitTimeout: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	defer rt.Close()
	return rt.Invoke(ctx, event)
}

// TestLambda_ColdEveryTime: a sign-in whose every step meets another process, with the table in DynamoDB, loses
// nothing.
func TestLambda_ColdEveryTime(t *testing.T) {
	server := testserver.Moto(t)
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL()), Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})
	if err := dynamostore.CreateTable(t.Context(), client, "auth"); err != nil {
		t.Fatal(err)
	}
	a := &anew{t: t, bootstrap: functiontest.Build(t, lambdaExample), printed: functiontest.NewOutput(t)}
	site := functiontest.Serve(t, func(url string) http.Handler {
		a.env = append(awsEnv(), "ORIGIN="+url, "TABLE=auth", "AWS_ENDPOINT_URL="+server.URL())
		return front(t, lambdatest.HTTPAPI, a)
	})
	signInByLink(t, site, a.printed)
	if n := a.starts.Load(); n < 8 {
		t.Errorf("only %d processes: this tests something else", n)
	}
}

// awsEnv is what a function finds in its environment: credentials, and the key of its vault.
func awsEnv() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any",
		"VAULT_KEY=" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)),
	}
}

// requests are those of AWS's sample events that are HTTP requests.
var requests = []string{
	"alb-lambda-target-request-headers-only.json",
	"alb-lambda-target-request-multivalue-headers.json",
	"apigw-request.json",
	"apigw-restapi-openapi-request.json",
	"apigw-v2-request-iam.json",
	"apigw-v2-request-jwt-authorizer.json",
	"apigw-v2-request-lambda-authorizer.json",
	"apigw-v2-request-no-authorizer.json",
	"lambda-urls-request.json",
}

// TestLambda_SampleEvents hands AWS's own sample events to the real bootstrap, on both implementations. What is no
// HTTP request is refused by a function error that says so; what is one is answered, and alike on both.
func TestLambda_SampleEvents(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "events", "testdata", "*.json"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d sample events, %v", len(files), err)
	}
	bootstrap := functiontest.Build(t, lambdaExample)
	ours, _ := functiontest.Start(t, bootstrap, "ORIGIN=http://localhost:3000")
	theirs, _ := startVercelFun(t, bootstrap, "ORIGIN=http://localhost:3000")
	var answered []string
	for _, file := range files {
		name := filepath.Base(file)
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(event) {
			continue
		}
		a, errA := ours.Invoke(t.Context(), event)
		b, errB := theirs.Invoke(t.Context(), event)
		if refusal(t, name, errA) != refusal(t, name, errB) {
			t.Errorf("%s: %v, on @vercel/fun %v", name, errA, errB)
		}
		if errA != nil {
			continue
		}
		var x, y struct {
			StatusCode int
			Body       string
		}
		if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil || x != y || x.StatusCode < 200 || x.StatusCode > 499 {
			t.Errorf("%s: %s, on @vercel/fun %s, %v", name, a, b, err)
		}
		answered = append(answered, name)
	}
	if !slices.Equal(answered, requests) {
		t.Errorf("answered as HTTP requests: %q, want %q", answered, requests)
	}
}

// refusal is the text of a function error; empty for none.
func refusal(t *testing.T, name string, err error) string {
	t.Helper()
	var failed *lambdatest.FunctionError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &failed):
		t.Fatalf("%s: %v", name, err)
	case !strings.Contains(failed.Message, "not an HTTP request"):
		t.Errorf("%s: %s", name, failed.Message)
	}
	return failed.Message
}

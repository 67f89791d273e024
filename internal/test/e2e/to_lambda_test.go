package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// TestToLambda runs the commands of docs/to-lambda.md with AWS's command line against moto. Then it runs the bootstrap
// of the zip with the environment that the function has there.
func TestToLambda(t *testing.T) {
	for name, install := range map[string]string{"aws": "Debian package awscli", "zip": "Debian package zip", "openssl": "Debian package openssl"} {
		testneed.Binary(t, name, install)
	}
	aws := testserver.Moto(t)
	l := newLesson(t, "to-lambda.md")
	repository, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	// Its own home: no settings and no credentials of the machine that runs the test.
	l.shell("export HOME=" + l.dir + " AWS_ENDPOINT_URL=" + aws.URL() + " AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")
	l.shell("mkdir bin && go build -C '" + repository + "' -o '" + l.dir + "/bin/postern' ./cmd/postern")
	l.page = strings.NewReplacer("GOARCH=arm64", "GOARCH="+runtime.GOARCH, "go build ", "go build -C '"+repository+"' ", "-o bootstrap", "-o '"+l.dir+"/bootstrap'").Replace(l.page)
	for _, b := range blocks(l.page) {
		l.do(b)
	}
	if len(l.ran) < 25 {
		t.Fatalf("%d commands: the page has another form than this test expects", len(l.ran))
	}

	var function struct {
		Variables map[string]string
	}
	if err := json.Unmarshal([]byte(l.shell("aws lambda get-function-configuration --function-name auth --query Environment")), &function); err != nil {
		t.Fatal(err)
	}
	origin := function.Variables["ORIGIN"]
	if !strings.HasPrefix(origin, "http") {
		t.Fatalf("the function has %v", function.Variables)
	}
	l.shell("unzip -o -q function.zip -d unpacked")
	env := []string{"AWS_ENDPOINT_URL=" + aws.URL(), "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"}
	for name, value := range function.Variables {
		env = append(env, name+"="+value)
	}
	runtime, _ := functiontest.Start(t, filepath.Join(l.dir, "unpacked", "bootstrap"), env...)
	site := functiontest.Serve(t, func(string) http.Handler { return lambdatest.Handler(lambdatest.HTTPAPI, runtime) })
	get := func(path string) string {
		t.Helper()
		answer, err := http.Get(site + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s %v", path, answer.StatusCode, body, err)
		}
		return string(body)
	}
	if got := get("/auth/.well-known/openid-configuration"); !strings.Contains(got, `"issuer":"`+origin+`/auth"`) {
		t.Errorf("the function has another issuer than its address %s: %s", origin, got)
	}
	// Its keys are those that the terminal made: the first, and the one of the next quarter.
	list := l.shell("postern keys list --vault dynamodb:auth --vault-key-file vault.key --json | grep '\"use\":\"signing\"'")
	published := get("/auth/.well-known/jwks.json")
	keys := strings.Count(published, `"kid"`)
	if keys != 2 || strings.Count(list, "\n") != 2 {
		t.Errorf("%d keys are published, the table has\n%s", keys, list)
	}
	if info, err := os.Stat(filepath.Join(l.dir, "vault.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("vault.key: %v %v", info.Mode(), err)
	}
}

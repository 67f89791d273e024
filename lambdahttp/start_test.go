package lambdahttp_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/lambdahttp"
)

// child makes this test binary a Lambda function, as a main of one line would be.
const child = "POSTERN_LAMBDAHTTP_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		lambdahttp.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/panic" {
				panic("boom")
			}
			_, deadline := r.Context().Deadline()
			fmt.Fprintf(w, "%s %s, deadline %v", r.Method, r.URL.Path, deadline)
		}))
	}
	os.Exit(m.Run())
}

// TestStart runs a function against the Runtime API, as Lambda does: events are asked for, answers and errors posted,
// and the process survives a panic and an event that is none of its business.
func TestStart(t *testing.T) {
	type posted struct{ path, body string }
	events := make(chan []byte, 4)
	answers := make(chan posted)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusAccepted)
			select {
			case answers <- posted{r.URL.Path, string(body)}:
			case <-t.Context().Done():
			}
			return
		}
		select {
		case event := <-events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "id-1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Write(event)
		case <-r.Context().Done():
		}
	}))
	defer api.Close()

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"=1", "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.URL, "http://"))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
		if !strings.Contains(output.String(), "boom") {
			t.Errorf("the panic was not logged:\n%s", output.String())
		}
	}()
	for _, c := range []struct{ event, path, want string }{
		{string(sent{path: "/a"}.event("http-2.0")), "/response", `"body":"GET /a, deadline true"`},
		{string(sent{path: "/panic"}.event("rest")), "/response", `"statusCode":500`},
		{`{"Records":[]}`, "/error", "Records"},
		{string(sent{path: "/b", method: "PUT"}.event("alb")), "/response", `"body":"PUT /b, deadline true"`},
	} {
		events <- []byte(c.event)
		select {
		case got := <-answers:
			if got.path != "/2018-06-01/runtime/invocation/id-1"+c.path || !strings.Contains(got.body, c.want) {
				t.Errorf("%s: %s: %s", c.event, got.path, got.body)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no answer to %s", c.event)
		}
	}
}

// TestStart_NotOnLambda: elsewhere, the process ends and says what is missing.
func TestStart_NotOnLambda(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_LAMBDA_RUNTIME_API=") && !strings.HasPrefix(v, "_LAMBDA_SERVER_PORT=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, child+"=1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "AWS_LAMBDA_RUNTIME_API") {
		t.Errorf("%v: %s", err, out)
	}
}

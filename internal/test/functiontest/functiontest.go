// Package functiontest runs the main packages of Lambda functions, for the tests of this repository.
package functiontest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// Build makes a bootstrap of the main package in a folder, as for Lambda, and for the processor of this machine.
func Build(t testing.TB, folder string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootstrap")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", path, ".")
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", folder, err, out)
	}
	return path
}

// Start makes a function of a bootstrap. Its processes end with the test, and what they printed is shown if it fails.
func Start(t testing.TB, bootstrap string, env ...string) (*lambdatest.Runtime, *Output) {
	t.Helper()
	out := NewOutput(t)
	rt, err := lambdatest.NewRuntime(lambdatest.RuntimeConfig{
		Bootstrap: bootstrap, Env: env, Output: out, Concurrency: 1,
		Timeout: time.Minute, InitTimeout: time.Minute, // this machine may be busy
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	return rt, out
}

// Serve serves a handler until the test ends. The handler gets its URL first, because functions need to know theirs.
func Serve(t testing.TB, handler func(url string) http.Handler) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	url = "http://" + server.Listener.Addr().String()
	server.Config.Handler = handler(url)
	server.Start()
	t.Cleanup(server.Close)
	return url
}

// Gateway makes a simulated gateway.
func Gateway(t testing.TB, c lambdatest.Config) *lambdatest.Gateway {
	t.Helper()
	g, err := lambdatest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Output is what a function prints. Make it with [NewOutput].
type Output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	grown chan struct{} // closed, and replaced, when there is more
}

// NewOutput makes an Output that is shown if the test fails.
func NewOutput(t testing.TB) *Output {
	o := &Output{grown: make(chan struct{})}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the function printed:\n%s", o.text())
		}
	})
	return o
}

// Write adds to the output.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.grown)
	o.grown = make(chan struct{})
	return o.buf.Write(p)
}

func (o *Output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Find waits until the function has printed what the pattern matches, and returns its last match.
func (o *Output) Find(t testing.TB, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for {
		o.mu.Lock()
		all, grown := re.FindAllString(o.buf.String(), -1), o.grown
		o.mu.Unlock()
		if len(all) > 0 {
			return all[len(all)-1]
		}
		select {
		case <-grown:
		case <-late.C:
			t.Fatalf("the function printed nothing like %s", pattern)
		}
	}
}

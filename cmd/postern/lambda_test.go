package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Main packages of functions: one returns its event as the body, one is an authorizer that lets the token "good" in.
const (
	echo       = "../../lambdahttp/lambdatest/testdata/echo"
	authorizer = "testdata/authorizer"
)

// startLambda runs the command until the test ends. stop ends it earlier and returns what it has printed.
func startLambda(t *testing.T, args ...string) (url string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var errs bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, append([]string{"lambda", "--addr", "127.0.0.1:0", "--timeout", "30s"}, args...), world{strings.NewReader(""), w, &errs, time.Now})
		w.Close()
	}()
	reader := bufio.NewReader(r)
	line, err := reader.ReadString('\n')
	if err != nil {
		cancel()
		t.Fatalf("no URL: status %d, %s", <-status, errs.String())
	}
	printed := make(chan string, 1)
	go func() {
		rest, _ := io.ReadAll(reader)
		printed <- string(rest)
	}()
	ended := false
	stop = func() string {
		cancel()
		ended = true
		if s := <-status; s != statusOK {
			t.Errorf("status %d: %s", s, errs.String())
		}
		return <-printed
	}
	t.Cleanup(func() {
		if !ended {
			stop()
		}
	})
	return strings.TrimSpace(line), stop
}

// build makes a bootstrap of a main package, in a folder of that name.
func build(t *testing.T, pkg, name string) string {
	t.Helper()
	bootstrap := filepath.Join(t.TempDir(), name, "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, ".")
	cmd.Dir, cmd.Env = pkg, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bootstrap
}

func ask(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestLambda_Binary runs the command as a user does, with a bootstrap that was built for Lambda.
func TestLambda_Binary(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal to ask a process to end")
	}
	bootstrap := build(t, echo, "hello")
	cmd := exec.Command(buildBinary(t), "lambda", bootstrap, "--addr", "127.0.0.1:0", "--timeout", "30s", "--event", "url")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(stdout)
	line, err := reader.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, "POST", strings.TrimSpace(line)+"/a/b?secret=1", "", "hello"); status != 200 || !strings.Contains(body, ".lambda-url.") {
		t.Errorf("%d %s", status, body)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(reader)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	for _, want := range []string{"by events of a function URL", "hello: started in ", "200  POST /a/b "} {
		if !strings.Contains(string(rest), want) {
			t.Errorf("it does not say %q:\n%s", want, rest)
		}
	}
	if strings.Contains(string(rest), "secret") {
		t.Errorf("the query is in the log:\n%s", rest)
	}
}

// TestLambda_Events: each kind of event, from a folder that the command builds, with and without a stage.
func TestLambda_Events(t *testing.T) {
	for event, is := range map[string]func(e map[string]any) bool{
		"http":     func(e map[string]any) bool { return e["version"] == "2.0" && e["rawPath"] == "/a/b" },
		"http-1.0": func(e map[string]any) bool { return e["version"] == "1.0" && e["path"] == "/a/b" },
		"rest": func(e map[string]any) bool {
			return e["version"] == nil && e["path"] == "/a/b" && e["resource"] == "/{proxy+}"
		},
		"alb-multi": func(e map[string]any) bool { return e["path"] == "/a/b" && e["multiValueHeaders"] != nil },
	} {
		t.Run(event, func(t *testing.T) {
			url, stop := startLambda(t, "--event", event, "--env", "GREETING=hello", echo)
			status, body := ask(t, "GET", url+"/a/b", "", "")
			var got map[string]any
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || !is(got) {
				t.Errorf("%d %s (%v)", status, body, err)
			}
			if said := stop(); !strings.Contains(said, "echo: started in ") || !strings.Contains(said, "200  GET /a/b ") {
				t.Errorf("it says: %s", said)
			}
		})
	}
	url, _ := startLambda(t, "--event", "rest", "--stage", "dev", echo)
	if !strings.HasSuffix(url, "/dev") {
		t.Fatalf("no stage in %s", url)
	}
	if status, body := ask(t, "GET", url+"/a/b", "", ""); status != 200 || !strings.Contains(body, `/dev/a/b`) {
		t.Errorf("%d %s", status, body)
	}
}

// TestLambda_Authorizer: a second function decides, the open path needs nobody.
func TestLambda_Authorizer(t *testing.T) {
	function, decides := build(t, echo, "echo"), build(t, authorizer, "decides")
	for _, flags := range [][]string{{"--event", "http"}, {"--event", "http-1.0"}, {"--event", "rest"}, {"--event", "rest", "--authorizer-type", "token"}, {"--event", "http", "--authorizer-cache", "0"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			url, stop := startLambda(t, append(flags, "--authorizer", decides, "--open", "/public", function)...)
			status, _ := ask(t, "GET", url+"/private", "", "")
			bad, _ := ask(t, "GET", url+"/private", "bad", "")
			good, event := ask(t, "GET", url+"/private", "good", "")
			public, _ := ask(t, "GET", url+"/public", "", "")
			// An HTTP API without cache asks the authorizer, whose "no" is a 403, about a call without a token too.
			if status != 401 && status != 403 || bad != 401 && bad != 403 || good != 200 || public != 200 {
				t.Errorf("without %d, bad %d, good %d, public %d", status, bad, good, public)
			}
			if !strings.Contains(event, `"who":"ada"`) {
				t.Errorf("the event has nothing of the authorizer: %s", event)
			}
			if said := stop(); !strings.Contains(said, "authorizer: ") {
				t.Errorf("it does not say why: %s", said)
			}
		})
	}
}

// TestLambda_JWT: the gateway checks the tokens of an issuer by itself.
func TestLambda_JWT(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	secret, err := keys.NewSecret("s", bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := keys.StaticSecrets(secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.StaticSigner(newKey(t, keys.RS256, "k"))
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: server.URL + "/auth", Audience: "api", Keys: signer, Secrets: secrets, Store: &store.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/auth/", sessions.Handler())
	tokens, err := session.NewKind[map[string]string](sessions, "user").Create(t.Context(), session.Grant[map[string]string]{Subject: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	function := build(t, echo, "echo")
	for audience, want := range map[string]int{"api": 200, "another": 401} {
		url, _ := startLambda(t, "--jwt", server.URL+"/auth", "--audience", audience, "--open", "/public", function)
		status, event := ask(t, "GET", url+"/private", tokens.Access, "")
		without, _ := ask(t, "GET", url+"/private", "", "")
		public, _ := ask(t, "GET", url+"/public", "", "")
		if status != want || without != 401 || public != 200 || want == 200 && !strings.Contains(event, `"sub":"ada"`) {
			t.Errorf("audience %s: %d, without a token %d, public %d, %s", audience, status, without, public, event)
		}
	}
}

// TestX6_LocalServersRebinding: a name on the internet that was made to point to this machine gets nothing from any of
// the local servers.
func TestX6_LocalServersRebinding(t *testing.T) {
	lambda, _ := startLambda(t, build(t, echo, "echo"))
	for name, base := range map[string]string{"dev": devServer(t), "lambda": lambda} {
		_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
		for host, want := range map[string]int{
			"localhost:" + port: 200, "127.0.0.1:" + port: 200, "[::1]:" + port: 200,
			"rebound.example": 421, "rebound.example:" + port: 421, "localhost.rebound.example:" + port: 421, "127.0.0.1.rebound.example": 421, "10.0.0.1:" + port: 421, "0.0.0.0:" + port: 421,
		} {
			r, err := http.NewRequest(http.MethodGet, base+"/inbox.json", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s, Host %s: %d, want %d", name, host, res.StatusCode, want)
			}
		}
	}
}

// TestX6_LocalServersPublicAddress: the local servers never listen where others reach them, and need both addresses
// that localhost may mean.
func TestX6_LocalServersPublicAddress(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:0", "10.0.0.1:0", "[2001:db8::1]:0", "example.com:0", "169.254.169.254:0", "127.0.0.1.example.com:0"} {
		listeners, _, err := listen(t.Context(), addr, "dev", "it is a test")
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), "for this machine only") {
			closeAll(listeners)
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, pair := range [][2]string{{"[::1]", "127.0.0.1"}, {"127.0.0.1", "[::1]"}} {
		held, err := net.Listen("tcp", pair[0]+":0")
		if err != nil {
			t.Logf("this machine has no %s", pair[0])
			continue
		}
		_, port, _ := net.SplitHostPort(held.Addr().String())
		listeners, _, err := listen(t.Context(), pair[1]+":"+port, "dev", "it is a test")
		if err == nil || !strings.Contains(err.Error(), "port "+port+" is taken") {
			closeAll(listeners)
			t.Errorf("%s is taken and %s was asked for: %v", pair[0], pair[1], err)
		}
		held.Close()
	}
}

// TestDev_HelpIsTrue: each path that the help of dev names is served.
func TestDev_HelpIsTrue(t *testing.T) {
	base := devServer(t)
	paths := 0
	for line := range strings.Lines(devCommand{}.Help()) {
		path, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(path, "/") || !strings.HasPrefix(line, "  /") {
			continue
		}
		paths++
		status, _ := page(t, browser(t), "GET", base+path, nil)
		if status != http.StatusOK && status != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, status)
		}
	}
	if paths < 9 {
		t.Errorf("only %d paths in the help", paths)
	}
}

func TestLambda_Mistakes(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	empty := t.TempDir()
	notGo := filepath.Join(empty, "bootstrap")
	if err := os.WriteFile(notGo, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"lambda", 2, "expected"},
		{"lambda nowhere", 1, "there is no bootstrap"},
		{"lambda " + notGo, 1, "a program that can be run"},
		{"lambda " + empty, 1, "go.mod"},
		{"lambda ../../store", 1, "is package store (github.com/posternauth/postern/store), which is not a program"},
		{"lambda --event soap " + empty, 2, "--event must be one of"},
		{"lambda --env =x " + empty, 2, "NAME=VALUE"},
		{"lambda --env POSTERN_NO_SUCH_VARIABLE " + empty, 2, "no such variable"},
		{"lambda --timeout 0 " + empty, 2, "above zero"},
		{"lambda --stage a --event alb " + empty, 2, "has no stage"},
		{"lambda --audience a " + empty, 2, "goes with --jwt"},
		{"lambda --open /a " + empty, 2, "goes with --authorizer"},
		{"lambda --jwt https://a --authorizer b " + empty, 2, "one authorizer"},
		{"lambda --jwt https://a --event url " + empty, 2, "has no authorizer"},
		{"lambda --jwt https://a " + echo, 2, "Audience"},
		{"lambda --jwt http://a.example --audience a " + echo, 2, "https"},
		{"lambda --event rest --stage $default " + echo, 2, "$default"},
		{"lambda --addr example.com:80 " + echo, 2, "this machine only"},
		{"lambda --addr " + held.Addr().String() + " " + echo, 1, "postern lambda --addr 127.0.0.1:"},
	} {
		args := strings.Fields(c.args)
		if !strings.Contains(c.args, "--addr") {
			args = append(args, "--addr", "127.0.0.1:0")
		}
		_, errs, status := call(t, "", args...)
		if status != c.status || !strings.Contains(errs, c.says) {
			t.Errorf("%s: %d %s", c.args, status, errs)
		}
	}
}

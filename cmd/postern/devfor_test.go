package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freePort returns a port that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// startFor runs the binary with arguments of dev, and waits for the URL.
func startFor(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(buildBinary(t), append([]string{"dev", "--addr", "127.0.0.1:0"}, args...)...)}
	p.cmd.Stderr = &p.errs
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	reader := bufio.NewReader(stdout)
	line, err := reader.ReadString('\n')
	if err != nil {
		t.Fatalf("no URL: %v, %s", err, p.errs.String())
	}
	p.url, p.out = strings.TrimSpace(line), reader
	return p
}

// waitFor waits until an address answers.
func waitFor(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if res, err := http.Get(address); err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not answer", address)
		}
	}
}

// TestDevFor_OwnProgram: a program that go run starts signs people in by Google, GitHub and mail, with no account
// anywhere. It ends with the command.
func TestDevFor_OwnProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal to ask a process to end")
	}
	port := freePort(t)
	own := "http://localhost:" + port
	p := startFor(t, "--for", own+"/auth", "--", "go", "run", "./testdata/ownprogram", port)
	waitFor(t, own+"/auth")

	for _, provider := range []string{"google", "github"} {
		c := browser(t)
		at := own + "/auth/" + provider + "/authorize"
		_, login := page(t, c, "GET", at, nil)
		if !strings.Contains(login, "Ada Lovelace") {
			t.Fatalf("%s: no login page: %s", provider, login)
		}
		action, form := fill(t, p.url, login, url.Values{"user": {"10001"}})
		if status, body := page(t, c, "POST", action, form); status != 200 || body != "Hello, ada@example.com.\n" {
			t.Errorf("%s: %d %s", provider, status, body)
		}
	}

	c := browser(t)
	at := own + "/auth/link/authorize"
	_, ask := page(t, c, "GET", at, nil)
	action, form := fill(t, at, ask, url.Values{"email": {"grace@example.com"}})
	page(t, c, "POST", action, form)
	_, list := page(t, c, "GET", p.url+"/inbox.json?to=grace@example.com", nil)
	var mails []struct{ From, Link string }
	if err := json.Unmarshal([]byte(list), &mails); err != nil || len(mails) != 1 || mails[0].From != "own@example.com" {
		t.Fatalf("inbox: %v %s", err, list)
	}
	_, confirm := page(t, c, "GET", mails[0].Link, nil)
	action, form = fill(t, mails[0].Link, confirm, url.Values{})
	if status, body := page(t, c, "POST", action, form); status != 200 || body != "Hello, grace@example.com.\n" {
		t.Errorf("link: %d %s", status, body)
	}

	if rest := p.stop(t, syscall.SIGTERM); !strings.Contains(rest, "export GOOGLE_ISSUER="+p.url+"/idp/google\n") || !strings.Contains(rest, "export SMTP=127.0.0.1:") {
		t.Errorf("output: %s", rest)
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		conn.Close()
		t.Error("the program goes on")
	}
}

// TestDevFor_OwnProgramIsWhatThePageShows: the code of the page and of the docs is that of the program, which compiles
// and signs in.
func TestDevFor_OwnProgramIsWhatThePageShows(t *testing.T) {
	source, err := os.ReadFile("testdata/ownprogram/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ReplaceAll(string(source), "\n\t\t\t", "\n"), programCode) {
		t.Error("programCode is not in testdata/ownprogram")
	}
	if doc, err := os.ReadFile("../../docs/quick-start.md"); err != nil || !strings.Contains(string(doc), programCode) {
		t.Errorf("programCode is not in docs/quick-start.md: %v", err)
	}
}

// TestDevFor_EndsWithTheProgram: the exit status reports how the program has ended, and nothing is left behind.
func TestDevFor_EndsWithTheProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs sh")
	}
	for script, want := range map[string]struct {
		status int
		err    string
	}{
		"exit 0": {statusOK, ""},
		"exit 3": {statusNo, "exit status 3"},
		`test "$GITHUB_CLIENT_ID" = postern-dev && test -n "$SMTP" && test -n "$HOME"`: {statusOK, ""},
	} {
		_, errs, status := call(t, "", "dev", "--addr", "127.0.0.1:0", "--for", "http://localhost:8080/auth", "--", "sh", "-c", script)
		if status != want.status || !strings.Contains(errs, want.err) {
			t.Errorf("%s: status %d, %s", script, status, errs)
		}
	}
	if _, errs, status := call(t, "", "dev", "--addr", "127.0.0.1:0", "--for", "http://localhost:8080/auth", "no-such-program"); status != statusNo || !strings.Contains(errs, "starting no-such-program") {
		t.Errorf("status %d, %s", status, errs)
	}
}

// TestDevFor_ThisMachineOnly: the stand-ins give anybody's account to anybody, so they serve no other machine, and no
// page of the internet whose name is made to point here (DNS rebinding).
func TestDevFor_ThisMachineOnly(t *testing.T) {
	for _, args := range [][]string{
		{"--for", "https://api.example.com/auth"}, {"--for", "http://0.0.0.0:8080/auth"}, {"--for", "http://localhost.example.com/auth"}, {"--for", "http://192.168.0.2:8080/auth"},
		{"--for", "localhost:8080/auth"}, {"--for", "/auth"}, {"--for", "http://localhost:8080/auth?x"}, {"--for", "http://u@localhost:8080/auth"}, {"--for", "javascript://localhost/auth"},
		{"--for", "http://localhost:8080/auth", "--callback", "https://api.example.com/auth/x/callback"}, {"--for", "http://localhost:8080/auth", "--addr", "192.0.2.1:80"},
		{"--for", "http://localhost:8080/auth", "--smtp", "0.0.0.0:1025"}, {"--for", "http://localhost:8080/auth", "--smtp", "example.com:25"}, {"--for", "http://localhost:8080/auth", "--smtp", "25"},
		{"--smtp", "127.0.0.1:1025"}, {"--callback", "http://localhost:8080/x"}, {"go", "run", "."},
	} {
		if !strings.Contains(strings.Join(args, " "), "--addr") {
			args = append([]string{"--addr", "127.0.0.1:0"}, args...)
		}
		if out, errs, status := call(t, "", append([]string{"dev"}, args...)...); status != statusUsage || out != "" || !strings.HasPrefix(errs, "postern: ") {
			t.Errorf("%v: status %d, %s%s", args, status, out, errs)
		}
	}

	s, err := newStandIns("http://localhost:8080/auth", []string{"http://localhost:8080/auth/hub/callback"}, "http://localhost:8420", "127.0.0.1:1025", world{now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(host, target string) (int, string) {
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, httptest.NewRequest("GET", "http://"+host+target, nil))
		return w.Code, w.Body.String()
	}
	for _, target := range []string{"/", "/inbox", "/inbox.json", "/idp/google/.well-known/openid-configuration"} {
		if status, _ := ask("evil.example:8420", target); status != http.StatusMisdirectedRequest {
			t.Errorf("%s under another name: %d", target, status)
		}
		if status, _ := ask("localhost:8420", target); status != http.StatusOK {
			t.Errorf("%s: %d", target, status)
		}
	}
	if status, body := ask("localhost:8420", "/"); !strings.Contains(body, "export GOOGLE_CLIENT_ID=postern-dev") || !strings.Contains(body, "GITHUB_ISSUER") {
		t.Errorf("home: %d %s", status, body)
	}
	for callback, want := range map[string]int{
		"http://localhost:8080/auth/google/callback": 200, "http://localhost:8080/auth/hub/callback": 200, "http://localhost:8080/auth/github/callback": 400, "https://evil.example/": 400,
	} {
		q := url.Values{"client_id": {"postern-dev"}, "redirect_uri": {callback}, "response_type": {"code"}, "code_challenge_method": {"S256"}, "code_challenge": {strings.Repeat("A", 43)}}
		if status, body := ask("localhost:8420", "/idp/google/authorize?"+q.Encode()); status != want {
			t.Errorf("%s: %d %s", callback, status, body)
		}
	}
}

// TestDevFor_PortTaken: what to do is in the error, for the one port and the other.
func TestDevFor_PortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	if _, errs, status := call(t, "", "dev", "--for", "http://localhost:8080/auth", "--addr", "127.0.0.1:0", "--smtp", taken); status != statusNo || !strings.Contains(errs, "--smtp 127.0.0.1:1026") {
		t.Errorf("status %d: %s", status, errs)
	}
	if _, errs, status := call(t, "", "dev", "--for", "http://localhost:8080/auth", "--addr", taken); status != statusNo || !strings.Contains(errs, "is taken") {
		t.Errorf("status %d: %s", status, errs)
	}
	port := freePort(t)
	if _, errs, status := call(t, "", "dev", "--for", "http://localhost:"+port+"/auth", "--addr", "127.0.0.1:"+port); status != statusUsage || !strings.Contains(errs, "--addr") {
		t.Errorf("status %d: %s", status, errs)
	}
}

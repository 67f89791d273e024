package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// buildBinary builds the command as a user gets it.
func buildBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "postern")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// process is a running `postern dev`.
type process struct {
	url  string
	cmd  *exec.Cmd
	out  io.Reader
	errs bytes.Buffer
}

func startDev(t *testing.T, binary, port, data string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, "dev", "--addr", "127.0.0.1:"+port, "--data", data)}
	p.cmd.Stderr = &p.errs
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil { // the test failed before it ended it
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

// stop sends the signal of Ctrl-C or of a supervisor, and returns what was printed after the URL.
func (p *process) stop(t *testing.T, sig os.Signal) string {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(p.out)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after %v: %v, %s", sig, err, p.errs.String())
	}
	return string(rest)
}

// browser keeps cookies and follows redirects.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

// page sends a request and returns status and body.
func page(t *testing.T, c *http.Client, method, target string, form url.Values) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if m := leadsOn.FindSubmatch(body); m != nil {
		return page(t, c, http.MethodGet, html.UnescapeString(string(m[1])), nil)
	}
	return resp.StatusCode, string(body)
}

// leadsOn is in the page between a form and the page of the application.
var leadsOn = regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]*)">`)

var (
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
	hidden     = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// fill reads the first form of a page.
func fill(t *testing.T, base, body string, fields url.Values) (action string, form url.Values) {
	t.Helper()
	m := formAction.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no form:\n%s", body)
	}
	for _, h := range hidden.FindAllStringSubmatch(body, -1) {
		fields.Set(h[1], h[2])
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := u.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	return ref.String(), fields
}

// TestDev runs the binary as a newcomer does, with nothing but Go: sign in with a mailed code, look, sign out, stop,
// start again.
func TestDev(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal to ask a process to end")
	}
	binary := buildBinary(t)
	data := filepath.Join(t.TempDir(), "data")

	start := time.Now()
	p := startDev(t, binary, "0", data)
	t.Logf("first start: URL after %v", time.Since(start))
	if !regexp.MustCompile(`^http://localhost:\d+$`).MatchString(p.url) {
		t.Fatalf("the first line is no URL: %q", p.url)
	}
	// The bound of two seconds is for a machine at rest; this test may share one.
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the URL came after %v", took)
	}

	c := browser(t)
	if status, body := page(t, c, "GET", p.url, nil); status != 200 || !strings.Contains(body, "Continue with Google") {
		t.Fatalf("home: %d\n%s", status, body)
	}
	if status, _ := page(t, c, "GET", p.url+"/api/me", nil); status != 401 {
		t.Errorf("a guarded page without a session: %d", status)
	}
	_, body := page(t, c, "GET", p.url+"/auth/code/authorize", nil)
	action, form := fill(t, p.url+"/auth/code/authorize", body, url.Values{"email": {"Ada@Example.com"}})
	_, body = page(t, c, "POST", action, form)

	_, list := page(t, c, "GET", p.url+"/inbox.json", nil)
	var mails []struct{ To, Code string }
	if err := json.Unmarshal([]byte(list), &mails); err != nil || len(mails) != 1 || mails[0].To != "ada@example.com" || len(mails[0].Code) != 6 {
		t.Fatalf("inbox: %v %s", err, list)
	}
	action, form = fill(t, action, body, url.Values{"code": {mails[0].Code}})
	status, body := page(t, c, "POST", action, form)
	if status != 200 || !strings.Contains(body, "You are signed in") || !strings.Contains(body, "ada@example.com") || !regexp.MustCompile("expires in [45] minutes, then renews itself").MatchString(body) {
		t.Fatalf("signed in: %d\n%s", status, body)
	}
	if status, body := page(t, c, "GET", p.url+"/api/me", nil); status != 200 || !strings.Contains(body, `"email":"ada@example.com"`) {
		t.Errorf("me: %d %s", status, body)
	}
	rest := p.stop(t, os.Interrupt)
	if !strings.Contains(rest, "sign-in  code") {
		t.Errorf("the terminal does not show the sign-in: %s", rest)
	}
	if strings.Contains(rest, mails[0].Code) || strings.Contains(p.errs.String(), mails[0].Code) {
		t.Error("the code is in the output")
	}

	t.Run("private files", func(t *testing.T) {
		for name, mode := range map[string]os.FileMode{"": 0o700, vaultFile: 0o600, vaultKeyFile: 0o600, databaseFile: 0o600} {
			info, err := os.Stat(filepath.Join(data, name))
			if err != nil || info.Mode().Perm() != mode {
				t.Errorf("%q: %v, %v, want %v", name, info.Mode().Perm(), err, mode)
			}
		}
		if text, _ := os.ReadFile(filepath.Join(data, ".gitignore")); string(text) != "*\n" {
			t.Errorf(".gitignore: %q", text)
		}
	})
	t.Run("second start", func(t *testing.T) {
		start := time.Now()
		u, err := url.Parse(p.url)
		if err != nil {
			t.Fatal(err)
		}
		p := startDev(t, binary, u.Port(), data)
		t.Logf("URL after %v", time.Since(start))
		// The keys are kept, so a session lives on.
		if status, body := page(t, c, "GET", p.url+"/api/me", nil); status != 200 || !strings.Contains(body, "ada@example.com") {
			t.Errorf("after a restart: %d %s", status, body)
		}
		if rest := p.stop(t, syscall.SIGTERM); !strings.Contains(rest, "/inbox") {
			t.Errorf("output: %s", rest)
		}
	})
}

func TestDev_PortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := filepath.Join(t.TempDir(), "data")
	_, errs, status := call(t, "", "dev", "--addr", l.Addr().String(), "--data", dir)
	if status != statusNo || !strings.Contains(errs, "is taken") || !strings.Contains(errs, "postern dev --addr 127.0.0.1:") {
		t.Errorf("status %d: %s", status, errs)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it made a data folder all the same: %v", err)
	}
}

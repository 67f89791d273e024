//go:build unix

package standalone_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/posterntest"
)

// patience is how long the programs may take to start, with the build of the first command.
const patience = 2 * time.Minute

// world is the example as its README starts it, on free ports.
type world struct {
	*testing.T
	site, inbox string
}

// start runs the commands of README.md in a copy of the folder.
func start(t *testing.T) world {
	t.Helper()
	testneed.Binary(t, "nginx", "Debian package nginx")
	testneed.Binary(t, "python3", "Debian package python3")
	testneed.Binary(t, "node", "Debian package nodejs")
	testneed.Binary(t, "openssl", "Debian package openssl")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```console\n")
	commands, _, found := strings.Cut(rest, "```")
	if count := strings.Count(commands, "\n"); !found || count != 5 {
		t.Fatalf("README.md has %d commands, want 5", count)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const build = "go build -o postern ../../cmd/postern\n"
	if !strings.HasPrefix(commands, build) {
		t.Fatal("the first command is not " + build)
	}
	site, dev := freePort(t), freePort(t)
	ports := strings.NewReplacer("8000", site, "8001", freePort(t), "8002", freePort(t), "8080", freePort(t), "8081", freePort(t))
	for _, name := range []string{"postern.toml", "nginx.conf", "app.py", "app.mjs"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(ports.Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands = strings.Replace(commands, build, "go build -C '"+root+"' -o '"+dir+"/postern' ./cmd/postern\n", 1)
	commands = strings.Replace(ports.Replace(commands), "./postern dev ", "exec ./postern dev --addr 127.0.0.1:"+dev+" ", 1)

	log, err := os.Create(filepath.Join(dir, "log")) // no pipe: the programs in the background would hold it open
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	shell := exec.Command("sh", "-e", "-c", commands)
	shell.Dir, shell.Stdout, shell.Stderr = dir, log, log
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = shell.Wait() // it ends by a signal
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-shell.Process.Pid, syscall.SIGTERM) // with the programs in the background
		select {
		case <-ended: // postern dev has ended postern serve, too
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-shell.Process.Pid, syscall.SIGKILL)
			t.Error("the programs do not end on SIGTERM")
		}
		if t.Failed() {
			text, err := os.ReadFile(log.Name())
			t.Logf("the programs:\n%s%v", text, err)
		}
	})
	w := world{t, "http://localhost:" + site, "http://127.0.0.1:" + dev}
	w.await(ended, w.site+"/auth/.well-known/openid-configuration", 200)
	w.await(ended, w.site+"/", 303)
	return w
}

// await returns when an address answers with a status.
func (w world) await(ended <-chan struct{}, address string, want int) {
	w.Helper()
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	limit := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := client.Get(address); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == want {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			w.Fatal("the last command has ended")
		case <-limit:
			w.Fatalf("%s does not answer %d", address, want)
		}
	}
}

// freePort returns a port that nothing uses now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// ask sends a request, and returns the answer after redirects and its text.
func (w world) ask(client *http.Client, method, path string, header ...string) (*http.Response, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.site+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodGet {
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = []string{header[i+1]}
	}
	res, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	return res, string(body)
}

// code returns the code of the last mail to an address.
func (w world) code(to string) string {
	w.Helper()
	res, err := http.Get(w.inbox + "/inbox.json?to=" + url.QueryEscape(to))
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	var mails []struct{ Code string }
	if err := json.NewDecoder(res.Body).Decode(&mails); err != nil || len(mails) == 0 || mails[0].Code == "" {
		w.Fatalf("the inbox has %+v: %v", mails, err)
	}
	return mails[0].Code
}

// TestExample is the way of a person through nginx: to the sign-in, to an account, to both programs, and out.
func TestExample(t *testing.T) {
	w := start(t)
	browser := posterntest.Client(t)
	for _, path := range []string{"/", "/node/", "/deep/er?x=1"} {
		if res, body := w.ask(browser, "GET", path, "X-Auth-Subject", "root"); res.StatusCode != 200 || !strings.HasPrefix(res.Request.URL.Path, "/auth/") || !strings.Contains(body, "Example") {
			t.Errorf("%s without a session: %d at %s", path, res.StatusCode, res.Request.URL)
		}
	}
	if res, _ := w.ask(browser, "GET", "/_auth"); res.StatusCode != 404 {
		t.Errorf("the internal address: %d", res.StatusCode)
	}

	const ada = "ada@example.com"
	page := posterntest.SignIn(t, browser, w.site+"/auth/sign-up")
	page = posterntest.Submit(t, browser, page, url.Values{"email": {ada}})
	page = posterntest.Submit(t, browser, page, url.Values{"code": {w.code(ada)}})
	page = posterntest.Submit(t, browser, page, url.Values{"password": {"wolke sieben am fluss"}})
	if body, _ := io.ReadAll(page.Body); page.StatusCode != 200 || page.Request.URL.Path != "/" || !strings.Contains(string(body), "Python: you are ") {
		t.Fatalf("after the sign-up: %d at %s: %s", page.StatusCode, page.Request.URL, body)
	}

	var seen struct{ Program, Subject, Roles, Scopes, Cookie string }
	_, body := w.ask(browser, "GET", "/node/")
	if err := json.Unmarshal([]byte(body), &seen); err != nil || seen.Program != "Node" || seen.Subject == "" || seen.Roles != "reader" || seen.Scopes != "notes:read" || seen.Cookie != "" {
		t.Fatalf("the program on Node has %s: %v", body, err)
	}
	for _, name := range []string{"X-Auth-Subject", "X_Auth_Subject", "x-auth-subject"} {
		if _, forged := w.ask(browser, "GET", "/node/", name, "root", "X-Auth-Roles", "admin"); forged != body {
			t.Errorf("with a forged %s: %s", name, forged)
		}
		if _, forged := w.ask(browser, "GET", "/", name, "root", "X-Auth-Roles", "admin"); !strings.Contains(forged, "you are "+seen.Subject+", with the roles reader.") {
			t.Errorf("with a forged %s: %s", name, forged)
		}
	}
	if res, _ := w.ask(browser, "POST", "/node/", "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 {
		t.Errorf("a POST of another site: %d", res.StatusCode)
	}

	w.withoutAccess(browser)
	if res, body := w.ask(browser, "POST", "/auth/signout"); res.StatusCode >= 300 {
		t.Fatalf("sign-out: %d %s", res.StatusCode, body)
	}
	for _, path := range []string{"/", "/node/"} {
		if res, _ := w.ask(browser, "GET", path); !strings.HasPrefix(res.Request.URL.Path, "/auth/") {
			t.Errorf("%s after the sign-out: %d at %s", path, res.StatusCode, res.Request.URL)
		}
	}
}

// withoutAccess: when the access token has expired, its cookie is gone, and the page fetches the next one.
func (w world) withoutAccess(browser *http.Client) {
	w.Helper()
	site, err := url.Parse(w.site)
	if err != nil {
		w.Fatal(err)
	}
	for _, c := range browser.Jar.Cookies(site) {
		if !strings.Contains(c.Name, "refresh") {
			browser.Jar.SetCookies(site, []*http.Cookie{{Name: c.Name, Path: "/", MaxAge: -1}})
		}
	}
	res, body := w.ask(browser, "GET", "/node/")
	if res.StatusCode != 401 || res.Header.Get("X-Auth-Error") != "try_refresh" || res.Header.Get("Cache-Control") != "no-store" || !strings.Contains(body, `fetch("/auth/refresh", {method: "POST"})`) {
		w.Fatalf("without an access token: %d %v %s", res.StatusCode, res.Header, body)
	}
	if res, body := w.ask(browser, "POST", "/auth/refresh"); res.StatusCode != 200 {
		w.Fatalf("refresh: %d %s", res.StatusCode, body)
	}
	if res, body := w.ask(browser, "GET", "/node/"); res.StatusCode != 200 || !strings.Contains(body, "Node") {
		w.Fatalf("after the refresh: %d %s", res.StatusCode, body)
	}
}

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A lesson is the state of a reader who does what a page says.
type lesson struct {
	t      *testing.T
	page   string
	dir    string // the shell's folder, with its variables in a file beside
	ports  map[string]string
	ran    []string
	serve  []*served
	window *window
}

// served is a command that runs until it is stopped.
type served struct {
	line string
	cmd  *exec.Cmd
	out  *lines
}

// lines keeps what a command printed.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newLesson(t *testing.T, document string, ports ...string) *lesson {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("../../../docs", document))
	if err != nil {
		t.Fatal(err)
	}
	l := &lesson{t: t, dir: t.TempDir(), ports: map[string]string{}}
	t.Cleanup(l.stop)
	text := string(page)
	for _, port := range ports {
		l.ports[port] = freePort(t)
		text = strings.ReplaceAll(text, ":"+port, ":"+l.ports[port])
	}
	l.page = text
	l.shell("cd " + l.dir + "; export PATH=" + l.dir + "/bin:$PATH GOFLAGS=-mod=mod") // what a new module needs is in the cache
	return l
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// A block is a fenced block of the page: how it is marked, and its text.
type block struct{ mark, text string }

func blocks(text string) (all []block) {
	for _, m := range regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		all = append(all, block{m[1], m[2]})
	}
	return all
}

// do does what a block asks for.
func (l *lesson) do(b block) {
	l.t.Helper()
	lang, rest, _ := strings.Cut(b.mark, " ")
	switch {
	case lang == "sh" && rest == "":
		for line := range strings.Lines(b.text) {
			l.run(strings.TrimSpace(line))
		}
	case lang == "sh" && rest == "serve":
		l.start(strings.TrimSpace(b.text))
	case rest != "" && rest != "fragment":
		if err := os.WriteFile(filepath.Join(l.folder(), rest), []byte(b.text), 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
}

// run runs a command line in the shell. Commands that bring a released version bring this one.
func (l *lesson) run(line string) {
	l.t.Helper()
	l.ran = append(l.ran, line)
	repository, err := filepath.Abs("../../..")
	if err != nil {
		l.t.Fatal(err)
	}
	switch {
	case line == "go install github.com/posternauth/postern/cmd/postern@latest":
		line = fmt.Sprintf("mkdir bin; go build -C '%s' -o '%s/bin/postern' ./cmd/postern", repository, l.dir)
	case strings.HasPrefix(line, "go get github.com/posternauth/postern@latest "):
		line = fmt.Sprintf("cp '%[1]s/go.sum' . ; go mod edit -require=github.com/posternauth/postern@v0.0.0 -replace=github.com/posternauth/postern='%[1]s'", repository)
		for _, m := range regexp.MustCompile(`(?m)^\tmodernc.org/sqlite (v\S+)$`).FindAllStringSubmatch(l.read(repository, "go.mod"), -1) {
			line += " -require=modernc.org/sqlite@" + m[1]
		}
	case line == "go mod tidy":
		return // it would fetch what the tests of dependencies import
	}
	out := l.shell(line)
	l.t.Logf("$ %s\n%s", line, out)
}

func (l *lesson) read(dir, name string) string {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

// shell runs a line as the next one of one shell: with the folder and the variables that earlier ones left.
func (l *lesson) shell(line string) string {
	l.t.Helper()
	out, err := l.command(line + "\nstatus=$?; pwd >" + l.dir + "/.folder; export -p >" + l.dir + "/.variables; exit $status").CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

func (l *lesson) command(line string) *exec.Cmd {
	before := ""
	if _, err := os.Stat(filepath.Join(l.dir, ".folder")); err == nil {
		before = fmt.Sprintf(". '%[1]s/.variables'; cd \"$(cat '%[1]s/.folder')\"\n", l.dir)
	}
	// -e and pipefail: each part of a line must succeed.
	return exec.Command("bash", "-e", "-o", "pipefail", "-c", before+line)
}

func (l *lesson) folder() string {
	return strings.TrimSpace(l.read(l.dir, ".folder"))
}

// start starts a command that goes on, and waits until what it serves answers.
func (l *lesson) start(line string) {
	l.t.Helper()
	l.ran = append(l.ran, line)
	asked := line
	for command, flags := range map[string]string{
		"postern dev ":    "--addr 127.0.0.1:" + l.ports["8420"] + " --smtp 127.0.0.1:" + l.ports["1025"] + " ",
		"postern lambda ": "--addr 127.0.0.1:" + l.ports["3000"] + " ",
	} {
		line = strings.Replace(line, command, command+flags, 1) // free ports in place of the defaults
	}
	s := &served{line: asked, cmd: l.command("exec " + line), out: &lines{}}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.serve = append(l.serve, s)
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("$ %s\n%s", s.line, s.out)
		}
	})
	url := "http://localhost:" + l.ports["8420"] + "/"
	switch {
	case strings.Contains(line, "-- go run ."):
		url = "http://localhost:" + l.ports["8080"] + "/"
	case strings.HasPrefix(line, "postern lambda "):
		url = "http://localhost:" + l.ports["3000"] + "/"
	}
	l.answers(url, s)
}

// answers waits until a URL answers 200.
func (l *lesson) answers(url string, s *served) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 8*time.Minute) // the first build compiles SQLite
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("%s: %s does not answer\n%s", s.line, url, s.out)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop ends what runs, as Ctrl-C does.
func (l *lesson) stop() {
	for i := len(l.serve) - 1; i >= 0; i-- {
		_ = syscall.Kill(-l.serve[i].cmd.Process.Pid, syscall.SIGINT)
		_ = l.serve[i].cmd.Wait() // go run answers an interrupt with an error
	}
	l.serve = nil
}

package testserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testneed"
)

// ErrNoMoto is the answer of [StartMoto] where moto is not installed.
var ErrNoMoto = errors.New("testserver: needs moto, the stand-in for AWS: pip install 'moto[server]==5.2.1'")

const motoPatience = time.Minute // for its start: a few seconds on an idle machine

// motoScript serves moto on a free port. It ends when its standard input does, so that it never outlives the program
// that started it, however that one died. HTTP/1.1 keeps connections open, as the servers of AWS do. It answers one
// request at a time, because a cancelled transaction of moto puts back a copy of the whole table, and with it would
// undo what others wrote meanwhile.
const motoScript = `
import os, sys, threading
try:
    import moto.server
    from werkzeug.serving import WSGIRequestHandler
except ImportError:
    sys.exit(77)
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
lock = threading.Lock()
def one_at_a_time(app):
    def serve(environ, start_response):
        with lock:
            return list(app(environ, start_response))
    return serve
run_simple = moto.server.run_simple
moto.server.run_simple = lambda host, port, app, **kw: run_simple(host, port, one_at_a_time(app), **kw)
WSGIRequestHandler.protocol_version = "HTTP/1.1"
WSGIRequestHandler.log_request = lambda *args: None
moto.server.main(["-H", "127.0.0.1", "-p", "0"])
`

const exitNoModule = 77 // of motoScript

// A MotoServer is a running moto: DynamoDB, SSM, SES, KMS and other services of AWS in the memory of one process. It
// takes any credentials and keeps apart only regions.
type MotoServer struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
	log   *motoLog
	ended chan struct{} // closed when the process has ended

	close sync.Once
}

// Moto starts a server until the end of the test. Where moto is missing the test skips.
func Moto(tb testing.TB) *MotoServer {
	tb.Helper()
	m, err := StartMoto(tb.TempDir())
	if errors.Is(err, ErrNoMoto) {
		testneed.Skip(tb, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Errorf("closing moto: %v", err)
		}
	})
	return m
}

// StartMoto starts a server for a program, with dir as its working directory. The caller closes it. The error is
// [ErrNoMoto] where moto is missing.
func StartMoto(dir string) (*MotoServer, error) {
	for _, python := range pythons() {
		cmd := exec.Command(python, "-u", "-c", motoScript)
		cmd.Dir = dir
		m, err := startMoto(cmd)
		if errors.Is(err, ErrNoMoto) {
			continue // this Python has no moto
		}
		return m, err
	}
	return nil, ErrNoMoto
}

// pythons are the interpreters that may have moto: the one of the moto_server command, and the usual one.
func pythons() []string {
	var found []string
	if server, err := exec.LookPath("moto_server"); err == nil {
		script, _ := os.ReadFile(server) // unreadable is as good as absent
		first, _, _ := strings.Cut(string(script), "\n")
		if python, ok := strings.CutPrefix(strings.TrimSpace(first), "#!"); ok && strings.Contains(filepath.Base(python), "python") {
			found = append(found, python)
		}
	}
	if python, err := exec.LookPath("python3"); err == nil {
		found = append(found, python)
	}
	return found
}

// motoURL is in the line that moto prints when it listens.
var motoURL = regexp.MustCompile(`Running on (http://127\.0\.0\.1:[0-9]+)`)

func startMoto(cmd *exec.Cmd) (*MotoServer, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("testserver: starting moto: %w", err)
	}
	m := &MotoServer{cmd: cmd, stdin: stdin, log: &motoLog{}, ended: make(chan struct{})}
	listening := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(stderr)
		for {
			line, err := lines.ReadString('\n')
			m.log.add(line)
			if found := motoURL.FindStringSubmatch(line); found != nil {
				select {
				case listening <- found[1]:
				default:
				}
			}
			if err != nil {
				break
			}
		}
		_ = cmd.Wait() // its exit code is in ProcessState
		close(m.ended)
	}()
	select {
	case m.url = <-listening:
		return m, nil
	case <-m.ended:
		if cmd.ProcessState.ExitCode() == exitNoModule {
			return nil, ErrNoMoto
		}
		return nil, fmt.Errorf("testserver: moto ended at once (%v):\n%s", cmd.ProcessState, m.log)
	case <-time.After(motoPatience):
		return nil, errors.Join(fmt.Errorf("testserver: moto did not listen within %v:\n%s", motoPatience, m.log), m.Close())
	}
}

// URL is where the server listens, "http://127.0.0.1:port", for every service.
func (m *MotoServer) URL() string { return m.url }

// Reset forgets everything on the server.
func (m *MotoServer) Reset() error {
	ctx, cancel := context.WithTimeout(context.Background(), motoPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url+"/moto-api/reset", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("testserver: resetting moto: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("testserver: resetting moto: status %d", res.StatusCode)
	}
	return nil
}

// Close ends the server. It may be called more than once.
func (m *MotoServer) Close() error {
	var err error
	m.close.Do(func() {
		_ = m.stdin.Close() // fails only when the process has ended
		if err = m.cmd.Process.Kill(); errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		<-m.ended
	})
	return err
}

// motoLog keeps the end of what a server printed, for the message of a failure.
type motoLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const motoLogSize = 8 << 10

func (t *motoLog) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.WriteString(line)
	if over := t.buf.Len() - motoLogSize; over > 0 {
		t.buf.Next(over)
	}
}

func (t *motoLog) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

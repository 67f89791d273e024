package standalone

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take on a busy machine.
const patience = 60 * time.Second

// recovery is how long the server may be away after a kill or an outage.
const recovery = 10 * time.Second

var built struct {
	once sync.Once
	path string
	err  error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if built.path != "" {
		_ = os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(status)
}

// program builds the command once and returns its path.
func program(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("signals are those of Unix")
	}
	built.once.Do(func() {
		var dir string
		if dir, built.err = os.MkdirTemp("", "postern-"); built.err != nil {
			return
		}
		built.path = filepath.Join(dir, "postern")
		out, err := exec.Command("go", "build", "-o", built.path, "github.com/posternauth/postern/cmd/postern").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// site is the proxy in front of the servers of a test: it has the address of the issuer and outlives them.
type site struct {
	*testing.T
	url  string
	file string // the configuration
	env  []string

	turn    atomic.Uint32
	mu      sync.Mutex
	servers []*served
}

// served is a process.
type served struct {
	cmd           *exec.Cmd
	public, local string
	log           *log
	ended         chan struct{}
}

// newSite writes a configuration for a store, and more lines, such as further tables, at its end.
func newSite(t *testing.T, storeURL string, more ...string) *site {
	t.Helper()
	s := &site{T: t, file: filepath.Join(t.TempDir(), "postern.toml")}
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: s.next()})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	})
	t.Cleanup(front.Close)
	s.url = "http://localhost:" + front.URL[strings.LastIndexByte(front.URL, ':')+1:]
	s.env = append(os.Environ(), "POSTERN_VAULT_KEY=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ISSUER="+s.url+"/auth", "STORE="+storeURL)
	s.write(more...)
	return s
}

const configuration = `issuer = "${ISSUER}"
audience = "https://api.example.com"
name = "%s"
redirects = ["/app"]

[server]
listen = "127.0.0.1:0"
local_listen = "127.0.0.1:0"
trusted_proxies = ["127.0.0.1"]
client_ip_header = "X-Forwarded-For"

[store]
url = "${STORE}"
migrate = true

[keys]
seal = "secret:POSTERN_VAULT_KEY"

[users]
admit = "open"
usernames = true

[providers.password]
type = "password"
memory_mib = 64

[mail]
url = "smtp://127.0.0.1:9"
from = "Example <no-reply@example.com>"

[forward_auth]
enabled = true
`

// write writes the configuration, under the name Example.
func (s *site) write(more ...string) {
	s.Helper()
	s.writeText(fmt.Sprintf(configuration, "Example") + strings.Join(more, "\n"))
}

func (s *site) writeText(text string) {
	s.Helper()
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// next returns the address of a server, each in turn.
func (s *site) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.servers) == 0 {
		return "127.0.0.1:1"
	}
	return s.servers[int(s.turn.Add(1))%len(s.servers)].public
}

// log keeps what a process writes.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var listening = regexp.MustCompile(`listens on (\S+)\.$`)

// start starts a server and returns when it is there.
func (s *site) start() *served {
	s.Helper()
	p := &served{cmd: command(s), log: &log{}, ended: make(chan struct{})}
	p.cmd.Stderr = p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			line := lines.Text()
			if m := listening.FindStringSubmatch(line); m != nil {
				p.public = m[1]
			}
			if i := strings.Index(line, "curl http://"); i >= 0 && strings.HasSuffix(line, "/readyz") {
				p.local = strings.TrimSuffix(line[i+len("curl "):], "/readyz")
				close(ready)
			}
		}
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	select {
	case <-ready:
	case <-p.ended:
		s.Fatalf("it did not start: %v\n%s", p.cmd.ProcessState, p.log)
	case <-time.After(patience):
		s.Fatalf("it did not start in time:\n%s", p.log)
	}
	s.mu.Lock()
	s.servers = append(s.servers, p)
	s.mu.Unlock()
	s.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if s.Failed() {
			s.Logf("log of a server:\n%s", tail(p.log.String()))
		}
	})
	return p
}

func tail(text string) string { return text[max(0, len(text)-6000):] }

// end signals a server, waits for its end and returns its exit status.
func (s *site) end(p *served, sig os.Signal) int {
	s.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		s.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		s.Fatalf("it does not end on %v:\n%s", sig, tail(p.log.String()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, each := range s.servers {
		if each == p {
			s.servers = append(s.servers[:i:i], s.servers[i+1:]...)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

// reload sends SIGHUP and waits for a line of the log.
func (s *site) reload(p *served, want string) {
	s.Helper()
	before := strings.Count(p.log.String(), want)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.Fatal(err)
	}
	s.until("the log has "+want, patience, func() bool { return strings.Count(p.log.String(), want) > before })
}

// until waits until something is true.
func (s *site) until(what string, limit time.Duration, is func() bool) time.Duration {
	s.Helper()
	begun := time.Now()
	for !is() {
		if time.Since(begun) > limit {
			s.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond) // asks again; no test depends on its length
	}
	return time.Since(begun)
}

// get asks one address, without a client's state. The status is 0 if nobody answers.
func get(address string) (int, string) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

// command is the server of a site, not started.
func command(s *site) *exec.Cmd {
	cmd := exec.Command(program(s.T), "serve", "--config", s.file)
	cmd.Env, cmd.Dir = s.env, filepath.Dir(s.file)
	return cmd
}

package testserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testneed"
)

// ErrNoPostgres is the error of [StartPostgres] where something is not installed that PostgreSQL needs to run.
var ErrNoPostgres = errors.New("testserver: PostgreSQL cannot run here")

// PostgresOptions says what kind of server to start. The zero value is the quick one.
type PostgresOptions struct {
	// Fsync waits for the disk at every commit, as a server in production does. Default false: what was acknowledged
	// survives Kill, since the operating system has it, and would not survive a power cut.
	Fsync bool
}

// A PostgresServer is a private PostgreSQL. Its one user, postgres, needs no password.
type PostgresServer struct {
	bin, data string
	as        []string // the command that becomes another user, for PostgreSQL refuses root
	port      int
	options   PostgresOptions

	mu      sync.Mutex
	running *postmaster // nil when stopped
}

const (
	postgresPatience = time.Minute // for a start, recovery included: a second on an idle machine
	postgresTries    = 5           // at ports, each free when last seen
)

// Postgres starts a quick server until the end of the test. Where PostgreSQL is missing the test skips.
func Postgres(tb testing.TB) *PostgresServer {
	tb.Helper()
	return PostgresWith(tb, PostgresOptions{})
}

// PostgresWith is [Postgres] with options.
func PostgresWith(tb testing.TB, o PostgresOptions) *PostgresServer {
	tb.Helper()
	dir, err := os.MkdirTemp("", "postern-") // not tb.TempDir, which is below a folder that only its owner may search
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	p, err := StartPostgres(dir, o)
	if errors.Is(err, ErrNoPostgres) {
		testneed.Skip(tb, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("closing Postgres: %v", err)
		}
	})
	return p
}

// StartPostgres starts a server for a program, with its data in a new folder of dir, which exists. The caller closes it
// and then removes dir. Root runs the server as user postgres or nobody, who must be able to reach dir: dir itself is
// made searchable, the folders above it are the caller's matter. The error matches [ErrNoPostgres]
// where PostgreSQL is missing.
func StartPostgres(dir string, o PostgresOptions) (*PostgresServer, error) {
	bin, err := postgresFolder()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(dir, "postgres-")
	if err != nil {
		return nil, err
	}
	p := &PostgresServer{bin: bin, data: data, options: o}
	if os.Geteuid() == 0 {
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, err
		}
		if p.as, err = lesserUser(data); err != nil {
			return nil, err
		}
	}
	init := p.command("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("testserver: initdb: %w:\n%s", err, out)
	}
	for range postgresTries {
		// Below the ports that clients get (32768 and up on Linux), or one of them may take ours between Kill and
		// Start.
		p.port = 10_000 + rand.IntN(20_000)
		listener, lerr := net.Listen("tcp", p.address())
		if lerr != nil {
			err = lerr
			continue
		}
		listener.Close()
		if err = p.Start(); err == nil {
			return p, nil
		}
	}
	return nil, err
}

// DSN is the connection string of the database postgres, whose collation is C and whose encoding is UTF-8. It is the
// same after Kill and Start.
func (p *PostgresServer) DSN() string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", p.address())
}

func (p *PostgresServer) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Start starts the server again on the data it left, and returns when it takes connections. It does nothing while the
// server runs.
func (p *PostgresServer) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return nil
	}
	flags := []string{"-D", p.data, "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	if !p.options.Fsync {
		flags = append(flags, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	limit := time.Now().Add(postgresPatience)
	for {
		m, err := startPostmaster(p.command("postgres", flags...))
		if err == nil {
			p.running = m
			return nil
		}
		// A child of a killed server may take a moment to die, and until then the data are in use.
		if !strings.Contains(err.Error(), "shared memory block") || time.Now().After(limit) {
			return err
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Kill ends the server and all its processes with SIGKILL, as a crash does, and returns when they are gone.
func (p *PostgresServer) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return nil
	}
	pid, err := p.pid()
	if err != nil {
		return err
	}
	// The father first, or it would notice, and begin to recover. It may fork until it is dead, so the children that
	// are left are looked for again and again.
	father, err := os.FindProcess(pid)
	if err == nil {
		err = father.Kill()
	}
	if err != nil {
		return fmt.Errorf("testserver: killing Postgres: %w", err)
	}
	for {
		children, err := serversIn(p.data)
		if err != nil {
			return err
		}
		for _, each := range children {
			child, err := os.FindProcess(each)
			if err == nil {
				err = child.Kill()
			}
			if err != nil && !errors.Is(err, os.ErrProcessDone) {
				return fmt.Errorf("testserver: killing Postgres: %w", err)
			}
		}
		select {
		case <-p.running.ended:
			p.running = nil
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Close stops the server, if it runs, without care for its data.
func (p *PostgresServer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return nil
	}
	err := p.running.stop()
	p.running = nil
	return err
}

// CPU is the time that the server's processes have spent on all cores together. Of those that ended meanwhile it knows
// nothing, so compare two answers only while the connections stay the same. Linux alone has it.
func (p *PostgresServer) CPU() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pid, err := p.pid()
	if err != nil {
		return 0, err
	}
	all, err := childrenOf(pid)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, each := range append(all, pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", each)) // proc_pid_schedstat(5): nanoseconds come first
		if errors.Is(err, os.ErrNotExist) && each != pid {
			continue // it has ended
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		spent, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(spent)
	}
	return sum, nil
}

// pid is that of the postmaster, from the file it keeps: PostgreSQL's manual, "postmaster.pid".
func (p *PostgresServer) pid() (int, error) {
	text, err := os.ReadFile(filepath.Join(p.data, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(strings.TrimSpace(first))
}

// command makes a command of one of PostgreSQL's programs, as a user it accepts.
func (p *PostgresServer) command(name string, args ...string) *exec.Cmd {
	line := slices.Concat(p.as, []string{filepath.Join(p.bin, name)}, args)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = p.data
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	return cmd
}

// postgresFolder finds the folder of the programs: that of PATH, or else the newest that Debian and others keep off
// PATH.
func postgresFolder() (string, error) {
	var folders []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		slices.Reverse(found)
		folders = append(folders, found...)
	}
	for _, folder := range folders {
		_, one := exec.LookPath(filepath.Join(folder, "postgres"))
		_, two := exec.LookPath(filepath.Join(folder, "initdb"))
		if one == nil && two == nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("%w without its initdb and postgres: install Debian package postgresql", ErrNoPostgres)
}

// lesserUser gives the folder to a user other than root and returns the command that becomes that user.
func lesserUser(folder string) ([]string, error) {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		return nil, fmt.Errorf("%w as root without setpriv: run as another user, or install Debian package util-linux", ErrNoPostgres)
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.Atoi(account.Uid)
		gid, gerr := strconv.Atoi(account.Gid)
		if err := errors.Join(uerr, gerr); err != nil {
			return nil, err
		}
		if err := os.Chown(folder, uid, gid); err != nil {
			return nil, err
		}
		return []string{setpriv, "--reuid=" + account.Uid, "--regid=" + account.Gid, "--clear-groups", "--"}, nil
	}
	return nil, fmt.Errorf("%w as root without a user postgres or nobody: run as another user", ErrNoPostgres)
}

// postmaster is the running process, under a shell that ends it when its standard input does: the server never outlives
// the program that started it, however that one died.
type postmaster struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   postgresLog
	ended chan struct{} // closed when the process has ended
}

const postmasterScript = `
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ cat <&3; kill -QUIT $server; } >/dev/null 2>&1 &
watcher=$!
exec 3<&- </dev/null
wait $server
code=$?
kill $watcher 2>/dev/null
exit $code
`

func startPostmaster(server *exec.Cmd) (*postmaster, error) {
	cmd := exec.Command("/bin/sh", append([]string{"-c", postmasterScript, "sh"}, server.Args...)...)
	cmd.Dir, cmd.Env = server.Dir, server.Env
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("testserver: starting Postgres: %w", err)
	}
	m := &postmaster{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		defer close(m.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if m.log.add(lines.Text()) {
				close(ready)
			}
		}
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
	select {
	case <-ready:
		return m, nil
	case <-m.ended:
		return nil, fmt.Errorf("testserver: Postgres ended at once (%v):\n%s", cmd.ProcessState, m.log.String())
	case <-time.After(postgresPatience):
		return nil, errors.Join(fmt.Errorf("testserver: Postgres was not ready within %v:\n%s", postgresPatience, m.log.String()), m.stop())
	}
}

// stop ends the server at once, but lets it free the shared memory it holds of the system.
func (m *postmaster) stop() error {
	if err := m.stdin.Close(); err != nil {
		return err
	}
	select {
	case <-m.ended:
		return nil
	case <-time.After(postgresPatience):
		return fmt.Errorf("testserver: Postgres did not stop within %v:\n%s", postgresPatience, m.log.String())
	}
}

// postgresLog keeps the last lines of the server's log for error messages.
type postgresLog struct {
	mu    sync.Mutex
	lines []string
	ready bool
}

// add reports whether this line is the first to say that the server takes connections.
func (l *postgresLog) add(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 50 {
		l.lines = slices.Delete(l.lines, 0, 1)
	}
	l.lines = append(l.lines, line)
	if l.ready || !strings.Contains(line, "database system is ready to accept connections") {
		return false
	}
	l.ready = true
	return true
}

func (l *postgresLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

package testserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testneed"
)

const (
	redisInstall  = "Debian package redis-server"
	redisPatience = 30 * time.Second // for a start, the reading of an append-only file included
)

// RedisOptions say how a Redis keeps its data. The zero value keeps them in memory: a killed server starts empty.
type RedisOptions struct {
	// Durable writes every command to the append-only file, and to disk, before it is answered: appendonly yes,
	// appendfsync always.
	Durable bool
	// Cluster starts a node of a Redis Cluster, which has no slots yet and knows no other node.
	Cluster bool
	// Sentinel starts a Sentinel in place of a server, which watches the master at this address under the name
	// "master". Two Sentinels must agree that the master is down; they say so after a second.
	Sentinel string
	// Args are further arguments of the command line, such as "--maxmemory", "8mb".
	Args []string
}

// A RedisServer is a Redis or Valkey of one's own, on a loopback port that stays the same over restarts.
type RedisServer struct {
	binary, dir string
	port        int
	o           RedisOptions

	cmd      *exec.Cmd     // nil while it is down
	ended    chan struct{} // closed when cmd is no more
	watchdog *exec.Cmd
}

// Redis starts a server that keeps its data in memory until the test ends. Where neither redis-server nor valkey-server
// is installed the test skips; see package testneed.
func Redis(tb testing.TB) *RedisServer {
	tb.Helper()
	return RedisWith(tb, RedisOptions{})
}

// RedisWith is Redis with options.
func RedisWith(tb testing.TB, o RedisOptions) *RedisServer {
	tb.Helper()
	if _, err := redisBinary(); err != nil {
		testneed.Skip(tb, err.Error())
	}
	s, err := StartRedis(tb.TempDir(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// StartRedis is Redis for programs that are no tests. The data lie in dir, which must exist; Close the server when
// done.
func StartRedis(dir string, o RedisOptions) (*RedisServer, error) {
	binary, err := redisBinary()
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		port, err := quietPort()
		if err != nil {
			return nil, err
		}
		s := &RedisServer{binary: binary, dir: dir, port: port, o: o}
		if err = s.Start(); err == nil || try == 4 || !strings.Contains(err.Error(), "Address already in use") {
			return s, err
		}
	}
}

func redisBinary() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("needs redis-server or valkey-server: install " + redisInstall)
}

// quietPort finds a free port below those that systems give to outgoing connections, so that nothing takes it while its
// server is down. The port 10,000 above it, where a node talks to its cluster, lies there too.
func quietPort() (int, error) {
	var err error
	for range 100 {
		port := 12000 + rand.IntN(10000)
		if err = errors.Join(free(port), free(port+10000)); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("testserver: no free port: %w", err)
}

func free(port int) error {
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		return err
	}
	return l.Close()
}

// Addr is host:port.
func (s *RedisServer) Addr() string { return fmt.Sprint("127.0.0.1:", s.port) }

// Start starts the server again after Kill, on the data that are left, and returns once it answers.
func (s *RedisServer) Start() error {
	if s.cmd != nil {
		return errors.New("testserver: this Redis is running")
	}
	args, err := s.arguments()
	if err != nil {
		return fmt.Errorf("testserver: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "redis.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("testserver: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(s.binary, append(args, s.o.Args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("testserver: starting Redis: %w", err)
	}
	s.cmd, s.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		_ = cmd.Wait() // "signal: killed" is what is asked for; why it ended by itself is in its log
		close(ended)
	}(s.ended)
	if err = s.watch(); err == nil {
		err = s.ready()
	}
	if err != nil {
		s.stop()
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("testserver: starting Redis: %w\n%s", err, text)
	}
	return nil
}

func (s *RedisServer) arguments() ([]string, error) {
	if s.o.Sentinel != "" {
		return s.sentinelArguments()
	}
	onoff := map[bool]string{false: "no", true: "yes"}
	return []string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--daemonize", "no",
		"--appendonly", onoff[s.o.Durable], "--appendfsync", "always", "--cluster-enabled", onoff[s.o.Cluster],
	}, nil
}

// sentinelArguments writes the file of a Sentinel, which it needs, and keeps the one of an earlier start.
func (s *RedisServer) sentinelArguments() ([]string, error) {
	file := filepath.Join(s.dir, "sentinel.conf")
	if _, err := os.Stat(file); err == nil {
		return []string{file, "--sentinel"}, nil
	}
	host, port, err := net.SplitHostPort(s.o.Sentinel)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
sentinel monitor master %s %s 2
sentinel down-after-milliseconds master 1000
sentinel failover-timeout master 5000
`, s.port, s.dir, host, port)
	return []string{file, "--sentinel"}, os.WriteFile(file, []byte(text), 0o600)
}

// watch has the server killed if this process dies without having stopped it, as a test does that runs out of time:
// then the watchdog reads the end of its input.
func (s *RedisServer) watch() error {
	s.watchdog = exec.Command("sh", "-c", `read nothing || kill -9 "$0"`, strconv.Itoa(s.cmd.Process.Pid))
	if _, err := s.watchdog.StdinPipe(); err != nil {
		return err
	}
	return s.watchdog.Start()
}

// ready waits until it is this server that answers on the port, and has read its data.
func (s *RedisServer) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), redisPatience)
	defer cancel()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := s.ask("PING")
		if err == nil && answer == "PONG" {
			answer, err = s.ask("INFO server")
			if err == nil && strings.Contains(answer, fmt.Sprintf("process_id:%d\r\n", s.cmd.Process.Pid)) {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return errors.New("it ended by itself")
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v, the last was %.40q, %v", redisPatience, answer, err)
		}
	}
}

// ask sends one command without quotes and returns its answer.
func (s *RedisServer) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if !strings.HasPrefix(line, "$") {
		return strings.TrimPrefix(line, "+"), nil
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil || n < 0 {
		return "", fmt.Errorf("an answer of length %.20q", line[1:])
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r, text)
	return string(text), err
}

// Kill ends the server as a crash does, with SIGKILL, and returns when it is gone. Start starts it again.
func (s *RedisServer) Kill() error {
	if s.cmd == nil {
		return errors.New("testserver: this Redis is not running")
	}
	s.stop()
	return nil
}

// Pause stops the server without ending it: connections stay, and nothing is answered. Kill and Close end it as ever.
func (s *RedisServer) Pause() error {
	if s.cmd == nil {
		return errors.New("testserver: this Redis is not running")
	}
	return exec.Command("kill", "-STOP", strconv.Itoa(s.cmd.Process.Pid)).Run()
}

// Close ends the server for good. It may be down already.
func (s *RedisServer) Close() {
	if s.cmd != nil {
		s.stop()
	}
}

func (s *RedisServer) stop() {
	if s.watchdog != nil && s.watchdog.Process != nil { // before the number of the server's process is free for another
		_ = s.watchdog.Process.Kill()
		_ = s.watchdog.Wait()
	}
	_ = s.cmd.Process.Kill() // fails only where it has ended already
	<-s.ended
	s.cmd, s.watchdog = nil, nil
}

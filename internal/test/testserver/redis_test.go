package testserver_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testserver"
)

// redis sends one command and returns the first line of its answer, and for a string the string.
func redis(t *testing.T, s *testserver.RedisServer, command string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.Addr(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", command)
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err == nil && strings.HasPrefix(line, "$") && line != "$-1\r\n" {
		line, err = r.ReadString('\n')
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestRedis(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    testserver.RedisOptions
		left string // of the value after a crash
	}{
		{"in memory", testserver.RedisOptions{}, "$-1"},
		{"durable", testserver.RedisOptions{Durable: true}, "ada"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testserver.RedisWith(t, tc.o)
			addr := s.Addr()
			if err := s.Start(); err == nil {
				t.Error("a second Start beside a running server succeeded")
			}
			if got := redis(t, s, "SET name ada"); got != "+OK" {
				t.Fatalf("SET: %q", got)
			}
			for range 3 {
				if err := s.Kill(); err != nil {
					t.Fatal(err)
				}
				if conn, err := net.Dial("tcp", addr); err == nil {
					conn.Close()
					t.Fatal("a killed server accepts connections")
				}
				if err := s.Kill(); err == nil {
					t.Error("killing what is down succeeded")
				}
				if err := s.Start(); err != nil {
					t.Fatal(err)
				}
				if s.Addr() != addr {
					t.Errorf("the address moved from %s to %s", addr, s.Addr())
				}
				if got := redis(t, s, "GET name"); got != tc.left {
					t.Errorf("after the crash: %q, want %q", got, tc.left)
				}
			}
			s.Close()
			s.Close()
			if conn, err := net.Dial("tcp", addr); err == nil {
				conn.Close()
				t.Error("a closed server accepts connections")
			}
		})
	}
}

func TestRedis_Options(t *testing.T) {
	s := testserver.RedisWith(t, testserver.RedisOptions{Cluster: true, Args: []string{"--maxmemory", "8mb"}})
	if got := redis(t, s, "SET name ada"); !strings.HasPrefix(got, "-CLUSTERDOWN") {
		t.Errorf("a node without slots answers %q", got)
	}
	if got := redis(t, s, "CLUSTER ADDSLOTSRANGE 0 16383"); got != "+OK" {
		t.Errorf("giving it the slots: %q", got)
	}
}

func TestRedis_BadOption(t *testing.T) {
	testserver.Redis(t).Close() // skips where there is no Redis
	_, err := testserver.StartRedis(t.TempDir(), testserver.RedisOptions{Args: []string{"--no-such-option", "1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("the error does not say why: %v", err)
	}
}

package testserver

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testneed"
)

// KeepsPrepared reports whether the installed PgBouncer can keep prepared statements: version 1.21 and newer can. Where
// PgBouncer is not installed the test skips.
func KeepsPrepared(tb testing.TB) bool {
	tb.Helper()
	text, err := exec.Command(testneed.Binary(tb, "pgbouncer", "Debian package pgbouncer"), "--version").Output()
	if err != nil {
		tb.Fatal(err)
	}
	keeps, err := keepsPrepared(string(text))
	if err != nil {
		tb.Fatal(err)
	}
	return keeps
}

// keepsPrepared is KeepsPrepared for what "pgbouncer --version" prints.
func keepsPrepared(version string) (bool, error) {
	var major, minor int
	if _, err := fmt.Sscanf(version, "PgBouncer %d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("the version of PgBouncer, %q: %w", version, err)
	}
	return major > 1 || minor >= 21, nil
}

// PgBouncer starts a PgBouncer in transaction mode before a server, with two connections to it, until the end of the
// test, and returns the connection string of a database through it. It keeps up to prepared prepared statements for
// each client; 0 means none, and needs no version. Where PgBouncer is not installed the test skips.
func PgBouncer(tb testing.TB, p *PostgresServer, database string, prepared int) string {
	tb.Helper()
	binary := testneed.Binary(tb, "pgbouncer", "Debian package pgbouncer")
	setting := ""
	if KeepsPrepared(tb) { // an older one does not know the setting
		setting = fmt.Sprintf("max_prepared_statements = %d\n", prepared)
	} else if prepared > 0 {
		tb.Fatal("this PgBouncer cannot keep prepared statements")
	}
	dir, err := os.MkdirTemp(filepath.Dir(p.data), "pgbouncer-")
	if err != nil {
		tb.Fatal(err)
	}
	port, err := quietPort()
	if err != nil {
		tb.Fatal(err)
	}
	ini := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
%s`, p.port, port, filepath.Join(dir, "users"), setting)
	for name, text := range map[string]string{"pgbouncer.ini": ini, "users": `"postgres" ""` + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	var as []string
	if os.Geteuid() == 0 { // PgBouncer refuses root as well
		if as, err = lesserUser(dir); err != nil {
			testneed.Skip(tb, err.Error())
		}
	}
	script := strings.Replace(postmasterScript, "-QUIT", "-KILL", 1) // PgBouncer 1.18 takes no notice of the former
	line := slices.Concat([]string{"-c", script, "sh"}, as, []string{binary, filepath.Join(dir, "pgbouncer.ini")})
	cmd := exec.Command("/bin/sh", line...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is ended by a signal
		close(ended)
	}()
	tb.Cleanup(func() {
		stdin.Close()
		<-ended
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(postgresPatience); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", address, database)
		}
		select {
		case <-ended:
			tb.Fatalf("PgBouncer ended by itself:\n%s", log.String())
		case <-tick.C:
			if time.Now().After(deadline) {
				tb.Fatalf("PgBouncer does not listen: %v", err)
			}
		}
	}
}

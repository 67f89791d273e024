package run_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/serve/run"
)

// TestUnixSocket: the socket has its mode, takes the place of one that a killed process left, and is not taken from a
// process that serves it.
func TestUnixSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of sockets are those of Unix")
	}
	dir, err := os.MkdirTemp("", "postern-") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "public")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()

	plan := planOf(newHouse("one"))
	plan.Listen, plan.LocalListen = "unix:"+path+"?mode=0600", "unix:"+filepath.Join(dir, "local")
	w := start(t, plan)
	w.addrs = [2]net.Addr{&net.UnixAddr{Name: path, Net: "unix"}, &net.UnixAddr{Name: filepath.Join(dir, "local"), Net: "unix"}}
	for _, url := range []string{"http://public/auth/token", "http://localhost/readyz", "http://local.socket/readyz"} {
		if status, body, _ := w.get(url); status != 200 {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
	for name, want := range map[string]fs.FileMode{"public": 0o600, "local": 0o660} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", name, info.Mode(), err, want)
		}
	}
	second := planOf(newHouse("two"))
	second.Listen = plan.Listen
	if err := run.Run(t.Context(), run.Config{Log: os.Stderr, Load: load(second)}); err == nil || !strings.Contains(err.Error(), "another process serves the socket") {
		t.Errorf("a second process: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("of somebody"), 0o600); err != nil {
		t.Fatal(err)
	}
	second.Listen = "unix:" + file
	if err := run.Run(t.Context(), run.Config{Log: os.Stderr, Load: load(second)}); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v", err)
	}
	w.stop()
	if err := w.end(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestPortTaken: the error names the address and the way on.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	plan := planOf(newHouse("one"))
	plan.LocalListen = l.Addr().String()
	err = run.Run(t.Context(), run.Config{Log: os.Stderr, Load: load(plan)})
	if err == nil || !strings.Contains(err.Error(), "[server] local_listen: the address "+l.Addr().String()+" is taken") || errors.Is(err, run.ErrConfig) {
		t.Error(err)
	}
}

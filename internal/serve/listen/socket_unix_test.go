//go:build unix

package listen_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/posternauth/postern/internal/serve/listen"
)

// TestOpen_SocketIsNeverForAll: at no moment between its making and its mode can others connect to a socket.
func TestOpen_SocketIsNeverForAll(t *testing.T) {
	dir, err := os.MkdirTemp("", "postern-") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a, err := listen.Parse("unix:" + filepath.Join(dir, "s") + "?mode=0600")
	if err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			reachable(t, dir)
		}
	})
	for range 300 {
		l, err := a.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if l.Addr().String() != a.Name {
			t.Fatalf("it listens on %s", l.Addr())
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	watching.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	a.Name = filepath.Join(dir, "none", "s")
	if _, err := a.Open(t.Context(), nil); err == nil {
		t.Error("a socket in a folder that is not there")
	}
}

// reachable fails a test for a socket below a folder to which others can connect.
func reachable(t *testing.T, dir string) {
	entries, _ := os.ReadDir(dir) // what has gone meanwhile is not there to connect to
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil:
		case info.Mode().Type() == fs.ModeSocket && info.Mode().Perm()&0o066 != 0, info.IsDir() && info.Mode().Perm()&0o077 != 0:
			t.Errorf("others reach %s: %v", e.Name(), info.Mode())
		}
	}
}

// TestParse_LongFolder: a path is refused that is too long while the socket is made.
func TestParse_LongFolder(t *testing.T) {
	for text, want := range map[string]bool{
		"unix:/" + strings.Repeat("x", 87) + "/s": true, "unix:/" + strings.Repeat("x", 88) + "/s": false,
		"unix:/" + strings.Repeat("x", 102): true, "unix:/" + strings.Repeat("x", 103): false,
	} {
		if _, err := listen.Parse(text); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

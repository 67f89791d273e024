package listen

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/loopback"
)

// firstInherited is SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstInherited = 3

// inherited returns the listener that systemd opened under a name: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES of
// sd_listen_fds(3).
func inherited(name string, lookup func(string) (string, bool)) (net.Listener, error) {
	pid, _ := lookup("LISTEN_PID")
	count, _ := lookup("LISTEN_FDS")
	n, err := strconv.Atoi(count)
	if pid != strconv.Itoa(os.Getpid()) || err != nil || n < 1 {
		return nil, fmt.Errorf("systemd:%s: this process was started without sockets: start it by its socket unit, or listen on HOST:PORT", name)
	}
	text, _ := lookup("LISTEN_FDNAMES")
	for i, have := range strings.Split(text, ":") {
		if have != name || i >= n {
			continue
		}
		file := os.NewFile(uintptr(firstInherited+i), name)
		l, err := net.FileListener(file) // a copy of the descriptor, which is closed when a program is started
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, fmt.Errorf("systemd:%s: %w", name, err)
		}
		return l, nil
	}
	return nil, fmt.Errorf("systemd:%s: the sockets of this process are named %s: give one the FileDescriptorName %[1]s", name, text)
}

// Local reports whether only programs of this machine reach l.
func Local(l net.Listener) bool {
	tcp, ok := l.Addr().(*net.TCPAddr)
	return !ok || loopback.Host(tcp.IP.String())
}

// Notify sends a state to systemd: sd_notify(3). Without systemd it does nothing.
func Notify(lookup func(string) (string, bool), state string) error {
	path, ok := lookup("NOTIFY_SOCKET")
	if !ok || path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}) // @ at the start: an abstract one
	if err != nil {
		return fmt.Errorf("the state for systemd: %w", err)
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}

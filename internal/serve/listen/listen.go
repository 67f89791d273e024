// Package listen opens the addresses of a server: TCP, unix sockets, and sockets that systemd opened.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/posternauth/postern/internal/loopback"
)

// socketMode is the mode of a unix socket: the owner and the group, in which the proxy is.
const socketMode fs.FileMode = 0o660

const (
	maxSocket   = 103                    // sun_path of unix(7) has 108 bytes on Linux and 104 on macOS, with a zero at its end
	privateName = len("/.p4294967295/s") // of a socket while it is made: the folder is one of os.MkdirTemp
)

// An Address is where to listen.
type Address struct {
	Network string // tcp, unix or systemd
	Name    string // HOST:PORT, a path, or the FileDescriptorName of a socket unit
	Mode    fs.FileMode
}

// Parse reads HOST:PORT, unix:PATH, unix:PATH?mode=OCTAL or systemd:NAME. An empty host is every address of the
// machine.
func Parse(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return parseSocket(path)
	}
	if name, ok := strings.CutPrefix(text, "systemd:"); ok {
		if name == "" || strings.ContainsAny(name, ": \t\n") {
			return Address{}, fmt.Errorf("%q names no socket of systemd: write systemd:NAME, with the FileDescriptorName of the socket unit", text)
		}
		return Address{Network: "systemd", Name: name}, nil
	}
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, fmt.Errorf("%q is no address to listen on: write HOST:PORT, such as 127.0.0.1:8080, or unix:PATH", text)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return Address{}, fmt.Errorf("%q has no port: write a number from 0 to 65535", text)
	}
	return Address{Network: "tcp", Name: text}, nil
}

func parseSocket(text string) (Address, error) {
	path, query, has := strings.Cut(text, "?")
	a := Address{Network: "unix", Name: path, Mode: socketMode}
	if path == "" || strings.ContainsRune(path, 0) || path[0] == '@' {
		return Address{}, fmt.Errorf("unix:%s names no file: write unix:/run/postern/postern.sock", text)
	}
	if !filepath.IsAbs(path) && path[0] != '/' { // on Windows "/run" is not absolute, for the drive is missing
		return Address{}, fmt.Errorf("unix:%s is a relative path, and a service has no working directory to rely on: write the whole path, such as unix:/run/postern/postern.sock", text)
	}
	if max(len(path), len(filepath.Dir(path))+privateName) > maxSocket {
		return Address{}, fmt.Errorf("unix:%s is too long: systems allow %d bytes for a socket, and %d for its folder: use a shorter path", text, maxSocket, maxSocket-privateName)
	}
	if !has {
		return a, nil
	}
	values, err := url.ParseQuery(query)
	mode := values.Get("mode")
	n, merr := strconv.ParseUint(mode, 8, 16)
	if err != nil || len(values) != 1 || len(values["mode"]) != 1 || merr != nil || n == 0 || n > 0o777 {
		return Address{}, fmt.Errorf("unix:%s: behind ? only mode is possible, in octal, such as ?mode=0660", text)
	}
	a.Mode = fs.FileMode(n)
	return a, nil
}

// Local reports whether only programs of this machine reach the address. Of a socket of systemd that is decided when
// it is opened.
func (a Address) Local() bool {
	if a.Network != "tcp" {
		return true
	}
	host, _, _ := net.SplitHostPort(a.Name) // of an address that was parsed
	return loopback.Host(host)
}

// CheckLocal returns an error if other machines reach the address.
func (a Address) CheckLocal() error {
	if a.Local() {
		return nil
	}
	return fmt.Errorf("the local listener %s is reachable from other machines, and it serves metrics and profiles: use 127.0.0.1, ::1 or unix:PATH, or set [server] local_public = true where a network of yours guards it", a.Name)
}

// Open opens the address. lookup reads the variables of systemd.
func (a Address) Open(ctx context.Context, lookup func(string) (string, bool)) (net.Listener, error) {
	switch a.Network {
	case "systemd":
		return inherited(a.Name, lookup)
	case "unix":
		return listenUnix(ctx, a)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.Name)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is taken by another program: stop that one, or choose another address", a.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", a.Name, err)
	}
	return l, nil
}

// listenUnix makes the socket in a private folder beside its place, where nobody can connect while it has the mode of
// the umask, and moves it to its place. There it replaces one that a killed process left.
func listenUnix(ctx context.Context, a Address) (net.Listener, error) {
	info, err := os.Lstat(a.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("the socket %s: %w", a.Name, err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is there and is no socket: remove it, or choose another path", a.Name)
	default:
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", a.Name)
		if err == nil {
			conn.Close()
			return nil, fmt.Errorf("another process serves the socket %s: stop it, or choose another path", a.Name)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("the socket %s: %w", a.Name, err)
		}
	}
	folder, err := os.MkdirTemp(filepath.Dir(a.Name), ".p") // 0700
	if err != nil {
		return nil, fmt.Errorf("the socket %s: %w", a.Name, err)
	}
	l, err := bind(ctx, filepath.Join(folder, "s"), a)
	if rerr := os.RemoveAll(folder); err == nil && rerr != nil {
		l.Close()
		err = errors.Join(rerr, os.Remove(a.Name))
	}
	if err != nil {
		return nil, fmt.Errorf("the socket %s: %w", a.Name, err)
	}
	return &unixListener{l, a.Name}, nil
}

// bind listens on a fresh path, and moves the socket to its place with its mode.
func bind(ctx context.Context, fresh string, a Address) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "unix", fresh)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err = os.Chmod(fresh, a.Mode); err == nil {
		err = os.Rename(fresh, a.Name)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// unixListener has the name of its place, and removes its socket when it is closed.
type unixListener struct {
	net.Listener
	path string
}

// Addr returns the place of the socket.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func (l *unixListener) Close() error {
	err := os.Remove(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.Listener.Close())
}

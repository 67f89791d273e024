package listen_test

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/serve/listen"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]listen.Address{
		"127.0.0.1:8080":             {Network: "tcp", Name: "127.0.0.1:8080"},
		":8080":                      {Network: "tcp", Name: ":8080"},
		"[::1]:0":                    {Network: "tcp", Name: "[::1]:0"},
		"unix:/run/p.sock":           {Network: "unix", Name: "/run/p.sock", Mode: 0o660},
		"unix:/run/p.sock?mode=0600": {Network: "unix", Name: "/run/p.sock", Mode: 0o600},
		"systemd:public":             {Network: "systemd", Name: "public"},
	} {
		if got, err := listen.Parse(text); err != nil || got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "8080", "localhost", "localhost:http", "localhost:65536", "localhost:-1", "unix:", "unix:@abstract", "unix:/a\x00b", "unix:rel.sock", "unix:./rel.sock", "unix:../rel.sock?mode=0600", "unix:/p?mode=", "unix:/p?mode=9",
		"unix:/p?mode=0", "unix:/p?mode=01777", "unix:/p?mode=0600&mode=0600", "unix:/p?owner=x", "unix:/" + strings.Repeat("x", 103), "systemd:", "systemd:a:b",
	} {
		if got, err := listen.Parse(text); err == nil {
			t.Errorf("%q is accepted: %+v", text, got)
		}
	}
}

func TestAddress_Local(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "unix:/p": true, ":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "example.com:1": false,
	} {
		a, err := listen.Parse(text)
		if err != nil || a.Local() != want || (a.CheckLocal() == nil) != want {
			t.Errorf("%s: %v %v", text, a.Local(), err)
		}
	}
}

// TestSystemd: a process gets the socket that systemd opened by its name, and refuses sockets that are for another
// process. The test starts itself as that process.
func TestSystemd(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no files are passed on to a process there")
	}
	if name := os.Getenv("POSTERN_TEST_SYSTEMD"); name != "" {
		child(t, name)
		return
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	other, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for name, want := range map[string]string{
		"public": l.Addr().String(), "other": "systemd:other: ", "absent": "give one the FileDescriptorName absent",
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSystemd$", "-test.v")
		cmd.Env = append(os.Environ(), "POSTERN_TEST_SYSTEMD="+name)
		cmd.ExtraFiles = []*os.File{other, file}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// child opens the socket of a name, and prints its address or the error.
func child(t *testing.T, name string) {
	env := map[string]string{"LISTEN_PID": strconv.Itoa(os.Getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "other:public"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	a, err := listen.Parse("systemd:" + name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := a.Open(t.Context(), lookup)
	if err != nil {
		t.Log(err)
		return
	}
	defer l.Close()
	t.Log(l.Addr())
	env["LISTEN_PID"] = "1"
	if _, err := a.Open(t.Context(), lookup); err == nil || !strings.Contains(err.Error(), "without sockets") {
		t.Errorf("sockets of another process: %v", err)
	}
}

// TestNotify: systemd gets the state as one datagram.
func TestNotify(t *testing.T) {
	path := t.TempDir() + "/n"
	if len(path) > 90 {
		t.Skip("the folder of the test has too long a name for a socket")
	}
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := listen.Notify(func(string) (string, bool) { return path, true }, "READY=1"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 64)
	n, err := l.Read(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("%q %v", got[:n], err)
	}
	if err := listen.Notify(func(string) (string, bool) { return "", false }, "READY=1"); err != nil {
		t.Errorf("without systemd: %v", err)
	}
}

package testserver_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testserver"
)

// TestRelay: bytes pass, wait while the relay stalls, and connections end while it is cut.
func TestRelay(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	r, err := testserver.NewRelay(echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dial := func() (net.Conn, *bufio.Reader) {
		t.Helper()
		c, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return c, bufio.NewReader(c)
	}
	asks := func(c net.Conn, from *bufio.Reader, limit time.Duration) error {
		if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
			return err
		}
		if _, err := c.Write([]byte("hello\n")); err != nil {
			return err
		}
		_, err := from.ReadString('\n')
		return err
	}
	c, from := dial()
	defer c.Close()
	if err := asks(c, from, time.Minute); err != nil {
		t.Fatal(err)
	}
	r.Stall(true)
	if err, _ := asks(c, from, 50*time.Millisecond).(net.Error); err == nil || !err.Timeout() {
		t.Fatalf("an answer while the relay stalls: %v", err)
	}
	r.Stall(false)
	if err := asks(c, from, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := from.ReadString('\n'); err != nil { // the line that waited has come too
		t.Fatal(err)
	}
	r.Cut(true)
	if err := asks(c, from, time.Minute); err == nil {
		t.Error("an answer on a connection that was cut")
	}
	n, nfrom := dial()
	defer n.Close()
	if err := asks(n, nfrom, time.Minute); err == nil {
		t.Error("an answer on a new connection while the relay is cut")
	}
	r.Cut(false)
	n, nfrom = dial()
	defer n.Close()
	if err := asks(n, nfrom, time.Minute); err != nil {
		t.Fatal(err)
	}
}

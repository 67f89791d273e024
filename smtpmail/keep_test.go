package smtpmail_test

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/smtpmail"
)

// A counter is a mail server for many connections that counts them. refuse answers a command instead of it; empty: it
// is taken. The numbers are those of the connection and of the mail in it, from 1.
type counter struct {
	addr   string
	refuse func(conn, mail int, command string) string

	mu    sync.Mutex
	conns []net.Conn
	mails []int // on each connection, those that were accepted
	quits int

	quit chan struct{} // gets one for each QUIT, if there is room
}

func count(t *testing.T, c *counter) *counter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.addr = l.Addr().String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns, c.mails = append(c.conns, conn), append(c.mails, 0)
			n := len(c.conns)
			c.mu.Unlock()
			all.Go(func() { c.serve(conn, n) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.cut()
		all.Wait()
	})
	return c
}

func (c *counter) serve(conn net.Conn, n int) {
	defer conn.Close()
	say := func(s string) { _, _ = io.WriteString(conn, s+"\r\n") }
	say("220 ready")
	in := bufio.NewScanner(conn)
	for mail := 1; in.Scan(); {
		command, _, _ := strings.Cut(in.Text(), " ")
		if c.refuse != nil {
			if answer := c.refuse(n, mail, command); answer != "" {
				say(answer)
				continue
			}
		}
		switch command {
		case "DATA":
			say("354 go")
			for in.Scan() && in.Text() != "." {
			}
			c.mu.Lock()
			c.mails[n-1]++
			c.mu.Unlock()
			mail++
		case "QUIT":
			c.mu.Lock()
			c.quits++
			c.mu.Unlock()
			select {
			case c.quit <- struct{}{}:
			default:
			}
			say("221 bye")
			return
		}
		say("250 ok")
	}
}

// cut closes all connections.
func (c *counter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
}

// want compares the mails of each connection.
func (c *counter) want(t *testing.T, mails ...int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.mails, mails) {
		t.Errorf("mails of each connection: %v, want %v", c.mails, mails)
	}
}

func (c *counter) sender(t *testing.T, keep time.Duration) func() error {
	t.Helper()
	s, err := smtpmail.New(smtpmail.Config{Addr: c.addr, From: "no-reply@example.com", Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return func() error { return s.Send(t.Context(), letter()) }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestKeep: a connection gets a next mail for as long as Keep says, and not without it; then it ends politely.
func TestKeep(t *testing.T) {
	c := count(t, &counter{})
	send := c.sender(t, 0)
	must(t, send())
	must(t, send())
	c.want(t, 1, 1)

	c = count(t, &counter{})
	send = c.sender(t, 20*time.Second)
	for range 3 {
		must(t, send())
	}
	c.want(t, 3)
	for range 100 {
		must(t, send())
	}
	c.want(t, 100, 3)

	c = count(t, &counter{quit: make(chan struct{}, 1)})
	send = c.sender(t, 10*time.Millisecond)
	must(t, send())
	select {
	case <-c.quit:
	case <-time.After(time.Minute):
		t.Fatal("the connection did not end")
	}
	must(t, send())
	c.want(t, 1, 1)

	for _, keep := range []time.Duration{-1, time.Minute} {
		if _, err := smtpmail.New(smtpmail.Config{Addr: c.addr, From: "no-reply@example.com", Keep: keep}); err == nil {
			t.Errorf("Keep of %v is accepted", keep)
		}
	}
}

// TestKeep_EndedMeanwhile: a mail is sent on a new connection if the server ended the one that waited, or takes no more
// mails on it.
func TestKeep_EndedMeanwhile(t *testing.T) {
	c := count(t, &counter{})
	send := c.sender(t, 20*time.Second)
	must(t, send())
	c.cut()
	must(t, send())
	c.want(t, 1, 1)

	for _, step := range []string{"MAIL", "RCPT", "DATA"} {
		c = count(t, &counter{refuse: func(conn, mail int, command string) string {
			if conn == 1 && mail == 2 && command == step {
				return "421 4.7.0 Too many mails"
			}
			return ""
		}})
		send = c.sender(t, 20*time.Second)
		must(t, send())
		must(t, send())
		c.want(t, 1, 1)
	}
}

// TestKeep_RefusedOnce: what the server refuses of a mail is not tried again on another connection, and the connection
// gets no other mail.
func TestKeep_RefusedOnce(t *testing.T) {
	for _, step := range []string{"RCPT", "DATA"} {
		asked := 0
		c := count(t, &counter{refuse: func(_, mail int, command string) string {
			if command == step {
				if asked++; asked == 2 {
					return "550 5.1.1 No"
				}
			}
			return ""
		}})
		send := c.sender(t, 20*time.Second)
		must(t, send())
		if err := send(); err == nil || asked != 2 {
			t.Errorf("%s: %v after %d tries", step, err, asked)
		}
		must(t, send())
		c.want(t, 1, 1)
	}
}

// TestKeep_Parallel: mails at the same time have a connection each.
func TestKeep_Parallel(t *testing.T) {
	c := count(t, &counter{})
	send := c.sender(t, 20*time.Second)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				must(t, send())
			}
		})
	}
	all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := 0
	for _, n := range c.mails {
		sum += n
	}
	if sum != 200 || len(c.conns) > 150 {
		t.Errorf("%d mails on %d connections", sum, len(c.conns))
	}
}

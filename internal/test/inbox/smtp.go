package inbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// Bounds of SMTP. They are those of a developer's machine: one program that sends a mail now and then.
const (
	maxMail       = 4 << 20 // bytes of a message
	maxRecipients = 100
	maxCommand    = 4 << 10 // bytes of a line, an AUTH with its answer included
	maxMistakes   = 5       // commands that are not known, until the connection ends
	maxSenders    = 32      // connections at once
	patience      = time.Minute
)

// An SMTP takes mail by SMTP (RFC 5321), without TLS, and puts it into an inbox. Any user name and password is taken,
// and none is looked at.
//
// Serve it on an address of this machine only.
type SMTP struct {
	Inbox *Inbox
	// Base is the URL of the program whose mail it is. Of several links in a mail, the first below Base is the one to
	// click.
	// Defaults to the first link.
	Base string
	// Now is the clock.
	// Defaults to time.Now.
	Now func() time.Time
}

// Serve takes mail until the context ends. It closes the listener, and returns when every connection has ended. It does
// not wait for a message that is being read; that message is dropped.
func (s *SMTP) Serve(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	var running sync.WaitGroup
	defer running.Wait()
	places := make(chan struct{}, maxSenders)
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("inbox: accept a connection: %w", err)
		}
		select {
		case places <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		running.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			c := &smtpSession{SMTP: s, ended: ctx.Done(), conn: conn, in: bufio.NewReaderSize(conn, maxCommand)}
			c.run()
		})
	}
}

// An smtpSession is one connection.
type smtpSession struct {
	*SMTP
	ended    <-chan struct{} // closed when Serve is to return
	conn     net.Conn
	in       *bufio.Reader
	mistakes int
	greeted  bool
	sender   bool // MAIL was given
	to       []string
}

// errBye ends a connection.
var errBye = errors.New("bye")

func (c *smtpSession) run() {
	err := c.answer("220 localhost inbox of postern dev")
	for err == nil {
		var line string
		if line, err = c.line(); err == nil {
			err = c.command(line)
		}
	}
}

// answer sends a line. The deadline of a connection moves with each answer.
func (c *smtpSession) answer(line string) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := io.WriteString(c.conn, line+"\r\n")
	return err
}

func (c *smtpSession) line() (string, error) {
	line, err := c.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		_ = c.answer("500 5.5.2 The line is too long")
		return "", errBye
	}
	return strings.TrimRight(string(line), "\r\n"), err
}

func (c *smtpSession) command(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb = strings.ToUpper(verb); verb {
	case "HELO":
		c.greeted = true
		return c.answer("250 localhost")
	case "EHLO":
		c.greeted = true
		return c.answer(fmt.Sprintf("250-localhost\r\n250-SIZE %d\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN", maxMail))
	case "AUTH":
		return c.auth(rest)
	case "MAIL":
		return c.mail(rest)
	case "RCPT":
		return c.rcpt(rest)
	case "DATA":
		return c.data()
	case "RSET":
		c.sender, c.to = false, nil
		return c.answer("250 2.0.0 OK")
	case "NOOP":
		return c.answer("250 2.0.0 OK")
	case "QUIT":
		_ = c.answer("221 2.0.0 Bye")
		return errBye
	}
	// A page of the internet can make a browser send an HTTP request here. What it carries must not be read as mail.
	c.mistakes++
	if !c.greeted || strings.HasSuffix(verb, ":") || c.mistakes > maxMistakes {
		_ = c.answer("421 4.7.0 This is SMTP")
		return errBye
	}
	return c.answer("502 5.5.1 The command is not known")
}

// auth takes whatever it is given.
func (c *smtpSession) auth(rest string) error {
	mechanism, initial, _ := strings.Cut(rest, " ")
	prompts := []string{""}
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
	case "LOGIN":
		prompts = []string{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"} // "Username:" and "Password:"
	default:
		return c.answer("504 5.5.4 Use PLAIN or LOGIN")
	}
	if initial != "" {
		prompts = prompts[1:]
	}
	for _, prompt := range prompts {
		if err := c.answer("334 " + prompt); err != nil {
			return err
		}
		if _, err := c.line(); err != nil {
			return err
		}
	}
	return c.answer("235 2.7.0 OK")
}

func (c *smtpSession) mail(rest string) error {
	_, ok := mailPath(rest, "FROM:")
	switch {
	case !c.greeted:
		return c.answer("503 5.5.1 Say HELO or EHLO first")
	case !ok:
		return c.answer("501 5.5.4 Want MAIL FROM:<address>")
	}
	c.sender, c.to = true, nil
	return c.answer("250 2.1.0 OK")
}

func (c *smtpSession) rcpt(rest string) error {
	to, ok := mailPath(rest, "TO:")
	switch {
	case !c.sender:
		return c.answer("503 5.5.1 MAIL comes first")
	case !ok || to == "":
		return c.answer("501 5.5.4 Want RCPT TO:<address>")
	case len(c.to) == maxRecipients:
		return c.answer("452 4.5.3 Too many recipients")
	}
	c.to = append(c.to, to)
	return c.answer("250 2.1.5 OK")
}

// mailPath returns the address of MAIL and RCPT. Parameters may follow it; they change nothing here.
func mailPath(rest, name string) (string, bool) {
	if len(rest) < len(name) || !strings.EqualFold(rest[:len(name)], name) {
		return "", false
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(rest[len(name):]), "<")
	address, _, closed := strings.Cut(rest, ">")
	return address, ok && closed
}

func (c *smtpSession) data() error {
	if len(c.to) == 0 {
		return c.answer("503 5.5.1 RCPT comes first")
	}
	if err := c.answer("354 End with a dot alone on a line"); err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(textproto.NewReader(c.in).DotReader(), maxMail+1))
	switch {
	case err != nil:
		return err
	case len(raw) > maxMail:
		_ = c.answer("552 5.3.4 The message is larger than 4 MiB")
		return errBye
	}
	read := make(chan Message, 1)
	go func() { read <- c.message(raw) }()
	select {
	case m := <-read:
		for _, m.To = range c.to {
			c.Inbox.Add(m)
		}
	case <-c.ended:
		return errBye
	}
	c.sender, c.to = false, nil
	return c.answer("250 2.0.0 OK")
}

// message reads a mail. It takes linear time.
func (s *SMTP) message(raw []byte) Message {
	m := parseMail(raw, s.Base)
	m.Time = time.Now()
	if s.Now != nil {
		m.Time = s.Now()
	}
	return m
}

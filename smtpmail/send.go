package smtpmail

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern"
)

// Send sends a mail to the one person in m.To. It is for [postern.Config.Mail]. When it returns nil, the server has
// accepted the mail.
//
// The error wraps [postern.ErrMailUnavailable] if no mail can be sent now:
//
//   - the server cannot be reached, or the time is up
//   - TLS fails, or the server does not offer it
//   - the server refuses the sign-in or the sender, with a code of any class
//   - the server answers a later step with a code 4xx, and not because of the mailbox
//
// Another error is about this mail: its header or its mailbox is refused. It does not wrap ErrMailUnavailable, because
// the answer to the person must not depend on what a mail server knows of an address. Those are the codes 5xx, 450, and
// 4xx with a status of an address or a mailbox (X.1 and X.2 in RFC 3463 section 3), from RCPT on.
//
// If the connection breaks after the mail was sent and before the server accepts it, the mail may arrive all the same.
//
// No error contains the password, the link or the code. An address is masked.
func (s *Sender) Send(ctx context.Context, m postern.Mail) error {
	raw, err := m.MIME(s.from, time.Now())
	if err != nil {
		return fmt.Errorf("smtpmail: writing the mail: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if c := s.kept.take(ctx, s.keep); c != nil {
		err := s.deliver(c, m.To, raw)
		again := c.stale(err)
		s.done(c, err)
		if !again {
			return s.failure(ctx, m, err)
		}
	}
	c, err := s.connect(ctx)
	if err != nil {
		return s.failure(ctx, m, err)
	}
	if err = s.secure(c); err == nil {
		err = s.signIn(c)
	}
	if err == nil {
		err = s.deliver(c, m.To, raw)
	}
	s.done(c, err)
	return s.failure(ctx, m, err)
}

// done keeps a connection whose mail was accepted, or ends it.
func (s *Sender) done(c *conn, err error) {
	if err == nil {
		if c.mails++; s.kept.park(c, s.keep) {
			return
		}
	}
	if _, broken := errors.AsType[*networkError](err); !broken {
		c.quit()
	}
	c.close()
}

// deliver has the conversation about a mail (RFC 5321 section 3.3).
func (s *Sender) deliver(c *conn, to string, raw []byte) error {
	if _, err := c.command("MAIL FROM", 2, "MAIL FROM:<"+s.sender+">"); err != nil {
		return err
	}
	c.aboutMail = true
	if _, err := c.command("RCPT TO", 2, "RCPT TO:<"+to+">"); err != nil {
		return err
	}
	if _, err := c.command("DATA", 3, "DATA"); err != nil {
		return err
	}
	return c.data(raw)
}

// connect opens the connection and reads the greeting.
func (s *Sender) connect(ctx context.Context) (*conn, error) {
	plain, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, &networkError{"connecting", err}
	}
	_, domain, _ := strings.Cut(s.sender, "@")
	c := newConn(ctx, plain, domain)
	if s.implicit {
		if err = c.startTLS(s.tls); err != nil {
			c.close()
			return nil, err
		}
	}
	if _, err = c.answer("greeting", 2); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// secure greets the server and sees to TLS. What the server offered before TLS counts for nothing after it (RFC 3207
// section 4.2).
func (s *Sender) secure(c *conn) error {
	if err := c.hello(); err != nil || c.encrypted {
		return err
	}
	if _, offered := c.offers["STARTTLS"]; !offered {
		if s.plaintext {
			return nil
		}
		return errors.New("the server does not offer STARTTLS, so nothing was sent: use its port for TLS, often 465 or 587")
	}
	if _, err := c.command("STARTTLS", 2, "STARTTLS"); err != nil {
		return err
	}
	if c.text.R.Buffered() > 0 { // somebody on the way wrote answers into the conversation that TLS is to protect
		return errors.New("the server sent something between STARTTLS and TLS")
	}
	if err := c.startTLS(s.tls); err != nil {
		return err
	}
	return c.hello()
}

// signIn is AUTH (RFC 4954). A refusal is an error of the step alone: a server may repeat what it was sent.
func (s *Sender) signIn(c *conn) error {
	if s.username == "" {
		return nil
	}
	if !c.encrypted {
		return errors.New("the server does not offer STARTTLS, so the password was not sent: " +
			"use a port with TLS, or leave Config.Username and Config.Password empty")
	}
	mechanisms := strings.Fields(strings.ToUpper(c.offers["AUTH"]))
	in64 := base64.StdEncoding.EncodeToString
	var err error
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		_, err = c.command("AUTH PLAIN", 2, "AUTH PLAIN "+in64([]byte("\x00"+s.username+"\x00"+s.password)))
	case slices.Contains(mechanisms, "LOGIN"):
		if _, err = c.command("AUTH LOGIN", 3, "AUTH LOGIN"); err == nil {
			_, err = c.command("AUTH LOGIN", 3, in64([]byte(s.username)))
		}
		if err == nil {
			_, err = c.command("AUTH LOGIN", 2, in64([]byte(s.password)))
		}
	default:
		return errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN")
	}
	if refused, ok := errors.AsType[*replyError](err); ok {
		refused.text = "check Config.Username and Config.Password"
	}
	return err
}

// startTLS changes to TLS. The deadline of the connection stays.
func (c *conn) startTLS(config *tls.Config) error {
	secured := tls.Client(c.raw, config)
	if err := secured.HandshakeContext(c.ctx); err != nil {
		return &networkError{"TLS", err}
	}
	c.encrypted = true
	c.use(secured)
	return nil
}

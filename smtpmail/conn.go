package smtpmail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

const (
	maxAnswers = 64 << 10    // bytes of all answers of one conversation; a usual one has less than 2 KiB
	farewell   = time.Second // at most, for the answer to QUIT: the mail is with the server already
)

// A conn is a connection to a server. The conversation about a mail ends with its context.
type conn struct {
	ctx       context.Context
	raw       net.Conn // below TLS
	text      *textproto.Conn
	stop      func() bool
	name      string            // of this side, for EHLO
	offers    map[string]string // the extensions of the last EHLO and their parameters, in upper case
	left      int               // bytes that the server may still send
	encrypted bool
	aboutMail bool // refusals may be because of the recipient or the text
	texted    bool // the text was sent, or a part of it

	opened, parked time.Time // by the wall clock
	mails          int       // that were accepted
	timer          *time.Timer
}

func newConn(ctx context.Context, raw net.Conn, name string) *conn {
	c := &conn{raw: raw, name: name, opened: time.Now().Round(0)}
	c.begin(ctx)
	c.use(raw)
	return c
}

// begin begins the conversation about a mail, which ends with its context.
func (c *conn) begin(ctx context.Context) {
	c.ctx, c.left, c.aboutMail, c.texted = ctx, maxAnswers, false, false
	c.stop = context.AfterFunc(ctx, func() { c.raw.Close() }) // every read and write fails from then on
}

// use speaks through rw from now on, which is the connection itself or TLS over it.
func (c *conn) use(rw io.ReadWriteCloser) {
	c.text = textproto.NewConn(&bounded{rw, &c.left})
}

// close does not send an alert of TLS, which could block.
func (c *conn) close() {
	c.stop()
	_ = c.raw.Close() // the context may have closed it
}

// quit ends the conversation politely (RFC 5321 section 4.1.1.10). What comes of it changes nothing.
func (c *conn) quit() {
	if c.raw.SetDeadline(time.Now().Add(farewell)) == nil {
		_, _ = c.command("QUIT", 2, "QUIT")
	}
}

// hello sends EHLO and reads what the server offers (RFC 5321 section 4.1.1.1).
func (c *conn) hello() error {
	text, err := c.command("EHLO", 2, "EHLO "+c.name)
	if err != nil {
		return err
	}
	c.offers = map[string]string{}
	lines := strings.Split(text, "\n")
	for _, line := range lines[1:] {
		name, params, _ := strings.Cut(strings.ToUpper(line), " ")
		c.offers[name] = params
	}
	return nil
}

// command sends a line and reads its answer, which must have a code of the class: 2 for 2xx. step names it in errors,
// because the line may have secrets.
func (c *conn) command(step string, class int, line string) (string, error) {
	if err := c.text.PrintfLine("%s", line); err != nil {
		return "", &networkError{step, err}
	}
	return c.answer(step, class)
}

// data sends the mail after DATA. The writer doubles dots at the beginnings of lines (RFC 5321 section 4.5.2).
func (c *conn) data(raw []byte) error {
	c.texted = true
	w := c.text.DotWriter()
	_, err := w.Write(raw)
	if err = errors.Join(err, w.Close()); err != nil {
		return &networkError{"sending the text", err}
	}
	_, err = c.answer("end of the text", 2)
	return err
}

func (c *conn) answer(step string, class int) (string, error) {
	code, text, err := c.text.ReadResponse(0)
	switch {
	case errors.As(err, new(textproto.ProtocolError)):
		return "", &networkError{step, errors.New("the answer is not SMTP")}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "", &networkError{step, errors.New("the server closed the connection")}
	case err != nil:
		return "", &networkError{step, err}
	case code/100 != class:
		return "", &replyError{step: step, code: code, text: text, aboutMail: c.aboutMail}
	}
	return text, nil
}

// errTooLong ends a conversation with a server that does not stop to talk.
var errTooLong = fmt.Errorf("the answers of the server have more than %d bytes", maxAnswers)

// bounded reads until left is used up.
type bounded struct {
	io.ReadWriteCloser
	left *int
}

func (b *bounded) Read(p []byte) (int, error) {
	if *b.left == 0 {
		return 0, errTooLong
	}
	n, err := b.ReadWriteCloser.Read(p[:min(len(p), *b.left)])
	*b.left -= n
	return n, err
}

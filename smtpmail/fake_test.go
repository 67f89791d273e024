package smtpmail_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/smtpmail"
)

// certificate returns a certificate for 127.0.0.1 and example.com, and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
}

// What a fake may do at a step in place of an answer.
const (
	hang = "hang" // until the client goes
	cut  = "cut"  // closes the connection
)

// A fake is a mail server that follows a script. Steps are "greeting", "EHLO", "STARTTLS", "TLS" (before the
// handshake), "EHLO2" (after it), "AUTH", "USER" and "PASS" (of AUTH LOGIN), "MAIL", "RCPT", "DATA", "END" and "QUIT".
type fake struct {
	addr     string
	pool     *x509.CertPool
	script   map[string]string // step -> answer, with "\r\n" between its lines
	implicit bool
	cert     tls.Certificate

	hanging chan struct{} // gets a value when the fake hangs
	done    chan struct{} // closed when the one connection has ended on both sides

	mu    sync.Mutex
	lines []string // received, each after "tls " or "plain "
	mail  string   // between DATA and the dot, as it was on the wire
}

const (
	offers    = "250-fake\r\n250-starttls\r\n250 8BITMIME"
	tlsOffers = "250-fake\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 Auth plain LOGIN"
)

var usual = map[string]string{
	"greeting": "220-fake\r\n220 ready", "EHLO": offers, "STARTTLS": "220 go", "EHLO2": tlsOffers, "AUTH": "235 2.7.0 ok",
	"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go", "END": "250 queued", "QUIT": "221 bye",
}

// start serves one connection.
func start(t *testing.T, f *fake) *fake {
	t.Helper()
	if f.cert.Certificate == nil {
		f.cert, f.pool = certificate(t)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr, f.hanging, f.done = l.Addr().String(), make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(f.done)
		raw, err := l.Accept()
		if err != nil {
			return
		}
		defer raw.Close()
		f.serve(raw)
	}()
	t.Cleanup(func() {
		l.Close()
		<-f.done
	})
	return f
}

// step does what the script has for a step. It returns false if the conversation is over.
func (f *fake) step(c net.Conn, name string) bool {
	answer, ok := f.script[name]
	if !ok {
		answer = usual[name]
	}
	switch answer {
	case cut:
		return false
	case hang:
		b := make([]byte, 1024)
		if name == "TLS" {
			_, _ = c.Read(b) // the client has begun, or is gone
		}
		f.hanging <- struct{}{}
		for {
			if _, err := c.Read(b); err != nil {
				return false
			}
		}
	case "":
		return true
	}
	_, err := c.Write([]byte(answer + "\r\n"))
	return err == nil
}

func (f *fake) serve(c net.Conn) {
	plain, mode := c, "plain "
	secure := func() bool {
		if !f.step(plain, "TLS") {
			return false
		}
		secured := tls.Server(plain, &tls.Config{Certificates: []tls.Certificate{f.cert}, MinVersion: tls.VersionTLS12})
		c, mode = secured, "tls "
		return secured.Handshake() == nil
	}
	if f.implicit && !secure() || !f.step(c, "greeting") {
		return
	}
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		f.mu.Lock()
		f.lines = append(f.lines, mode+strings.TrimSuffix(line, "\r\n"))
		f.mu.Unlock()
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name := strings.TrimSpace(verb); name {
		case "EHLO":
			if mode == "tls " {
				name = "EHLO2"
			}
			if !f.step(c, name) {
				return
			}
		case "STARTTLS":
			if !f.step(c, name) {
				return
			}
			if answer := f.script[name]; answer != "" && answer[0] != '2' {
				continue
			}
			if !secure() {
				return
			}
			r = bufio.NewReader(c)
		case "DATA":
			if !f.step(c, name) {
				return
			}
			if answer := f.script[name]; answer != "" && answer[0] != '3' {
				continue
			}
			if !f.text(r) || !f.step(c, "END") {
				return
			}
		case "AUTH", "MAIL", "RCPT":
			if !f.step(c, name) {
				return
			}
		case "QUIT":
			f.step(c, name)
			return
		default: // the answers to the prompts of AUTH LOGIN
			name = "USER"
			if strings.Contains(strings.Join(f.received(), "\n"), "AUTH LOGIN\ntls "+user64) && verb != user64 {
				name = "PASS"
			}
			if !f.step(c, name) {
				return
			}
		}
	}
}

// text reads the mail until the dot.
func (f *fake) text(r *bufio.Reader) bool {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			return true
		}
		f.mu.Lock()
		f.mail += line
		f.mu.Unlock()
	}
}

func (f *fake) received() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.lines...)
}

// decoded is the mail without the dots that SMTP doubles.
func (f *fake) decoded(t *testing.T) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	raw, err := textproto.NewReader(bufio.NewReader(strings.NewReader(f.mail + ".\r\n"))).ReadDotBytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

const (
	user   = "shop"
	secret = "pass-word-4711"
	user64 = "c2hvcA=="
	pass64 = "cGFzcy13b3JkLTQ3MTE="
	both64 = "AHNob3AAcGFzcy13b3JkLTQ3MTE="
)

// sender returns a Sender to f that signs in. Changes are applied to its configuration.
func (f *fake) sender(t *testing.T, changes ...func(*smtpmail.Config)) *smtpmail.Sender {
	t.Helper()
	c := smtpmail.Config{
		Addr: f.addr, Username: user, Password: secret, From: "Example Shop <no-reply@example.com>",
		TLS: &tls.Config{RootCAs: f.pool}, ImplicitTLS: f.implicit,
	}
	for _, change := range changes {
		change(&c)
	}
	s, err := smtpmail.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func withoutPassword(c *smtpmail.Config) { c.Username, c.Password = "", "" }

const (
	ada   = "ada@example.com"
	token = "k3JfQ9vTzL1mXw8RbYpC"
)

func letter() postern.Mail {
	return postern.Mail{
		To: ada, Name: "magic.sign-in", Subject: "Sign in to Größe & Söhne",
		Args: map[string]any{"link": "https://example.com/auth/link/callback?token=" + token, "code": "481516"},
		Text: "Open this:\n\nhttps://example.com/auth/link/callback?token=" + token + "\n.\n..\n.hidden\nOr type 481516. Größe.\n",
		HTML: "<p>481516</p>",
	}
}

package smtpmail

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/internal/mailaddr"
)

// Config says which server takes the mails, and how.
type Config struct {
	// Addr is the server and its port, "smtp.example.com:587". At port 465 the connection begins with TLS; at every
	// other port the server must offer STARTTLS. Required.
	Addr string

	// ImplicitTLS begins with TLS at a port other than 465, such as port 2465 of Amazon SES.
	//
	// Defaults to false: the port decides.
	ImplicitTLS bool

	// Username and Password sign in to the server by AUTH PLAIN, or by AUTH LOGIN where the server offers only that.
	// Set both or neither. They are sent over TLS alone, also on this machine.
	//
	// Defaults to empty: no sign-in.
	Username, Password string

	// From is the sender, one address with or without a name: "Example Shop <no-reply@example.com>". The address is
	// also where the servers on the way report what they cannot deliver (MAIL FROM), and its domain is how the sender
	// names itself to the server (EHLO). Required.
	From string

	// TLS has the certificates to trust and other settings of TLS. New copies it.
	//
	// Defaults to the roots of the system and TLS 1.2 or later. ServerName defaults to the host of Addr.
	TLS *tls.Config

	// AllowPlaintext sends mails without TLS to a server that does not offer STARTTLS: everybody on the way can read
	// the links and codes, and sign in with them. Servers on this machine (localhost, 127.0.0.0/8, ::1) do not need it.
	// TLS is still used if the server offers STARTTLS.
	//
	// Defaults to false.
	AllowPlaintext bool

	// Timeout bounds the whole of one Send, name lookup and connection included. An earlier deadline of the context
	// counts too.
	//
	// Defaults to 10 seconds.
	Timeout time.Duration

	// Keep is how long a connection waits for a next mail after one was accepted, at most 30 seconds. It gets up to 100
	// mails in a minute. Without Keep, each mail has a connection to itself, which is closed before Send returns. If
	// the server has ended a connection that waited, Send sends the mail on a new one. A function that is frozen
	// between requests (AWS Lambda) gains nothing from it.
	//
	// Defaults to 0: no connection waits.
	Keep time.Duration
}

const longestKeep = 30 * time.Second

const defaultTimeout = 10 * time.Second

// A Sender sends mails through one server. It is safe for concurrent use, and has nothing to close: connections that
// Config.Keep lets wait end by themselves.
type Sender struct {
	addr      string
	from      string // with the name, for the header
	sender    string // the address alone
	username  string
	password  string
	tls       *tls.Config
	implicit  bool // TLS from the first byte
	plaintext bool // a server without STARTTLS is accepted
	timeout   time.Duration
	keep      time.Duration
	kept      kept
}

// New returns a Sender. It does not connect. The error names the setting that is missing or wrong.
func New(c Config) (*Sender, error) {
	host, port, err := net.SplitHostPort(c.Addr)
	if number, perr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || perr != nil || number == 0 {
		return nil, errors.New(`smtpmail: Config.Addr is not a host and a port number, such as "smtp.example.com:587"`)
	}
	sender, err := senderAddress(c.From)
	if err != nil {
		return nil, err
	}
	switch {
	case (c.Username == "") != (c.Password == ""):
		return nil, errors.New("smtpmail: set both Config.Username and Config.Password, or neither")
	case !credential(c.Username):
		return nil, errors.New("smtpmail: Config.Username is not UTF-8 without NUL of at most 1,024 bytes")
	case !credential(c.Password):
		return nil, errors.New("smtpmail: Config.Password is not UTF-8 without NUL of at most 1,024 bytes")
	case c.Timeout < 0:
		return nil, fmt.Errorf("smtpmail: Config.Timeout is negative (%v)", c.Timeout)
	case c.Keep < 0 || c.Keep > longestKeep:
		return nil, fmt.Errorf("smtpmail: Config.Keep is %v: choose from 0 to %v", c.Keep, longestKeep)
	}
	s := &Sender{
		addr: c.Addr, from: c.From, sender: sender, username: c.Username, password: c.Password,
		tls: c.TLS.Clone(), implicit: c.ImplicitTLS || port == "465",
		plaintext: c.AllowPlaintext || loopback.Host(host), timeout: c.Timeout, keep: c.Keep,
	}
	if s.tls == nil {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if s.tls.ServerName == "" {
		s.tls.ServerName = host
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	return s, nil
}

// senderAddress returns the address in from. It writes a mail with it, so that New finds what would fail in Send.
func senderAddress(from string) (string, error) {
	const bad = `smtpmail: Config.From is not one address, such as "Example Shop <no-reply@example.com>"`
	parsed, err := mail.ParseAddress(from)
	if err != nil {
		return "", errors.New(bad)
	}
	if _, err := mailaddr.Parse(parsed.Address); err != nil {
		return "", fmt.Errorf("%s: %w", bad, err)
	}
	if _, err := (postern.Mail{To: "probe@example.com", Subject: "probe"}).MIME(from, time.Time{}); err != nil {
		return "", errors.New(bad)
	}
	return parsed.Address, nil
}

const maxCredential = 1 << 10 // bytes; a line of AUTH has at most 12,288 (RFC 4954 section 4)

// credential reports whether AUTH PLAIN can carry s (RFC 4616 section 2).
func credential(s string) bool {
	return len(s) <= maxCredential && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

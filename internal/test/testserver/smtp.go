package testserver

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testneed"
)

// The only user of an [SMTPServer].
const (
	SMTPUser     = "shop"
	SMTPPassword = "correct horse 4711"
)

// SMTPOptions says what kind of server to start. The zero value offers STARTTLS and requires it.
type SMTPOptions struct {
	ImplicitTLS bool // TLS from the first byte
	LoginOnly   bool // AUTH LOGIN alone, in place of PLAIN and LOGIN
}

// An SMTPMessage is a mail that an [SMTPServer] accepted.
type SMTPMessage struct {
	From, User string
	To         []string
	Options    []string // the parameters of MAIL FROM
	Data       []byte
}

// An SMTPServer is a running aiosmtpd, which takes mails from a user who has signed in. It refuses the recipients
// refused@example.com with 550 and later@example.com with 451.
type SMTPServer struct {
	Addr  string
	Roots *x509.CertPool // with the certificate of the server, which is for 127.0.0.1

	lines *bufio.Reader
}

// smtpScript serves aiosmtpd on a free port, which is its first line of output. Each mail is a further line, as JSON.
// It ends when its standard input does, so that it never outlives the program that started it.
const smtpScript = `
import asyncio, base64, json, os, ssl, sys, threading
try:
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:
    sys.exit(77)
cert, implicit, exclude, user, password = sys.argv[1], sys.argv[2] == "true", sys.argv[3].split(), sys.argv[4], sys.argv[5]
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
def authenticate(server, session, envelope, mechanism, data):
    good = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=good, handled=False, auth_data=user if good else None)
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "refused@example.com":
            return "550 5.1.1 <" + address + ">: no such mailbox"
        if address == "later@example.com":
            return "451 4.3.0 the queue is full"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"
    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({"From": envelope.mail_from, "To": envelope.rcpt_tos, "Options": envelope.mail_options, "User": session.auth_data,
            "Data": base64.b64encode(envelope.original_content).decode()}), flush=True)
        return "250 2.0.0 queued"
async def main():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert)
    def protocol():
        return SMTP(Handler(), hostname="localhost", enable_SMTPUTF8=True, tls_context=None if implicit else tls, require_starttls=not implicit,
            auth_required=True, auth_require_tls=not implicit, authenticator=authenticate, auth_exclude_mechanism=exclude)
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls if implicit else None)
    print("%s:%d" % server.sockets[0].getsockname(), flush=True)
    await server.serve_forever()
asyncio.run(main())
`

// SMTP starts a server until the end of the test. Where aiosmtpd is missing the test skips.
func SMTP(tb testing.TB, o SMTPOptions) *SMTPServer {
	tb.Helper()
	https := httptest.NewTLSServer(nil) // for its certificate
	https.Close()
	key, err := x509.MarshalPKCS8PrivateKey(https.TLS.Certificates[0].PrivateKey)
	if err != nil {
		tb.Fatal(err)
	}
	var both bytes.Buffer
	for _, block := range []*pem.Block{{Type: "PRIVATE KEY", Bytes: key}, {Type: "CERTIFICATE", Bytes: https.Certificate().Raw}} {
		if err := pem.Encode(&both, block); err != nil {
			tb.Fatal(err)
		}
	}
	file := filepath.Join(tb.TempDir(), "server.pem")
	if err := os.WriteFile(file, both.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	exclude := ""
	if o.LoginOnly {
		exclude = "PLAIN"
	}
	args := []string{"-c", smtpScript, file, fmt.Sprint(o.ImplicitTLS), exclude, SMTPUser, SMTPPassword}
	s := &SMTPServer{Roots: x509.NewCertPool()}
	s.Roots.AddCert(https.Certificate())
	for _, python := range append(pythons(), "/usr/bin/python3") { // Debian's packages are for Debian's own Python
		if s.start(tb, exec.Command(python, args...)) {
			return s
		}
	}
	testneed.Skip(tb, "needs aiosmtpd: install Debian package python3-aiosmtpd")
	return nil
}

// start runs a command with the script. It returns false if that Python has no aiosmtpd, or does not exist.
func (s *SMTPServer) start(tb testing.TB, cmd *exec.Cmd) bool {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		return false
	}
	s.lines = bufio.NewReader(stdout)
	addr, err := s.lines.ReadString('\n')
	if err != nil { // it has ended
		_ = cmd.Wait() // its exit code is in ProcessState
		if cmd.ProcessState.ExitCode() == exitNoModule {
			return false
		}
		tb.Fatalf("aiosmtpd ended at once (%v):\n%s", cmd.ProcessState, log.String())
	}
	s.Addr = strings.TrimSpace(addr)
	tb.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("aiosmtpd: %v\n%s", err, log.String())
		}
	})
	return true
}

// Next returns the next mail that the server accepted. It waits for it.
func (s *SMTPServer) Next(tb testing.TB) SMTPMessage {
	tb.Helper()
	line, err := s.lines.ReadBytes('\n')
	if err != nil {
		tb.Fatal(err)
	}
	var m SMTPMessage
	if err := json.Unmarshal(line, &m); err != nil {
		tb.Fatal(err)
	}
	return m
}

package smtpmail_test

import (
	"crypto/tls"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/smtpmail"
)

func TestSend_STARTTLS(t *testing.T) {
	f := start(t, &fake{})
	m := letter()
	m.HTML = ""
	if err := f.sender(t).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"plain EHLO example.com", "plain STARTTLS", "tls EHLO example.com", "tls AUTH PLAIN " + both64,
		"tls MAIL FROM:<no-reply@example.com>", "tls RCPT TO:<ada@example.com>", "tls DATA", "tls QUIT",
	}
	<-f.done // both sides have closed
	if got := f.received(); !slices.Equal(got, want) {
		t.Errorf("commands\n%q, want\n%q", got, want)
	}
	checkMail(t, f.decoded(t), m)
}

// checkMail reads a mail that arrived, as programs for mail do.
func checkMail(t *testing.T, raw string, m postern.Mail) {
	t.Helper()
	got, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(got.Body))
	if err != nil || strings.TrimSpace(strings.ReplaceAll(string(body), "\r\n", "\n")) != strings.TrimSpace(m.Text) {
		t.Errorf("text %q, %v", body, err)
	}
	at, err := got.Header.Date()
	if err != nil || time.Since(at) > time.Hour || time.Until(at) > time.Hour {
		t.Errorf("Date %v, %v", at, err)
	}
	if id := got.Header.Get("Message-Id"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@example.com>") {
		t.Errorf("Message-ID %q", id)
	}
	if from := got.Header.Get("From"); from != `"Example Shop" <no-reply@example.com>` {
		t.Errorf("From %q", from)
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(raw, "\r\n", "\n"), "\n") {
		if len(line) > 998 || strings.ContainsFunc(line, func(r rune) bool { return r >= 0x80 || r == '\r' }) {
			t.Errorf("needs 8BITMIME or a longer line: %.80q", line)
		}
	}
}

// A dot at the beginning of a line is doubled, and a line that is a dot does not end the mail.
func TestSend_Dots(t *testing.T) {
	f := start(t, &fake{})
	if err := f.sender(t).Send(t.Context(), letter()); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\r\n..\r\n", "\r\n...\r\n", "\r\n..hidden\r\n"} {
		if !strings.Contains(f.mail, line) {
			t.Errorf("no %q in\n%s", line, f.mail)
		}
	}
}

func TestSend_ImplicitTLS(t *testing.T) {
	f := start(t, &fake{implicit: true})
	m := letter()
	m.HTML = ""
	if err := f.sender(t).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	checkMail(t, f.decoded(t), m)
	for _, line := range f.received() {
		if strings.HasPrefix(line, "plain ") || strings.Contains(line, "STARTTLS") {
			t.Errorf("received %q", line)
		}
	}
}

func TestSend_AuthLogin(t *testing.T) {
	f := start(t, &fake{script: map[string]string{
		"EHLO2": "250-fake\r\n250 AUTH LOGIN", "AUTH": "334 VXNlcm5hbWU6", "USER": "334 UGFzc3dvcmQ6", "PASS": "235 ok",
	}})
	if err := f.sender(t).Send(t.Context(), letter()); err != nil {
		t.Fatal(err)
	}
	want := []string{"tls AUTH LOGIN", "tls " + user64, "tls " + pass64}
	if got := f.received(); !slices.Equal(got[3:6], want) {
		t.Errorf("commands %q, want %q", got, want)
	}
}

// On this machine a server needs no TLS, and gets no password without it.
func TestSend_Loopback(t *testing.T) {
	script := map[string]string{"EHLO": "250-fake\r\n250 AUTH PLAIN LOGIN"}
	f := start(t, &fake{script: script})
	if err := f.sender(t, withoutPassword).Send(t.Context(), letter()); err != nil {
		t.Fatal(err)
	}
	f = start(t, &fake{script: script})
	checkUnavailable(t, f.sender(t, func(c *smtpmail.Config) { c.AllowPlaintext = true }).Send(t.Context(), letter()), "STARTTLS")
	<-f.done
	if got := f.received(); !slices.Equal(got, []string{"plain EHLO example.com", "plain QUIT"}) {
		t.Errorf("commands %q", got)
	}
}

func TestNew(t *testing.T) {
	good := smtpmail.Config{Addr: "smtp.example.com:587", Username: user, Password: secret, From: "no-reply@example.com"}
	if _, err := smtpmail.New(good); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*smtpmail.Config)
		names  string
	}{
		"no address":     {func(c *smtpmail.Config) { c.Addr = "" }, "Addr"},
		"no port":        {func(c *smtpmail.Config) { c.Addr = "smtp.example.com" }, "Addr"},
		"no host":        {func(c *smtpmail.Config) { c.Addr = ":587" }, "Addr"},
		"port 0":         {func(c *smtpmail.Config) { c.Addr = "smtp.example.com:0" }, "Addr"},
		"port by name":   {func(c *smtpmail.Config) { c.Addr = "smtp.example.com:submission" }, "Addr"},
		"no sender":      {func(c *smtpmail.Config) { c.From = "" }, "From"},
		"two senders":    {func(c *smtpmail.Config) { c.From = "a@example.com, b@example.com" }, "From"},
		"sender, CRLF":   {func(c *smtpmail.Config) { c.From = "a@example.com\r\nBcc: b@example.com" }, "From"},
		"name, CRLF":     {func(c *smtpmail.Config) { c.From = "\"a\r\nBcc: b@example.com\" <a@example.com>" }, "From"},
		"sender, quoted": {func(c *smtpmail.Config) { c.From = `"a> SIZE=1"@example.com` }, "From"},
		"sender, UTF-8":  {func(c *smtpmail.Config) { c.From = "größe@example.com" }, "From"},
		"user alone":     {func(c *smtpmail.Config) { c.Password = "" }, "Password"},
		"password alone": {func(c *smtpmail.Config) { c.Username = "" }, "Username"},
		"user, NUL":      {func(c *smtpmail.Config) { c.Username = "a\x00b" }, "Username"},
		"password, NUL":  {func(c *smtpmail.Config) { c.Password = secret + "\x00" }, "Password"},
		"long password":  {func(c *smtpmail.Config) { c.Password = strings.Repeat(secret, 100) }, "Password"},
		"timeout":        {func(c *smtpmail.Config) { c.Timeout = -time.Second }, "Timeout"},
	} {
		c := good
		tc.change(&c)
		s, err := smtpmail.New(c)
		if err == nil || s != nil || !strings.Contains(err.Error(), "Config."+tc.names) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// New copies the configuration of TLS, and a Sender is safe for concurrent use.
func TestSend_Parallel(t *testing.T) {
	var fakes []*fake
	config := &tls.Config{}
	for range 4 {
		f := start(t, &fake{})
		fakes = append(fakes, f)
	}
	errs := make(chan error)
	for _, f := range fakes {
		config.RootCAs = f.pool
		s := f.sender(t, func(c *smtpmail.Config) { c.TLS = config })
		config.RootCAs = nil
		go func() { errs <- s.Send(t.Context(), letter()) }()
	}
	for range fakes {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if config.ServerName != "" {
		t.Error("New changed the configuration of its caller")
	}
}

// Nothing that stands in a mail becomes a command or a header.
func TestM6_SMTPInjection(t *testing.T) {
	for _, change := range []func(*postern.Mail){
		func(m *postern.Mail) { m.To = ada + ">\r\nRCPT TO:<eve@evil.example" },
		func(m *postern.Mail) { m.To = ada + "> NOTIFY=NEVER" },
		func(m *postern.Mail) { m.To = ada + ", eve@evil.example" },
		func(m *postern.Mail) { m.To = "ädä@example.com" },
		func(m *postern.Mail) { m.Subject = "x\r\nBcc: eve@evil.example" },
		func(m *postern.Mail) { m.Subject = "x\r\n.\r\nMAIL FROM:<eve@evil.example>" },
	} {
		f := start(t, &fake{})
		m := letter()
		change(&m)
		if err := f.sender(t).Send(t.Context(), m); err == nil || strings.Contains(err.Error(), "evil") {
			t.Errorf("%q, %q: %v", m.To, m.Subject, err)
		}
		if got := f.received(); len(got) > 0 {
			t.Errorf("commands %q", got)
		}
	}
	f := start(t, &fake{})
	m := letter()
	m.HTML, m.Text = "", "\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n\n.\nRCPT TO:<eve@evil.example>\r\r\n.\r\rQUIT"
	if err := f.sender(t).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	<-f.done
	if got := f.received(); len(got) != 8 || strings.Contains(strings.Join(got, "\n"), "evil") {
		t.Errorf("commands %q", got)
	}
}

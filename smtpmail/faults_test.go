package smtpmail_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/smtpmail"
)

// checkUnavailable checks that no mail can be sent, for a reason, and that the error has no secret.
func checkUnavailable(t *testing.T, err error, reason string) {
	t.Helper()
	if !errors.Is(err, postern.ErrMailUnavailable) || !strings.Contains(err.Error(), reason) {
		t.Errorf("%v, want ErrMailUnavailable with %q", err, reason)
	}
	checkSecrets(t, err)
}

// checkRefused checks that this mail alone is refused.
func checkRefused(t *testing.T, err error, reason string) {
	t.Helper()
	if err == nil || errors.Is(err, postern.ErrMailUnavailable) || !strings.Contains(err.Error(), reason) {
		t.Errorf("%v, want another error than ErrMailUnavailable, with %q", err, reason)
	}
	checkSecrets(t, err)
}

func checkSecrets(t *testing.T, err error) {
	t.Helper()
	for _, word := range []string{ada, secret, pass64, both64, token, "481516"} {
		if err != nil && strings.Contains(err.Error(), word) {
			t.Errorf("%q is in the error: %v", word, err)
		}
	}
}

// A server that stops answering, at any step, holds a Send no longer than its context.
func TestSend_HangsAtEachStep(t *testing.T) {
	for _, tc := range []struct {
		step, names string
		implicit    bool
	}{
		{"TLS", "TLS", true}, {"greeting", "", true}, {"greeting", "", false}, {"EHLO", "EHLO", false},
		{"STARTTLS", "STARTTLS", false}, {"TLS", "TLS", false}, {"EHLO2", "EHLO", false}, {"AUTH", "AUTH PLAIN", false},
		{"MAIL", "MAIL FROM", false}, {"RCPT", "RCPT TO", false}, {"DATA", "DATA", false}, {"END", "end of the text", false},
	} {
		f := start(t, &fake{implicit: tc.implicit, script: map[string]string{tc.step: hang}})
		s := f.sender(t, func(c *smtpmail.Config) { c.Timeout = time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-f.hanging; cancel() }()
		err := s.Send(ctx, letter())
		checkUnavailable(t, err, tc.names+": ") // at the greeting the client may not know yet that it is connected
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", tc.step, err)
		}
		<-f.done // the connection is closed
	}
}

// A server that stops reading the text is bounded the same way.
func TestSend_HangsInText(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "220 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n")
		r := bufio.NewReaderSize(c, 16)
		for line := ""; line != "DATA\r\n"; {
			if line, err = r.ReadString('\n'); err != nil {
				return
			}
		}
		_, _ = r.ReadByte() // of the text, and then nothing more
		cancel()
	}()
	m := letter()
	m.Text = strings.Repeat("x", 8<<20)
	s, err := smtpmail.New(smtpmail.Config{Addr: l.Addr().String(), From: "no-reply@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	checkUnavailable(t, s.Send(ctx, m), context.Canceled.Error())
	<-done
}

func TestSend_Timeout(t *testing.T) {
	for name, tc := range map[string]struct{ timeout, context time.Duration }{
		"Timeout": {30 * time.Millisecond, time.Hour}, "context": {time.Hour, 30 * time.Millisecond},
	} {
		f := start(t, &fake{script: map[string]string{"greeting": hang}})
		ctx, cancel := context.WithTimeout(t.Context(), tc.context)
		defer cancel()
		err := f.sender(t, func(c *smtpmail.Config) { c.Timeout = tc.timeout }).Send(ctx, letter())
		checkUnavailable(t, err, "greeting")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A context that has ended connects to nothing.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checkUnavailable(t, start(t, &fake{}).sender(t).Send(ctx, letter()), "connecting")
}

// The mail is with the server: how the conversation ends changes nothing, and takes a second at most.
func TestSend_QuitIsACourtesy(t *testing.T) {
	for _, answer := range []string{hang, cut, "421 away", "500 what", "no SMTP"} {
		f := start(t, &fake{script: map[string]string{"QUIT": answer}})
		began := time.Now()
		if err := f.sender(t, func(c *smtpmail.Config) { c.Timeout = time.Hour }).Send(t.Context(), letter()); err != nil {
			t.Errorf("%s: %v", answer, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %v", answer, took)
		}
		<-f.done
	}
}

var steps = []string{"greeting", "EHLO", "STARTTLS", "EHLO2", "AUTH", "MAIL", "RCPT", "DATA", "END"}

func TestSend_CutAtEachStep(t *testing.T) {
	for _, step := range append(steps, "TLS") {
		f := start(t, &fake{script: map[string]string{step: cut}})
		if err := f.sender(t).Send(t.Context(), letter()); !errors.Is(err, postern.ErrMailUnavailable) {
			t.Errorf("%s: %v", step, err)
		}
	}
	f := start(t, &fake{})
	s := f.sender(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	checkUnavailable(t, f.sender(t, func(c *smtpmail.Config) { c.Addr = closed }).Send(t.Context(), letter()), "connecting")
	if err := s.Send(t.Context(), letter()); err != nil {
		t.Error(err)
	}
}

// Which refusals are about the mail, and which about all mails.
func TestSend_RefusedAtEachStep(t *testing.T) {
	for _, step := range steps {
		ofMail := step == "RCPT" || step == "DATA" || step == "END"
		for answer, mail := range map[string]bool{
			"421 4.3.2 closing": false, "421 4.2.1 closing": false, "451 4.3.0 later": false, "452 4.3.1 full": false, "454 4.7.0 later": false,
			"451 later": false, "450 later": ofMail, "452 4.2.2 mailbox full": ofMail, "451 4.1.1 later": ofMail,
			"500 what": ofMail, "550 5.1.1 unknown": ofMail, "554 5.7.1 no": ofMail, "550-5.1.1 one\r\n550 5.1.1 two": ofMail,
			"150 x": false, "650 x": false,
		} {
			f := start(t, &fake{script: map[string]string{step: answer}})
			err := f.sender(t).Send(t.Context(), letter())
			t.Run(step+" "+answer, func(t *testing.T) {
				if mail {
					checkRefused(t, err, answer[:3])
				} else {
					checkUnavailable(t, err, "")
				}
			})
		}
	}
}

// A server that repeats what it was sent does not bring it into the log.
func TestSend_ErrorsHaveNoSecret(t *testing.T) {
	for _, tc := range []struct{ step, text, want string }{
		{"RCPT", "<" + ada + ">: no such user", "a…@example.com"},
		{"RCPT", "<ADA@Example.com> unknown", "a…@example.com"},
		{"END", "spam: https://example.com/auth/link/callback?token=" + token, "END: the server"},
		{"END", "spam: " + strings.Repeat("x", 180) + " token=3D" + token, ""},
		{"END", strings.Repeat("x", 195) + " 481516", ""},
		{"MAIL", "AUTH PLAIN " + both64, "[password]"},
		{"MAIL", "wrong: " + secret + " " + pass64, "[password]"},
		{"AUTH", "AUTH PLAIN " + both64, "check Config.Username"},
		{"END", "a\x1b[31m\u202ered", "a[31mred"},
	} {
		f := start(t, &fake{script: map[string]string{tc.step: "550 " + tc.text}})
		err := f.sender(t).Send(t.Context(), letter())
		checkSecrets(t, err)
		if want := strings.Replace(tc.want, "END: ", "end of the text: ", 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %s: %v, want %q", tc.step, tc.text, err, want)
		}
		if err != nil && (len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\x1b\r\n")) {
			t.Errorf("%q", err)
		}
	}
}

// What is not SMTP ends the conversation, however long it is.
func TestSend_HostileAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"a line of 1 MB":     "220 " + strings.Repeat("x", 1<<20),
		"1 MB of lines":      strings.Repeat("220-x\r\n", 1<<20/7) + "220 x",
		"1 MB without codes": strings.Repeat("x\r\n", 1<<20/3),
		"HTTP":               "HTTP/1.1 400 Bad Request\r\n\r\n",
		"no code":            "hello",
		"NUL":                "\x00\x00\x00\x00",
	} {
		for _, step := range []string{"greeting", "EHLO", "EHLO2", "RCPT"} {
			f := start(t, &fake{script: map[string]string{step: answer}})
			if err := f.sender(t).Send(t.Context(), letter()); !errors.Is(err, postern.ErrMailUnavailable) || len(err.Error()) > 400 {
				t.Errorf("%s at %s: %.300v", name, step, err)
			}
		}
	}
}

// Nothing of the mail or of the sign-in goes to a server without TLS, and no offer from before TLS counts after it.
func TestSend_TLSIsRequired(t *testing.T) {
	// A name of this machine that is not a loopback address: the rule is about the name in Config.
	notLoopback := func(f *fake) string { return "[::ffff:127.0.0.1]" + f.addr[strings.LastIndex(f.addr, ":"):] }
	noTLS := map[string]string{"EHLO": "250-fake\r\n250 AUTH PLAIN"}
	f := start(t, &fake{script: noTLS})
	checkUnavailable(t, f.sender(t, withoutPassword, func(c *smtpmail.Config) { c.Addr = notLoopback(f) }).Send(t.Context(), letter()), "does not offer STARTTLS")
	<-f.done
	if got := strings.Join(f.received(), ","); got != "plain EHLO example.com,plain QUIT" {
		t.Errorf("stripped: %s", got)
	}
	f = start(t, &fake{script: noTLS})
	err := f.sender(t, withoutPassword, func(c *smtpmail.Config) { c.Addr, c.AllowPlaintext = notLoopback(f), true }).Send(t.Context(), letter())
	if err != nil {
		t.Error("AllowPlaintext:", err)
	}
	for name, tc := range map[string]struct {
		script map[string]string
		change func(*smtpmail.Config)
		reason string
	}{
		"an unknown certificate":    {nil, func(c *smtpmail.Config) { c.TLS = nil }, "certificate"},
		"a certificate of others":   {nil, func(c *smtpmail.Config) { c.TLS.ServerName = "smtp.example.net" }, "smtp.example.net"},
		"answers before TLS":        {map[string]string{"STARTTLS": "220 go\r\n250-evil\r\n250 AUTH PLAIN"}, withoutPassword, "between STARTTLS and TLS"},
		"STARTTLS refused":          {map[string]string{"STARTTLS": "454 no"}, withoutPassword, "454"},
		"no AUTH after TLS":         {map[string]string{"EHLO": "250-fake\r\n250-AUTH PLAIN\r\n250 STARTTLS", "EHLO2": "250 fake"}, withoutNothing, "AUTH"},
		"other AUTH":                {map[string]string{"EHLO2": "250-fake\r\n250 AUTH CRAM-MD5 XOAUTH2"}, withoutNothing, "AUTH"},
		"old TLS":                   {nil, func(c *smtpmail.Config) { c.TLS.MinVersion, c.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "TLS"},
		"plain text for TLS's sake": {map[string]string{"TLS": "220 hello"}, withoutNothing, "TLS"},
	} {
		f := start(t, &fake{script: tc.script})
		t.Run(name, func(t *testing.T) {
			checkUnavailable(t, f.sender(t, tc.change).Send(t.Context(), letter()), tc.reason)
			<-f.done
			for _, line := range f.received() {
				if strings.Contains(line, "AUTH") || strings.Contains(line, "MAIL") {
					t.Errorf("received %q", line)
				}
			}
		})
	}
	f = start(t, &fake{implicit: true})
	checkUnavailable(t, f.sender(t, func(c *smtpmail.Config) { c.TLS = nil }).Send(t.Context(), letter()), "certificate")
}

func withoutNothing(*smtpmail.Config) {}

// A Sender leaves no goroutine, whatever came of its mails.
func TestSend_LeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, script := range []map[string]string{nil, {"RCPT": "550 no"}, {"MAIL": cut}, {"AUTH": hang}, {"TLS": hang}, {"greeting": hang}} {
		f := start(t, &fake{script: script})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			select {
			case <-f.hanging:
			case <-f.done:
			}
			cancel()
		}()
		_ = f.sender(t).Send(ctx, letter()) // the outcome is the matter of other tests
		<-f.done
		<-stopped
	}
	for limit := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(limit) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

package smtpmail_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/smtpmail"
)

// Mails arrive at a server that somebody else wrote, by every way to sign in and both ways to TLS.
func TestServer(t *testing.T) {
	for name, o := range map[string]testserver.SMTPOptions{
		"STARTTLS": {}, "implicit TLS": {ImplicitTLS: true}, "AUTH LOGIN": {LoginOnly: true}, "implicit TLS, AUTH LOGIN": {ImplicitTLS: true, LoginOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := testserver.SMTP(t, o)
			config := smtpmail.Config{
				Addr: server.Addr, ImplicitTLS: o.ImplicitTLS, Username: testserver.SMTPUser, Password: testserver.SMTPPassword,
				From: "Example Shop <no-reply@example.com>", TLS: &tls.Config{RootCAs: server.Roots},
			}
			s, err := smtpmail.New(config)
			if err != nil {
				t.Fatal(err)
			}
			m := letter()
			m.HTML = ""
			for range 2 {
				if err := s.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				got := server.Next(t)
				if got.From != "no-reply@example.com" || !slices.Equal(got.To, []string{ada}) || got.User != testserver.SMTPUser || len(got.Options) > 0 {
					t.Errorf("arrived: from %s by %s to %q with %q", got.From, got.User, got.To, got.Options)
				}
				checkMail(t, string(got.Data), m)
			}
			m.To = "refused@example.com"
			checkRefused(t, s.Send(t.Context(), m), "550 5.1.1 <r…@example.com>: no such mailbox")
			m.To = "later@example.com"
			checkUnavailable(t, s.Send(t.Context(), m), "451 4.3.0 the queue is full")
			config.Password = "wrong"
			if s, err = smtpmail.New(config); err != nil {
				t.Fatal(err)
			}
			checkUnavailable(t, s.Send(t.Context(), m), "535")
			config.Password, config.TLS = testserver.SMTPPassword, nil
			if s, err = smtpmail.New(config); err != nil {
				t.Fatal(err)
			}
			checkUnavailable(t, s.Send(t.Context(), m), "certificate")
		})
	}
}

// Package smtpmail sends the mails of package postern by SMTP (RFC 5321), through the mail server of a provider such as
// Amazon SES, Postmark or Google Workspace.
//
//	mails, err := smtpmail.New(smtpmail.Config{
//		Addr:     "smtp.example.com:587",
//		Username: os.Getenv("SMTP_USER"),
//		Password: os.Getenv("SMTP_PASSWORD"),
//		From:     "Example Shop <no-reply@example.com>",
//	})
//	// ...
//	auth, err := postern.New(postern.Config{Mail: mails.Send, /* ... */})
//
// A connection begins with TLS (port 465, RFC 8314) or changes to TLS by STARTTLS (RFC 3207) before anything of the
// mail is sent. A server without TLS is refused, except on this machine. The password is sent over TLS alone.
//
// Each mail has a connection, which is closed before Send returns, unless Config.Keep lets it wait for a next mail.
// That saves about five round trips for a mail, and the handshake of TLS.
//
// The mails that [postern.Mail.MIME] writes are ASCII with lines below 998 bytes, so they need neither 8BITMIME nor
// SMTPUTF8 (RFC 6531), and every server takes them.
//
// The package does not use net/smtp, which is frozen: it requests SMTPUTF8 for each mail where the server offers it, so
// that the mail bounces at the next server that lacks it; it compares the names of extensions with letter case; it
// reads answers of any length; and it has no AUTH LOGIN, which some servers need.
package smtpmail

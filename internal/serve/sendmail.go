package serve

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/smtpmail"
)

var errNoMailURL = errors.New("it is neither smtp://HOST:PORT nor smtps://HOST:PORT nor ses: with nothing behind it")

// keepMailServer is how long a connection to the mail server waits for a next mail: as long as that of Postfix.
const keepMailServer = 2 * time.Second

// mail returns the sender of mails, or nil if none is configured.
func (b *builder) mail() func(context.Context, postern.Mail) error {
	m := b.Config.Mail
	switch {
	case m.URL == "":
		return nil
	case m.URL == "ses:" && b.dry:
		offline(b, b.Offline.Mail, m, "mail.from", "postern config docs explains the setting")
		return func(context.Context, postern.Mail) error { return postern.ErrMailUnavailable }
	case m.URL == "ses:" && b.OpenMail == nil:
		b.problem("mail.url", "this program does not send by Amazon SES", "use smtp://HOST:PORT or smtps://HOST:PORT, or another program")
		return nil
	case m.URL == "ses:":
		send, err := b.OpenMail(b.ctx, m)
		if err != nil {
			b.problem("mail.url", packagePrefix.ReplaceAllString(err.Error(), ""), "postern config docs explains the setting")
		}
		return send
	}
	addr, implicit, err := mailServer(m.URL)
	if err != nil { // checked by Parse
		return nil
	}
	sender, err := smtpmail.New(smtpmail.Config{
		Addr: addr, ImplicitTLS: implicit, Username: m.Username, Password: b.values[m.Password.Name], From: m.From,
		AllowPlaintext: m.AllowPlaintext, Timeout: m.Timeout,
		Keep: keepMailServer,
	})
	if err != nil {
		key := "mail.url"
		for word, setting := range map[string]string{"From": "mail.from", "Username": "mail.username", "Password": "mail.password"} {
			if strings.Contains(err.Error(), word) {
				key = setting
			}
		}
		b.problem(key, packagePrefix.ReplaceAllString(err.Error(), ""), "postern config docs explains the setting")
		return nil
	}
	return sender.Send
}

// mailServer reads smtp://HOST:PORT and smtps://HOST:PORT. The ports of RFC 6409 and RFC 8314 may be left out.
func mailServer(text string) (addr string, implicitTLS bool, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", false, errNoMailURL
	}
	port := map[string]string{"smtp": "587", "smtps": "465"}[u.Scheme]
	switch {
	case port == "" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", false, errNoMailURL
	case u.Port() != "":
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), u.Scheme == "smtps", nil
}

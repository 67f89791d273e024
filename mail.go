package postern

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/scrub"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/internal/words"
)

// A Mail is a message to one person. Config.Mail gets it with Subject, Text and HTML ready to send, in English.
// [Mail.Translate] writes it in another language.
type Mail struct {
	To string // a canonical address, safe to put into a header

	// Name says which mail it is, for programs and translations: "{package}.{mail}", such as "magic.sign-in". A name
	// stays as it is from version to version.
	Name string

	// Args are the values in the texts, by name: a time.Duration, a time.Time, an int, a string, a [Phrase] or a [List]
	// each. "link" and "code" are what the person opens or types: they are as secret as a password while they work.
	// Values whose names begin with "param." were in the URL of a request, so anybody may have written them: escape
	// them, and base nothing on them.
	Args map[string]any

	// Language is that of the person, such as "de-CH": the one that is kept with them, or the first choice of the
	// browser in which they caused the mail. Empty if unknown.
	Language string

	Subject string // one line; with Parts a template, see Page

	// ContentLanguage is the tag of the language of Text and HTML, such as "de", for the header Content-Language.
	//
	// Defaults to that of the texts in the code, "en", if the mail has Parts, and else to no header.
	ContentLanguage string

	// Parts are what the mail says, in order. Text and HTML are made of them.
	//
	// Defaults to none: Text and HTML are what the mail says.
	Parts []MailPart

	Text string
	HTML string // the same as Text; may be empty

	source *Mail // the mail before its texts got their values
}

// Arg returns a value of Args that is a text, such as "link" or "code", or a list in English; empty if there is none.
func (m Mail) Arg(name string) string {
	switch value := m.Args[name].(type) {
	case string:
		return value
	case Phrase, List:
		return words.English{}.Value(value, "")
	}
	return ""
}

// ErrMailUnavailable is for Config.Mail to wrap when no mail can be sent at all: the answer is then 503. Any other
// error is logged and not shown, because it could reveal whether an address exists.
var ErrMailUnavailable = errors.New("postern: mail cannot be sent now")

const maxSubject = 900 // bytes: one line of a mail has at most 998 (RFC 5322 section 2.1.1)

// check finds what must not be in the header of a mail. The error names the part and does not repeat it.
func (m Mail) check() error {
	to, err := mailaddr.Parse(m.To)
	switch {
	case err != nil || to.String() != m.To:
		return errors.New("postern: Mail.To is not a canonical address")
	case m.Subject == "" || text.HasControl(m.Subject) || !utf8.ValidString(m.Subject) || len(m.Subject) > maxSubject:
		return fmt.Errorf("postern: Mail.Subject is not one line of 1 to %d bytes", maxSubject)
	}
	return nil
}

// MailReady reports whether Mail can send: Config.Mail is set.
func (f *Flow) MailReady() bool { return f.auth.mail != nil }

// Mail sends a mail with Config.Mail and emits the event "mail sent" or "mail failed", with the address masked. ctx is
// that of the request. Count the limits of mails before.
//
// If Config.Composer or Config.Mail returns an error, it is logged without the address, the link and the code of the
// mail. Mail itself returns nil then, since an answer that depends on one address could reveal who has an account. Its
// errors are
//
//   - an [*Error] with 503 that wraps ErrMailUnavailable: no mail can be sent at all
//   - another error: Config.Mail is missing, To is not a canonical address, or Subject is not one line
func (f *Flow) Mail(ctx context.Context, m Mail) error {
	_, err := f.deliver(ctx, m)
	return err
}

// deliver is Mail, and reports whether the mail was sent.
func (f *Flow) deliver(ctx context.Context, m Mail) (sent bool, err error) {
	a := f.auth
	if a.mail == nil {
		return false, fmt.Errorf("postern: provider %q sends mail: set Config.Mail", f.name)
	}
	m = m.inEnglish()
	if err := m.check(); err != nil {
		return false, err
	}
	m, composed := a.compose(m)
	to, _ := mailaddr.Parse(m.To) // checked
	e := sentBy(ctx, Event{Name: "mail sent", Provider: f.name, Subject: to.Mask()})
	if err = composed; err == nil {
		err = a.mail(ctx, m)
	}
	if err == nil {
		a.sessions.Emit(ctx, e)
		return true, nil
	}
	said := scrub.Error(err, scrub.Mail{To: m.To, Masked: to.Mask(), Link: m.Arg("link"), Code: m.Arg("code")})
	a.log.ErrorContext(ctx, "postern: mail not sent", slog.String("provider", f.name), slog.String("mail", m.Name),
		slog.String("to", to.Mask()), slog.String("error", said.Error()))
	e.Name, e.Err = "mail failed", said
	a.sessions.Emit(ctx, e)
	if !errors.Is(err, ErrMailUnavailable) {
		return false, nil
	}
	refused := unavailable(fmt.Errorf("%w: %w", ErrMailUnavailable, said))
	refused.Text = "Mail cannot be sent right now. Please try again in a few minutes."
	return false, refused
}

// MIME returns the message as a mail server takes it (RFC 5322, RFC 2046): the text, and beside it the HTML if there is
// any (multipart/alternative). from is the sender, "no-reply@example.com" or "Example Shop <no-reply@example.com>". at
// is the time of the mail.
//
// Package smtpmail sends it by SMTP; services that take a whole message by HTTP work too. The error names the part that
// cannot be in a mail, such as an address of two lines.
func (m Mail) MIME(from string, at time.Time) ([]byte, error) {
	sender, err := mail.ParseAddress(from)
	if err != nil || text.HasControl(from) {
		return nil, errors.New("postern: the sender of the mail is not one address")
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(sender.Address, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", sender.String()},
		{"To", "<" + m.To + ">"},
		// The encoder separates encoded words by a space; a line must not be longer than 998 bytes.
		{"Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", m.Subject), "?= =?", "?=\r\n =?")},
		{"Date", at.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")},
		{"Message-ID", "<" + rand.Text() + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834: no program answers it
		{"MIME-Version", "1.0"},
		{"Content-Language", m.contentLanguage()}, // RFC 3282
	} {
		if h[1] == "" {
			continue
		}
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	if m.HTML == "" {
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
		err := writeQuoted(&b, m.Text)
		return b.Bytes(), err
	}
	parts := multipart.NewWriter(&b)
	b.WriteString("Content-Type: multipart/alternative; boundary=" + parts.Boundary() + "\r\n\r\n")
	for _, part := range [][2]string{{"text/plain", m.Text}, {"text/html", m.HTML}} { // the best one is last
		w, err := parts.CreatePart(textproto.MIMEHeader{
			"Content-Type":              {part[0] + "; charset=utf-8"},
			"Content-Transfer-Encoding": {"quoted-printable"},
		})
		if err != nil {
			return nil, err
		}
		if err := writeQuoted(w, part[1]); err != nil {
			return nil, err
		}
	}
	err = parts.Close()
	return b.Bytes(), err
}

// contentLanguage is ContentLanguage, if it can be in a header.
func (m Mail) contentLanguage() string {
	switch {
	case languageTag(m.ContentLanguage):
		return m.ContentLanguage
	case m.ContentLanguage == "" && len(m.Parts) > 0:
		return "en"
	}
	return ""
}

func writeQuoted(w io.Writer, text string) error {
	q := quotedprintable.NewWriter(w)
	if _, err := io.WriteString(q, text); err != nil {
		return err
	}
	return q.Close()
}

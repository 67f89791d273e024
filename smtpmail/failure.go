package smtpmail

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/scrub"
	"github.com/posternauth/postern/internal/text"
)

// A networkError is a conversation that broke: nothing more can be sent.
type networkError struct {
	step string
	err  error
}

func (e *networkError) Error() string { return e.step + ": " + e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// A replyError is an answer of another class than expected.
type replyError struct {
	step      string
	code      int
	text      string // of the server, with any characters
	aboutMail bool
}

func (e *replyError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%s: the server answered %d %s", e.step, e.code, e.text))
}

// ofMail reports whether the reason may be this recipient or this text, while other mails can be sent.
func (e *replyError) ofMail() bool {
	if !e.aboutMail || e.code == 421 { // 421 closes the service, at any step (RFC 5321 section 3.8)
		return false
	}
	mailbox := e.code == 450 || strings.HasPrefix(e.text, "4.1.") || strings.HasPrefix(e.text, "4.2.")
	return e.code/100 == 5 || mailbox
}

const maxAnswerText = 200 // bytes of a server's text in an error

// failure returns the error of Send for an error of a step, without secrets.
func (s *Sender) failure(ctx context.Context, m postern.Mail, err error) error {
	if err == nil {
		return nil
	}
	at := "smtpmail: " + s.addr
	reply, refused := errors.AsType[*replyError](err)
	if !refused {
		if over := ctx.Err(); over != nil { // what broke is a consequence
			step := "sending"
			if broken, ok := errors.AsType[*networkError](err); ok {
				step = broken.step
			}
			return fmt.Errorf("%s: %s: %w: %w", at, step, postern.ErrMailUnavailable, over)
		}
		return fmt.Errorf("%s: %w: %w", at, postern.ErrMailUnavailable, err)
	}
	reply.text = s.scrubbed(reply.text, m)
	if reply.ofMail() {
		return fmt.Errorf("%s: %w", at, reply)
	}
	return fmt.Errorf("%s: %w: %w", at, postern.ErrMailUnavailable, reply)
}

// scrubbed returns the text of a server as one line without the secrets of the mail and of the sign-in.
func (s *Sender) scrubbed(answer string, m postern.Mail) string {
	to, _ := mailaddr.Parse(m.To) // MIME checked it
	secrets := scrub.Mail{To: m.To, Masked: to.Mask(), Link: m.Arg("link"), Code: m.Arg("code")}
	answer = scrub.Error(errors.New(text.Line(answer, maxAnswers)), secrets).Error()
	if s.password != "" {
		for _, form := range []string{s.password, base64.StdEncoding.EncodeToString([]byte(s.password)),
			base64.StdEncoding.EncodeToString([]byte("\x00" + s.username + "\x00" + s.password))} {
			answer = strings.ReplaceAll(answer, form, "[password]")
		}
	}
	return text.Line(answer, maxAnswerText) // after that: half a secret would not be found
}

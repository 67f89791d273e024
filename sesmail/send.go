package sesmail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/plainbody"
	"github.com/posternauth/postern/internal/scrub"
	"github.com/posternauth/postern/internal/text"
)

// Send sends a mail to the one person in m.To. It is for [postern.Config.Mail]. When it returns nil, SES has accepted
// the mail.
//
// The error wraps [postern.ErrMailUnavailable] if no mail can be sent now: SES cannot be reached, the time is up, it
// limits how much is sent, sending is paused, or the credentials or the configuration set are not right.
//
// Another error is about this mail: SES rejects it (MessageRejected, BadRequestException). It does not wrap
// ErrMailUnavailable, because the answer to the person must not depend on what SES knows of an address. In the sandbox
// of SES, an address that is not verified is rejected so. An address on the suppression list of the account is
// accepted, and reported as a bounce.
//
// If an answer is lost and the client tries again, the mail may arrive twice.
//
// No error contains the link or the code. An address is masked.
func (s *Sender) Send(ctx context.Context, m postern.Mail) error {
	raw, err := m.MIME(s.config.From, time.Now())
	if err != nil {
		return fmt.Errorf("sesmail: writing the mail: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	_, err = s.config.Client.SendEmail(ctx, &sesv2.SendEmailInput{
		Content:                        &types.EmailContent{Raw: &types.RawMessage{Data: raw}}, // with the sender
		Destination:                    &types.Destination{ToAddresses: []string{m.To}},
		ConfigurationSetName:           optional(s.config.ConfigurationSet),
		FeedbackForwardingEmailAddress: optional(s.config.Feedback),
	}, func(o *sesv2.Options) { o.APIOptions = append(o.APIOptions, plainbody.Add) })
	return failure(ctx, m, err)
}

func optional(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

const (
	maxAnswer = 8 << 10 // bytes of an error that are looked at
	maxText   = 300     // bytes of it that are shown
)

// failure returns the error of Send for an error of the client, without secrets.
func failure(ctx context.Context, m postern.Mail, err error) error {
	if err == nil {
		return nil
	}
	over := ctx.Err()
	api, answered := errors.AsType[smithy.APIError](err)
	said := err.Error()
	if answered { // without the names of the layers of the client
		said = api.ErrorCode() + ": " + api.ErrorMessage()
	}
	to, _ := mailaddr.Parse(m.To) // MIME checked it
	masked := scrub.Error(errors.New(text.Line(said, maxAnswer)), scrub.Mail{To: m.To, Masked: to.Mask(), Link: m.Arg("link"), Code: m.Arg("code")})
	said = text.Line(masked.Error(), maxText) // after that: half a secret would not be found
	switch {
	case answered && ofMail(api.ErrorCode()):
		return fmt.Errorf("sesmail: %s", said)
	case over != nil:
		return fmt.Errorf("sesmail: %w: %w: %s", postern.ErrMailUnavailable, over, said)
	}
	return fmt.Errorf("sesmail: %w: %s", postern.ErrMailUnavailable, said)
}

// ofMail reports whether the reason may be this recipient or this text, while other mails can be sent.
func ofMail(code string) bool {
	return code == (&types.MessageRejected{}).ErrorCode() || code == (&types.BadRequestException{}).ErrorCode()
}

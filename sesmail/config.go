package sesmail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/mailaddr"
)

// A Client is the part of *sesv2.Client that a Sender calls.
type Client interface {
	SendEmail(ctx context.Context, in *sesv2.SendEmailInput, options ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error)
}

// Config says who sends, and with what.
type Config struct {
	// Client calls Amazon SES, with a region and credentials. It decides how often a call is tried again. Required.
	Client Client

	// From is the sender, one address with or without a name: "Example Shop <no-reply@example.com>". SES must have
	// verified the address or its domain. Required.
	From string

	// Feedback is the address to which SES forwards bounces and complaints.
	//
	// Defaults to the address of From. SES sends nothing there if the forwarding of feedback is off for the identity.
	Feedback string

	// ConfigurationSet is the set whose settings apply, such as where SES publishes bounces and complaints.
	//
	// Defaults to the set of the identity, if it has one.
	ConfigurationSet string

	// Timeout bounds the whole of one Send, further attempts of the client included. An earlier deadline of the context
	// counts too.
	//
	// Defaults to 10 seconds.
	Timeout time.Duration
}

const defaultTimeout = 10 * time.Second

// A Sender sends mails through Amazon SES. It is safe for concurrent use, and has nothing to close.
type Sender struct{ config Config }

// New returns a Sender. It calls nothing. The error names the setting that is missing or wrong.
func New(c Config) (*Sender, error) {
	const bad = `sesmail: Config.From is not one address, such as "Example Shop <no-reply@example.com>"`
	if c.Client == nil {
		return nil, errors.New("sesmail: Config.Client is missing")
	}
	sender, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, errors.New(bad)
	}
	if _, err := mailaddr.Parse(sender.Address); err != nil {
		return nil, fmt.Errorf("%s: %w", bad, err)
	}
	if _, err := (postern.Mail{To: "probe@example.com", Subject: "probe"}).MIME(c.From, time.Time{}); err != nil {
		return nil, errors.New(bad) // what would fail in Send
	}
	if c.Feedback != "" {
		if _, err := mailaddr.Parse(c.Feedback); err != nil {
			return nil, fmt.Errorf("sesmail: Config.Feedback is not one address without a name: %w", err)
		}
	}
	switch {
	case c.Timeout < 0:
		return nil, fmt.Errorf("sesmail: Config.Timeout is negative (%v)", c.Timeout)
	case c.Timeout == 0:
		c.Timeout = defaultTimeout
	}
	return &Sender{c}, nil
}

package sesmail_test

import (
	"context"
	"fmt"
	"net/mail"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/sesmail"
)

// A printer stands in for sesv2.NewFromConfig(loaded).
type printer struct{}

func (printer) SendEmail(_ context.Context, in *sesv2.SendEmailInput, _ ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error) {
	m, err := mail.ReadMessage(strings.NewReader(string(in.Content.Raw.Data)))
	if err != nil {
		return nil, err
	}
	fmt.Println(m.Header.Get("From"), "|", m.Header.Get("Subject"), "|", in.Destination.ToAddresses, "|", *in.FeedbackForwardingEmailAddress)
	return &sesv2.SendEmailOutput{}, nil
}

func Example() {
	mails, err := sesmail.New(sesmail.Config{
		Client:   printer{},
		From:     "Example Shop <no-reply@example.com>",
		Feedback: "bounces@example.com",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	config := postern.Config{Mail: mails.Send} // and the other settings

	err = config.Mail(context.Background(), postern.Mail{To: "ada@example.com", Subject: "Sign in to Example Shop", Text: "Your code is 481516."})
	if err != nil {
		fmt.Println(err)
	}
	// Output: "Example Shop" <no-reply@example.com> | Sign in to Example Shop | [ada@example.com] | bounces@example.com
}

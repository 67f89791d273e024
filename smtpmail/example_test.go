package smtpmail_test

import (
	"context"
	"fmt"
	"net"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/inbox"
	"github.com/posternauth/postern/smtpmail"
)

func Example() {
	// A mail server on this machine, in place of "smtp.example.com:587".
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	box := inbox.New()
	go func() { _ = (&inbox.SMTP{Inbox: box}).Serve(ctx, listener) }()

	mails, err := smtpmail.New(smtpmail.Config{
		Addr: listener.Addr().String(),
		From: "Example Shop <no-reply@example.com>",
		// Username and Password, for a server that asks for them
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	config := postern.Config{Mail: mails.Send} // and the other settings

	err = config.Mail(ctx, postern.Mail{To: "ada@example.com", Subject: "Sign in to Example Shop", Text: "Your code is 481516."})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range box.Messages("ada@example.com") {
		fmt.Println(m.From, "|", m.Subject)
	}
	// Output: "Example Shop" <no-reply@example.com> | Sign in to Example Shop
}

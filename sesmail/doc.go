// Package sesmail sends the mails of package postern through the API of Amazon SES (version 2).
//
//	loaded, err := config.LoadDefaultConfig(ctx) // of aws-sdk-go-v2
//	mails, err := sesmail.New(sesmail.Config{
//		Client: sesv2.NewFromConfig(loaded),
//		From:   "Example Shop <no-reply@example.com>",
//	})
//	// ...
//	auth, err := postern.New(postern.Config{Mail: mails.Send, /* ... */})
//
// The role of the program needs ses:SendEmail (for a whole message also ses:SendRawEmail) for the identity of From and
// for the configuration set. There is no password of a mail server to keep.
//
// Package smtpmail sends through Amazon SES too, by SMTP, and links no SDK.
package sesmail

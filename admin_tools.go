package postern

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/store"
)

// A PasswordAdmin is the handler of a provider whose passwords administrators manage. They see none and set none.
type PasswordAdmin interface {
	// MailReset mails a user the link of a reset, as if the person had asked for it. sent is false for a user whose
	// mailbox cannot reset a password.
	MailReset(r *http.Request, userID string) (sent bool, err error)

	// Removal returns the changes that remove the password of a user, without the head; none for a user without one.
	Removal(ctx context.Context, userID string) ([]store.Change, error)

	// Imported returns the change that gives a new user a password that another system has hashed. The error is an
	// [*Error] for a hash that is not one.
	Imported(userID, encoded string) (store.Change, error)
}

// PasswordAdmin returns the passwords of the first provider that has some, and nil without one.
func (f *Flow) PasswordAdmin() PasswordAdmin {
	for _, name := range f.auth.order {
		if p, ok := f.auth.flows[name].handler.(PasswordAdmin); ok {
			return p
		}
	}
	return nil
}

// Offered returns the ways to sign in that Config.Providers offers.
func (f *Flow) Offered() Offered { return f.auth.offered() }

// History returns the newest events of the account of a user, as the person sees them.
func (f *Flow) History(ctx context.Context, userID string) ([]HistoryEntry, error) {
	if f.auth.session == nil {
		return nil, errNotFound()
	}
	return f.auth.readHistory(ctx, userID)
}

const (
	testMailsEvery = time.Hour
	testMails      = 5
)

// TestMail sends a mail, such as that of a [MailSample], to the first verified address of an administrator, and nowhere
// else. Without Mail.Language it is in the language of the administrator. Unlike [Flow.Mail] it returns an error if
// Config.Mail does. An administrator may send five in an hour.
func (f *Flow) TestMail(ctx context.Context, actor Actor, m Mail) error {
	a := f.auth
	p, err := actor.kind.users.Get(ctx, actor.UserID)
	if err != nil && !errors.Is(err, ErrNoUser) {
		return unavailableUsers("Users.Get", err)
	}
	address, ok := p.Email()
	to, wrong := mailaddr.Parse(address)
	switch {
	case a.mail == nil:
		return &Error{Status: http.StatusConflict, Code: "no_mail", Text: "This program sends no mail: Config.Mail is not set."}
	case !ok || wrong != nil:
		return &Error{Status: http.StatusConflict, Code: "no_address", Text: "You have no verified address to which the mail could go."}
	}
	if err := f.LimitUser(ctx, "admin test mail", actor.Pool+"\x00"+actor.UserID, testMailsEvery, testMails); err != nil {
		return err
	}
	m.To, m.Language = to.String(), cmp.Or(m.Language, p.Locale, languageIn(ctx))
	sent, err := f.deliver(ctx, m)
	if err == nil && !sent {
		err = &Error{Status: http.StatusServiceUnavailable, Code: "mail_failed", Text: "The mail was not sent. The log of the program has the reason.",
			Err: fmt.Errorf("postern: Config.Mail failed")}
	}
	return err
}

package postern

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Notices are mails about the security of an account. They are best effort: the deed is done, and the event has the
// error. They hold nothing that somebody typed.

const (
	endUndoIt  = "If it was not you, sign in and undo it now, or write to the people who run this site."
	endWriteUs = "If it was not you, write to the people who run this site."
)

// notify mails a notice to every address of the user that noticeAddresses returns.
func (a *Auth) notify(ctx context.Context, userID, name, text string, args map[string]any) {
	if a.mail == nil {
		return
	}
	if err := a.mailNotice(ctx, userID, name, text, args); err != nil {
		a.emitOf(ctx, Event{Name: "notice not sent", UserID: userID, Reason: name, Err: err})
	}
}

// mailNotice is notify with its error. It tries each address.
func (a *Auth) mailNotice(ctx context.Context, userID, name, text string, args map[string]any) error {
	p, err := a.session.users.Get(ctx, userID)
	if err != nil {
		return err
	}
	told, err := a.noticeAddresses(ctx, p)
	for _, address := range told {
		err = errors.Join(err, a.notice(ctx, p, address, name, text, endUndoIt, args))
	}
	return err
}

// noticeAddresses returns the addresses that get the notices of a person: the verified ones, and those that the person
// gave up a few days ago.
func (a *Auth) noticeAddresses(ctx context.Context, p Person) (all []string, err error) {
	if a.mail == nil {
		return nil, nil
	}
	for _, address := range p.Addresses {
		if address.Type == "email" && address.Verified {
			all = append(all, address.Value)
		}
	}
	lister, ok := a.session.users.(FormerLister)
	if !ok {
		return all, nil
	}
	former, err := lister.FormerAddresses(ctx, p.ID)
	if err != nil && !errors.Is(err, ErrNoUser) {
		return nil, unavailableUsers("Users.FormerAddresses", err)
	}
	for _, value := range former {
		if !slices.Contains(all, value) {
			all = append(all, value)
		}
	}
	return all, nil
}

// noticeAll mails a notice to addresses that were read before a deed.
func (a *Auth) noticeAll(ctx context.Context, p Person, told []string, name, text, end string, args map[string]any) {
	for _, address := range told {
		if err := a.notice(ctx, p, address, name, text, end, args); err != nil {
			a.emitOf(ctx, Event{Name: "notice not sent", UserID: p.ID, Reason: name, Err: err})
		}
	}
}

func (a *Auth) notice(ctx context.Context, p Person, address, name, text, end string, more map[string]any) error {
	args := map[string]any{"app": a.name, "time": a.sessions.Now().UTC()}
	maps.Copy(args, more)
	sent, err := a.deliverMail(ctx, Mail{To: address, Name: name, Language: p.Locale, Args: args, Subject: "A change of your account at " + a.name, Text: text + "\n\n" + end + "\n"})
	if err == nil && !sent {
		err = errNotSent // the log has the cause
	}
	return err
}

var errNotSent = errors.New("postern: Config.Mail did not take the notice")

func without(list []string, value string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return v == value })
}

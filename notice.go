package postern

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/useragent"
)

// Notices are mails about the security of an account. They are best effort: the deed is done, and the event has the
// error. They hold nothing that somebody typed.

const (
	endUndoIt  = "If it was not you, sign in and undo it now, or write to the people who run this site."
	endWriteUs = "If it was not you, write to the people who run this site."
	endNothing = "If it was you, you need not do anything."
)

// A Notice is a mail about the security of an account: what happened to it. [Flow.Notify] adds when it happened, with
// which device, and a link by which the person ends all sessions and freezes the account to what was there before.
type Notice struct {
	Name    string // as that of a Mail
	Subject string // a template, see Page. Defaults to "A change of your account at {app}"
	Text    string // what happened: a template; an empty line begins a new paragraph

	// Args are the values in the texts, beside "app", "time", "device", "address", "link" and "life", which Notify
	// sets. Nothing of them may repeat what somebody typed.
	Args map[string]any

	// Credentials name credentials of the provider, see [Keeper], that are refused if it was not the person: those
	// that were added, or of which somebody else may have a copy.
	Credentials []string
}

// A notice is one of these mails. subject, text, button and end are templates. They have the values app and time beside
// args.
type notice struct {
	name         string
	subject      string
	text         string // what happened; an empty line begins a new paragraph
	button, link string // what can be done about it
	end          string
	args         map[string]any

	before  *snapshot // what the user had before it happened; nil: what they have now, without fresh
	fresh   []string  // names of ways
	last    bool      // nothing is left that a link could stop
	byAdmin bool      // an administrator did it: their device is not shown

	notMe   string // the link "This was not me"
	device  Phrase // empty: not known
	address string
}

// noticeOf returns the notice that a provider sends.
func (f *Flow) noticeOf(n Notice) notice {
	own := notice{name: n.Name, subject: n.Subject, text: n.Text, end: endUndoIt, args: n.Args, byAdmin: f.name == flowAdmin}
	for _, name := range n.Credentials {
		own.fresh = append(own.fresh, wayOfCredential(f.name, name))
	}
	return own
}

// notifyOf mails a notice to every address of the user that noticeAddresses returns.
func (a *Auth) notifyOf(ctx context.Context, userID string, n notice) {
	if a.mail == nil {
		return
	}
	if err := a.mailNotice(ctx, userID, n); err != nil {
		a.emitOf(ctx, Event{Name: "notice not sent", UserID: userID, Reason: n.name, Err: err})
	}
}

// mailNotice is notifyOf with its error. It tries each address.
func (a *Auth) mailNotice(ctx context.Context, userID string, n notice) error {
	p, err := a.session.users.Get(ctx, userID)
	if err != nil {
		return err
	}
	told, err := a.noticeAddresses(ctx, p)
	return errors.Join(err, a.noticeEach(ctx, p, told, n))
}

// noticeEach mails a notice to some addresses of a person. Best effort for its link: without a store the notice goes
// without one.
func (a *Auth) noticeEach(ctx context.Context, p Person, told []string, n notice) (err error) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok && !n.byAdmin && x.addr.IsValid() {
		n.device, n.address = Phrase(useragent.Device(x.agent)), a.withPlace(x.addr.String())
	}
	var stops []string
	link := ""
	if n.link == "" && !n.last {
		var failed error
		if link, stops, failed = a.keepNotMe(ctx, p, n); failed != nil {
			a.log.WarnContext(ctx, "postern: a notice has no link", "mail", n.name, "cause", failed)
		}
	}
	for _, address := range told {
		m := n
		if slices.Contains(stops, address) {
			m.notMe = link
		}
		err = errors.Join(err, a.notice(ctx, p, address, m))
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
func (a *Auth) noticeAll(ctx context.Context, p Person, told []string, n notice) {
	if a.mail == nil {
		return
	}
	if err := a.noticeEach(ctx, p, told, n); err != nil {
		a.emitOf(ctx, Event{Name: "notice not sent", UserID: p.ID, Reason: n.name, Err: err})
	}
}

func (a *Auth) notice(ctx context.Context, p Person, address string, n notice) error {
	m := a.noticeMail(n)
	m.To, m.Language = address, languageFor(ctx, p)
	sent, err := a.deliverMail(ctx, m)
	if err == nil && !sent {
		err = errNotSent // the log has the cause
	}
	return err
}

// noticeMail writes a notice.
func (a *Auth) noticeMail(n notice) Mail {
	args := map[string]any{"app": a.name, "time": a.sessions.Now().UTC()}
	maps.Copy(args, n.args)
	var parts []MailPart
	for _, paragraph := range strings.Split(n.text, "\n\n") {
		parts = append(parts, MailPart{Text: paragraph})
	}
	if n.link != "" {
		parts = append(parts, MailPart{Text: n.button, Link: n.link})
	}
	when := MailPart{Text: "It happened on {time}."}
	if n.device != "" {
		args["device"], args["address"] = n.device, n.address
		when.Text = "It happened on {time}, with {device}, from the address {address}."
	}
	parts = append(parts, when)
	if n.notMe != "" {
		args["link"], args["life"] = n.notMe, undoLife
		parts = append(parts,
			MailPart{Text: "If it was not you, open this link within {life}. It ends all sessions of the account, and only ways to sign in from before work then."},
			MailPart{Text: "This was not me", Link: n.notMe})
		n.end = endNothing
	}
	parts = append(parts, MailPart{Text: n.end})
	m := Mail{Name: n.name, Args: args, Subject: "A change of your account at {app}", Parts: parts}
	if n.subject != "" {
		m.Subject = n.subject
	}
	return m
}

var errNotSent = errors.New("postern: Config.Mail did not take the notice")

func without(list []string, value string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return v == value })
}

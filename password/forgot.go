package password

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/useragent"
	"github.com/posternauth/postern/store"
)

// Mails are counted before it is known whether one is sent, and to whom.
const (
	mailsEvery     = time.Hour
	mailsPerClient = 20
	mailsPerName   = 5
)

// askForgot shows the form.
func (h *handler) askForgot(w http.ResponseWriter, r *http.Request) {
	h.flow.Page(w, r, h.forgotPage(h.flow.LoginHint(r)))
}

func (h *handler) forgotPage(typed string) postern.Page {
	return postern.Page{
		Name: "password.forgot", Title: "Reset your password", Text: "We will send you a mail with a link.",
		Forms: []postern.Form{{Action: h.flow.URL("forgot"), Submit: "Send me a link", Fields: []postern.Field{h.nameField(typed)}}},
		Links: []postern.Link{{Name: "sign-in", Text: "Back to sign-in", URL: h.flow.URL("authorize")}},
	}
}

// forgot mails a link. The answer, its cost and its time are the same whether somebody has the name.
func (h *handler) forgot(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "identifier"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	id, mail, err := h.identity(r.PostForm.Get("identifier"))
	if err != nil {
		h.again(w, r, h.forgotPage(typedName(r)), err)
		return
	}
	ctx := r.Context()
	if err := h.flow.LimitAddr(r, "password mail", mailsEvery, mailsPerClient); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	if err := h.flow.LimitIdentifier(ctx, "password mail", id, mailsEvery, mailsPerName); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	user, err := h.find(ctx, id)
	if err != nil {
		h.flow.Fail(w, r, general(err))
		return
	}
	m, err := h.lost(ctx, user, id, mail)
	if err == nil && m.To != "" {
		m.Language = cmp.Or(m.Language, h.flow.Language(r))
		m = h.finishMail(m, postern.Phrase(useragent.Device(r.UserAgent())))
		err = h.flow.Mail(ctx, m)
	}
	if err != nil {
		h.flow.Fail(w, r, general(err))
		return
	}
	h.flow.Page(w, r, postern.Page{
		Name: "password.forgot-sent", Title: "Check your mail", Args: map[string]any{"life": resetLife},
		Text:  "If somebody here has that name, a mail is on its way. Its link works for {life}.",
		Links: []postern.Link{{Name: "sign-in", Text: "Back to sign-in", URL: h.flow.URL("authorize")}},
	})
}

// lost writes the slot of a link, and returns the mail. It has no To if there is no mailbox to send one to.
func (h *handler) lost(ctx context.Context, user string, id postern.Identity, mail bool) (m postern.Mail, err error) {
	err = limit.Retry(ctx, "password mail", func() (bool, error) {
		s, err := h.load(ctx, user, id.Issuer+id.Subject, slotIDs...)
		if err != nil {
			return false, err
		}
		item, err := freeSlot(s, h.now())
		if err != nil {
			return false, err
		}
		b := slot{Sec: s.head.Sec, Until: h.now().Add(resetLife).UnixMilli()}
		if m, err = h.lostMail(ctx, s, id, mail, item, &b); err != nil {
			return false, err
		}
		changes := []store.Change{b.put(item)}
		if user != "" {
			changes = append(changes, s.head.Check())
		}
		switch err := h.store.Write(ctx, changes...); {
		case errors.Is(err, store.ErrConflict):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("password: writing the store: %w", err)
		}
		return true, nil
	})
	return m, err
}

// lostMail decides which mail a name gets. Only a user who has a password, or no way in at all, gets a link: a mailbox
// must not become a way in to an account that never had it.
func (h *handler) lostMail(ctx context.Context, s *state, id postern.Identity, mail bool, item store.Item, b *slot) (m postern.Mail, err error) {
	if mail {
		m.To = id.Subject
	}
	m.Name, m.Args = "password.no-account", map[string]any{}
	if s.user == "" || s.head.Gone == head.Deleted {
		for range 3 { // as many reads as below
			if _, err := h.load(ctx, "", id.Subject); err != nil {
				return m, err
			}
		}
		return m, nil
	}
	p, err := h.flow.Users().Get(ctx, s.user)
	if errors.Is(err, postern.ErrNoUser) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("password: Users.Get: %w", err)
	}
	ways, err := h.flow.WaysIn(ctx, p)
	if err != nil {
		return m, err
	}
	m.To, m.Language = stored(p, m.To), p.Locale
	refused := false
	if s.head.Frozen {
		if refused, err = h.flow.RefusesMailbox(ctx, s.user, m.To); err != nil {
			return m, err
		}
	}
	_, known := h.flow.Users().(postern.IdentityLister)
	known = known || len(h.flow.OtherWays("")) == 0 // or there is no other provider, and so no identity
	none := known && s.head.Ways.Passkeys == 0 && s.head.Ways.Identities == 0 && len(ways) == 0
	switch {
	case s.head.Gone != "" || p.Disabled:
		m.Name = "password.disabled"
		return m, nil
	case refused: // the mailbox may be that of a thief who changed the address
		m.Name = "password.frozen"
		return m, nil
	case m.To == "": // a username without a mailbox
		return m, nil
	case s.has():
		m.Name = "password.reset"
	case none:
		m.Name = "password.first"
	default:
		m.Name, m.Args["ways"] = "password.no-password", ways
		return m, nil
	}
	text, mac, err := h.newToken(ctx, s.user, item.Key.ID)
	b.MAC, b.Address = mac, m.To
	m.Args["link"] = h.flow.URL("reset") + "?" + url.Values{"token": {text}}.Encode()
	return m, err
}

// stored is the address of a user to which a mail goes: never what was typed, but what the user has.
func stored(p postern.Person, typed string) string {
	for _, a := range p.Addresses {
		if one, ok := (postern.Identity{Addresses: []postern.Address{a}}).Email(); ok && one == typed {
			return one
		}
	}
	first, _ := p.Email()
	return first
}

// finishMail writes the texts. They hold nothing that somebody typed.
func (h *handler) finishMail(m postern.Mail, device postern.Phrase) postern.Mail {
	m.Args["app"], m.Args["life"], m.Args["time"] = h.flow.AppName(), resetLife, h.now().UTC()
	m.Args["device"] = device
	m.Subject = "Your password for {app}"
	say := func(parts ...postern.MailPart) { m.Parts = append(m.Parts, parts...) }
	say(postern.MailPart{Text: "Somebody, with {device}, asked to reset the password of an account with this address at {app}."})
	switch m.Name {
	case "password.reset":
		say(postern.MailPart{Text: "Choose a new password", Link: m.Arg("link")},
			postern.MailPart{Text: "The link works once, for {life}. Everybody who is signed in to your account is then signed out."})
	case "password.first":
		say(postern.MailPart{Text: "The account has no password yet. Choose one, to finish your account."},
			postern.MailPart{Text: "Choose a password", Link: m.Arg("link")}, postern.MailPart{Text: "The link works once, for {life}."})
	case "password.no-password":
		if m.Arg("ways") != "" {
			say(postern.MailPart{Text: "The account has no password. You can sign in with: {ways}."})
		} else {
			say(postern.MailPart{Text: "The account has no password. Please ask the people who run the site how you can sign in."})
		}
	case "password.frozen":
		say(postern.MailPart{Text: "A change of that account was undone. Until its owner ends that, in the account, its password cannot be reset. " +
			"Sign in with a way from before the change, or ask the people who run the site."})
	case "password.disabled":
		say(postern.MailPart{Text: "The account is disabled. Please ask the people who run the site."})
	default:
		say(postern.MailPart{Text: "There is no account with this address."})
	}
	say(postern.MailPart{Text: "If it was not you, you can ignore this mail: nothing has changed."})
	return m
}

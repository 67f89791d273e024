package password

import (
	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/words"
)

// What the notices say.
const (
	changedText = "The password of your account at {app} was changed. Everybody else who was signed in was signed out."
	setText     = "A password was set for your account at {app}. Everybody who knows it can now sign in to your account."
	removedText = "The password of your account at {app} was removed. Everybody else who was signed in was signed out."
	resetText   = "The password of your account at {app} was reset by a link that we mailed to you. Everybody who was signed in was signed out."
	othersText  = "These other ways to sign in were not changed: {ways}. Are they all yours?"
)

func noticeChanged() postern.Notice {
	return postern.Notice{Name: "password.changed", Subject: "Your password at {app} was changed", Text: changedText}
}

func noticeAdded() postern.Notice {
	return postern.Notice{Name: "password.added", Subject: "A password was set for your account at {app}", Text: setText}
}

func noticeRemoved() postern.Notice {
	return postern.Notice{Name: "password.removed", Subject: "The password of your account at {app} was removed", Text: removedText}
}

func noticeReset() postern.Notice {
	return postern.Notice{Name: "password.was-reset", Subject: "Your password at {app} was reset", Text: resetText}
}

// MailSamples returns the mails about passwords, see postern.MailSampler.
func (h *handler) MailSamples() []postern.MailSample {
	lost := func(name string, args map[string]any) postern.Mail {
		return h.finishMail(postern.Mail{Name: name, Args: args}, "Firefox on Windows")
	}
	link := func() map[string]any { return map[string]any{"link": h.flow.URL("authorize")} }
	ways := func() map[string]any {
		return map[string]any{"ways": postern.List{"Google", postern.Phrase("Passkey")}}
	}
	notice := func(n postern.Notice) postern.Mail {
		n.Text, n.Args = words.Paragraphs(n.Text, othersText), ways()
		return h.flow.NoticeMail(n)
	}
	return []postern.MailSample{
		{Mail: lost("password.reset", link()), When: "Somebody has forgotten a password."},
		{Mail: h.adminMail(postern.Mail{Name: "password.reset", Args: link()}), When: "An administrator mails a reset."},
		{Mail: lost("password.first", link()), When: "A reset is asked for, and the user has no way to sign in yet."},
		{Mail: h.adminMail(postern.Mail{Name: "password.first", Args: link()}), When: "An administrator mails a reset to a user who has no way to sign in yet."},
		{Mail: lost("password.no-password", ways()), When: "A reset is asked for, and the user has no password."},
		{Mail: lost("password.no-password", map[string]any{}), When: "A reset is asked for, and the user has no way to sign in that is known here."},
		{Mail: lost("password.frozen", map[string]any{}), When: "A reset is asked for, and a change of the account was undone."},
		{Mail: lost("password.disabled", map[string]any{}), When: "A reset is asked for, and the user is disabled."},
		{Mail: lost("password.no-account", map[string]any{}), When: "A reset is asked for, and nobody has the address."},
		{Mail: notice(noticeChanged()), When: "A person has changed the password."},
		{Mail: notice(noticeAdded()), When: "A person has set a password."},
		{Mail: notice(noticeRemoved()), When: "A person has removed the password."},
		{Mail: notice(noticeReset()), When: "A person has reset the password by a mailed link."},
	}
}

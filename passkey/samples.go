package passkey

import "github.com/posternauth/postern"

// What the notices say.
const (
	addedText    = "A passkey, “{passkey}”, was added to your account at {app}. The device that has it can now sign in to your account."
	removedText  = "The passkey “{passkey}” of your account at {app} was removed. Everybody else who was signed in was signed out."
	askedText    = "Your account at {app} asks for a passkey after each other sign-in from now on."
	notAskedText = "Your account at {app} does not ask for a passkey any more after another sign-in."
	clonedText   = "The passkey “{passkey}” of your account at {app} may exist twice: it counts its uses, " +
		"and it counted fewer than before. If you did not copy it, remove it from your account."
)

func noticeAdded(name any) postern.Notice {
	return postern.Notice{Name: "passkey.added", Subject: "A passkey was added to your account at {app}", Text: addedText, Args: map[string]any{"passkey": name}}
}

func noticeRemoved(name any) postern.Notice {
	return postern.Notice{Name: "passkey.removed", Subject: "A passkey was removed from your account at {app}", Text: removedText, Args: map[string]any{"passkey": name}}
}

func noticeAsked() postern.Notice {
	return postern.Notice{Name: "passkey.asked", Subject: "Your account at {app} asks for a passkey", Text: askedText}
}

func noticeNotAsked() postern.Notice {
	return postern.Notice{Name: "passkey.not-asked", Subject: "Your account at {app} does not ask for a passkey any more", Text: notAskedText}
}

func noticeCloned(name any) postern.Notice {
	return postern.Notice{Name: "passkey.cloned", Subject: "A passkey of your account at {app} may exist twice", Text: clonedText, Args: map[string]any{"passkey": name}}
}

// MailSamples returns the notices about passkeys, see postern.MailSampler.
func (h *handler) MailSamples() []postern.MailSample {
	return []postern.MailSample{
		{Mail: h.flow.NoticeMail(noticeAdded("Phone")), When: "A person has added a passkey."},
		{Mail: h.flow.NoticeMail(noticeRemoved("Phone")), When: "A person has removed a passkey."},
		{Mail: h.flow.NoticeMail(noticeAsked()), When: "A person wants a passkey to be asked for after each other sign-in."},
		{Mail: h.flow.NoticeMail(noticeNotAsked()), When: "A person does not want a passkey to be asked for any more."},
		{Mail: h.flow.NoticeMail(noticeCloned("Phone")), When: "A passkey has counted fewer uses than before."},
	}
}

package totp

import (
	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/words"
)

// What the notices say.
const (
	appAddedText   = "An authenticator app was added to your account at {app}. A code of it is asked for when you sign in."
	appRemovedText = "The authenticator app was removed from your account at {app}. No code of it is asked for any more."
	codesMadeText  = "New recovery codes were made for your account at {app}. Older ones do not work any more."
	codeUsedText   = "A recovery code was used to sign in to your account at {app}. Everybody else who was signed in was signed out."
)

func noticeAdded() postern.Notice {
	return postern.Notice{Name: "totp.added", Subject: "An authenticator app was added to your account at {app}", Text: appAddedText}
}

func noticeRemoved() postern.Notice {
	return postern.Notice{Name: "totp.removed", Subject: "The authenticator app was removed from your account at {app}", Text: appRemovedText}
}

func noticeMade() postern.Notice {
	return postern.Notice{Name: "recovery.made", Subject: "New recovery codes were made for your account at {app}", Text: codesMadeText}
}

func noticeUsed(left int) postern.Notice {
	return postern.Notice{Name: "recovery.used", Subject: "A recovery code was used to sign in to your account at {app}",
		Text: words.Paragraphs(codeUsedText, remaining(left)), Args: map[string]any{"remaining": left}}
}

// MailSamples returns the notices about authenticator apps, see postern.MailSampler.
func (h *app) MailSamples() []postern.MailSample {
	return []postern.MailSample{
		{Mail: h.flow.NoticeMail(noticeAdded()), When: "A person has set up an authenticator app."},
		{Mail: h.flow.NoticeMail(noticeRemoved()), When: "A person has removed the authenticator app."},
	}
}

// MailSamples returns the notices about recovery codes, see postern.MailSampler.
func (h *recovery) MailSamples() []postern.MailSample {
	used := func(left int) postern.Mail { return h.flow.NoticeMail(noticeUsed(left)) }
	return []postern.MailSample{
		{Mail: h.flow.NoticeMail(noticeMade()), When: "A person has made recovery codes."},
		{Mail: used(recoveryCount - 1), When: "A person has signed in with a recovery code."},
		{Mail: used(1), When: "A person has signed in with a recovery code, and few are left."},
		{Mail: used(0), When: "A person has signed in with the last recovery code."},
	}
}

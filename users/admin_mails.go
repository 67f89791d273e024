package users

import (
	"strconv"

	"github.com/posternauth/postern"
)

// What the notices about deeds of administrators say.
const (
	factorsText  = "The second factors of your account were removed by an administrator. No code is asked for any more when you sign in."
	passkeysText = "The passkeys and the second factors of your account were removed by an administrator."
	passwordText = "The password of your account was removed by an administrator."
	identityText = "An account at another site was removed from your account by an administrator."
	offeredText  = "An administrator has mailed a link to another address, which adds that address to your account."
)

func noticeRemoved(way, text string) postern.Notice {
	return postern.Notice{Name: "postern.way-removed", Subject: "A way to sign in to your account at {app} was removed", Text: text, Args: map[string]any{"way": way}}
}

func noticeOffered() postern.Notice {
	return postern.Notice{Name: "postern.address-offered", Subject: "Another address for your account at {app}", Text: offeredText}
}

// testMail is the key of the mail that says that mails arrive.
const testMail = "postern.test"

// A sample is a mail that this program can send. Its key is the name of the mail; a second mail of a name, which says
// something else, has "-2" behind it.
type sample struct {
	key string
	postern.MailSample
}

// samples returns all mails, those of this package after the others.
func (c *adminCall) samples() (all []sample) {
	removed := func(way, text, when string) postern.MailSample {
		return postern.MailSample{Mail: c.flow.NoticeMail(noticeRemoved(way, text)), When: when}
	}
	list := append(c.flow.MailSamples(),
		postern.MailSample{Mail: c.flow.NoticeMail(noticeOffered()), When: "An administrator has given a user another address."},
		removed("password", passwordText, "An administrator has removed a password."),
		removed("identity", identityText, "An administrator has removed an account at another site."),
		removed("factors", factorsText, "An administrator has reset the second factors."),
		removed("passkeys", passkeysText, "An administrator has removed the passkeys."))
	count := map[string]int{}
	for _, m := range list {
		s := sample{m.Mail.Name, m}
		if count[s.key]++; count[s.key] > 1 {
			s.key += "-" + strconv.Itoa(count[s.key])
		}
		all = append(all, s)
	}
	return all
}

func (c *adminCall) sample(key string) (sample, bool) {
	for _, s := range c.samples() {
		if s.key == key {
			return s, true
		}
	}
	return sample{}, false
}

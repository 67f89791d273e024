package magic

import (
	"time"

	"github.com/posternauth/postern"
)

// nameMail is the name of the mail, for programs that write other texts.
const nameMail = "magic.sign-in"

// content is what a mail says.
type content struct {
	to       string            // the canonical address
	name     string            // Config.Name
	site     string            // the host that the link leads to and that asks for the code: "auth.example.com"
	link     string            // empty for a provider made by Code
	code     string            // six digits, or ten (see Config.WrongCodes); empty without a code
	life     time.Duration     // of link and code
	time     time.Time         // of the request, UTC
	device   postern.Phrase    // the asking browser, in words of this package: "Firefox on Windows", "an unknown browser"
	language string            // its first choice; empty without one
	claims   map[string]string // query parameters of authorize; anybody can write them
}

// args are the values in the texts, see Config.
func (m content) args() map[string]any {
	args := map[string]any{"app": m.name, "site": m.site, "life": m.life, "time": m.time, "device": m.device}
	for name, value := range map[string]string{"link": m.link, "code": m.code} {
		if value != "" {
			args[name] = value
		}
	}
	for name, value := range m.claims {
		args["param."+name] = value
	}
	return args
}

// compose writes the message: what was asked and from where, how long it works, and what to do if somebody else asked.
func compose(m content) postern.Mail {
	mail := postern.Mail{To: m.to, Name: nameMail, Args: m.args(), Language: m.language, Subject: "Sign in to {app}"}
	say := func(part postern.MailPart) { mail.Parts = append(mail.Parts, part) }
	if m.site == "" || m.site == m.name {
		say(postern.MailPart{Text: "Somebody asked to sign in to {app} with this address, in {device}, on {time}."})
	} else {
		say(postern.MailPart{Text: "Somebody asked to sign in to {app} ({site}) with this address, in {device}, on {time}."})
	}
	if m.link != "" {
		say(postern.MailPart{Text: "Open this link and press the button on the page:"})
		say(postern.MailPart{Text: "Sign in to {app}", Link: m.link})
	}
	switch {
	case m.link != "" && m.code != "":
		say(postern.MailPart{Text: "Or type this code on the page where it was asked for:", Code: m.code})
	case m.code != "":
		say(postern.MailPart{Text: "Type this code on the page where it was asked for:", Code: m.code})
	}
	say(postern.MailPart{Text: "It works once, within the next {life}."})
	if m.code != "" {
		say(postern.MailPart{Text: "Nobody who is honest will ever ask you for the code."})
	}
	say(postern.MailPart{Text: "If it was not you, ignore this mail: without it, nobody gets in."})
	return mail
}

// MailSamples returns the mail of a sign-in, see postern.MailSampler.
func (h *handler) MailSamples() []postern.MailSample {
	m := content{name: h.config.Name, site: h.site, life: h.config.Life, time: h.now().UTC(), device: "Firefox on Windows"}
	if h.link {
		m.link = h.flow.URL("authorize")
	}
	if h.code {
		m.code = "123456"
	}
	return []postern.MailSample{{Mail: compose(m), When: "Somebody signs in by mail."}}
}

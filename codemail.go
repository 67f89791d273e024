package postern

import (
	"net/http"

	"github.com/posternauth/postern/internal/useragent"
)

// verifyMail is the mail with a code and its link. text stands above the code and says what it is for. The mail repeats
// nothing of the request except words of this module.
func (a *Auth) verifyMail(r *http.Request, to, code, link, name, text string) Mail {
	m := a.codeMail(code, link, name, text, Phrase(useragent.Device(r.UserAgent())))
	m.To, m.Language = to, firstLanguage(r)
	return m
}

func (a *Auth) codeMail(code, link, name, text string, device Phrase) Mail {
	end := ignoreCodeText
	if text == forStepUpText { // a session has asked for it
		end = ownCodeText
	}
	return Mail{
		Name:    name,
		Args:    map[string]any{"code": code, "link": link, "app": a.name, "device": device, "life": codeLife, "time": a.sessions.Now().UTC()},
		Subject: "Your code for {app}",
		Parts: []MailPart{
			{Text: text, Code: spaced(code)},
			{Text: "It works for {life}, in the browser that asked for it: {device}."},
			{Text: "It was asked for on {time}."},
			{Text: "Or open this link there. It holds the code, so give it to nobody."},
			{Text: "Continue", Link: link},
			{Text: end},
		},
	}
}

// spaced is a code as people read it.
func spaced(code string) string { return code[:codeDigits/2] + " " + code[codeDigits/2:] }

package postern

import (
	"errors"
	"strings"
)

// markOf returns what a provider says in Mark() string: the name of its picture. Empty: it has none.
func markOf(p Provider) (string, error) {
	m, ok := p.(interface{ Mark() string })
	if !ok {
		return "", nil
	}
	mark := m.Mark()
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	if len(mark) > 32 || strings.ContainsFunc(mark, other) {
		return "", errors.New(`the mark is up to 32 of a-z, 0-9 and "-"`)
	}
	return mark, nil
}

// wayOf is what a way to sign in is called: by Config.Labels as it is there; a password, a passkey and a mail as a text
// in the language of the person; and another provider by its name. Without a name it is empty.
func (a *Auth) wayOf(name string) any {
	if l := a.labels[name]; l != "" || name == "" {
		return l
	}
	switch a.classOf(name) {
	case "password":
		return Phrase("Password")
	case "passkey":
		return Phrase("Passkey")
	case "link":
		return Phrase("Link by email")
	case "code":
		return Phrase("Code by email")
	case "both":
		return Phrase("Link and code by email")
	case flowSignUp:
		return Phrase("Sign-up")
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// classOf is what a provider asks for: the class of its proof, or what it mails.
func (a *Auth) classOf(name string) string {
	switch h := a.flows[name].handler.(type) {
	case StepUpper:
		return h.StepUp()
	case interface{ Sends() string }:
		return h.Sends()
	}
	if name == flowSignUp {
		return name
	}
	return ""
}

// providerLink is a link that leads to a provider. A password and a passkey are no names of a service, so that their
// links are texts in the language of the person, unless Config.Labels has others.
func (a *Auth) providerLink(name, url string) Link {
	l := Link{Name: "provider:" + name, Text: "Continue with {provider}", URL: url, Mark: a.flows[name].mark, Args: map[string]any{"provider": a.wayOf(name)}}
	if a.labels[name] != "" {
		return l
	}
	switch a.classOf(name) {
	case "password":
		l.Text = "Continue with a password"
	case "passkey":
		l.Text = "Continue with a passkey"
	case "link":
		l.Text = "Email me a link"
	case "code":
		l.Text = "Email me a code"
	case "both":
		l.Text = "Email me a link and a code"
	default:
		return l
	}
	l.Args = nil
	return l
}

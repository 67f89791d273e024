package magic

import (
	"fmt"
	"strings"
	"time"
	"unicode"

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
	device   string            // the asking browser, in words of this package: "Firefox on Windows", "an unknown browser"
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

// compose writes the message in English: what was asked and from where, how long it works, and what to do if somebody
// else asked. Text and HTML say the same. The HTML has a button for the link, loads nothing, and fits a screen of 320
// pixels, light or dark.
func compose(m content) postern.Mail {
	where := m.name
	if m.site != "" && m.site != m.name {
		where += " (" + m.site + ")"
	}
	intro := fmt.Sprintf("Somebody asked to sign in to %s with this address, in %s, on %s.",
		where, m.device, m.time.Format("2 January 2006 at 15:04 UTC"))
	life := "It works once, within the next " + minutes(m.life) + "."
	if m.code != "" {
		life += " Nobody who is honest will ever ask you for the code."
	}
	const outro = "If it was not you, ignore this mail: without it, nobody gets in."

	var text strings.Builder
	page := mailPage{}
	text.WriteString(intro + "\n\n")
	page.paragraph(intro)
	if m.link != "" {
		text.WriteString("Open this link and press the button on the page:\n\n" + m.link + "\n\n")
		page.button("Sign in to "+m.name, m.link)
	}
	if m.code != "" {
		step := "Type this code on the page where it was asked for:"
		if m.link != "" {
			step = "Or type this code on the page where it was asked for:"
		}
		text.WriteString(step + "\n\n    " + m.code + "\n\n")
		page.paragraph(step)
		page.code(m.code)
	}
	text.WriteString(life + "\n\n" + outro + "\n")
	page.paragraph(life)
	page.paragraph(outro)
	if m.link != "" {
		page.address("If the button does nothing, open this link:", m.link)
	}
	subject := oneLine("Sign in to " + m.name)
	return postern.Mail{
		To: m.to, Name: nameMail, Args: m.args(), Language: m.language,
		Subject: subject, Text: text.String(), HTML: page.finish(subject),
	}
}

func minutes(d time.Duration) string {
	n := int(d / time.Minute)
	if n == 1 {
		return "minute"
	}
	return fmt.Sprintf("%d minutes", n)
}

// oneLine makes s fit for a header: line ends and characters that are not shown become spaces.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

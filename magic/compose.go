package magic

import (
	"fmt"
	"html"
	"strings"
	"time"
	"unicode"
)

// Compose writes the message of a Mail in English: what is asked, from where, how long it holds, and what to do if it was
// somebody else. A Config.Compose of one's own can start from it.
func Compose(m Mail) Message {
	intro := fmt.Sprintf("Somebody asked to sign in to %s with this address, in %s, on %s.",
		m.Name, m.Device, m.Time.Format("2 January 2006 at 15:04 UTC"))
	var steps []string
	if m.Link != "" {
		steps = append(steps, "Open this link and press the button on the page:")
	}
	if m.Code != "" {
		say := "Type this code on the page where it was asked for:"
		if m.Link != "" {
			say = "Or type this code on the page where it was asked for:"
		}
		steps = append(steps, say)
	}
	life := "It works once, within the next " + minutes(m.Life) + "."
	if m.Code != "" {
		life += " Nobody who is honest will ever ask you for the code."
	}
	outro := "If it was not you, ignore this mail: without it, nobody gets in."

	var text, page strings.Builder
	text.WriteString(intro + "\n\n")
	page.WriteString("<p>" + html.EscapeString(intro) + "</p>\n")
	for i, say := range steps {
		if m.Link != "" && i == 0 {
			text.WriteString(say + "\n\n" + m.Link + "\n\n")
			link := html.EscapeString(m.Link)
			page.WriteString("<p>" + say + "</p>\n<p><a href=\"" + link + "\">" + link + "</a></p>\n")
			continue
		}
		text.WriteString(say + "\n\n    " + m.Code + "\n\n")
		page.WriteString("<p>" + say + "</p>\n<p style=\"font:bold 1.6em monospace;letter-spacing:.1em\">" + html.EscapeString(m.Code) + "</p>\n")
	}
	text.WriteString(life + "\n\n" + outro + "\n")
	page.WriteString("<p>" + life + "</p>\n<p>" + outro + "</p>\n")
	return Message{
		Subject: "Sign in to " + m.Name,
		Text:    text.String(),
		HTML:    page.String(),
	}
}

func minutes(d time.Duration) string {
	n := int(d / time.Minute)
	if n == 1 {
		return "minute"
	}
	return fmt.Sprintf("%d minutes", n)
}

// oneLine makes s fit for a header: what ends a line or is not shown becomes a space.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

package postern

import (
	"html"
	"slices"
	"strings"
	"unicode"
)

// A MailPart is a part of a Mail: a paragraph, a link or a code. Its Text is a template, see Page.
type MailPart struct {
	// Text is the paragraph. With Link it stands on the button, with Code above the code.
	Text string

	Link string // where the button leads; the address is shown too
	Code string // what the person types
}

// Translate returns the mail with its subject and its parts written by say, see [Page.Translate], and with the Text and
// the HTML of these parts. A mail without Parts stays as it is.
func (m Mail) Translate(say Say) Mail {
	if m.source != nil {
		m = *m.source
	}
	if len(m.Parts) == 0 {
		return m
	}
	m.Subject, m.Parts = oneLine(say(m.Subject, m.Args)), slices.Clone(m.Parts)
	for i := range m.Parts {
		if m.Parts[i].Text != "" {
			m.Parts[i].Text = say(m.Parts[i].Text, m.Args)
		}
	}
	m.Text, m.HTML = mailText(m.Parts), mailHTML(m.Subject, m.Parts)
	return m
}

// inEnglish is the mail with its values, ready to send.
func (m Mail) inEnglish() Mail {
	if len(m.Parts) == 0 {
		return m
	}
	source := m
	m = m.Translate(english)
	m.source = &source
	return m
}

// oneLine makes s fit for a header: line ends and characters that are not shown become spaces.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= '\u2066' && r <= '\u2069' {
			return -1 // isolates around a value
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

func mailText(parts []MailPart) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString("\n")
		}
		if p.Text != "" {
			b.WriteString(p.Text + "\n")
		}
		switch {
		case p.Link != "":
			b.WriteString("\n" + p.Link + "\n")
		case p.Code != "":
			b.WriteString("\n    " + p.Code + "\n")
		}
	}
	return b.String()
}

// mailHTML is the same as mailText. It has a button for each link, loads nothing, and fits a screen of 320 pixels,
// light or dark.
func mailHTML(title string, parts []MailPart) string {
	page := mailPage{}
	for _, p := range parts {
		switch {
		case p.Link != "":
			page.button(p.Text, p.Link)
			page.address(p.Link)
		case p.Code != "":
			page.paragraph(p.Text)
			page.code(p.Code)
		default:
			page.paragraph(p.Text)
		}
	}
	return page.finish(title)
}

// mailPage builds the HTML part of a mail. Programs for mail know little CSS: everything that matters is in style
// attributes, and the style element adds the dark colours where it is read. All text is escaped.
type mailPage struct{ strings.Builder }

const (
	mailHead = `<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<style>
@media (prefers-color-scheme:dark){
body{background:#14161a!important}
.card{background:#1c1f25!important;color:#eceef2!important;border-color:#3a3f49!important}
.button{background:#8db0ff!important;color:#0d1530!important}
.code{border-color:#868d9a!important}
.small{color:#aeb4bf!important}
.small a{color:#8db0ff!important}
}
</style>
`
	mailBody = `<body style="margin:0;padding:16px 8px;background:#f3f4f6">
<div class="card" style="max-width:416px;margin:0 auto;padding:24px 16px;box-sizing:border-box;background:#fff;color:#1b1d21;` +
		`border:1px solid #c9cdd5;border-radius:12px;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;word-break:break-word;overflow-wrap:anywhere">
`
)

func (p *mailPage) paragraph(text string) {
	p.WriteString(`<p style="margin:0 0 16px">` + html.EscapeString(text) + "</p>\n")
}

func (p *mailPage) button(text, link string) {
	p.WriteString(`<p style="margin:0 0 16px"><a class="button" href="` + html.EscapeString(link) + `" style="display:block;padding:10px 16px;` +
		`background:#1f4fd1;color:#fff;border-radius:8px;text-align:center;text-decoration:none;font-weight:600">` + html.EscapeString(text) + "</a></p>\n")
}

func (p *mailPage) code(code string) {
	p.WriteString(`<p class="code" style="margin:0 0 16px;padding:8px;border:1px solid #767c88;border-radius:8px;text-align:center;` +
		`font:bold 28px/1.4 ui-monospace,Menlo,Consolas,monospace;letter-spacing:.1em">` + html.EscapeString(code) + "</p>\n")
}

// address shows the link as text, so that people see where the button leads.
func (p *mailPage) address(link string) {
	link = html.EscapeString(link)
	p.WriteString(`<p class="small" style="margin:0 0 16px;color:#565b65;font-size:14px"><a href="` + link +
		`" style="color:#1f4fd1;word-break:break-all">` + link + "</a></p>\n")
}

func (p *mailPage) finish(title string) string {
	title = html.EscapeString(title)
	return "<!doctype html>\n<html lang=\"en\">\n<head>\n" + mailHead + "<title>" + title + "</title>\n</head>\n" + mailBody +
		`<h1 style="margin:0 0 16px;font-size:22px;line-height:1.25">` + title + "</h1>\n" + p.String() + "</div>\n</body>\n</html>\n"
}

package ui

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	"github.com/posternauth/postern"
)

// A mailView is a mail as the template reads it.
type mailView struct {
	Lang, Dir, Scheme, Title, App string
	Heading                       []piece
	Parts                         []mailPart
	Legal                         []plainLink
	Dark                          template.CSS
	Style                         mailStyle
}

type mailPart struct {
	Text          []piece
	Link          template.URL // made by Postern, of the issuer's URL
	Address, Code string
}

// A mailStyle has the style attributes. Programs for mail know little CSS, so everything that matters is there; the
// style element adds the dark colours where it is read.
type mailStyle struct {
	Body, Column, App, Card, Heading, Paragraph, Button, Small, Address, Code, Footer, FooterLink template.CSS
}

var _ postern.Composer = (*Pages)(nil)

// Compose writes a mail in the language of the person, with the design of the pages, see postern.Config.Composer. A
// mail without Parts stays as it is: the application has written it.
func (p *Pages) Compose(m postern.Mail) (postern.Mail, error) {
	s := p.match(m.Language)
	m = m.Translate(s.sayOf(m.Name))
	if len(m.Parts) == 0 {
		return m, nil
	}
	v := mailView{
		Lang: s.tag, Dir: s.dir, Scheme: or(p.theme.Scheme, "light dark"), Title: plain(m.Subject), App: m.Arg("app"),
		Heading: pieces(m.Subject), Style: p.theme.mailStyle(),
	}
	if p.theme.Scheme == "" {
		v.Dark = p.theme.dark.mailDark()
	}
	for _, part := range m.Parts {
		one := mailPart{Text: pieces(part.Text), Code: part.Code}
		if part.Link != "" && safeNext(part.Link) {
			one.Link, one.Address = trusted(part.Link), part.Link
		}
		v.Parts = append(v.Parts, one)
	}
	for _, l := range p.legal(s) {
		if !strings.HasPrefix(l.URL, "/") { // a path leads nowhere in a mail
			v.Legal = append(v.Legal, l)
		}
	}
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, "mail", v); err != nil {
		return m, fmt.Errorf("ui: drawing the mail %q: %w", m.Name, err)
	}
	m.HTML, m.Subject, m.Text, m.ContentLanguage = b.String(), plain(m.Subject), plain(m.Text), s.tag
	return m, nil
}

func (t theme) mailStyle() mailStyle {
	c, r := t.light, t.radius
	if t.Scheme == "dark" {
		c = t.dark
	}
	css := func(format string, args ...any) template.CSS {
		return template.CSS(fmt.Sprintf(format, args...)) //nolint:gosec // of colours and fonts that New has checked
	}
	font := strings.ReplaceAll(t.font, `"`, "'")
	return mailStyle{
		Body:       css("margin:0;padding:24px 8px;background:%s;font:16px/1.5 %s", c.ground, font),
		Column:     css("max-width:480px;margin:0 auto"),
		App:        css("margin:0 8px 16px;color:%s;font:600 16px/1.5 %s", c.ink, font),
		Card:       css("padding:24px;box-sizing:border-box;background:%s;color:%s;border:1px solid %s;border-radius:%dpx;font:16px/1.5 %s;word-break:break-word;overflow-wrap:anywhere", c.paper, c.ink, c.line, 2*r, font),
		Heading:    css("margin:0 0 16px;font-size:22px;line-height:1.25"),
		Paragraph:  css("margin:0 0 16px"),
		Button:     css("display:block;padding:12px 16px;background:%s;color:%s;border-radius:%dpx;text-align:center;text-decoration:none;font-weight:600", c.accent, c.onAccent, r),
		Small:      css("margin:0 0 24px;color:%s;font-size:14px", c.soft),
		Address:    css("color:%s;word-break:break-all", c.accent),
		Code:       css("margin:0 0 16px;padding:12px;border:1px solid %s;border-radius:%dpx;text-align:center;font:bold 28px/1.4 ui-monospace,Menlo,Consolas,monospace;letter-spacing:.12em", c.edge, r),
		Footer:     css("margin:16px 8px 0;color:%s;font-size:14px", c.soft),
		FooterLink: css("color:%s", c.soft),
	}
}

func (p palette) mailDark() template.CSS {
	return template.CSS(fmt.Sprintf(".ground{background:%s!important}.app{color:%s!important}.card{background:%s!important;color:%s!important;border-color:%s!important}"+ //nolint:gosec // checked colours
		".button{background:%s!important;color:%s!important}.code{border-color:%s!important}.small{color:%s!important}.small a{color:%s!important}",
		p.ground, p.ink, p.paper, p.ink, p.line, p.accent, p.onAccent, p.edge, p.soft, p.accent))
}

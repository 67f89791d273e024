package users

import (
	"net/url"
	"slices"
	"strings"

	"github.com/posternauth/postern"
)

// mailsPage lists every mail that the program can send.
func (c *console) mailsPage() (postern.Page, error) {
	list := postern.Section{Name: "list", Title: "All mails", Table: &postern.Table{Columns: []string{"Subject", "When it is sent", "Mail"}}}
	for _, s := range c.samples() {
		s.Mail.Language = c.language()
		m, err := c.flow.PreviewMail(s.Mail)
		if err != nil { // its own page says so
			m.Subject = ""
		}
		list.Table.Rows = append(list.Table.Rows, []postern.Cell{{Value: m.Subject}, {Value: postern.Phrase(s.When)}, {Value: s.key, URL: c.mailURL(s.key)}})
	}
	return postern.Page{Name: "admin.mail", Title: "Mail",
		Forms: []postern.Form{{Name: "test", Action: c.home + "mail/test", Submit: "Send me a test mail",
			Text: "It goes to your first verified address, five times an hour at most."}},
		Sections: []postern.Section{list},
	}, nil
}

// mailURL returns the URL of a mail: its key has a dot, and a URL of the console has none.
func (c *console) mailURL(key string) string { return c.home + "mail/" + mailPath(key) }

func mailPath(key string) string {
	family, name, _ := strings.Cut(key, ".")
	return url.PathEscape(family) + "/" + url.PathEscape(name)
}

// preview returns the mail of the path, as it is sent in the language of the query.
func (c *console) preview() (s sample, m postern.Mail, err error) {
	s, ok := c.sample(c.id)
	if !ok {
		return s, m, errNotHere
	}
	languages := c.flow.MailLanguages()
	s.Mail.Language = c.r.Form.Get("language")
	if c.sent != "" {
		s.Mail.Language = c.r.PostForm.Get("language")
	}
	if !slices.Contains(languages, s.Mail.Language) {
		s.Mail.Language = c.language()
	}
	if m, err = c.flow.PreviewMail(s.Mail); !slices.Contains(languages, s.Mail.Language) {
		s.Mail.Language = languages[0]
		if slices.Contains(languages, m.ContentLanguage) {
			s.Mail.Language = m.ContentLanguage
		}
	}
	return s, m, err
}

// language is what the page is in, for a mail: one of the languages of the mails, or all that the person reads.
func (c *console) language() string {
	wishes := postern.Languages(c.r)
	if len(wishes) > 0 && slices.Contains(c.flow.MailLanguages(), wishes[0]) {
		return wishes[0]
	}
	return strings.Join(wishes, ", ")
}

// mailPage shows a mail in a language, with a way to send it to the actor.
func (c *console) mailPage() (postern.Page, error) {
	s, m, err := c.preview()
	if err != nil {
		return postern.Page{}, err
	}
	field := postern.Field{Name: "language", Label: "Language", Type: "select", Value: s.Mail.Language, Autocomplete: "off"}
	for _, tag := range c.flow.MailLanguages() {
		field.Options = append(field.Options, postern.Option{Value: tag, Text: c.flow.LanguageName(tag), Lang: tag})
	}
	query := "?" + url.Values{"language": {s.Mail.Language}}.Encode()
	links := []postern.Link{{Name: "text", Text: "Show the plain text", URL: c.mailURL(s.key) + "/text" + query}, {Name: "mails", Text: "All mails", URL: c.home + "mail"}}
	if m.HTML != "" {
		links = append([]postern.Link{{Name: "html", Text: "Show the HTML", URL: c.mailURL(s.key) + "/html" + query}}, links...)
	}
	return postern.Page{
		Name: "admin.mail-preview", Title: "{mail}", Args: map[string]any{"mail": m.Subject},
		Text: "This is what is sent, with values that belong to nobody. Its links lead to the sign-in.",
		Lines: []postern.Line{{Label: "When it is sent", Value: postern.Phrase(s.When)}, {Label: "Subject", Value: m.Subject},
			{Label: "Language", Value: c.flow.LanguageName(m.ContentLanguage)}, {Label: "Mail", Value: s.key}},
		Forms: []postern.Form{
			{Name: "language", Action: c.mailURL(s.key), Get: true, Submit: "Show", Fields: []postern.Field{field}},
			{Name: "send", Action: c.mailURL(s.key) + "/test", Submit: "Send it to me", Hidden: map[string]string{"language": s.Mail.Language},
				Text: "It goes to your first verified address, five times an hour at most."},
		},
		Links: links,
	}, nil
}

func (c *console) readMail() (any, error) {
	return map[string]any{"mail": c.id, "language": c.r.PostForm.Get("language")}, nil
}

// mailed leads back to the mail, in its language.
func (c *console) mailed(*answerOf) {
	query := url.Values{"done": {"test"}}
	if language := c.r.PostForm.Get("language"); language != "" {
		query.Set("language", language)
	}
	c.redirect(c.mailURL(c.id) + "?" + query.Encode())
}

// htmlPart and textPart answer with one part of a mail, alone.
func (c *console) htmlPart() (postern.Page, error) { return c.part(true) }
func (c *console) textPart() (postern.Page, error) { return c.part(false) }

func (c *console) part(html bool) (postern.Page, error) {
	_, m, err := c.preview()
	switch {
	case err != nil:
		return postern.Page{}, err
	case html && m.HTML == "":
		return postern.Page{}, errNotHere
	}
	c.flow.ShowMailPart(c.w, c.r, m, html)
	return postern.Page{}, errDone
}

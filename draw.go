package postern

import (
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/pagestyle"
	"github.com/posternauth/postern/internal/text"
)

// show sets the headers of a page and draws it, or encodes it for a client that wants JSON.
func (a *Auth) show(w http.ResponseWriter, r *http.Request, p Page) {
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	if p.App == "" {
		p.App = a.name
	}
	p = p.inEnglish()
	h := w.Header()
	a.harden(h)
	h.Add("Vary", "Accept")
	if wantsJSON(r) {
		a.showJSON(w, r, p)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	p = a.placed(r, p)
	if p.hasForm() {
		// Under no-referrer a browser sends "Origin: null" with the form, and one without Sec-Fetch-Site could not
		// prove where it comes from. Other sites see no referrer under same-origin either.
		h.Set("Referrer-Policy", "same-origin")
	}
	h.Set("Content-Security-Policy", a.pagePolicy(p))
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	if a.render != nil {
		a.render(w, r, p)
		return
	}
	body := draw(p)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body)) // a client that has gone needs no page
	}
}

// harden sets the headers of every answer. Pages, and the handlers of other packages, replace some of them.
func (a *Auth) harden(h http.Header) {
	httperr.Harden(h, a.secure)
	httperr.NoStore(h)
	h.Set("X-Frame-Options", "DENY") // for browsers that don't know frame-ancestors
}

// draw is the default drawing: HTML without a script, a picture or a font.
func draw(p Page) string {
	var b strings.Builder
	tag := func(open, text, end string) {
		if text != "" {
			b.WriteString(open + html.EscapeString(text) + end)
		}
	}
	title, name := p.Title, p.App
	if strings.Contains(p.Title, p.App) {
		name = ""
	}
	if p.Error != "" {
		title = "Error: " + title // screen readers say the title first
	}
	if name != "" {
		title += " · " + name
	}
	b.WriteString(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
`)
	if p.Next != "" && safeLink(p.Next) {
		b.WriteString(`<meta http-equiv="refresh" content="0;url=` + html.EscapeString(p.Next) + "\">\n")
	}
	tag("<title>", title, "</title>\n")
	if strings.HasPrefix(p.Script, "/") {
		b.WriteString(`<script src="` + html.EscapeString(p.Script) + "\" defer></script>\n")
	}
	b.WriteString("<style>" + pagestyle.CSS + "</style>\n</head>\n<body>\n<main")
	if len(p.Menu) > 0 {
		b.WriteString(` class="wide"`)
	}
	main := &drawing{Builder: &b}
	main.attr("data-page", string(p.Data))
	main.attr("data-texts", p.ScriptData())
	b.WriteString(">\n")
	if name == "" {
		tag("<h1>", p.Title, "</h1>\n")
	} else {
		tag("<hgroup>\n<p>", name, "</p>\n")
		tag("<h1>", p.Title, "</h1>\n</hgroup>\n")
	}
	d := drawing{Builder: &b, next: p.Next}
	d.menu(p.Menu)
	d.paragraphs(p.Text)
	tag(`<p class="notice" role="status">`, p.Notice, "</p>\n")
	tag(`<p id="error" class="error" role="alert">`, p.Error, "</p>\n")
	d.figure(p.Figure)
	d.lines(p.Lines)
	d.links(p.Ways)
	seen := p.seenForms()
	for i, f := range p.Forms {
		if f.Title == "" && i+len(p.Ways) > 0 && (i == 0 || !p.Forms[i-1].Download) && !f.Unseen {
			b.WriteString("<p class=\"or\">or</p>\n")
		}
		d.form(f, p.Error != "" && seen == 1, i+len(p.Ways)+len(p.Lines) == 0)
	}
	d.links(p.Links)
	for _, section := range p.Sections {
		d.section(section)
	}
	tag(`<p class="reference">Error code: <code>`, p.Code, "</code></p>\n")
	tag(`<p class="reference">Reference: <code>`, p.Request, "</code></p>\n")
	b.WriteString("</main>\n</body>\n</html>\n")
	return b.String()
}

// hasForm reports whether the page has a form, also in a line or a section.
func (p Page) hasForm() bool {
	inLine := func(l Line) bool { return l.Form != nil }
	inRow := func(row []Cell) bool { return slices.ContainsFunc(row, func(c Cell) bool { return c.Form != nil }) }
	return p.LanguageURL != "" || len(p.Forms) > 0 || slices.ContainsFunc(p.Lines, inLine) || slices.ContainsFunc(p.Sections, func(s Section) bool {
		return len(s.Forms) > 0 || slices.ContainsFunc(s.Lines, inLine) || s.Table != nil && slices.ContainsFunc(s.Table.Rows, inRow)
	})
}

// hasPassword reports whether a form that people see has a field for a password, also in a section.
func (p Page) hasPassword() bool {
	inForm := func(f Form) bool {
		return !f.Unseen && slices.ContainsFunc(f.Fields, func(field Field) bool { return field.Type == "password" })
	}
	return slices.ContainsFunc(p.Forms, inForm) || slices.ContainsFunc(p.Sections, func(s Section) bool { return slices.ContainsFunc(s.Forms, inForm) })
}

// namesInvalid reports whether the form says which of its fields the error of the page is about.
func (f Form) namesInvalid() bool {
	return slices.ContainsFunc(f.Fields, func(field Field) bool { return field.Invalid })
}

// seenForms counts the forms that people see.
func (p Page) seenForms() (n int) {
	for _, f := range p.Forms {
		if !f.Unseen {
			n++
		}
	}
	return n
}

// safeLink reports whether a page may lead to an address: a URL of visible ASCII whose scheme runs nothing. It begins
// with a scheme or a slash, so that a meta refresh reads it as a whole.
func safeLink(link string) bool {
	u, err := url.Parse(link)
	return err == nil && text.Visible(link) && !neverRedirect[u.Scheme] && (u.Scheme != "" || strings.HasPrefix(link, "/"))
}

// linkable keeps javascript: and similar schemes out of links, wherever their text came from.
func linkable(link string) bool {
	u, err := url.Parse(link)
	return err == nil && link != "" && (u.Scheme == "" || u.Scheme == "https" || u.Scheme == "http")
}

package postern

import (
	"html"
	"maps"
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
	h := w.Header()
	a.harden(h)
	h.Add("Vary", "Accept")
	if wantsJSON(r) {
		a.showJSON(w, r, p)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	target := "'none'"
	if p.hasForm() {
		target = "'self'"
		// Under no-referrer a browser sends "Origin: null" with the form, and one without Sec-Fetch-Site could not
		// prove where it comes from. Other sites see no referrer under same-origin either.
		h.Set("Referrer-Policy", "same-origin")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+a.style+"; base-uri 'none'; frame-ancestors 'none'; form-action "+target+a.scriptPolicy(p))
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

// scriptPolicy allows the script of a page, if it has one.
func (a *Auth) scriptPolicy(p Page) string {
	if p.Script == "" || !linkable(p.Script) || strings.ContainsAny(p.Script, "; ,") {
		return ""
	}
	return "; script-src " + a.origin + p.Script + "; require-trusted-types-for 'script'; trusted-types 'none'"
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
	(&drawing{Builder: &b}).attr("data-page", string(p.Data))
	b.WriteString(">\n")
	if name == "" {
		tag("<h1>", p.Title, "</h1>\n")
	} else {
		tag("<hgroup>\n<p>", name, "</p>\n")
		tag("<h1>", p.Title, "</h1>\n</hgroup>\n")
	}
	for paragraph := range strings.SplitSeq(p.Text, "\n\n") {
		tag("<p>", paragraph, "</p>\n")
	}
	tag(`<p id="error" class="error" role="alert">`, p.Error, "</p>\n")
	d := drawing{Builder: &b, next: p.Next}
	d.figure(p.Figure)
	d.lines(p.Lines)
	d.links(p.Ways)
	for i, f := range p.Forms {
		if f.Title == "" && i+len(p.Ways) > 0 {
			b.WriteString("<p class=\"or\">or</p>\n")
		}
		d.form(f, p.Error != "" && len(p.Forms) == 1, i+len(p.Ways)+len(p.Lines) == 0)
	}
	d.links(p.Links)
	tag(`<p class="reference">Error code: <code>`, p.Code, "</code></p>\n")
	tag(`<p class="reference">Reference: <code>`, p.Request, "</code></p>\n")
	b.WriteString("</main>\n</body>\n</html>\n")
	return b.String()
}

// hasForm reports whether the page has a form, also in a line.
func (p Page) hasForm() bool {
	return len(p.Forms) > 0 || slices.ContainsFunc(p.Lines, func(l Line) bool { return l.Form != nil })
}

// A drawing is a page on the way. It counts what needs an id of the page.
type drawing struct {
	*strings.Builder
	next          string // Page.Next
	fields, forms int    // drawn so far
}

func (d *drawing) attr(name, value string) {
	if value != "" {
		d.WriteString(" " + name + `="` + html.EscapeString(value) + `"`)
	}
}

// link draws a link inside of an element, or nothing if the link is not safe.
func (d *drawing) link(element string, l Link) {
	if l.URL == d.next && safeLink(l.URL) || linkable(l.URL) {
		d.WriteString("<" + element + `><a href="` + html.EscapeString(l.URL) + `">` + html.EscapeString(l.Text) + "</a></" + element + ">\n")
	}
}

func (d *drawing) links(links []Link) {
	if len(links) == 0 {
		return
	}
	d.WriteString("<ul>\n")
	for _, l := range links {
		d.link("li", l)
	}
	d.WriteString("</ul>\n")
}

func (d *drawing) figure(f *Figure) {
	if f == nil {
		return
	}
	size := strconv.Itoa(f.Size)
	d.WriteString(`<svg class="figure" role="img" viewBox="0 0 ` + size + " " + size + `" shape-rendering="crispEdges"`)
	d.attr("aria-label", f.Text)
	d.WriteString(`><rect width="100%" height="100%" fill="#fff"/><path fill="#000"`)
	d.attr("d", f.Path)
	d.WriteString("/></svg>\n")
}

// lines draws a list of labels and values. What can be done about a line stands in its group.
func (d *drawing) lines(lines []Line) {
	if len(lines) == 0 {
		return
	}
	d.WriteString("<dl>\n")
	for _, l := range lines {
		d.WriteString("<div>\n<dt>" + html.EscapeString(l.Label) + "</dt>\n<dd>" + html.EscapeString(l.Value) + "</dd>\n")
		if l.Link != nil {
			d.link("dd", *l.Link)
		}
		if l.Form != nil {
			d.WriteString("<dd>\n")
			d.form(*l.Form, false, false)
			d.WriteString("</dd>\n")
		}
		d.WriteString("</div>\n")
	}
	d.WriteString("</dl>\n")
}

// form draws a form. failed marks its first field as the wrong one; focus puts the cursor there.
func (d *drawing) form(f Form, failed, focus bool) {
	d.forms++
	heading := ""
	if f.Title != "" {
		heading = "form-" + strconv.Itoa(d.forms)
		d.WriteString(`<h2 id="` + heading + `">` + html.EscapeString(f.Title) + "</h2>\n")
	}
	d.WriteString(`<form method="post"`)
	d.attr("action", f.Action)
	d.attr("aria-labelledby", heading)
	d.attr("data-options", string(f.Data))
	d.WriteString(">\n")
	for _, name := range slices.Sorted(maps.Keys(f.Hidden)) {
		d.WriteString(`<input type="hidden"`)
		d.attr("name", name)
		d.WriteString(` value="` + html.EscapeString(f.Hidden[name]) + "\">\n")
	}
	if f.Username != "" {
		d.WriteString(`<input type="text" autocomplete="username" hidden readonly`)
		d.attr("value", f.Username)
		d.WriteString(">\n")
	}
	for i, field := range f.Fields {
		d.field(field, failed && i == 0, focus && i == 0) // with links above the form a screen reader would skip them
	}
	submit := f.Submit
	if submit == "" {
		submit = "Continue"
	}
	d.WriteString(`<button type="submit">` + html.EscapeString(submit) + "</button>\n</form>\n")
}

// field draws a label and its input.
func (d *drawing) field(f Field, failed, focus bool) {
	id := "field-" + strconv.Itoa(d.fields)
	d.fields++
	label := `<label for="` + id + `">` + html.EscapeString(f.Label) + "</label>\n"
	if f.Type == "checkbox" {
		d.WriteString("<div class=\"check\">\n<input id=\"" + id + `" type="checkbox"`)
		d.attr("name", f.Name)
		d.attr("value", f.Value)
		d.WriteString(">\n" + label + "</div>\n")
		return
	}
	d.WriteString(label + "<input id=\"" + id + `"`)
	kind := f.Type
	if kind == "" {
		kind = "text"
	}
	d.attr("type", kind)
	d.attr("name", f.Name)
	d.attr("value", f.Value)
	d.attr("autocomplete", f.Autocomplete)
	d.attr("inputmode", f.InputMode)
	d.attr("pattern", f.Pattern)
	if f.MaxLength > 0 {
		d.attr("maxlength", strconv.Itoa(f.MaxLength))
	}
	var described []string
	if f.Hint != "" {
		described = append(described, id+"-hint")
	}
	if failed {
		d.attr("aria-invalid", "true")
		described = append(described, "error")
	}
	d.attr("aria-describedby", strings.Join(described, " "))
	if kind == "email" || kind == "tel" || f.InputMode == "numeric" {
		d.WriteString(` autocapitalize="none" spellcheck="false"`)
	}
	if f.Required {
		d.WriteString(" required")
	}
	if focus {
		d.WriteString(" autofocus")
	}
	d.WriteString(">\n")
	if f.Hint != "" {
		d.WriteString(`<p class="hint" id="` + id + `-hint">` + html.EscapeString(f.Hint) + "</p>\n")
	}
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

package postern

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

//go:embed page.css
var pageCSS string

// styleSource is the CSP source of pageCSS, which stands in every page: no style of anybody else applies.
func styleSource() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// show sets the headers of a page and has it drawn.
func (a *Auth) show(w http.ResponseWriter, r *http.Request, p Page) {
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	h := w.Header()
	a.harden(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "Accept")
	targets := []string{"'none'"}
	if p.Form != nil {
		targets[0] = "'self'"
		for _, origin := range slices.Concat(a.redirects.origins, p.Form.Origins) {
			if visible(origin) && !strings.ContainsAny(origin, ",;'") && !slices.Contains(targets, origin) {
				targets = append(targets, origin)
			}
		}
		// Under no-referrer a browser sends "Origin: null" with the form, and one without Sec-Fetch-Site could not
		// prove where it comes from. No other site sees a referrer under same-origin either.
		h.Set("Referrer-Policy", "same-origin")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+a.style+
		"; base-uri 'none'; frame-ancestors 'none'; form-action "+strings.Join(targets, " "))
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

// harden sets the headers of every answer; pages and packages below set their own over them.
func (a *Auth) harden(h http.Header) {
	httperr.Harden(h, a.secure)
	httperr.NoStore(h)
	h.Set("X-Frame-Options", "DENY") // for browsers that don't know frame-ancestors
}

// draw is the default drawing: HTML that is finished without a script, a picture or a font of anybody's.
func draw(p Page) string {
	var b strings.Builder
	tag := func(open, text, end string) {
		if text != "" {
			b.WriteString(open + html.EscapeString(text) + end)
		}
	}
	title := p.Title
	if p.Error != "" {
		title = "Error: " + title // screen readers say the title first
	}
	b.WriteString(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
`)
	tag("<title>", title, "</title>\n")
	b.WriteString("<style>" + pageCSS + "</style>\n</head>\n<body>\n<main>\n")
	tag("<h1>", p.Title, "</h1>\n")
	for paragraph := range strings.SplitSeq(p.Text, "\n\n") {
		tag("<p>", paragraph, "</p>\n")
	}
	tag(`<p id="error" class="error" role="alert">`, p.Error, "</p>\n")
	if p.Form != nil {
		drawForm(&b, p.Form, p.Error != "")
	}
	if len(p.Links) > 0 {
		b.WriteString("<ul>\n")
		for _, l := range p.Links {
			if linkable(l.URL) {
				b.WriteString(`<li><a href="` + html.EscapeString(l.URL) + `">` + html.EscapeString(l.Text) + "</a></li>\n")
			}
		}
		b.WriteString("</ul>\n")
	}
	tag(`<p class="reference">Reference: <code>`, p.Request, "</code></p>\n")
	b.WriteString("</main>\n</body>\n</html>\n")
	return b.String()
}

func drawForm(b *strings.Builder, f *Form, failed bool) {
	attr := func(name, value string) {
		if value != "" {
			b.WriteString(" " + name + `="` + html.EscapeString(value) + `"`)
		}
	}
	b.WriteString(`<form method="post"`)
	attr("action", f.Action)
	b.WriteString(">\n")
	for _, name := range slices.Sorted(maps.Keys(f.Hidden)) {
		b.WriteString(`<input type="hidden"`)
		attr("name", name)
		b.WriteString(` value="` + html.EscapeString(f.Hidden[name]) + "\">\n")
	}
	for i, field := range f.Fields {
		id := "field-" + strconv.Itoa(i)
		b.WriteString(`<label for="` + id + `">` + html.EscapeString(field.Label) + "</label>\n<input id=\"" + id + `"`)
		kind := field.Type
		if kind == "" {
			kind = "text"
		}
		attr("type", kind)
		attr("name", field.Name)
		attr("value", field.Value)
		attr("autocomplete", field.Autocomplete)
		attr("inputmode", field.InputMode)
		attr("pattern", field.Pattern)
		if field.MaxLength > 0 {
			attr("maxlength", strconv.Itoa(field.MaxLength))
		}
		var described []string
		if field.Hint != "" {
			described = append(described, id+"-hint")
		}
		if failed && i == 0 {
			attr("aria-invalid", "true")
			described = append(described, "error")
		}
		attr("aria-describedby", strings.Join(described, " "))
		if kind == "email" || kind == "tel" || field.InputMode == "numeric" {
			b.WriteString(` autocapitalize="none" spellcheck="false"`)
		}
		if field.Required {
			b.WriteString(" required")
		}
		if i == 0 {
			b.WriteString(" autofocus")
		}
		b.WriteString(">\n")
		if field.Hint != "" {
			b.WriteString(`<p class="hint" id="` + id + `-hint">` + html.EscapeString(field.Hint) + "</p>\n")
		}
	}
	submit := f.Submit
	if submit == "" {
		submit = "Continue"
	}
	b.WriteString(`<button type="submit">` + html.EscapeString(submit) + "</button>\n</form>\n")
}

// linkable keeps javascript: and its kin out of links, wherever their text came from.
func linkable(link string) bool {
	u, err := url.Parse(link)
	return err == nil && link != "" && (u.Scheme == "" || u.Scheme == "https" || u.Scheme == "http")
}

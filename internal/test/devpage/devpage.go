// Package devpage draws the pages of development: the demo, the inbox and the token inspector of `postern dev`. They
// have the design of package ui, whose style sheet they link to.
package devpage

import (
	_ "embed"
	"encoding/base64"
	"html"
	"net/http"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/pagestyle"
)

// more is what these pages need beside the sheet of package ui.
//
//go:embed dev.css
var more string

// A Site is what all pages have. The zero value has pages without a menu, and without a style but their own.
type Site struct {
	Name  string // of the site, above the menu; empty: "Postern"
	Sheet string // URL of a style sheet of this site; empty: none
	Menu  []Link
}

// A Link of a menu.
type Link struct{ Text, URL string }

// A Page of the site.
type Page struct {
	Status int    // 0: 200
	Title  string // of the window, and heading
	Path   string // which link of the menu it is
	Lead   string // below the heading
	Body   string // HTML
	Script string // inline; empty: none
	Data   string // for the script, as data-page of the body
	Frames bool   // the page has frames of this site
}

// Write answers with the page. Its policy allows nothing from elsewhere.
func (s Site) Write(w http.ResponseWriter, p Page) {
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	if s.Name == "" {
		s.Name = "Postern"
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", s.policy(p))
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make browsers send "Origin: null" with a form
	h.Set("X-Content-Type-Options", "nosniff")
	page := s.draw(p)
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(p.Status)
	_, _ = w.Write([]byte(page)) // a client that has gone needs no page
}

// style returns the style of the page itself.
func (s Site) style() string {
	if s.Sheet == "" {
		return pagestyle.CSS + more
	}
	return more
}

func (s Site) policy(p Page) string {
	policy := "default-src 'none'; style-src 'self' " + pagestyle.Source(s.style()) + "; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	if p.Script != "" {
		policy += "; script-src " + pagestyle.Source(p.Script) + "; connect-src 'self'"
	}
	if p.Frames {
		policy += "; frame-src 'self'"
	}
	return policy
}

// arch is a postern: a small door in a wall.
const arch = `<path d="M5 21V10a7 7 0 0 1 14 0v11z"/><path d="M9 21v-9a3 3 0 0 1 6 0v9"/><path d="M3 21h18"/>`

// Arch returns the picture of a postern as an SVG of one colour, "#rrggbb".
func Arch(color string) []byte {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="` + color +
		`" stroke-width="2" stroke-linejoin="round" stroke-linecap="round">` + arch + `</svg>`)
}

const icon = `<svg class="arch" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" stroke-linecap="round" aria-hidden="true">` + arch + `</svg>`

var favicon = "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(Arch("#4f7fe8"))

func (s Site) draw(p Page) string {
	var b strings.Builder
	text := func(s string) { b.WriteString(html.EscapeString(s)) }
	b.WriteString(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>`)
	text(p.Title + " · " + s.Name)
	b.WriteString("</title>\n<link rel=\"icon\" href=\"" + favicon + "\">\n")
	if s.Sheet != "" {
		b.WriteString(`<link rel="stylesheet" href="`)
		text(s.Sheet)
		b.WriteString("\">\n")
	}
	b.WriteString("<style>" + s.style() + "</style>\n</head>\n<body class=\"wide dev\"")
	if p.Data != "" {
		b.WriteString(` data-page="`)
		text(p.Data)
		b.WriteString(`"`)
	}
	b.WriteString(">\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header class=\"brand\">" + icon + "<p class=\"app\">")
	text(s.Name)
	b.WriteString("</p></header>\n")
	if len(s.Menu) > 0 {
		b.WriteString("<nav class=\"menu\" aria-label=\"Pages\">\n<ul>\n")
		for _, l := range s.Menu {
			b.WriteString(`<li><a href="`)
			text(l.URL)
			b.WriteString(`"`)
			if l.URL == p.Path {
				b.WriteString(` aria-current="page"`)
			}
			b.WriteString(">")
			text(l.Text)
			b.WriteString("</a></li>\n")
		}
		b.WriteString("</ul>\n</nav>\n")
	}
	b.WriteString("<main id=\"main\">\n<div class=\"card lead\"><div class=\"head\">\n<h1>")
	text(p.Title)
	b.WriteString("</h1>\n")
	if p.Lead != "" {
		b.WriteString("<p>")
		text(p.Lead)
		b.WriteString("</p>\n")
	}
	b.WriteString("</div></div>\n" + p.Body + "</main>\n")
	if p.Script != "" {
		b.WriteString("<script>" + p.Script + "</script>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return b.String()
}

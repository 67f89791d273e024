package main

import (
	"embed"
	"html"
	"io"
	"net/http"
	"strings"
)

//go:embed assets
var assets embed.FS

// markup is HTML under construction. Text from outside enters by text alone, which escapes.
type markup struct{ strings.Builder }

func (m *markup) raw(parts ...string) {
	for _, p := range parts {
		m.WriteString(p)
	}
}

func (m *markup) text(s string) { m.WriteString(html.EscapeString(s)) }

const pageHead = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/demo.css">
<title>`

const pageTop = `</title>
</head>
<body>
<header class="top">
<a class="brand" href="/"><svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" stroke-linecap="round" aria-hidden="true"><path d="M5 21V10a7 7 0 0 1 14 0v11z"/><path d="M9 21v-9a3 3 0 0 1 6 0v9"/><path d="M3 21h18"/></svg>Postern</a>
<a href="/inbox">Inbox</a>
</header>
<main>
`

// writePage answers with a page: main is the content of its main element.
func writePage(w http.ResponseWriter, status int, title string, main *markup) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make browsers send "Origin: null" with the form
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, pageHead+html.EscapeString(title)+pageTop+main.String()+"</main>\n</body>\n</html>\n")
}

// serveAssets serves the style sheet and the icon.
func serveAssets(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, assets, r.URL.Path)
}

// errorPage is what a person sees when something went wrong.
func errorPage(w http.ResponseWriter, status int, title, text string) {
	var m markup
	m.raw("<section class=\"card\">\n<h1>")
	m.text(title)
	m.raw("</h1>\n<p class=\"lead\">")
	m.text(text)
	m.raw("</p>\n<p><a href=\"/\">Back to the start</a></p>\n</section>\n")
	writePage(w, status, title, &m)
}

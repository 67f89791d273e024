package main

import (
	"embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/posternauth/postern/internal/test/devpage"
)

//go:embed pages
var pageFiles embed.FS

// A site draws the pages of a local server.
type site struct {
	devpage.Site
	pages *template.Template
}

func newSite(name, sheet string, menu ...devpage.Link) (site, error) {
	pages, err := template.New("").ParseFS(pageFiles, "pages/*.html")
	return site{devpage.Site{Name: name, Sheet: sheet, Menu: menu}, pages}, err
}

// show answers with a page whose body is a template of the folder pages.
func (s site) show(w http.ResponseWriter, p devpage.Page, body string, data any) {
	var b strings.Builder
	if err := s.pages.ExecuteTemplate(&b, body, data); err != nil { // the templates are drawn by tests
		http.Error(w, "the page could not be drawn", http.StatusInternalServerError)
		return
	}
	p.Body = b.String()
	s.Write(w, p)
}

// fail shows what a person sees when something went wrong.
func (s site) fail(w http.ResponseWriter, status int, title, text string) {
	s.Write(w, devpage.Page{Status: status, Title: title, Lead: text, Body: "<p><a href=\"/\">Back to the start</a></p>\n"})
}

func (s site) nothing(w http.ResponseWriter, _ *http.Request) {
	s.fail(w, http.StatusNotFound, "Nothing here", "There is no page at this address.")
}

// errorPage is what a person sees where no site is to be shown.
func errorPage(w http.ResponseWriter, status int, title, text string) {
	site{}.fail(w, status, title, text)
}

package ui

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strconv"

	"github.com/posternauth/postern"
)

//go:embed templates
var templateFiles embed.FS

func readTemplates() (*template.Template, error) {
	return template.ParseFS(templateFiles, "templates/*.html")
}

// Render draws a page, for postern.Config.Render. Set postern.Config.Assets to the same Pages: without it the answer is
// 500, because the page would have no style.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, page postern.Page) {
	if page.Assets == "" {
		http.Error(w, "ui: set postern.Config.Assets to the Pages of Config.Render", http.StatusInternalServerError)
		return
	}
	p.write(w, r, page, "page", p.view(r, page))
}

func (p *Pages) write(w http.ResponseWriter, r *http.Request, page postern.Page, name string, data any) {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, data); err != nil {
		// The templates are tested with every kind of page: this is a fault of this package.
		http.Error(w, "ui: the page could not be drawn", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(page.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // a client that has gone needs no page
	}
}

package gallery

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/ui"
)

const (
	logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="10" fill="#0f6e56"/>` +
		`<path d="M11 15h18l-2 15H13zM15 15a5 5 0 0 1 10 0" fill="none" stroke="#fff" stroke-width="2.5" stroke-linejoin="round"/></svg>`

	// pageHeader is where a shot has the name of its page.
	pageHeader = "Gallery-Page"

	// codeHeader is where it has the code of the error that the page shows.
	codeHeader = "Gallery-Code"
)

// languages are those in which pages are looked at: English, one with long words, one from right to left, and English
// that is longer or mirrored, in which nothing can be missing.
var languages = []string{"en", "de", "ar", "en-XA", "ar-XB"}

// newPages returns the pages of the shop.
func newPages(t testing.TB) *ui.Pages {
	t.Helper()
	pages, err := ui.New(ui.Config{
		Languages: languages,
		Theme: ui.Theme{Logo: []byte(logo), Light: ui.Colors{Accent: "#0f6e56"},
			Terms: "https://shop.example/terms", Privacy: "https://shop.example/privacy", Support: "https://shop.example/help"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// A drawing is a page that was drawn, and the request whose answer it was.
type drawing struct {
	pages   *ui.Pages
	request *http.Request
	page    postern.Page
}

// in draws it in another language.
func (d drawing) in(language string) string {
	r := d.request.Clone(d.request.Context())
	r.Header.Set("Accept-Language", language)
	w := httptest.NewRecorder()
	d.pages.Render(w, r, d.page)
	return w.Body.String()
}

// render draws a page, lets the answer say which it is, and keeps it.
func (v *world) render(pages *ui.Pages) func(http.ResponseWriter, *http.Request, postern.Page) {
	return func(w http.ResponseWriter, r *http.Request, p postern.Page) {
		w.Header().Set(pageHeader, p.Name)
		if v.tape == nil { // else many are drawn at once
			v.drawn = drawing{pages, r, p}
		}
		if p.Code != "" {
			w.Header().Set(codeHeader, p.Code)
		}
		pages.Render(w, r, p)
	}
}

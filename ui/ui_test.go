package ui_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/ui"
)

func newPages(t testing.TB, c ui.Config) *ui.Pages {
	t.Helper()
	p, err := ui.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drawn returns a page as a browser with the given headers gets it.
func drawn(p *ui.Pages, page postern.Page, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "https://shop.example/auth/authorize?state=1", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	page.Assets, page.LanguageURL, page.LanguageTo = "/auth/assets/", "/auth/language", r.URL.RequestURI()
	if page.Status == 0 {
		page.Status = http.StatusOK
	}
	if page.App == "" {
		page.App = "Example Shop"
	}
	w := httptest.NewRecorder()
	p.Render(w, r, page)
	return w
}

func TestRender_WithoutAssets(t *testing.T) {
	w := httptest.NewRecorder()
	newPages(t, ui.Config{}).Render(w, httptest.NewRequest("GET", "/", nil), postern.Page{Status: 200, Title: "x"})
	if w.Code != 500 {
		t.Errorf("without Config.Assets a page has no style: %d", w.Code)
	}
}

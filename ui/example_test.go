package ui_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/ui"
)

func Example() {
	pages, err := ui.New(ui.Config{
		Theme:     ui.Theme{Light: ui.Colors{Accent: "#0b6e4f"}, Radius: 12, Privacy: "https://shop.example/privacy"},
		Languages: []string{"en"},
		Texts:     map[string]map[string]string{"en": {"ui.privacy": "Your data"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// postern.Config{Render: pages.Render, Assets: pages, ...} calls it like this:
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "https://shop.example/auth/authorize", nil)
	pages.Render(w, r, postern.Page{Status: 200, App: "Example Shop", Title: "Sign in", Assets: "/auth/assets/"})

	fmt.Println(strings.Contains(w.Body.String(), `<a href="https://shop.example/privacy">Your data</a>`))

	_, err = ui.New(ui.Config{Theme: ui.Theme{Light: ui.Colors{Accent: "#ffcc00"}}})
	message, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Println(message)
	// Output:
	// true
	// ui: Theme.Light: Accent #ffcc00 on Surface #ffffff has a contrast of 1.51, and a link needs 4.5
}

// The pages of one name are the application's; the others stay.
func ExamplePages_Translate() {
	pages, err := ui.New(ui.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	render := func(w http.ResponseWriter, r *http.Request, p postern.Page) {
		if p.Name != "shop.closed" {
			pages.Render(w, r, p)
			return
		}
		p = pages.Translate(r, p)
		w.WriteHeader(p.Status)
		fmt.Fprintln(w, p.Title) // with html/template in a real page
	}
	w := httptest.NewRecorder()
	render(w, httptest.NewRequest(http.MethodGet, "/", nil), postern.Page{Name: "shop.closed", Status: 200, Title: "Closed today"})
	fmt.Print(w.Body)
	// Output: Closed today
}

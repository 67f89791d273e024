package openapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/internal/test/testworld"
)

// whole is a provider whose page has everything that a page can have.
type whole struct{}

func (whole) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		link := postern.Link{Name: "a", Text: "A link", URL: "/a", Note: "Last used", Mark: "google", Current: true}
		form := postern.Form{
			Name: "f", Title: "A form", Text: "For {to}.", Note: "Last used", Action: "/f", Get: true, Danger: true, Download: true, Hidden: map[string]string{"state": "s"}, Username: "ann", Submit: "Go on", Unseen: true, Data: json.RawMessage("{}"),
			Fields: []postern.Field{
				{Name: "code", Label: "Code", Value: "1", Autocomplete: "off", InputMode: "numeric", Pattern: "[0-9]*", Hint: "6 digits", MaxLength: 6, Required: true},
				{Name: "on", Label: "On", Type: "checkbox", Value: "yes", Checked: true, Invalid: true},
				{Name: "language", Label: "Language", Type: "select", Options: []postern.Option{{Value: "de", Text: "Deutsch", Lang: "de"}}},
			},
		}
		lines := []postern.Line{{Label: "Since", Value: time.Unix(0, 0), Note: "long ago", Form: &form, Link: &link}}
		f.Page(w, r, postern.Page{
			Name: "whole.page", Title: "A page", Text: "To {to}: {left} {life} {at} {what}.", Notice: "Done.", Error: "Wrong.", Code: "wrong",
			Args:  map[string]any{"to": "ann", "left": 3, "life": time.Minute, "at": time.Unix(0, 0), "what": postern.Phrase("a phrase")},
			Lines: lines, Figure: &postern.Figure{Text: "A picture", Size: 1, Path: "M0 0h1v1z"}, Ways: []postern.Link{link}, Forms: []postern.Form{form},
			Menu: []postern.Link{link}, Next: "/a", Data: json.RawMessage("{}"),
			Sections: []postern.Section{{
				Name: "s", Title: "A section", Text: "Of it.", Lines: lines, Forms: []postern.Form{form}, Links: []postern.Link{link},
				Table: &postern.Table{Columns: []string{"A", "B"}, Rows: [][]postern.Cell{{{Value: 1, URL: "/a"}, {Value: "b", Form: &form}}}, Empty: "There are none."},
			}},
		})
	}})
}

// TestWholePage: a page with everything fits the document, and has each member that the document has.
func TestWholePage(t *testing.T) {
	w := flowtest.New(t, func(*flowtest.World) map[string]postern.Provider {
		return map[string]postern.Provider{"whole": whole{}}
	})
	b := testworld.NewBrowser(w.Auth)
	b.Header.Set("Accept", "application/json")
	body := b.Do(b.Request("GET", flowtest.Issuer+"/whole/authorize", nil)).Body.String()
	var page object
	if err := json.Unmarshal([]byte(body), &page); err != nil || page["step"] != "whole.page" {
		t.Fatalf("%v: %s", err, body)
	}
	d := newDocument(t)
	schemas := d.root["components"].(object)["schemas"].(object)
	if err := d.check(schemas["Page"], page, "page"); err != nil {
		t.Errorf("%v: %s", err, body)
	}
	for _, name := range []string{"Page", "Form", "Field", "Link", "Line", "Section", "Cell"} {
		for member := range schemas[name].(object)["properties"].(object) {
			if !strings.Contains(body, `"`+member+`":`) {
				t.Errorf("no page has the member %s of %s", member, name)
			}
		}
	}
	if links, _ := page["links"].([]any); len(links) != 2 {
		t.Errorf("the way and the menu are not among the links: %s", body)
	}
	args, _ := page["args"].(object)
	for name, want := range map[string]any{"to": "ann", "left": 3.0, "life": 60.0, "at": "1970-01-01T00:00:00Z", "what": "a phrase"} {
		if args[name] != want {
			t.Errorf("args: %s is %v, want %v", name, args[name], want)
		}
	}
}

package postern_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// everyText is a page with a text in each place, and a value in each.
var everyText = postern.Page{
	Name: "test.page", Title: "title {x}", Text: "one {x}\n\ntwo {x}", Notice: "notice {x}", Error: "error {x}", Args: map[string]any{"x": "X", "line": "page"},
	Figure: &postern.Figure{Text: "figure {x}", Size: 1},
	Lines: []postern.Line{
		{Label: "label {line}", Value: postern.Phrase("value {line}"), Note: "note {line}", Args: map[string]any{"line": "L"},
			Form: &postern.Form{Submit: "remove {line}"}, Link: &postern.Link{Text: "link {line}", URL: "/"}},
		{Label: "raw", Value: "{x}"}, {Label: "number", Value: 7}, {Label: "day", Value: postern.Date(time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC))},
	},
	Ways: []postern.Link{{Text: "way {x}", URL: "/", Note: "note {x}"}}, Links: []postern.Link{{Text: "below {x}", URL: "/"}}, Menu: []postern.Link{{Text: "menu {x}", URL: "/"}},
	Forms: []postern.Form{{Title: "form {f}", Text: "text {f}", Submit: "", Args: map[string]any{"f": "F"}, Fields: []postern.Field{
		{Name: "a", Label: "field {f}", Hint: "hint {f}"},
		{Name: "b", Type: "select", Label: "choice", Value: "de", Options: []postern.Option{{Value: "de", Text: "Deutsch {f}", Lang: "de"}, {Value: "", Text: "browser {f}"}}},
		{Name: "c", Type: "textarea", Label: "long", Value: "<b>"},
	}}},
	Sections: []postern.Section{{Name: "s", Title: "section {s}", Text: "of {s}", Args: map[string]any{"s": "S"}, Lines: []postern.Line{{Label: "in {s}", Value: time.Hour}},
		Table: &postern.Table{Columns: []string{"column {s}"}, Rows: [][]postern.Cell{{{Value: postern.Phrase("cell {s}"), URL: "/"}, {Value: 3, Form: &postern.Form{Submit: "row {s}"}}}}},
		Forms: []postern.Form{{Submit: "send {s}"}}, Links: []postern.Link{{Text: "more {s}", URL: "/"}}}},
}

// textsOf returns each text of a page, in the order of the page.
func textsOf(p postern.Page) (all []string) {
	all = append(all, p.Title, p.Text, p.Notice, p.Error, p.Figure.Text)
	form := func(f postern.Form) {
		all = append(all, f.Title, f.Text, f.Submit)
		for _, d := range f.Fields {
			all = append(all, d.Label, d.Hint)
			for _, o := range d.Options {
				all = append(all, o.Text)
			}
		}
	}
	links := func(links []postern.Link) {
		for _, l := range links {
			all = append(all, l.Text, l.Note)
		}
	}
	lines := func(lines []postern.Line) {
		for _, l := range lines {
			all = append(all, l.Label, fmt.Sprint(l.Value), l.Note)
			if l.Form != nil {
				form(*l.Form)
				links([]postern.Link{*l.Link})
			}
		}
	}
	lines(p.Lines)
	links(p.Ways)
	links(p.Links)
	links(p.Menu)
	form(p.Forms[0])
	s := p.Sections[0]
	all = append(all, s.Title, s.Text, s.Table.Columns[0], fmt.Sprint(s.Table.Rows[0][0].Value), fmt.Sprint(s.Table.Rows[0][1].Value))
	form(*s.Table.Rows[0][1].Form)
	lines(s.Lines)
	form(s.Forms[0])
	links(s.Links)
	return all
}

const inEnglish = "title X|one X\n\ntwo X|notice X|error X|figure X|label L|value L|note L|||remove L|link L||raw|{x}||number|7||day|2 March 2026||way X|note X|" +
	"below X||menu X||form F|text F|Continue|field F|hint F|choice||Deutsch {f}|browser F|long||section S|of S|column S|cell S|3|||row S|in S|1 hour||||send S|more S|"

// A Render gets each text with its values, and Translate writes each anew from the template.
func TestPage_Translate(t *testing.T) {
	var got, foreign postern.Page
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["several"] = onePage(everyText)
		c.Render = func(w http.ResponseWriter, _ *http.Request, p postern.Page) {
			got = p
			foreign = p.Translate(func(text string, args map[string]any) string {
				return fmt.Sprintf("%s/%v/%v", text, args["x"], args["line"])
			})
		}
	})
	v.browser().get(issuer + "/several/authorize")
	if all := strings.Join(textsOf(got), "|"); all != inEnglish {
		t.Errorf("in English:\n%q\nwant\n%q", all, inEnglish)
	}
	all := strings.Join(textsOf(foreign), "|")
	for _, want := range []string{"title {x}/X/page", "one {x}/X/page\n\ntwo {x}/X/page", "label {line}/X/L", "remove {line}/X/L", "Continue/X/page", "browser {f}/X/page", "cell {s}/X/page", "|{x}|", "Deutsch {f}|"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if everyText.Sections[0].Title != "section {s}" || everyText.Lines[0].Value != postern.Phrase("value {line}") || everyText.Forms[0].Fields[1].Options[1].Text != "browser {f}" {
		t.Error("the page of the provider was changed")
	}
}

// onePage is a provider that shows a page.
type onePage postern.Page

func (p onePage) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) { f.Page(w, r, postern.Page(p)) }})
}

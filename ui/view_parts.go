package ui

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"github.com/posternauth/postern"
)

// A linesView is a list of labels and values. Secret is what is shown only when asked for: a key that a camera reads
// too.
type linesView struct {
	Secret, Lines []lineView
	Reveal        string
}

type lineView struct {
	ID                 string // of its label and value, for the name of what there is to do; empty: there is nothing
	Label, Value, Note []piece
	Link               *linkView
	Form               *formView
	Act                bool // there is something to do
}

func (v *viewer) lines(all []postern.Line, secret bool) linesView {
	var list []lineView
	for _, l := range all {
		line := lineView{Label: pieces(l.Label), Value: v.value(l.Value), Note: pieces(l.Note)}
		if l.Link != nil {
			if links := v.links([]postern.Link{*l.Link}); len(links) == 1 {
				line.Link = &links[0]
			}
		}
		if l.Form != nil {
			form := v.form(*l.Form, false, false)
			form.Class = strings.TrimSpace(form.Class + " inline")
			line.Form = &form
		}
		if line.Act = line.Link != nil || line.Form != nil; line.Act {
			v.acts++
			line.ID = "line-" + strconv.Itoa(v.acts)
			if line.Form != nil {
				line.Form.Names = line.ID + "-form " + line.ID + "-label " + line.ID + "-value"
			}
		}
		list = append(list, line)
	}
	if secret {
		return linesView{Secret: list, Reveal: v.text("ui.show-secret")}
	}
	return linesView{Lines: list}
}

// value returns the value of a line or a cell. A text of the application has isolates already where it has values; what
// comes as it is gets them here.
func (v *viewer) value(value any) []piece {
	s, ok := value.(string)
	if !ok {
		s = fmt.Sprint(value)
	}
	if s == "" || strings.Contains(s, isolateEnd) {
		return pieces(s)
	}
	return pieces(isolated(s))
}

type formView struct {
	Names                                        string // ids of the texts that name the button, itself first; empty: it names itself
	ID, Class, Action, Username, Options, Submit string
	Title, Note                                  []piece
	Text                                         [][]piece
	Get, Or, Unseen                              bool
	Hidden                                       []hiddenField
	Fields                                       []fieldView
}

type hiddenField struct{ Name, Value string }

type fieldView struct {
	ID, Name, Type, Value, Autocomplete, InputMode, Pattern, Max, Described, Dir string
	Label, Hint                                                                  []piece
	Enter                                                                        string // what the Enter key of a phone does
	Show                                                                         string // the button that shows a password; empty: none
	Big, Verbatim, Required, Checked, Invalid, Focus                             bool
	Options                                                                      []optionView
}

type optionView struct {
	Value, Text, Lang string
	Chosen            bool
}

// form makes the view of a form. failed marks its first field as the wrong one; focus puts the cursor there.
func (v *viewer) form(f postern.Form, failed, focus bool) formView {
	v.forms++
	out := formView{
		ID: "form-" + strconv.Itoa(v.forms), Action: f.Action, Username: f.Username, Options: string(f.Data), Submit: v.attr(f.Submit),
		Title: pieces(f.Title), Note: pieces(f.Note), Text: paragraphs(f.Text), Get: f.Get, Unseen: f.Unseen,
	}
	var classes []string
	if f.Danger {
		classes = append(classes, "danger")
	}
	if f.Get {
		classes = append(classes, "search")
	}
	if f.Download {
		classes = append(classes, "download")
	}
	out.Class = strings.Join(classes, " ")
	for _, name := range sorted(f.Hidden) {
		out.Hidden = append(out.Hidden, hiddenField{name, f.Hidden[name]})
	}
	typed := -1 // the last field with a keyboard: its Enter key sends the form
	for i, field := range f.Fields {
		if field.Type != "checkbox" && field.Type != "select" && field.Type != "textarea" {
			typed = i
		}
	}
	named := slices.ContainsFunc(f.Fields, func(field postern.Field) bool { return field.Invalid })
	for i, field := range f.Fields {
		wrong := field.Invalid || failed && i == 0 && !named
		view := v.field(field, wrong, wrong || focus && i == 0 && !named)
		switch {
		case i == typed && f.Get:
			view.Enter = "search"
		case i == typed:
			view.Enter = "go"
		}
		out.Fields = append(out.Fields, view)
	}
	return out
}

func (v *viewer) field(f postern.Field, failed, focus bool) fieldView {
	out := fieldView{
		ID: "field-" + strconv.Itoa(v.fields), Name: f.Name, Type: f.Type, Value: f.Value, Autocomplete: f.Autocomplete, InputMode: f.InputMode,
		Pattern: f.Pattern, Label: pieces(f.Label), Hint: pieces(f.Hint), Required: f.Required, Checked: f.Checked, Invalid: failed, Focus: focus,
	}
	v.fields++
	if out.Type == "" {
		out.Type = "text"
	}
	if f.MaxLength > 0 {
		out.Max = strconv.Itoa(f.MaxLength)
	}
	var described []string
	if f.Hint != "" {
		described = append(described, out.ID+"-hint")
	}
	if failed {
		described = append(described, "error")
	}
	out.Described = strings.Join(described, " ")
	code := strings.Contains(f.Autocomplete, "one-time-code")
	out.Big = code && f.InputMode == "numeric"
	mail := out.Type == "email" || out.Type == "tel" || out.Type == "url" || f.InputMode == "email"
	out.Verbatim = mail || code || f.InputMode == "numeric" || strings.Contains(f.Autocomplete, "username")
	if mail || code || out.Type == "password" {
		out.Dir = "ltr" // an address or a code is typed from left to right in every language
	}
	if out.Type == "password" {
		out.Show = v.attr(v.text("ui.show-password"))
		v.passwords++
	}
	for _, o := range f.Options {
		text := v.attr(o.Text)
		out.Options = append(out.Options, optionView{o.Value, text, o.Lang, o.Value == f.Value})
	}
	return out
}

type sectionView struct {
	ID    string
	Title []piece
	Text  [][]piece
	Lines linesView
	Table *tableView
	Forms []formView
	Links []linkView
}

func (v *viewer) section(s postern.Section) sectionView {
	v.sections++
	out := sectionView{Title: pieces(s.Title), Text: paragraphs(s.Text), Lines: v.lines(s.Lines, false), Links: v.links(s.Links)}
	if s.Title != "" {
		out.ID = "section-" + strconv.Itoa(v.sections)
	}
	if s.Table != nil {
		out.Table = v.table(*s.Table)
	}
	for _, f := range s.Forms {
		out.Forms = append(out.Forms, v.form(f, false, false))
	}
	return out
}

type tableView struct {
	Columns [][]piece
	Rows    [][]cellView
	Empty   []piece
}

type cellView struct {
	ID     string // of the one that names a row with something to do
	Value  []piece
	URL    any
	Form   *formView
	First  bool   // it names the row
	Long   bool   // it may be broken anywhere, or the table would be too wide
	Column string // heading, for a narrow screen
}

func (v *viewer) table(t postern.Table) *tableView {
	out := &tableView{Empty: pieces(t.Empty)}
	for _, c := range t.Columns {
		out.Columns = append(out.Columns, pieces(c))
	}
	for _, row := range t.Rows {
		var cells []cellView
		names, id := "", "row-"+strconv.Itoa(v.rows)
		v.rows++
		for i, c := range row {
			cell := cellView{Value: v.value(c.Value), First: i == 0}
			for _, one := range cell.Value {
				for word := range strings.FieldsSeq(one.Text) {
					cell.Long = cell.Long || len(word) > 28
				}
			}
			if c.URL != "" {
				cell.URL = v.address(c.URL)
			}
			if i < len(t.Columns) {
				cell.Column = v.attr(t.Columns[i])
			}
			if c.Form != nil {
				form := v.form(*c.Form, false, false)
				form.Class = strings.TrimSpace(form.Class + " inline")
				form.Names = form.ID + "-button " + id
				cell.Form, names = &form, id
			}
			cells = append(cells, cell)
		}
		if len(cells) > 0 {
			cells[0].ID = names
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

// trusted is an address whose scheme was checked here, because html/template knows https, http and mailto alone.
func trusted(address string) template.URL { return template.URL(address) } //nolint:gosec // checked by safeNext

// Button is the id of the button; empty if it needs none.
func (f formView) Button() string {
	id, _, _ := strings.Cut(f.Names, " ")
	return id
}

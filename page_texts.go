package postern

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/words"
)

// A Say writes one text of a page or a mail: the template text with the values args. See [Page.Translate].
type Say func(text string, args map[string]any) string

// Translate returns the page with each of its texts written by say, which gets the English template and its values. A
// value of a line or a cell is a separate text: "{value}", with the value "value". Config.Render calls it to show a
// page in another language.
func (p Page) Translate(say Say) Page {
	if p.source != nil {
		place := p
		p = *p.source
		p.Request, p.Assets, p.LanguageURL, p.LanguageTo = place.Request, place.Assets, place.LanguageURL, place.LanguageTo
	}
	return p.written(say)
}

// WithError returns the page with a refusal: its status, text, values and code.
func (p Page) WithError(e *Error) Page {
	p.Status, p.Error, p.Code, p.Args = e.Status, e.Text, e.Code, pen{args: p.Args}.with(e.Args).args
	return p
}

// inEnglish is the page with its values, ready for a Render.
func (p Page) inEnglish() Page {
	source := p
	p = p.written(english)
	p.source = &source
	return p
}

func english(text string, args map[string]any) string { return words.Fill(text, args, words.English{}) }

// A pen writes the texts of a page. args are those of the part that is being written.
type pen struct {
	say  Say
	args map[string]any
}

// with is the pen for a part that has more values.
func (p pen) with(more map[string]any) pen {
	if len(more) == 0 {
		return p
	}
	args := maps.Clone(p.args)
	if args == nil {
		args = map[string]any{}
	}
	maps.Copy(args, more)
	return pen{p.say, args}
}

func (p pen) text(s *string) {
	if *s != "" {
		*s = p.say(*s, p.args)
	}
}

// paragraphs writes each paragraph of a text by itself.
func (p pen) paragraphs(s *string) {
	if !strings.Contains(*s, "\n\n") {
		p.text(s)
		return
	}
	parts := strings.Split(*s, "\n\n")
	for i := range parts {
		p.text(&parts[i])
	}
	*s = strings.Join(parts, "\n\n")
}

// value writes the value of a line or a cell.
func (p pen) value(v any) any {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case Phrase:
		s := string(v)
		p.text(&s)
		return s
	case Date:
		return p.say("{value, date}", map[string]any{"value": time.Time(v)})
	}
	return p.say("{value}", map[string]any{"value": v})
}

// ScriptData is ScriptTexts as JSON, for the attribute data-texts of <main>; empty without texts.
func (p Page) ScriptData() string {
	if len(p.ScriptTexts) == 0 {
		return ""
	}
	data, _ := json.Marshal(p.ScriptTexts) // texts always encode
	return string(data)
}

// shown returns the value of a line or a cell of a page that is written.
func shown(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}

// written returns a copy of the page with its texts written.
func (p Page) written(say Say) Page {
	w := pen{say, p.Args}
	for _, s := range []*string{&p.Title, &p.Notice, &p.Error} {
		w.text(s)
	}
	w.paragraphs(&p.Text)
	p.ScriptTexts = maps.Clone(p.ScriptTexts)
	for name, text := range p.ScriptTexts {
		w.text(&text)
		p.ScriptTexts[name] = text
	}
	if p.Figure != nil {
		figure := *p.Figure
		w.text(&figure.Text)
		p.Figure = &figure
	}
	p.Lines, p.Ways, p.Forms, p.Links, p.Menu = w.lines(p.Lines), w.links(p.Ways), w.forms(p.Forms), w.links(p.Links), w.links(p.Menu)
	p.Sections = slices.Clone(p.Sections)
	for i := range p.Sections {
		s := &p.Sections[i]
		w := w.with(s.Args)
		w.text(&s.Title)
		w.paragraphs(&s.Text)
		s.Lines, s.Forms, s.Links, s.Table = w.lines(s.Lines), w.forms(s.Forms), w.links(s.Links), w.table(s.Table)
	}
	return p
}

func (p pen) lines(all []Line) []Line {
	all = slices.Clone(all)
	for i := range all {
		l := &all[i]
		w := p.with(l.Args)
		w.text(&l.Label)
		w.text(&l.Note)
		l.Value = w.value(l.Value)
		if l.Form != nil {
			l.Form = &w.forms([]Form{*l.Form})[0]
		}
		if l.Link != nil {
			l.Link = &w.links([]Link{*l.Link})[0]
		}
	}
	return all
}

func (p pen) links(all []Link) []Link {
	all = slices.Clone(all)
	for i := range all {
		w := p.with(all[i].Args)
		w.text(&all[i].Text)
		w.text(&all[i].Note)
	}
	return all
}

func (p pen) forms(all []Form) []Form {
	all = slices.Clone(all)
	for i := range all {
		f := &all[i]
		w := p.with(f.Args)
		w.text(&f.Title)
		w.paragraphs(&f.Text)
		w.text(&f.Note)
		if f.Submit == "" {
			f.Submit = "Continue"
		}
		w.text(&f.Submit)
		f.Fields = slices.Clone(f.Fields)
		for j := range f.Fields {
			field := &f.Fields[j]
			w := w.with(field.Args)
			w.text(&field.Label)
			w.text(&field.Hint)
			field.Options = slices.Clone(field.Options)
			for k := range field.Options {
				if field.Options[k].Lang == "" {
					w.text(&field.Options[k].Text)
				}
			}
		}
	}
	return all
}

func (p pen) table(t *Table) *Table {
	if t == nil {
		return nil
	}
	c := Table{Columns: slices.Clone(t.Columns), Rows: make([][]Cell, len(t.Rows)), Empty: t.Empty}
	p.text(&c.Empty)
	for i := range c.Columns {
		p.text(&c.Columns[i])
	}
	for i, row := range t.Rows {
		c.Rows[i] = slices.Clone(row)
		for j := range c.Rows[i] {
			cell := &c.Rows[i][j]
			cell.Value = p.value(cell.Value)
			if cell.Form != nil {
				cell.Form = &p.forms([]Form{*cell.Form})[0]
			}
		}
	}
	return &c
}

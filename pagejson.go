package postern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// A pageJSON is a Page as programs read it. docs/json.md describes the members.
type pageJSON struct {
	Step        string          `json:"step"`
	App         string          `json:"app"`
	Title       string          `json:"title"`
	Text        string          `json:"text,omitempty"`
	Args        map[string]any  `json:"args,omitempty"`
	Notice      string          `json:"notice,omitempty"`
	Error       string          `json:"error,omitempty"` // the code, as in every refusal
	Description string          `json:"error_description,omitempty"`
	Lines       []lineJSON      `json:"lines,omitempty"`
	Figure      *figureJSON     `json:"figure,omitempty"`
	Forms       []formJSON      `json:"forms"`
	Links       []linkJSON      `json:"links"`
	Sections    []sectionJSON   `json:"sections,omitempty"`
	Next        string          `json:"next,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
}

type sectionJSON struct {
	Name  string     `json:"name"`
	Title string     `json:"title,omitempty"`
	Text  string     `json:"text,omitempty"`
	Lines []lineJSON `json:"lines,omitempty"`
	Table *tableJSON `json:"table,omitempty"`
	Forms []formJSON `json:"forms,omitempty"`
	Links []linkJSON `json:"links,omitempty"`
}

type tableJSON struct {
	Columns []string     `json:"columns"`
	Rows    [][]cellJSON `json:"rows"`
	Empty   string       `json:"empty,omitempty"`
}

type cellJSON struct {
	Value string    `json:"value"`
	URL   string    `json:"url,omitempty"`
	Form  *formJSON `json:"form,omitempty"`
}

type figureJSON struct {
	Text string `json:"text"`
	Size int    `json:"size"`
	Path string `json:"path"`
}

type lineJSON struct {
	Label string    `json:"label"`
	Value string    `json:"value"`
	Note  string    `json:"note,omitempty"`
	Form  *formJSON `json:"form,omitempty"`
	Link  *linkJSON `json:"link,omitempty"`
}

type formJSON struct {
	Name     string            `json:"name,omitempty"`
	Title    string            `json:"title,omitempty"`
	Text     string            `json:"text,omitempty"`
	Note     string            `json:"note,omitempty"`
	URL      string            `json:"url"`
	Method   string            `json:"method,omitempty"` // "GET" of a search; else POST
	Danger   bool              `json:"danger,omitempty"`
	Download bool              `json:"download,omitempty"`
	Hidden   map[string]string `json:"hidden,omitempty"`
	Username string            `json:"username,omitempty"`
	Fields   []fieldJSON       `json:"fields"`
	Submit   string            `json:"submit,omitempty"`
	Unseen   bool              `json:"unseen,omitempty"`
	Data     json.RawMessage   `json:"data,omitempty"`
}

type fieldJSON struct {
	Name         string `json:"name"`
	Label        string `json:"label"`
	Type         string `json:"type"`
	Value        string `json:"value,omitempty"`
	Autocomplete string `json:"autocomplete,omitempty"`
	InputMode    string `json:"inputmode,omitempty"`
	Pattern      string `json:"pattern,omitempty"`
	Hint         string `json:"hint,omitempty"`
	MaxLength    int    `json:"maxlength,omitempty"`
	Required     bool   `json:"required,omitempty"`
	Checked      bool   `json:"checked,omitempty"`
	Invalid      bool   `json:"invalid,omitempty"` // the error of the page is about it

	Options []optionJSON `json:"options,omitempty"`
}

type optionJSON struct {
	Value string `json:"value"`
	Text  string `json:"text"`
}

type linkJSON struct {
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
	URL  string `json:"url"`
	Note string `json:"note,omitempty"`
	Mark string `json:"mark,omitempty"`

	Current bool `json:"current,omitempty"`
}

// showJSON answers with a page as JSON. The headers are set, and p has a status.
func (a *Auth) showJSON(w http.ResponseWriter, r *http.Request, p Page) {
	body, err := a.encodePage(r, p)
	if err != nil {
		a.fail(w, r, nil, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that has gone needs no answer
	}
}

func (a *Auth) encodePage(r *http.Request, p Page) ([]byte, error) {
	base, err := url.Parse(a.origin + r.URL.EscapedPath())
	if err != nil {
		return nil, fmt.Errorf("postern: the URL of a request: %w", err)
	}
	base.RawQuery = r.URL.RawQuery
	e := pageEncoder{base}
	j := pageJSON{
		Step: p.Name, App: p.App, Title: p.Title, Text: p.Text, Args: plainArgs(p.Args), Notice: p.Notice, Error: p.Code, Description: p.Error,
		Forms: []formJSON{}, Links: []linkJSON{}, Next: p.Next, Data: p.Data,
	}
	if j.Error == "" && p.Error != "" {
		j.Error = "invalid_request"
	}
	j.Lines = e.lines(p.Lines)
	if p.Figure != nil {
		j.Figure = &figureJSON{p.Figure.Text, p.Figure.Size, p.Figure.Path}
	}
	for _, f := range p.Forms {
		j.Forms = append(j.Forms, e.form(f))
	}
	for _, links := range [][]Link{p.Ways, p.Links, p.Menu} {
		for _, l := range links {
			if linkable(l.URL) || l.URL == p.Next && safeLink(l.URL) {
				j.Links = append(j.Links, e.link(l))
			}
		}
	}
	for _, part := range p.Sections {
		j.Sections = append(j.Sections, e.section(part))
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	if err := encoder.Encode(j); err != nil {
		return nil, fmt.Errorf("postern: page %q as JSON: %w", p.Name, err)
	}
	return b.Bytes(), nil
}

// A pageEncoder makes the addresses of a page absolute: a program does not know where the page would be.
type pageEncoder struct{ base *url.URL }

func (e pageEncoder) absolute(link string) string {
	u, err := e.base.Parse(link)
	if err != nil {
		return link
	}
	return u.String()
}

func (e pageEncoder) lines(all []Line) (lines []lineJSON) {
	for _, l := range all {
		line := lineJSON{Label: l.Label, Value: shown(l.Value), Note: l.Note}
		if l.Form != nil {
			f := e.form(*l.Form)
			line.Form = &f
		}
		if l.Link != nil {
			link := e.link(*l.Link)
			line.Link = &link
		}
		lines = append(lines, line)
	}
	return lines
}

func (e pageEncoder) section(s Section) sectionJSON {
	j := sectionJSON{Name: s.Name, Title: s.Title, Text: s.Text, Lines: e.lines(s.Lines)}
	for _, f := range s.Forms {
		j.Forms = append(j.Forms, e.form(f))
	}
	for _, l := range s.Links {
		j.Links = append(j.Links, e.link(l))
	}
	if s.Table == nil {
		return j
	}
	j.Table = &tableJSON{Columns: s.Table.Columns, Rows: [][]cellJSON{}, Empty: s.Table.Empty}
	for _, row := range s.Table.Rows {
		cells := []cellJSON{}
		for _, c := range row {
			cell := cellJSON{Value: shown(c.Value)}
			if c.URL != "" {
				cell.URL = e.absolute(c.URL)
			}
			if c.Form != nil {
				f := e.form(*c.Form)
				cell.Form = &f
			}
			cells = append(cells, cell)
		}
		j.Table.Rows = append(j.Table.Rows, cells)
	}
	return j
}

func (e pageEncoder) link(l Link) linkJSON {
	return linkJSON{l.Name, l.Text, e.absolute(l.URL), l.Note, l.Mark, l.Current}
}

func (e pageEncoder) form(f Form) formJSON {
	j := formJSON{Name: f.Name, Title: f.Title, Text: f.Text, Note: f.Note, URL: e.base.String(), Danger: f.Danger, Download: f.Download,
		Hidden: f.Hidden, Username: f.Username, Fields: []fieldJSON{}, Submit: f.Submit, Unseen: f.Unseen, Data: f.Data}
	if f.Get {
		j.Method = http.MethodGet
	}
	if f.Action != "" {
		j.URL = e.absolute(f.Action)
	}
	for _, d := range f.Fields {
		kind := d.Type
		if kind == "" {
			kind = "text"
		}
		var options []optionJSON
		for _, o := range d.Options {
			options = append(options, optionJSON{o.Value, o.Text})
		}
		j.Fields = append(j.Fields, fieldJSON{
			Name: d.Name, Label: d.Label, Type: kind, Value: d.Value, Autocomplete: d.Autocomplete, InputMode: d.InputMode,
			Pattern: d.Pattern, Hint: d.Hint, MaxLength: d.MaxLength, Required: d.Required,
			Checked: d.Checked, Invalid: d.Invalid, Options: options,
		})
	}
	return j
}

// plainArgs returns args with durations in seconds and times as RFC 3339 writes them.
func plainArgs(args map[string]any) map[string]any {
	plain := make(map[string]any, len(args))
	for name, value := range args {
		switch v := value.(type) {
		case time.Duration:
			value = v.Seconds()
		case time.Time:
			value = v.UTC().Format(time.RFC3339)
		}
		plain[name] = value
	}
	return plain
}

// Fields refuses a JSON body with a member that the step does not know: 400. names are those that it knows; those of an
// authorize request are known wherever a sign-in begins. Call it before anything is done. A form of a page is not
// refused, since browsers and extensions add fields.
func (f *Flow) Fields(r *http.Request, names ...string) error { return knownMembers(r, names...) }

// knownMembers is Flow.Fields.
func knownMembers(r *http.Request, names ...string) error {
	x := exchangeOf(r)
	if x == nil || !x.json {
		return nil
	}
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	for name := range r.PostForm {
		if !known[name] && !(x.asked && authorizeParams[name]) {
			return badRequest("invalid_request", "The request has a member that this step does not know: {member}.").
				with("member", httperr.Quote(name[:min(len(name), 64)]))
		}
	}
	return nil
}

// authorizeParams are the parameters that begin a sign-in: those that returnOf reads, an invitation, and by what the
// person is expected to sign in.
var authorizeParams = map[string]bool{
	"redirect_uri": true, "response_type": true, "state": true, "client_id": true, "code_challenge": true, "code_challenge_method": true,
	"invitation": true, "login_hint": true, "prompt": true, hintParam: true,
}

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
	Error       string          `json:"error,omitempty"` // the code, as in every refusal
	Description string          `json:"error_description,omitempty"`
	Lines       []lineJSON      `json:"lines,omitempty"`
	Figure      *figureJSON     `json:"figure,omitempty"`
	Forms       []formJSON      `json:"forms"`
	Links       []linkJSON      `json:"links"`
	Next        string          `json:"next,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
}

type figureJSON struct {
	Text string `json:"text"`
	Size int    `json:"size"`
	Path string `json:"path"`
}

type lineJSON struct {
	Label string    `json:"label"`
	Value string    `json:"value"`
	Form  *formJSON `json:"form,omitempty"`
	Link  *linkJSON `json:"link,omitempty"`
}

type formJSON struct {
	Name     string            `json:"name,omitempty"`
	Title    string            `json:"title,omitempty"`
	URL      string            `json:"url"`
	Hidden   map[string]string `json:"hidden,omitempty"`
	Username string            `json:"username,omitempty"`
	Fields   []fieldJSON       `json:"fields"`
	Submit   string            `json:"submit,omitempty"`
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
}

type linkJSON struct {
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
	URL  string `json:"url"`
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
		Step: p.Name, App: p.App, Title: p.Title, Text: p.Text, Args: plainArgs(p.Args), Error: p.Code, Description: p.Error,
		Forms: []formJSON{}, Links: []linkJSON{}, Next: p.Next, Data: p.Data,
	}
	if j.Error == "" && p.Error != "" {
		j.Error = "invalid_request"
	}
	for _, l := range p.Lines {
		line := lineJSON{Label: l.Label, Value: l.Value}
		if l.Form != nil {
			f := e.form(*l.Form)
			line.Form = &f
		}
		if l.Link != nil {
			line.Link = &linkJSON{l.Link.Name, l.Link.Text, e.absolute(l.Link.URL)}
		}
		j.Lines = append(j.Lines, line)
	}
	if p.Figure != nil {
		j.Figure = &figureJSON{p.Figure.Text, p.Figure.Size, p.Figure.Path}
	}
	for _, f := range p.Forms {
		j.Forms = append(j.Forms, e.form(f))
	}
	for _, links := range [][]Link{p.Ways, p.Links} {
		for _, l := range links {
			if linkable(l.URL) || l.URL == p.Next && safeLink(l.URL) {
				j.Links = append(j.Links, linkJSON{l.Name, l.Text, e.absolute(l.URL)})
			}
		}
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

func (e pageEncoder) form(f Form) formJSON {
	j := formJSON{Name: f.Name, Title: f.Title, URL: e.base.String(), Hidden: f.Hidden, Username: f.Username, Fields: []fieldJSON{}, Submit: f.Submit, Data: f.Data}
	if f.Action != "" {
		j.URL = e.absolute(f.Action)
	}
	for _, d := range f.Fields {
		kind := d.Type
		if kind == "" {
			kind = "text"
		}
		j.Fields = append(j.Fields, fieldJSON{
			Name: d.Name, Label: d.Label, Type: kind, Value: d.Value, Autocomplete: d.Autocomplete, InputMode: d.InputMode,
			Pattern: d.Pattern, Hint: d.Hint, MaxLength: d.MaxLength, Required: d.Required,
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
			return badRequest("invalid_request", "The request has a member that this step does not know: "+httperr.Quote(name[:min(len(name), 64)])+".")
		}
	}
	return nil
}

// authorizeParams are the parameters that begin a sign-in: those that returnOf reads, and an invitation.
var authorizeParams = map[string]bool{
	"redirect_uri": true, "response_type": true, "state": true, "client_id": true, "code_challenge": true, "code_challenge_method": true,
	"invitation": true,
}

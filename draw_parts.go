package postern

import (
	"html"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A drawing is a page on the way. It counts what needs an id of the page.
type drawing struct {
	*strings.Builder
	next          string // Page.Next
	fields, forms int    // drawn so far
	acts          int    // lines and rows with something to do
	names         string // ids of the texts that name the next button; empty: it names itself
}

func (d *drawing) attr(name, value string) {
	if value != "" {
		d.WriteString(" " + name + `="` + html.EscapeString(value) + `"`)
	}
}

func (d *drawing) tag(open, text, end string) {
	if text != "" {
		d.WriteString(open + html.EscapeString(text) + end)
	}
}

func (d *drawing) paragraphs(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		d.tag("<p>", paragraph, "</p>\n")
	}
}

// link draws a link inside of an element, or nothing if the link is not safe.
func (d *drawing) link(element string, l Link) {
	if l.URL == d.next && safeLink(l.URL) || linkable(l.URL) {
		d.WriteString("<" + element + `><a href="` + html.EscapeString(l.URL) + `"`)
		d.named()
		d.WriteString(">" + html.EscapeString(l.Text) + "</a>")
		d.tag(` <span class="hint">`, l.Note, "</span>")
		d.WriteString("</" + element + ">\n")
	}
}

// named gives a button or a link the name that d.names says: what it does, and what it does that with.
func (d *drawing) named() {
	id, _, _ := strings.Cut(d.names, " ")
	d.attr("id", id)
	d.attr("aria-labelledby", d.names)
	d.names = ""
}

func (d *drawing) links(links []Link) {
	if len(links) == 0 {
		return
	}
	d.WriteString("<ul>\n")
	for _, l := range links {
		d.link("li", l)
	}
	d.WriteString("</ul>\n")
}

func (d *drawing) figure(f *Figure) {
	if f == nil {
		return
	}
	size := strconv.Itoa(f.Size)
	d.WriteString(`<svg class="figure" role="img" viewBox="0 0 ` + size + " " + size + `" shape-rendering="crispEdges"`)
	d.attr("aria-label", f.Text)
	d.WriteString(`><rect width="100%" height="100%" fill="#fff"/><path fill="#000"`)
	d.attr("d", f.Path)
	d.WriteString("/></svg>\n")
}

// lines draws a list of labels and values. What can be done about a line stands in its group.
func (d *drawing) lines(lines []Line) {
	if len(lines) == 0 {
		return
	}
	d.WriteString("<dl>\n")
	for _, l := range lines {
		id := ""
		if l.Link != nil && linkable(l.Link.URL) || l.Form != nil {
			d.acts++
			id = "line-" + strconv.Itoa(d.acts)
		}
		d.WriteString("<div>\n<dt")
		d.attr("id", id)
		d.WriteString(">" + html.EscapeString(l.Label) + "</dt>\n<dd")
		if id != "" {
			d.attr("id", id+"-value")
		}
		d.WriteString(">" + html.EscapeString(shown(l.Value)) + "</dd>\n")
		d.tag("<dd class=\"hint\">", l.Note, "</dd>\n")
		if l.Link != nil {
			d.names = id + "-link " + id + " " + id + "-value"
			d.link("dd", *l.Link)
			d.names = ""
		}
		if l.Form != nil {
			d.WriteString("<dd>\n")
			d.names = id + "-form " + id + " " + id + "-value"
			d.form(*l.Form, false, false)
			d.WriteString("</dd>\n")
		}
		d.WriteString("</div>\n")
	}
	d.WriteString("</dl>\n")
}

// form draws a form. failed marks its first field as the wrong one; focus puts the cursor there.
func (d *drawing) form(f Form, failed, focus bool) {
	d.forms++
	heading := ""
	if f.Title != "" {
		heading = "form-" + strconv.Itoa(d.forms)
		d.WriteString(`<h2 id="` + heading + `">` + html.EscapeString(f.Title) + "</h2>\n")
	}
	d.paragraphs(f.Text)
	method := "post"
	if f.Get {
		method = "get"
	}
	d.WriteString(`<form method="` + method + `"`)
	d.attr("action", f.Action)
	d.attr("aria-labelledby", heading)
	d.attr("data-options", string(f.Data))
	if f.Unseen {
		d.WriteString(" hidden")
	}
	d.WriteString(">\n")
	for _, name := range slices.Sorted(maps.Keys(f.Hidden)) {
		d.WriteString(`<input type="hidden"`)
		d.attr("name", name)
		d.WriteString(` value="` + html.EscapeString(f.Hidden[name]) + "\">\n")
	}
	if f.Username != "" {
		d.WriteString(`<input type="text" autocomplete="username" hidden readonly`)
		d.attr("value", f.Username)
		d.WriteString(">\n")
	}
	named := f.namesInvalid()
	for i, field := range f.Fields {
		d.field(field, field.Invalid || failed && i == 0 && !named, focus && i == 0) // with links above the form a screen reader would skip them
	}
	if !f.Unseen {
		d.WriteString(`<button type="submit"`)
		d.named()
		d.WriteString(">" + html.EscapeString(f.Submit) + "</button>\n")
		d.tag(`<p class="hint">`, f.Note, "</p>\n")
	} else { // HTML wants one of every form (WCAG technique H32)
		d.WriteString("<input type=\"submit\" hidden>\n")
	}
	d.WriteString("</form>\n")
}

// field draws a label and its input.
func (d *drawing) field(f Field, failed, focus bool) {
	id := "field-" + strconv.Itoa(d.fields)
	d.fields++
	label := `<label for="` + id + `">` + html.EscapeString(f.Label) + "</label>\n"
	if f.Type == "checkbox" {
		d.WriteString("<div class=\"check\">\n<input id=\"" + id + `" type="checkbox"`)
		d.attr("name", f.Name)
		d.attr("value", f.Value)
		if f.Checked {
			d.WriteString(" checked")
		}
		d.WriteString(">\n" + label + "</div>\n")
		return
	}
	if f.Type == "select" || f.Type == "textarea" {
		d.WriteString(label)
		d.choice(id, f)
		return
	}
	d.WriteString(label + "<input id=\"" + id + `"`)
	kind := f.Type
	if kind == "" {
		kind = "text"
	}
	d.attr("type", kind)
	d.attr("name", f.Name)
	d.attr("value", f.Value)
	d.attr("autocomplete", f.Autocomplete)
	d.attr("inputmode", f.InputMode)
	d.attr("pattern", f.Pattern)
	if f.MaxLength > 0 {
		d.attr("maxlength", strconv.Itoa(f.MaxLength))
	}
	var described []string
	if f.Hint != "" {
		described = append(described, id+"-hint")
	}
	if failed {
		d.attr("aria-invalid", "true")
		described = append(described, "error")
	}
	d.attr("aria-describedby", strings.Join(described, " "))
	if kind == "email" || kind == "tel" || f.InputMode == "numeric" {
		d.WriteString(` autocapitalize="none" spellcheck="false"`)
	}
	if f.Required {
		d.WriteString(" required")
	}
	if focus {
		d.WriteString(" autofocus")
	}
	d.WriteString(">\n")
	if f.Hint != "" {
		d.WriteString(`<p class="hint" id="` + id + `-hint">` + html.EscapeString(f.Hint) + "</p>\n")
	}
}

// choice draws the input of a field with options, or with several lines.
func (d *drawing) choice(id string, f Field) {
	element := f.Type
	d.WriteString("<" + element + ` id="` + id + `"`)
	d.attr("name", f.Name)
	if f.Hint != "" {
		d.attr("aria-describedby", id+"-hint")
	}
	if f.Required {
		d.WriteString(" required")
	}
	if element == "textarea" {
		if f.MaxLength > 0 {
			d.attr("maxlength", strconv.Itoa(f.MaxLength))
		}
		d.WriteString(` rows="3">` + html.EscapeString(f.Value))
	} else {
		d.WriteString(">\n")
		for _, o := range f.Options {
			d.WriteString(`<option value="` + html.EscapeString(o.Value) + `"`)
			d.attr("lang", o.Lang)
			if o.Value == f.Value {
				d.WriteString(" selected")
			}
			d.WriteString(">" + html.EscapeString(o.Text) + "</option>\n")
		}
	}
	d.WriteString("</" + element + ">\n")
	d.tag(`<p class="hint" id="`+id+`-hint">`, f.Hint, "</p>\n")
}

// menu draws the links to the other pages of an account.
func (d *drawing) menu(links []Link) {
	if len(links) == 0 {
		return
	}
	d.WriteString("<nav>\n")
	for _, l := range links {
		if !linkable(l.URL) {
			continue
		}
		current := ""
		if l.Current {
			current = ` aria-current="page"`
		}
		d.WriteString(`<a href="` + html.EscapeString(l.URL) + `"` + current + ">" + html.EscapeString(l.Text) + "</a>\n")
	}
	d.WriteString("</nav>\n")
}

func (d *drawing) section(s Section) {
	d.WriteString("<section>\n")
	d.tag("<h2>", s.Title, "</h2>\n")
	d.paragraphs(s.Text)
	d.lines(s.Lines)
	if s.Table != nil {
		d.table(*s.Table)
	}
	for _, f := range s.Forms {
		d.form(f, false, false)
	}
	d.links(s.Links)
	d.WriteString("</section>\n")
}

func (d *drawing) table(t Table) {
	if len(t.Rows) == 0 {
		d.tag("<p>", t.Empty, "</p>\n")
		return
	}
	d.WriteString("<table>\n<thead>\n<tr>\n")
	for _, column := range t.Columns {
		d.WriteString(`<th scope="col">` + html.EscapeString(column) + "</th>\n")
	}
	d.WriteString("</tr>\n</thead>\n<tbody>\n")
	for _, row := range t.Rows {
		id := ""
		if slices.ContainsFunc(row, func(c Cell) bool { return c.Form != nil }) {
			d.acts++
			id = "row-" + strconv.Itoa(d.acts)
		}
		d.WriteString("<tr>\n")
		for i, cell := range row {
			element := "td"
			if i == 0 {
				element = "th"
			}
			text := html.EscapeString(shown(cell.Value))
			if cell.URL != "" && linkable(cell.URL) {
				text = `<a href="` + html.EscapeString(cell.URL) + `">` + text + "</a>"
			}
			d.WriteString("<" + element)
			if i == 0 {
				d.attr("scope", "row")
				d.attr("id", id)
			}
			d.WriteString(">" + text)
			if cell.Form != nil {
				d.names = id + "-button " + id
				d.form(*cell.Form, false, false)
			}
			d.WriteString("</" + element + ">\n")
		}
		d.WriteString("</tr>\n")
	}
	d.WriteString("</tbody>\n</table>\n")
}

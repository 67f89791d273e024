package gallery

import (
	"encoding/xml"
	"html"
	"net/url"
	"regexp"
	"strings"
)

// A form of a page.
type form struct {
	action string
	get    bool
	values url.Values // what the page puts into its fields
	names  map[string]bool

	fields  []field
	options string // of a passkey, as JSON
}

// A field of a form, as the page has it.
type field struct {
	name, kind string // kind is the type of an input, or the name of another element
	required   bool
	value      string

	autocomplete string
}

func (f form) has(pairs []string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if !f.names[pairs[i]] {
			return false
		}
	}
	return true
}

// tags calls f with each opening tag of a page and its attributes, and with each closing tag as "/name".
func tags(page string, f func(tag string, attribute map[string]string)) {
	page = regexp.MustCompile(`(?s)<style>.*?</style>|<script>.*?</script>|<!doctype[^>]*>`).ReplaceAllString(page, "")
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.Entity = false, xml.HTMLEntity
	for {
		token, err := d.RawToken()
		if err != nil {
			return
		}
		switch e := token.(type) {
		case xml.StartElement:
			attribute := map[string]string{}
			for _, a := range e.Attr {
				attribute[strings.ToLower(a.Name.Local)] = a.Value
			}
			f(strings.ToLower(e.Name.Local), attribute)
		case xml.EndElement:
			f("/"+strings.ToLower(e.Name.Local), nil)
		}
	}
}

func formsOf(page string) (all []form) {
	inside, choice := false, ""
	tags(page, func(tag string, a map[string]string) {
		switch tag {
		case "form":
			inside = true
			all = append(all, form{action: a["action"], get: strings.EqualFold(a["method"], "get"), values: url.Values{}, names: map[string]bool{}})
		case "/form":
			inside = false
		case "select":
			choice = a["name"]
		case "option":
			if _, chosen := a["selected"]; chosen && inside {
				all[len(all)-1].values.Set(choice, a["value"])
			}
		}
		if inside && a["data-options"] != "" {
			all[len(all)-1].options = a["data-options"]
		}
		name := a["name"]
		if !inside || name == "" || tag != "input" && tag != "select" && tag != "textarea" && tag != "button" {
			return
		}
		f := &all[len(all)-1]
		f.names[name] = true
		_, checked := a["checked"]
		_, required := a["required"]
		kind := tag
		if tag == "input" {
			kind = a["type"]
		}
		f.fields = append(f.fields, field{name, kind, required, a["value"], a["autocomplete"]})
		if tag == "input" && (a["type"] != "checkbox" && a["type"] != "radio" || checked) {
			f.values.Set(name, a["value"])
		}
	})
	return all
}

func linksOf(page string) (all []string) {
	tags(page, func(tag string, a map[string]string) {
		if tag == "a" && a["href"] != "" {
			all = append(all, a["href"])
		}
	})
	return all
}

var refresh = regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]*)"`)

// refreshOf is the address that a page leads on to by itself, if it does.
func refreshOf(page string) string {
	if m := refresh.FindStringSubmatch(page); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

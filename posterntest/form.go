package posterntest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A form of a page.
type form struct {
	action, method string
	values         url.Values      // what the page puts into its fields
	names          map[string]bool // of fields and buttons
	visible        int             // fields a person could fill in
}

// formsOf reads the forms of a page. The page can be read again after it.
func formsOf(t T, page *http.Response) []*form {
	t.Helper()
	body := readAll(t, page)
	if !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	forms, err := parseForms(body)
	if err != nil {
		t.Fatalf("posterntest: the page at %s cannot be read: %v", place(page.Request.URL), err)
	}
	return forms
}

// parseForms understands HTML as far as it is written like XML: quoted attributes, named or numbered entities. Tags
// need not match.
func parseForms(body []byte) ([]*form, error) {
	d := xml.NewDecoder(bytes.NewReader(without(without(body, "script"), "style")))
	d.Strict, d.Entity = false, xml.HTMLEntity
	var forms []*form
	var current *form
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return forms, nil
		}
		if err != nil {
			return nil, err
		}
		switch e := token.(type) {
		case xml.StartElement:
			tag := strings.ToLower(e.Name.Local)
			if tag == "form" {
				current = &form{action: attribute(e, "action"), method: strings.ToUpper(attribute(e, "method")), values: url.Values{}, names: map[string]bool{}}
				forms = append(forms, current)
			} else if current != nil {
				current.add(tag, e)
			}
		case xml.EndElement:
			if strings.EqualFold(e.Name.Local, "form") {
				current = nil
			}
		}
	}
}

// refreshOf returns the address that a page leads on to at once by a meta refresh; nil for another page. It reads the
// whole answer, which can be read again.
func refreshOf(t T, page *http.Response) *url.URL {
	t.Helper()
	body := readAll(t, page)
	if !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	d := xml.NewDecoder(bytes.NewReader(without(without(body, "script"), "style")))
	d.Strict, d.Entity = false, xml.HTMLEntity
	for {
		token, err := d.RawToken()
		if err != nil { // the end, or not a page that this parser understands: formsOf reports it
			return nil
		}
		e, ok := token.(xml.StartElement)
		if !ok || !strings.EqualFold(e.Name.Local, "meta") || !strings.EqualFold(attribute(e, "http-equiv"), "refresh") {
			continue
		}
		target, ok := strings.CutPrefix(attribute(e, "content"), "0;url=")
		if !ok {
			return nil
		}
		next, err := page.Request.URL.Parse(target)
		if err != nil {
			t.Fatalf("posterntest: the page at %s leads to a bad address: %v", place(page.Request.URL), err)
		}
		return next
	}
}

// without cuts out elements whose content is no markup.
func without(body []byte, tag string) []byte {
	var kept []byte
	for {
		lower := lowerASCII(body)
		from := bytes.Index(lower, []byte("<"+tag))
		if from < 0 {
			return append(kept, body...)
		}
		end := []byte("</" + tag + ">")
		to := bytes.Index(lower[from:], end)
		if to < 0 {
			return append(kept, body[:from]...)
		}
		kept = append(kept, body[:from]...)
		body = body[from+to+len(end):]
	}
}

// lowerASCII keeps every byte in its place, as bytes.ToLower does not.
func lowerASCII(b []byte) []byte {
	lower := bytes.Clone(b)
	for i, c := range lower {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if strings.EqualFold(a.Name.Local, name) {
			return a.Value
		}
	}
	return ""
}

func (f *form) add(tag string, e xml.StartElement) {
	name := attribute(e, "name")
	kind := strings.ToLower(attribute(e, "type"))
	switch {
	case tag != "input" && tag != "button" && tag != "select" && tag != "textarea", name == "":
		return
	case tag == "button", kind == "submit", kind == "image", kind == "button", kind == "reset": // sent only if pressed
	case kind == "checkbox", kind == "radio":
		f.visible++
	case tag == "input":
		if kind != "hidden" {
			f.visible++
		}
		f.values.Add(name, attribute(e, "value"))
	default:
		f.visible++
		f.values.Add(name, "")
	}
	f.names[name] = true
}

func (f *form) takes(values url.Values) bool {
	for name := range values {
		if !f.names[name] {
			return false
		}
	}
	return true
}

// isAnswer reports whether the form is the answer of a provider by form_post: hidden fields only, a state and an
// outcome.
func (f *form) isAnswer() bool {
	return f.visible == 0 && f.names["state"] && (f.names["code"] || f.names["error"])
}

func (f *form) send(t T, client *http.Client, page *http.Response, values url.Values) *http.Response {
	t.Helper()
	from := page.Request.URL
	to, err := from.Parse(f.action)
	if err != nil {
		t.Fatalf("posterntest: the form at %s has a bad action: %v", place(from), err)
	}
	sent := url.Values{}
	for name, v := range f.values {
		sent[name] = v
	}
	for name, v := range values {
		sent[name] = v
	}
	var r *http.Request
	if f.method == http.MethodPost {
		r, err = http.NewRequest(http.MethodPost, to.String(), strings.NewReader(sent.Encode()))
	} else {
		to.RawQuery = sent.Encode()
		r, err = http.NewRequest(http.MethodGet, to.String(), nil)
	}
	if err != nil {
		t.Fatalf("posterntest: send the form at %s: %v", place(from), err)
	}
	if f.method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin(page, to))
	}
	r.Header.Set("Sec-Fetch-Site", site(from, to))
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Accept", "text/html")
	return do(t, client, r)
}

package ui_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/xss"
	"github.com/posternauth/postern/ui"
)

// everywhere returns a page that has the text in each field that holds one.
func everywhere(text string) postern.Page {
	var p postern.Page
	fill(reflect.ValueOf(&p).Elem(), text, 0)
	p.Status, p.Data = 200, nil
	if raw, err := json.Marshal(map[string]string{"x": text}); err == nil {
		p.Data = raw
	}
	return p
}

func fill(v reflect.Value, text string, depth int) {
	if depth > 7 || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Interface:
		v.Set(reflect.ValueOf(text))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text, depth+1)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text, depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		if v.Type().Elem().Kind() == reflect.String || v.Type().Elem().Kind() == reflect.Interface {
			v.SetMapIndex(reflect.ValueOf(text), reflect.ValueOf(text))
		}
	}
}

var (
	element   = regexp.MustCompile(`<([a-zA-Z!/][^\s>]*)((?:[^>"']|"[^"]*"|'[^']*')*)>`)
	attribute = regexp.MustCompile(`\s([a-zA-Z-]+)(?:=("[^"]*"|'[^']*'|[^\s>]*))?`)
)

// look finds what does not come from the templates.
func look(t *testing.T, what, body string, mail bool) {
	t.Helper()
	for _, m := range element.FindAllStringSubmatch(body, -1) {
		if !slices.Contains(xss.Elements(), strings.ToLower(strings.TrimPrefix(m[1], "/"))) {
			t.Errorf("%s: the element %s", what, m[0])
		}
		for _, a := range attribute.FindAllStringSubmatch(m[2], -1) {
			name, value := a[1], strings.ToLower(strings.Trim(a[2], `"'`))
			if !slices.Contains(xss.Attributes(), name) || !mail && name == "style" {
				t.Errorf("%s: the attribute %s in %s", what, name, m[0])
			}
			if (name == "href" || name == "src" || name == "action") && (strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "data:")) {
				t.Errorf("%s: the address %s", what, value)
			}
			if name == "content" && strings.Contains(value, "url=javascript") {
				t.Errorf("%s: the refresh %s", what, value)
			}
		}
	}
	if !mail && (strings.Contains(body, "<style") || regexp.MustCompile(`<script(?:[^>]*)>[^<]`).MatchString(body)) {
		t.Errorf("%s: an inline style or script", what)
	}
}

func TestRender_HostileTexts(t *testing.T) {
	for _, languages := range [][]string{{"en"}, {"ar-XB"}} {
		pages := newPages(t, ui.Config{Languages: languages})
		for _, payload := range xss.Payloads() {
			w := drawn(pages, everywhere(payload), "Accept-Language", payload)
			if w.Code != 200 {
				t.Errorf("%q: %d %s", payload, w.Code, w.Body)
			}
			look(t, payload, w.Body.String(), false)
		}
	}
}

func TestRender_HostileArgs(t *testing.T) {
	pages := newPages(t, ui.Config{Languages: []string{"en"}})
	for _, payload := range xss.Payloads() {
		args := map[string]any{"to": payload, "factor": postern.Phrase(payload), "at": time.Now()}
		look(t, payload, drawn(pages, postern.Page{Args: args, Title: "To {to}", Text: "{to}\n\n{factor} {at}", Error: "{to}"}).Body.String(), false)
	}
}

func TestMail_Hostile(t *testing.T) {
	pages := newPages(t, ui.Config{})
	for _, payload := range xss.Payloads() {
		got, err := pages.Compose(postern.Mail{To: "ann@example.com", Language: payload, Subject: "For {app}", Args: map[string]any{"app": payload},
			Parts: []postern.MailPart{{Text: "{app}"}, {Text: payload, Link: payload}, {Text: payload, Code: payload}}})
		if err != nil {
			t.Fatal(err)
		}
		look(t, payload, got.HTML, true)
		if strings.ContainsAny(got.Subject, "\r\n") || strings.Contains(got.HTML, "<img") || strings.Contains(got.HTML, "<script") {
			t.Errorf("%q: %q\n%s", payload, got.Subject, got.HTML)
		}
	}
}

func TestRender_Next(t *testing.T) {
	pages := newPages(t, ui.Config{Languages: []string{"en"}})
	for next, refreshes := range map[string]bool{
		"https://app.example/cb?a=1&b=2": true, "com.example.app:/signed-in?code=x": true, "javascript:pwned()": false, "data:text/html,x": false, "//evil.example": true,
	} {
		body := drawn(pages, postern.Page{Title: "Continue", Next: next, Links: []postern.Link{{Text: "Continue", URL: next}}}).Body.String()
		escaped := strings.ReplaceAll(next, "&", "&amp;")
		if got := strings.Contains(body, `content="0;url=`+escaped+`"`) && strings.Contains(body, `<a href="`+escaped+`">`); got != refreshes {
			t.Errorf("%s: %v\n%s", next, got, body)
		}
	}
}

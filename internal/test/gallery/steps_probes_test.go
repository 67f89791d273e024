package gallery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/test/testworld"
)

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// A probe is a request at the address of a form which must not do what the form is for.
type probe struct {
	name    string
	method  string // empty: POST
	body    string
	kind    string // Content-Type
	header  http.Header
	browser *testworld.Browser // nil: that of the person
}

// formProbe sends a body as browsers do.
func formProbe(name string, values url.Values) probe {
	return probe{name: name, body: values.Encode(), kind: formType}
}

// without returns values without some of them.
func without(values url.Values, names ...string) url.Values {
	rest := maps.Clone(values)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}

// with returns values in which one is another.
func with(values url.Values, name, value string) url.Values {
	rest := maps.Clone(values)
	rest[name] = []string{value}
	return rest
}

// emptied are bodies without what the form demands.
func (w *sweep) emptied(s *step, f form, good url.Values) (all []probe) {
	hidden := f.named("hidden")
	blank, kept := url.Values{}, url.Values{}
	for name := range good {
		blank.Set(name, "")
		if slices.Contains(hidden, name) {
			kept[name] = good[name]
		}
	}
	bodies := map[string]url.Values{"no fields": {}, "empty fields": blank, "hidden fields alone": kept, "no hidden fields": without(good, hidden...)}
	for name := range good {
		bodies["without "+name] = without(good, name)
		bodies[name+" empty"] = with(good, name, "")
	}
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		if values := bodies[name]; !w.enough(s, f, good, values) {
			all = append(all, formProbe(name, values), probe{name: name + ", as JSON", body: object(values), kind: jsonType, header: http.Header{"Accept": {jsonType}}})
		}
	}
	if !w.enough(s, f, good, url.Values{}) {
		all = append(all, probe{name: "no body"}, probe{name: "no body, as JSON", kind: jsonType}, probe{name: "no body, as a form", kind: formType})
	}
	return all
}

// object is a flat JSON object of values.
func object(values url.Values) string {
	flat := map[string]string{}
	for name := range values {
		flat[name] = values.Get(name)
	}
	text, err := json.Marshal(flat)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// foreign are the fields of every other form: alone, and beside the hidden fields of this one.
func (w *sweep) foreign(s *step, f form, good url.Values) (all []probe) {
	for _, name := range slices.Sorted(maps.Keys(w.filled)) {
		other := w.filled[name].good
		mixed := maps.Clone(other)
		for _, hidden := range f.named("hidden") {
			mixed[hidden] = good[hidden]
		}
		for i, values := range []url.Values{other, mixed} {
			if !w.enough(s, f, good, values) {
				all = append(all, formProbe([]string{"fields of ", "hidden fields here, and fields of "}[i]+name, values))
			}
		}
	}
	return all
}

// elsewhere are values that a hidden field has on other pages: first on those with a form for the same step, which
// other people opened, and then on others.
func (w *sweep) elsewhere(path, name, value string) (all []string) {
	for _, same := range []bool{true, false} {
		for _, other := range w.all {
			v := other.good.Get(name)
			if (other.path == path) == same && v != "" && v != value && len(all) < 12 && !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return all
}

// altered are bodies in which a hidden field is another one.
func (w *sweep) altered(s *step, f form, good url.Values) (all []probe) {
	for _, name := range f.named("hidden") {
		value := good.Get(name)
		others := map[string]string{"x": "x", "shorter": value[:len(value)/2], "longer": value + "A", "flipped": flipped(value), "in capitals": strings.ToUpper(value)}
		for i, other := range w.elsewhere(s.path(f), name, value) {
			others["from elsewhere "+strconv.Itoa(i)] = other
		}
		for _, kind := range slices.Sorted(maps.Keys(others)) {
			if others[kind] != value && !w.enough(s, f, good, with(good, name, others[kind])) {
				all = append(all, formProbe(name+" "+kind, with(good, name, others[kind])))
			}
		}
	}
	return all
}

// flipped changes a character in the middle.
func flipped(value string) string {
	if value == "" {
		return "A"
	}
	b, i := []byte(value), len(value)/2
	b[i] = map[bool]byte{true: 'B', false: 'A'}[b[i] == 'A']
	return string(b)
}

// odd are bodies that no browser sends for the form.
func (w *sweep) odd(f form, good url.Values) (all []probe) {
	long, encoded := strings.Repeat("x", 70<<10), cmp.Or(good.Encode(), "x=1")
	for _, name := range slices.Sorted(maps.Keys(good)) {
		once := url.Values{name: good[name]}.Encode()
		all = append(all,
			probe{name: name + " twice", body: encoded + "&" + once, kind: formType},
			probe{name: name + " also in the query", body: encoded, kind: formType, method: "POST ?" + once},
			formProbe(name+" of 70 KiB", with(good, name, long)),
			formProbe(name+" with a NUL", with(good, name, good.Get(name)+"\x00")),
			formProbe(name+" with a line feed", with(good, name, "\n"+good.Get(name))),
			formProbe(name+" with a C1 control", with(good, name, good.Get(name)+"\u0085")),
			formProbe(name+" not UTF-8", with(good, name, "\xff"+good.Get(name))),
		)
	}
	var parts bytes.Buffer
	m := multipart.NewWriter(&parts)
	for name := range good {
		_ = m.WriteField(name, good.Get(name))
	}
	_ = m.Close()
	text := object(good)
	all = append(all,
		probe{name: "text/plain", body: encoded, kind: "text/plain"},
		probe{name: "JSON as text/plain", body: text, kind: "text/plain"},
		probe{name: "multipart", body: parts.String(), kind: m.FormDataContentType()},
		probe{name: "XML", body: "<a/>", kind: "application/xml"},
		probe{name: "a JSON array", body: "[" + text + "]", kind: jsonType},
		probe{name: "nested JSON", body: `{"form":` + text + "}", kind: jsonType},
		probe{name: "cut JSON", body: text[:len(text)-1], kind: jsonType},
		probe{name: "a bad escape", body: encoded + "&x=%zz", kind: formType},
		probe{name: "101 fields", body: encoded + strings.Repeat("&x=1", 101), kind: formType},
		probe{name: "GET", method: "GET ?" + encoded}, probe{name: "HEAD", method: "HEAD ?" + encoded},
		probe{name: "PUT", method: "PUT", body: encoded, kind: formType},
		probe{name: "PATCH", method: "PATCH", body: encoded, kind: formType},
		probe{name: "DELETE", method: "DELETE", body: encoded, kind: formType},
		probe{name: "OPTIONS", method: "OPTIONS"},
	)
	for _, h := range [][2]string{{"cross-site", "https://evil.example"}, {"same-site", "https://www.app.example"}, {"cross-site", ""}, {"", "null"}, {"", "https://app.example.evil.example"}, {"", "http://app.example"}} {
		header := http.Header{"Sec-Fetch-Site": nil}
		if h[0] != "" {
			header.Set("Sec-Fetch-Site", h[0])
		}
		if h[1] != "" {
			header.Set("Origin", h[1])
		}
		all = append(all, probe{name: "from another site " + h[0] + " " + h[1], body: encoded, kind: formType, header: header},
			probe{name: "JSON from another site " + h[0] + " " + h[1], body: text, kind: jsonType, header: header})
	}
	return all
}

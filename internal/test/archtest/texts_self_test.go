package archtest

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// The search finds each kind of text that is put together, and follows the others to their constants.
func TestTexts_Search(t *testing.T) {
	const start = "package p\n\nfunc f(name string, n int) {\n"
	for body, want := range map[string]string{
		`_ = Page{Title: "Hello"}`:                                                       "",
		`_ = Page{Title: "Hello " + name}`:                                               "no constant",
		`_ = postern.Page{Text: fmt.Sprintf("%d", n)}`:                                   "no constant",
		`_ = []Form{{Submit: "Go " + name}}`:                                             "no constant",
		`_ = map[string]Link{"a": {Text: "Go " + name}}`:                                 "no constant",
		`_ = &Section{Table: &Table{Columns: []string{"A", name + "x"}}}`:                "no constant",
		`_ = Option{Text: "Deutsch" + name, Lang: "de"}`:                                 "",
		`p := Page{}; p.Text = "a" + name`:                                               "no constant",
		`p := Page{}; p.Text += "more"`:                                                  "put together",
		`s := "a"; if n > 1 { s += "b" }; _ = Page{Text: s}`:                             "put together",
		`s := "a"; if n > 1 { s = "b" + name }; _ = Page{Text: s}`:                       "no constant",
		`s := "a"; if n > 1 { s = "b" }; _ = Page{Text: s}`:                              "",
		`_ = Deny("code", "No " + name)`:                                                 "no constant",
		`_ = Phrase("No " + name)`:                                                       "no constant",
		`_ = Page{Title: g()}`:                                                           "",
		`_ = Page{Title: h(n)}`:                                                          "no constant",
		`_ = Page{Title: constant, Text: made}`:                                          "no constant",
		`_ = Page{Title: constant, Lines: []Line{{Value: Phrase(events["a"])}}}`:         "",
		`_ = FieldError{"name", "Too long: " + name}`:                                    "no constant",
		`_ = Mail{Subject: "For " + name, Parts: []MailPart{{Text: "x"}}}`:               "no constant",
		`_ = Page{Title: "{a"}`:                                                          "brace",
		`refuse("a " + name)`:                                                            "no constant",
		`refuse("a"); _ = Notice{Name: "p." + name, Text: "Done."}`:                      "",
		`x := Link{Text: "a"}; _ = Link{Text: x.Text}; _ = Form{Submit: "Go, " + "now"}`: "",
	} {
		source := start + body + "\n}\n" + `
const constant = "Constant"

var made = strings.ToUpper("x")

var events = map[string]string{"a": "Event"}

func g() string { return "From g" }

func h(n int) string { return strconv.Itoa(n) }

func refuse(text string) error { return &Error{Text: text} }
`
		found, err := findTexts(fstest.MapFS{"p/p.go": {Data: []byte(source)}}, "p")
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got := strings.Join(found.faults, "\n"); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestTexts_Found(t *testing.T) {
	source := `package p

func f(n int) {
	refuse("One")
	s := "Two"
	if n > 0 {
		s = "Three\n\nFour"
	}
	_ = Page{Text: s, Title: name, Forms: []Form{{Submit: g(n), Fields: []Field{{Label: "Nine"}}}}, Name: "not", Code: "not"}
}

const name = "Five" +
	" and six"

func g(n int) string {
	if n > 0 {
		return "Seven"
	}
	return "Eight"
}

func refuse(text string) error { return badRequest("not", text) }

func badRequest(code, text string) error { return &Error{Code: code, Text: text} }
`
	found, err := findTexts(fstest.MapFS{"p.go": {Data: []byte(source)}, "p_test.go": {Data: []byte("package p\n\nvar _ = Page{Title: \"Test\"}\n")}}, ".")
	if err != nil || len(found.faults) > 0 {
		t.Fatalf("%v, %v", found.faults, err)
	}
	var got []string
	for _, text := range found.texts {
		got = append(got, text.text)
	}
	slices.Sort(got)
	want := []string{"Eight", "Five and six", "Four", "Nine", "One", "Seven", "Three", "Two"}
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

package serve

import (
	"slices"
	"strings"
	"testing"
)

// TestParse_ListsInVariables: a list in one text is what its author meant, or refused.
func TestParse_ListsInVariables(t *testing.T) {
	const refused = ""
	for value, want := range map[string]string{
		"https://app.example.com/":                                        "https://app.example.com/",
		"https://app.example.com/,https://b.example.com/,/welcome":        "https://app.example.com/|https://b.example.com/|/welcome",
		"https://app.example.com/, /welcome":                              "https://app.example.com/|/welcome",
		"https://app.example.com/?to=1,/welcome":                          refused,
		"https://app.example.com/?to=1,https://evil.example/":             refused,
		"https://app.example.com/,/welcome?x=1,https://evil.example/":     refused,
		"https://app.example.com/?to=1, https://b.example.com/":           "https://app.example.com/?to=1|https://b.example.com/",
		"https://app.example.com/?to=1 ,https://b.example.com/":           "https://app.example.com/?to=1|https://b.example.com/",
		`["https://app.example.com/?to=1,https://b.example/","/welcome"]`: "https://app.example.com/?to=1,https://b.example/|/welcome",
		`["https://app.example.com/"`:                                     refused,
		`["https://app.example.com/", 1]`:                                 refused,
		`["https://app.example.com/", ""]`:                                refused,
		`[]`:                                                              refused,
	} {
		text := strings.Replace(full, `redirects = ["https://app.example.com/", "/welcome"]`, `redirects = "${REDIRECTS}"`, 1)
		c, err := Parse("postern.toml", []byte(text), environment{"REDIRECTS": value}.lookup)
		switch {
		case want == refused && (err == nil || !strings.Contains(err.Error(), "postern.toml:5: redirects: ") || strings.Contains(err.Error(), "evil")):
			t.Errorf("%s: %v %q", value, err, c.Redirects)
		case want != refused && (err != nil || !slices.Equal(c.Redirects, strings.Split(want, "|"))):
			t.Errorf("%s: %v %q", value, err, c.Redirects)
		}
	}
	// An entry of a list in the file is one address, also from a variable.
	text := strings.Replace(full, `"/welcome"]`, `"${REDIRECT}"]`, 1)
	c, err := Parse("postern.toml", []byte(text), environment{"REDIRECT": "https://app.example.com/?to=1,https://b.example/"}.lookup)
	if err != nil || len(c.Redirects) != 2 {
		t.Errorf("%v %q", err, c.Redirects)
	}
	text = strings.Replace(full, `origins = ["https://app.example.com"]`, `origins = "${ORIGINS}"`, 1)
	c, err = Parse("postern.toml", []byte(text), environment{"ORIGINS": `["https://app.example.com", "https://b.example.com"]`}.lookup)
	if err != nil || len(c.Origins) != 2 {
		t.Errorf("%v %q", err, c.Origins)
	}
}

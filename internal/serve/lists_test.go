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

// TestParse_VariableInList: a variable that is a part of a text adds no entry to the list.
func TestParse_VariableInList(t *testing.T) {
	const (
		redirects = `redirects = ["https://app.example.com/", "/welcome"]`
		origins   = `origins = ["https://app.example.com"]`
		proxies   = `trusted_proxies = ["10.0.0.0/8"]`
		refused   = ""
	)
	list := func(c Config, line string) []string {
		return map[string][]string{redirects: c.Redirects, origins: c.Origins, proxies: c.Server.TrustedProxies}[line]
	}
	for _, c := range []struct{ line, with, x, want string }{
		{redirects, `redirects = "https://app.example.com/account?next=${X}"`, "1, https://evil.example/", refused},
		{redirects, `redirects = "https://app.example.com/${X}"`, "a,https://evil.example/", refused},
		{redirects, `redirects = "/welcome, ${X}"`, "https://app.example.com/, https://evil.example/", refused},
		{redirects, `redirects = '["https://app.example.com/?next=${X}"]'`, `1","https://evil.example/`, refused},
		{redirects, `redirects = "${X}${X}"`, "https://app.example.com/,", refused},
		{redirects, `redirects = "https://app.example.com/account?next=${X}"`, "1", "https://app.example.com/account?next=1"},
		{redirects, `redirects = "/welcome, https://${X}/, /b"`, "app.example.com", "/welcome|https://app.example.com/|/b"},
		{redirects, `redirects = '["https://app.example.com/?next=${X}", "/b"]'`, "1", "https://app.example.com/?next=1|/b"},
		{redirects, `redirects = " ${X} "`, "https://app.example.com/, /welcome", "https://app.example.com/|/welcome"},
		{redirects, `redirects = ["https://app.example.com/?next=${X}"]`, "1,https://evil.example/", "https://app.example.com/?next=1,https://evil.example/"},
		{origins, `origins = "https://${X}"`, "app.example.com,https://evil.example", refused},
		{origins, `origins = "https://${X}, https://b.example.com"`, "app.example.com", "https://app.example.com|https://b.example.com"},
		{proxies, `trusted_proxies = "10.${X}.0.0/16"`, "0.0.0/16,203", refused},
		{proxies, `trusted_proxies = "10.${X}.0.0/16,10.9.0.0/16"`, "7", "10.7.0.0/16|10.9.0.0/16"},
	} {
		if !strings.Contains(full, c.line) {
			t.Fatalf("the file has no %s", c.line)
		}
		got, err := Parse("postern.toml", []byte(strings.Replace(full, c.line, c.with, 1)), environment{"X": c.x}.lookup)
		switch {
		case c.want == refused && (err == nil || !strings.Contains(err.Error(), "a variable that is a part of the text has a comma") || strings.Contains(err.Error(), "evil")):
			t.Errorf("%s with %s: %v %q", c.with, c.x, err, list(got, c.line))
		case c.want != refused && (err != nil || !slices.Equal(list(got, c.line), strings.Split(c.want, "|"))):
			t.Errorf("%s with %s: %v %q", c.with, c.x, err, list(got, c.line))
		}
	}
}

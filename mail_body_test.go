package postern_test

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/words"
)

func inWords(text string, args map[string]any) string { return words.Fill(text, args, words.English{}) }

// Text and HTML are made of the parts, and say the same. The HTML loads nothing, and its tags are the same whatever
// somebody wrote into the values.
func TestM6_MailParts(t *testing.T) {
	m := postern.Mail{
		Subject: "Hello {name}", Args: map[string]any{"name": "Ann & Co.", "device": postern.Phrase("Firefox")},
		Parts: []postern.MailPart{
			{Text: "Somebody asked, in {device}."}, {Text: "Sign in to {name}", Link: "https://auth.example.com/x?a=1&b=2"},
			{Text: "Or type this code, {name}:", Code: "012345"}, {Link: "https://auth.example.com/y"}, {Text: "That is all."},
		},
	}
	plain := m.Translate(inWords)
	const text = "Somebody asked, in Firefox.\n\nSign in to Ann & Co.\n\nhttps://auth.example.com/x?a=1&b=2\n\nOr type this code, Ann & Co.:\n\n    012345\n" +
		"\n\nhttps://auth.example.com/y\n\nThat is all.\n"
	if plain.Subject != "Hello Ann & Co." || plain.Text != text || plain.Arg("device") != "Firefox" || plain.Arg("none") != "" {
		t.Errorf("subject %q, text %q", plain.Subject, plain.Text)
	}
	for _, want := range []string{
		`<a class="button" href="https://auth.example.com/x?a=1&amp;b=2"`, ">Sign in to Ann &amp; Co.</a>", ">https://auth.example.com/x?a=1&amp;b=2</a>", ">012345</p>", "<h1",
	} {
		if !strings.Contains(plain.HTML, want) {
			t.Errorf("no %q in\n%s", want, plain.HTML)
		}
	}
	if regexp.MustCompile(`(?i)<(img|script|link|iframe|object|form|input|video|audio|base)|url\(|@import|src=|background=|srcset|\son[a-z]+="`).MatchString(plain.HTML) {
		t.Errorf("it loads something:\n%s", plain.HTML)
	}
	tags := regexp.MustCompile(`<[^>]*>`)
	visible := html.UnescapeString(tags.ReplaceAllString(regexp.MustCompile(`(?s)<head>.*</head>`).ReplaceAllString(plain.HTML, ""), " "))
	for _, line := range strings.Fields(text) {
		if !strings.Contains(visible, line) {
			t.Errorf("the HTML lacks %q:\n%s", line, visible)
		}
	}
	m.Args = map[string]any{"name": `"><img src=//evil.example/x onerror=alert(1)><script>alert(1)</script>'&{device}`, "device": postern.Phrase("</p><b>")}
	evil := m.Translate(inWords)
	if got, want := tags.FindAllString(evil.HTML, -1), tags.FindAllString(plain.HTML, -1); strings.Join(got, "") != strings.Join(want, "") {
		t.Errorf("the tags change:\n%q\nwant\n%q", got, want)
	}
}

// A subject is one line, whatever its values are.
func TestM6_OneLine(t *testing.T) {
	for in, want := range map[string]string{
		"Sign in": "Sign in", "Sign in\r\nBcc: eve@evil.example": "Sign in  Bcc: eve@evil.example", "a\x00b\x1b\u2028c\u202e": "a b  c",
		" Größe ✓ ": "Größe ✓", "\xff": "",
	} {
		m := postern.Mail{Subject: "{it}", Args: map[string]any{"it": in}, Parts: []postern.MailPart{{Text: "x"}}}
		if got := m.Translate(inWords).Subject; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// A mail without parts is what somebody else wrote.
func TestMail_WithoutParts(t *testing.T) {
	m := postern.Mail{Subject: "{a}", Text: "{a}", HTML: "<p>", Args: map[string]any{"a": "x"}}
	if got := m.Translate(inWords); got.Subject != "{a}" || got.Text != "{a}" || got.HTML != "<p>" {
		t.Errorf("%+v", got)
	}
}

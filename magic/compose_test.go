package magic

import (
	"strings"
	"testing"
	"time"
)

func sample() content {
	return content{
		to: "ada@example.com", name: "Example & Sons", site: "auth.example.com", life: 10 * time.Minute, device: "Firefox on Windows",
		link: "https://auth.example.com/auth/both/callback?state=s&token=t", code: "012345",
		time: time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC),
	}
}

func TestCompose(t *testing.T) {
	m := compose(sample())
	const text = `Somebody asked to sign in to Example & Sons (auth.example.com) with this address, in Firefox on Windows, on 2 March 2026 at 14:05 UTC.

Open this link and press the button on the page:

https://auth.example.com/auth/both/callback?state=s&token=t

Or type this code on the page where it was asked for:

    012345

It works once, within the next 10 minutes. Nobody who is honest will ever ask you for the code.

If it was not you, ignore this mail: without it, nobody gets in.
`
	if m.Text != text || m.Subject != "Sign in to Example & Sons" {
		t.Errorf("subject %q, text\n%s", m.Subject, m.Text)
	}
	for _, want := range []string{"Example &amp; Sons", `href="https://auth.example.com/auth/both/callback?state=s&amp;token=t"`, ">Sign in to Example &amp; Sons</a>", "(auth.example.com)", ">012345<"} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("no %q in\n%s", want, m.HTML)
		}
	}
	link, code := sample(), sample()
	link.code, code.link = "", ""
	link.life = time.Minute
	if m := compose(link); strings.Contains(m.Text, "code") || !strings.Contains(m.Text, link.link) || !strings.Contains(m.Text, "within the next minute") {
		t.Errorf("a link alone:\n%s", m.Text)
	}
	if m := compose(code); strings.Contains(m.Text+m.HTML, "link") || strings.Contains(m.Text, "Or type") || !strings.Contains(m.Text, "\n    012345\n") {
		t.Errorf("a code alone:\n%s", m.Text)
	}
}

func TestM6_OneLine(t *testing.T) {
	for in, want := range map[string]string{
		"Sign in": "Sign in", "Sign in\r\nBcc: eve@evil.example": "Sign in  Bcc: eve@evil.example", "a\x00b\x1b\u2028c\u202e": "a b  c",
		" Größe ✓ ": "Größe ✓", "\xff": "",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "a second", 0: "a second", time.Second: "a second", 1500 * time.Millisecond: "2 seconds", time.Minute: "60 seconds", 61 * time.Second: "2 minutes",
		10 * time.Minute: "10 minutes", 2 * time.Hour: "120 minutes", 23*time.Hour + 1: "24 hours",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	for why, c := range map[string]Config{
		"Life is 30s": {Life: 30 * time.Second}, "Life is 10m0.000000001s": {Life: 10*time.Minute + 1},
		"Life is -1m0s": {Life: -time.Minute}, "negative": {PerAddress: -1}, "must not be negative": {Total: -1}, "PerClient": {PerClient: -1}, "WrongCodes": {WrongCodes: -1},
	} {
		for name, make := range map[string]func(){"Link": func() { Link(c) }, "Code": func() { Code(c) }, "Both": func() { Both(c) }} {
			func() {
				defer func() {
					if said, _ := recover().(string); !strings.Contains(said, why) {
						t.Errorf("%s(%+v) panics with %q, want a word about %q", name, c, said, why)
					}
				}()
				make()
			}()
		}
	}
	if c := (Config{}).withDefaults(); c.Life != 10*time.Minute || c.PerAddress != 3 || c.PerClient != 20 || c.Total != 1000 || c.WrongCodes != 1000 {
		t.Errorf("defaults: %+v", c)
	}
}

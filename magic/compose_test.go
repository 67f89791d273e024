package magic

import (
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/words"
)

func sample() content {
	return content{
		to: "ada@example.com", name: "Example & Sons", site: "auth.example.com", life: 10 * time.Minute, device: "Firefox on Windows",
		link: "https://auth.example.com/auth/both/callback?state=s&token=t", code: "012345",
		time: time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC),
	}
}

// written is the mail as it is sent.
func written(m content) postern.Mail {
	return compose(m).Translate(func(text string, args map[string]any) string { return words.Fill(text, args, words.English{}) })
}

func TestCompose(t *testing.T) {
	m := written(sample())
	const text = `Somebody asked to sign in to Example & Sons (auth.example.com) with this address, in Firefox on Windows, on 2 March 2026 at 14:05 UTC.

Open this link and press the button on the page:

Sign in to Example & Sons

https://auth.example.com/auth/both/callback?state=s&token=t

Or type this code on the page where it was asked for:

    012345

It works once, within the next 10 minutes.

Nobody who is honest will ever ask you for the code.

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
	if m := written(link); strings.Contains(m.Text, "code") || !strings.Contains(m.Text, link.link) || !strings.Contains(m.Text, "within the next 1 minute.") {
		t.Errorf("a link alone:\n%s", m.Text)
	}
	if m := written(code); strings.Contains(m.Text+m.HTML, "link") || strings.Contains(m.Text, "Or type") || !strings.Contains(m.Text, "\n    012345\n") {
		t.Errorf("a code alone:\n%s", m.Text)
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

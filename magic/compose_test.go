package magic

import (
	"context"
	"strings"
	"testing"
	"time"
)

func sample() Mail {
	return Mail{
		To: "ada@example.com", Name: "Example & Sons", Life: 10 * time.Minute, Device: "Firefox on Windows",
		Link: "https://auth.example.com/auth/both/callback?state=s&token=t", Code: "012345",
		Time: time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC),
	}
}

func TestCompose(t *testing.T) {
	m := Compose(sample())
	const text = `Somebody asked to sign in to Example & Sons with this address, in Firefox on Windows, on 2 March 2026 at 14:05 UTC.

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
	for _, want := range []string{"Example &amp; Sons", `<a href="https://auth.example.com/auth/both/callback?state=s&amp;token=t">`, ">012345<"} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("no %q in\n%s", want, m.HTML)
		}
	}
	link, code := sample(), sample()
	link.Code, code.Link = "", ""
	link.Life = time.Minute
	if m := Compose(link); strings.Contains(m.Text, "code") || !strings.Contains(m.Text, link.Link) || !strings.Contains(m.Text, "within the next minute") {
		t.Errorf("a link alone:\n%s", m.Text)
	}
	if m := Compose(code); strings.Contains(m.Text+m.HTML, "link") || strings.Contains(m.Text, "Or type") || !strings.Contains(m.Text, "\n    012345\n") {
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

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36":                            "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0":              "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                      "Safari on a Mac",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1":    "Safari on iPhone",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/138.0 Mobile/15E148 Safari/604.1":     "Chrome on iPhone",
		"Mozilla/5.0 (Linux; Android 15; SM-S938B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                                     "Firefox on Linux",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36":                             "Chrome on ChromeOS",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Safari/537.36 OPR/121.0.0.0":              "Opera on Windows",
		"curl/8.5.0": "curl", "Something (Linux)": "an unknown browser on Linux", "": "an unknown browser", strings.Repeat("x", 2000) + "Firefox/1": "an unknown browser",
	} {
		if got := device(agent); got != want {
			t.Errorf("%.40q: %q, want %q", agent, got, want)
		}
	}
}

func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "de": "de", "de-CH,de;q=0.9,en;q=0.8": "de-CH", " pt-BR ;q=1, en": "pt-BR", "*": "", "<script>": "", "de\r\nX: y": "",
		strings.Repeat("a", 36): "", "zh-Hant-TW": "zh-Hant-TW", ",en": "",
	} {
		if got := language(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
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
	send := func(context.Context, Message) error { return nil }
	for why, c := range map[string]Config{
		"Send": {}, "Life is 30s": {Send: send, Life: 30 * time.Second}, "Life is 10m0.000000001s": {Send: send, Life: 10*time.Minute + 1},
		"Life is -1m0s": {Send: send, Life: -time.Minute}, "negative": {Send: send, PerAddress: -1}, "must not be negative": {Send: send, Total: -1},
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
	if c := (Config{Send: send}).withDefaults(); c.Life != 10*time.Minute || c.PerAddress != 3 || c.PerClient != 20 || c.Total != 0 {
		t.Errorf("defaults: %+v", c)
	}
}

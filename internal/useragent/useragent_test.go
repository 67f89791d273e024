package useragent_test

import (
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/useragent"
	"github.com/posternauth/postern/internal/words"
)

func TestName(t *testing.T) {
	for header, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                                   "Chrome on Linux",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36":                           "Chrome on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15":                   "Safari on macOS",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0":                                                    "Firefox on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1":       "Chrome on iPad",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                         "Chrome on Android",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":     "Samsung Internet on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0":            "Opera on ChromeOS",
		"Firefox/1":  "Firefox on ",
		"Windows":    " on Windows",
		"curl/8.5":   "curl on ",
		"okhttp/4.9": " on ",
		"":           " on ",
		strings.Repeat("x", 1024) + "Chrome/140 Linux": " on ",
	} {
		browser, system := useragent.Name(header)
		if got := browser + " on " + system; got != want {
			t.Errorf("%.120s: %q, want %q", header, got, want)
		}
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36":                            "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0":              "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                      "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1":    "Safari on iPhone",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/138.0 Mobile/15E148 Safari/604.1":     "Chrome on iPhone",
		"Mozilla/5.0 (Linux; Android 15; SM-S938B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                                     "Firefox on Linux",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36":                             "Chrome on ChromeOS",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Safari/537.36 OPR/121.0.0.0":              "Opera on Windows",
		"curl/8.5.0": "curl", "Something (Linux)": "an unknown browser on Linux", "": "an unknown browser", strings.Repeat("x", 2000) + "Firefox/1": "an unknown browser",
	} {
		if got := useragent.Device(agent); got != want {
			t.Errorf("%.40q: %q, want %q", agent, got, want)
		}
	}
}

func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "de": "de", "de-CH,de;q=0.9,en;q=0.8": "de-CH", " pt-BR ;q=1, en": "pt-BR", "*": "", "<script>": "", "de\r\nX: y": "",
		strings.Repeat("a", 36): "", "zh-Hant-TW": "zh-Hant-TW", ",en": "", "gsw": "gsw", "evil": "", "d": "", "x-evil": "",
	} {
		if got := useragent.Language(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// TestTemplate: every name that Device gives is a template with the names as values, or a name alone; nothing else is.
func TestTemplate(t *testing.T) {
	for device, want := range map[string]string{
		"Firefox on Linux": "{browser} on {system}", "Samsung Internet on Android": "{browser} on {system}",
		"an unknown browser on Linux": "an unknown browser on {system}", "an unknown browser": "an unknown browser",
		"curl": "", "": "", " on ": "", "Firefox on ": "", "Firefox on fire": "", "Ann on Linux": "", "{app} on Linux": "", "Firefox on Linux on Linux": "",
	} {
		template, values, ok := useragent.Template(device)
		if string(template) != want || ok != (want != "") || ok && words.Fill(want, values, words.English{}) != device {
			t.Errorf("%q: %q %v %t, want %q", device, template, values, ok, want)
		}
		if _, is := useragent.Value(device).(words.Phrase); is != ok {
			t.Errorf("%q is a phrase: %t", device, is)
		}
	}
}

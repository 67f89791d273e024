// Package useragent names the browser and the system of a User-Agent header, for people who look at a list of devices.
// Every word that it returns is written here: nothing of the header is repeated.
package useragent

import (
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/words"
)

// most is how many bytes of a header are read: a longer one is not that of a browser.
const most = 1024

// Name returns the names of a browser and a system, such as "Chrome" and "Linux". A name is empty if it is not known.
func Name(header string) (browser, system string) {
	header = header[:min(len(header), most)]
	return first(header, browsers()), first(header, systems())
}

// A mark is a part of a header, and the name that it stands for.
type mark [2]string

// browsers are in the order in which they are looked for: most browsers claim to be Chrome and Safari as well.
func browsers() []mark {
	return []mark{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"},
		{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"},
		{"Safari/", "Safari"}, {"curl/", "curl"},
	}
}

func systems() []mark {
	return []mark{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
	}
}

func first(header string, marks []mark) string {
	for _, m := range marks {
		if strings.Contains(header, m[0]) {
			return m[1]
		}
	}
	return ""
}

// Device names a browser in words that are all written in this module, so that a mail repeats nothing of a request.
func Device(header string) string {
	browser, system := Name(header)
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "":
		return browser
	case system != "":
		return "an unknown browser on " + system
	}
	return "an unknown browser"
}

// Template takes a name apart that Device gave: the words around the names of a browser and a system are a template,
// which another language has too. ok is false for every other text.
func Template(device string) (template words.Phrase, values map[string]any, ok bool) {
	browser, system, on := strings.Cut(device, " on ")
	switch {
	case device == "an unknown browser":
		return words.Phrase("an unknown browser"), nil, true
	case !on || !named(system, systems()):
		return "", nil, false
	case browser == "an unknown browser":
		return words.Phrase("an unknown browser on {system}"), map[string]any{"system": system}, true
	case named(browser, browsers()):
		return words.Phrase("{browser} on {system}"), map[string]any{"browser": browser, "system": system}, true
	}
	return "", nil, false
}

func named(name string, marks []mark) bool {
	return slices.ContainsFunc(marks, func(m mark) bool { return m[1] == name })
}

// Value is the name of a device as a value in a text: a Phrase if Template knows it, and else the name as it is.
func Value(deviceName string) any {
	if _, _, ok := Template(deviceName); ok {
		return words.Phrase(deviceName)
	}
	return deviceName
}

// Language is the first tag of an Accept-Language header (RFC 9110 section 12.5.4), or empty if it is not one. The tag
// begins with a language of two or three letters (ISO 639): longer ones are not in use, and could be words of others.
func Language(header string) string {
	tag, _, _ := strings.Cut(header, ",")
	tag, _, _ = strings.Cut(tag, ";")
	tag = strings.TrimSpace(tag)
	if primary, _, _ := strings.Cut(tag, "-"); len(primary) < 2 || len(primary) > 3 || len(tag) > 35 {
		return ""
	}
	for _, c := range []byte(tag) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return ""
		}
	}
	return tag
}

// Package useragent names the browser and the system of a User-Agent header, for people who look at a list of devices.
// Every word that it returns is written here: nothing of the header is repeated.
package useragent

import "strings"

// most is how many bytes of a header are read: a longer one is not that of a browser.
const most = 1024

// Name returns the names of a browser and a system, such as "Chrome" and "Linux". A name is empty if it is not known.
func Name(header string) (browser, system string) {
	header = header[:min(len(header), most)]
	// Most browsers claim to be Chrome and Safari as well, so the order counts.
	browser = first(header, [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"},
		{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"},
		{"Safari/", "Safari"}, {"curl/", "curl"},
	})
	system = first(header, [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
	})
	return browser, system
}

func first(header string, marks [][2]string) string {
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

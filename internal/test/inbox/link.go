package inbox

import (
	"net/url"
	"path"
	"strings"
)

// findLink returns the first link below base, or else the first link. Longer links than maxLink do not count.
func findLink(text, base string) string {
	first := ""
	home, err := url.Parse(base)
	if err != nil || home.Host == "" {
		home = nil
	}
	for _, at := range address.FindAllStringIndex(text, -1) {
		link := strings.TrimRight(text[at[0]:at[1]], ".,;:!?)]")
		if len(link) > maxLink {
			continue
		}
		if home != nil && isBelow(link, home) {
			return strings.Clone(link)
		}
		if first == "" {
			first = link
		}
	}
	return strings.Clone(first)
}

// isBelow reports whether a link is of the origin of home, and its path the path of home or below it.
func isBelow(link string, home *url.URL) bool {
	u, err := url.Parse(link)
	if err != nil || u.User != nil || u.Scheme != home.Scheme || !strings.EqualFold(u.Hostname(), home.Hostname()) || port(u) != port(home) {
		return false
	}
	top := strings.TrimRight(home.Path, "/")
	rest, ok := strings.CutPrefix(path.Clean("/"+u.Path), top)
	return ok && (rest == "" || rest[0] == '/')
}

// port returns the port of a URL, also the one that its scheme implies.
func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// webLink returns link if a browser should follow it, or "".
func webLink(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return link
}

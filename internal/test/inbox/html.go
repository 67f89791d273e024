package inbox

import (
	"html"
	"strings"
)

// plain returns the text of an HTML page, for the search of codes and links: each tag, comment, script and style
// becomes a line break. A comment, script or style without an end lasts to the end of the page, as in a browser. It
// takes linear time: every search begins where the last one ended, and one that finds nothing ends the loop.
func plain(page string) string {
	var text strings.Builder
	for {
		before, rest, found := strings.Cut(page, "<")
		text.WriteString(before)
		if !found {
			break
		}
		if comment, ok := strings.CutPrefix(rest, "!--"); ok {
			_, page, _ = strings.Cut(comment, "-->")
			text.WriteByte('\n')
			continue
		}
		tag, after, closed := strings.Cut(rest, ">")
		if !closed {
			text.WriteString("<" + rest)
			break
		}
		text.WriteByte('\n')
		page = after
		for _, name := range []string{"script", "style"} {
			if isTag(tag, name) {
				page = afterElement(after, name)
			}
		}
	}
	return html.UnescapeString(text.String())
}

// isTag reports whether the text after a "<" begins with the name of a tag, in any case.
func isTag(text, name string) bool {
	if len(text) < len(name) || !strings.EqualFold(text[:len(name)], name) {
		return false
	}
	return len(text) == len(name) || strings.IndexByte(" \t\n\r\f/>", text[len(name)]) >= 0
}

// afterElement returns what follows the end tag of a script or style, or "" if there is none.
func afterElement(page, name string) string {
	for found := true; found; {
		if _, page, found = strings.Cut(page, "</"); isTag(page, name) {
			_, page, _ = strings.Cut(page, ">")
			return page
		}
	}
	return ""
}

package gateway

import (
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// API Gateway compares a path as the client wrote it (REST APIs), or as it is after decoding (HTTP APIs). The program
// behind it may decode once more, resolve "..", merge slashes or drop ";v=1". So "/%61dmin" and "/x/../admin" can reach
// /admin although no rule for /admin matches them. Where something is closed, a policy denies such spellings, and an
// answer that is not kept is checked for every reading of the path.

// Spellings that a policy denies, as patterns for what stands behind the stage: method and path.
var (
	// plainSpellings have no percent escape: an empty segment, a dot at the end of a segment ("." and ".." included), a
	// path parameter, a backslash, a fragment.
	plainSpellings = []string{"*//*", "*./*", "*.", "*;*", `*\*`, "*#*"}

	// dotSpellings are the ways to write "." and ".." that plainSpellings leave. "%25" may be decoded twice, and "%c0"
	// begins an overlong dot or slash. After a dot, an escape may be the end of the segment (of "/", "\", ";", "?" and
	// "#") or a control character that another program drops. A space after a dot is allowed: names of files have it.
	dotSpellings = []string{"*..*", "*%2e*", "*%2E*", "*%25*", "*%c0*", "*%C0*",
		"*%0*", "*.%1*", "*.%23*", "*.%2f*", "*.%2F*", "*.%3*", "*.%5*", "*.%7*"}

	// escapeSpellings are escapes that no client needs for an ordinary name: of control characters, of "#", "%", ".",
	// "/", ";", "?" and "\", of lower-case letters (%61 to %7a), and overlong ones. Space, "@", ":" and all of UTF-8
	// are not among them.
	escapeSpellings = []string{"*%0*", "*%1*", "*%23*", "*%25*", "*%2e*", "*%2E*", "*%2f*", "*%2F*", "*%3b*", "*%3B*", "*%3f*", "*%3F*",
		"*%5c*", "*%5C*", "*%6*", "*%7*", "*%c0*", "*%C0*", "*%c1*", "*%C1*"}
)

// spellings are the denials of an Authorizer, made once.
type spellings struct {
	outside []string // for a session that may call all below some paths, and nothing else
	closed  []string // where a closed path lies within an open one
}

// spellingsOf returns the denials for rules: the letters of a rule may be escaped, too.
func spellingsOf(rules []rule) spellings {
	s := spellings{outside: slices.Concat(plainSpellings, dotSpellings), closed: slices.Concat(plainSpellings, escapeSpellings)}
	for _, r := range rules {
		for i := range len(r.path) {
			if c := r.path[i]; c != '*' && (c < 'a' || c > 'z') {
				s.closed = append(s.closed, "*"+escape(c, "0123456789abcdef")+"*", "*"+escape(c, "0123456789ABCDEF")+"*")
			}
		}
	}
	slices.Sort(s.closed)
	s.closed = slices.Compact(s.closed)
	return s
}

func escape(c byte, hex string) string { return string([]byte{'%', hex[c>>4], hex[c&15]}) }

// deny returns the spellings that a policy with these patterns must deny.
func (s spellings) deny(allow, deny []pattern) []string {
	all, wide := true, false // whether the allowed methods may call every path, and whether any path has a "*"
	for _, p := range allow {
		star := strings.IndexByte(p.path, '*')
		switch {
		case star < 0:
		case len(deny) > 0, star != len(p.path)-1: // what follows a "*" may be cut off by another reader
			return s.closed
		default:
			wide = true
			all = all && slices.Contains(allow, pattern{p.method, "/*"})
		}
	}
	if !wide || all {
		return nil
	}
	return s.outside
}

// maxReadings is how many readings of one path are looked at. An ordinary path has one or two.
const maxReadings = 64

// readings returns the path and all that other programs may take it for. It returns false where that can't be known:
// the path is not UTF-8 when decoded, or has too many readings.
func readings(path string) ([]string, bool) {
	all := []string{path}
	for i := 0; i < len(all); i++ {
		if strings.ContainsRune(all[i], utf8.RuneError) { // of broken UTF-8, too
			return nil, false
		}
		for _, read := range readers {
			next := read(all[i])
			if slices.Contains(all, next) {
				continue
			}
			if len(all) == maxReadings {
				return nil, false
			}
			all = append(all, next)
		}
	}
	return all, true
}

// readers are what programs do to a path before they compare it.
var readers = []func(string) string{unescape, cleanPath, dropParameters, dropTrailingDots, cutSuffixes, dropControls,
	func(p string) string { return strings.ReplaceAll(p, `\`, "/") }}

// unescape decodes percent escapes once, and leaves broken ones as they are.
func unescape(p string) string {
	if strings.IndexByte(p, '%') < 0 {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			high, ok := hexValue(p[i+1])
			low, also := hexValue(p[i+2])
			if ok && also {
				b.WriteByte(high<<4 | low)
				i += 2
				continue
			}
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

func hexValue(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// cleanPath resolves "." and ".." and merges slashes, as net/http does.
func cleanPath(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// dropParameters takes ";v=1" off each segment, as servers for Java do.
func dropParameters(p string) string {
	return eachSegment(p, func(s string) string { s, _, _ = strings.Cut(s, ";"); return s })
}

// dropTrailingDots takes the dots off the end of names, as Windows does.
func dropTrailingDots(p string) string {
	return eachSegment(p, func(s string) string {
		if name := strings.TrimRight(s, "."); name != "" {
			return name
		}
		return s
	})
}

func eachSegment(p string, change func(string) string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i] = change(s)
	}
	return strings.Join(segments, "/")
}

// cutSuffixes cuts a path where a program that parses it as a URL ends it, or one in C.
func cutSuffixes(p string) string {
	if i := strings.IndexAny(p, "?#\x00"); i > 0 {
		return p[:i]
	}
	return p
}

// dropControls removes control characters, as parsers of the URL Standard do with tabs and line breaks.
func dropControls(p string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, p)
}

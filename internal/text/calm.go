package text

import (
	"strconv"
	"strings"
	"unicode"
)

// Calm makes text of a stranger safe to show in a terminal: what is not printable (escape sequences, line breaks,
// characters that turn the direction of writing) becomes an escape.
func Calm(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

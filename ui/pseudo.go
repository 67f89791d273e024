package ui

import (
	"strings"
	"unicode"
)

// pseudo are languages for tests. A text that nobody put into a catalogue stays plain English among theirs.
var pseudo = map[string]func(string) string{"en-XA": accented, "ar-XB": mirrored}

// accented writes English with accents, and longer by 40 %, as German and Finnish are.
func accented(template string) string {
	letters := 0
	t := outside(template, func(text string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) {
				letters++
			}
			const from, to = "AaBCcDdEeGgHhIiKkLlNnOoRrSsTtUuWwYyZz", "ÅåßÇçÐðÉéĜĝĤĥÎîĶķĻļÑñÔôŔŕŠšŢţÛûŴŵÝýŽž"
			if i := strings.IndexRune(from, r); i >= 0 {
				return []rune(to)[i]
			}
			return r
		}, text)
	})
	return "[" + t + strings.Repeat(" ~", (letters*2/5+1)/2) + "]"
}

// mirrored writes English from right to left.
func mirrored(template string) string {
	return outside(template, func(text string) string {
		words := strings.Split(text, " ")
		for i, w := range words {
			if w != "" && !strings.Contains(w, "#") {
				words[i] = "\u200f\u202e" + w + "\u202c\u200f"
			}
		}
		return strings.Join(words, " ")
	})
}

// outside changes the text outside of braces, and that in the branches of plurals.
func outside(template string, change func(string) string) string {
	var b strings.Builder
	for template != "" {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			b.WriteString(change(template))
			break
		}
		if open > 0 {
			b.WriteString(change(template[:open]))
		}
		depth, end := 0, open
		for ; end < len(template); end++ {
			if template[end] == '{' {
				depth++
			} else if template[end] == '}' {
				if depth--; depth == 0 {
					break
				}
			}
		}
		if end == len(template) {
			b.WriteString(template[open:])
			break
		}
		b.WriteString(branches(template[open:end+1], change))
		template = template[end+1:]
	}
	return b.String()
}

// branches changes the texts in a place of a template, if it is a plural.
func branches(place string, change func(string) string) string {
	head, rest, plural := strings.Cut(place, "plural,")
	if !plural {
		return place
	}
	var b strings.Builder
	b.WriteString(head + "plural,")
	for rest = strings.TrimSuffix(rest, "}"); rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			break
		}
		depth, end := 0, open
		for ; end < len(rest); end++ {
			if rest[end] == '{' {
				depth++
			} else if rest[end] == '}' {
				if depth--; depth == 0 {
					break
				}
			}
		}
		end = min(end, len(rest)-1)
		b.WriteString(rest[:open+1] + outside(rest[open+1:end], change) + "}")
		rest = rest[end+1:]
	}
	return b.String() + "}"
}

// Package words fills the texts that people read with their values. A text is a template: "We sent a link to {to}." or
// "You have {left, plural, one {# code} other {# codes}}." A template is the same in the code, in English, and in a
// catalogue of another language; only the Format differs.
package words

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Phrase is a value that is a text itself, such as the label of a factor: a catalogue can have it in other languages.
// Other values that are text, such as an address or a name, are shown as they are.
type Phrase string

// A List is a value of several values. They are written one behind the other, as the language does it.
type List []any

// A Format writes the values of a text in one language.
type Format interface {
	// Value writes one value: a string, a Phrase, an int, a time.Time or a time.Duration. style is what stands behind
	// the name, such as "date" in {since, date}; empty if nothing does.
	Value(v any, style string) string

	// Plural returns the category of a number in the language: "zero", "one", "two", "few", "many" or "other".
	Plural(n int) string
}

// Fill returns a template with its values. A name without a value, and a brace that begins no name, stay as they are.
// The values are not read as templates again.
func Fill(template string, args map[string]any, f Format) string {
	if !strings.Contains(template, "{") {
		return template
	}
	var b strings.Builder
	fill(&b, template, args, f, "")
	return b.String()
}

// fill writes a template, or a branch of one, in which number stands for "#".
func fill(b *strings.Builder, template string, args map[string]any, f Format, number string) {
	for template != "" {
		at := strings.IndexAny(template, "{#")
		if at < 0 {
			b.WriteString(template)
			return
		}
		b.WriteString(template[:at])
		if template = template[at:]; template[0] == '#' {
			if number == "" {
				b.WriteByte('#')
			}
			b.WriteString(number)
			template = template[1:]
			continue
		}
		end := closing(template)
		if end < 0 {
			b.WriteString(template)
			return
		}
		if !place(b, template[1:end], args, f) {
			b.WriteString(template[:end+1])
		}
		template = template[end+1:]
	}
}

// place writes what stands between two braces, and reports whether there is a value for it.
func place(b *strings.Builder, inside string, args map[string]any, f Format) bool {
	name, style, _ := strings.Cut(inside, ",")
	value, ok := args[strings.TrimSpace(name)]
	if !ok {
		return false
	}
	style = strings.TrimSpace(style)
	branches, plural := strings.CutPrefix(style, "plural,")
	if !plural {
		b.WriteString(f.Value(value, style))
		return true
	}
	n, ok := value.(int)
	if !ok {
		return false
	}
	parsed, err := parseBranches(branches)
	if err != nil {
		return false
	}
	branch, ok := parsed[fmt.Sprintf("=%d", n)]
	if !ok {
		if branch, ok = parsed[f.Plural(n)]; !ok {
			branch = parsed["other"]
		}
	}
	fill(b, branch, args, f, f.Value(n, ""))
	return true
}

// closing returns the index of the brace that closes the one with which s begins; -1 without one.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// parseBranches reads "one {...} other {...}".
func parseBranches(s string) (map[string]string, error) {
	branches := map[string]string{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		at := strings.IndexByte(s, '{')
		end := -1
		if at >= 0 {
			end = closing(s[at:])
		}
		name := ""
		if end >= 0 {
			name = strings.TrimSpace(s[:at])
		}
		if name == "" || strings.ContainsAny(name, " }#") {
			return nil, errors.New("words: a branch of a plural is a name and braces")
		}
		branches[name] = s[at+1 : at+end]
		s = s[at+end+1:]
	}
	if _, ok := branches["other"]; !ok {
		return nil, errors.New(`words: a plural has a branch "other"`)
	}
	return branches, nil
}

// Names returns the names of the values that a template uses, in order, each as often as it stands there outside of
// branches. The error says what cannot be read.
func Names(template string) (names []string, err error) {
	for {
		at := strings.IndexAny(template, "{}")
		if at < 0 {
			return names, nil
		}
		end := closing(template[at:])
		if template[at] == '}' || end < 0 {
			return nil, errors.New("words: a brace is alone")
		}
		inside := template[at+1 : at+end]
		name, style, _ := strings.Cut(inside, ",")
		name, style = strings.TrimSpace(name), strings.TrimSpace(style)
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_.0123456789") != "" {
			return nil, fmt.Errorf("words: %q is not the name of a value", name)
		}
		if branches, plural := strings.CutPrefix(style, "plural,"); plural {
			parsed, err := parseBranches(branches)
			if err != nil {
				return nil, err
			}
			for _, branch := range parsed {
				if _, err := Names(branch); err != nil {
					return nil, err
				}
			}
		} else if style != "" && style != "date" {
			return nil, fmt.Errorf("words: {%s} has an unknown style", inside)
		}
		names = append(names, name)
		template = template[at+end+1:]
	}
}

// Paragraphs is a text of several paragraphs. Each of them is a template. Empty ones are left out.
func Paragraphs(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "\n\n")
}

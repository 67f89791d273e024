package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/useragent"
	"github.com/posternauth/postern/internal/words"
)

// A speaker writes texts in one language.
type speaker struct {
	tag     string // "zh-Hant", as in the attribute lang
	name    string // of the language, in itself
	parsed  language.Tag
	dir     string // "ltr" or "rtl"
	texts   func() map[string]string
	english func() source
	pseudo  func(string) string // nil: the texts as they are
}

// A source has the English texts, and finds their keys.
type source struct {
	texts map[string]string
	index index
}

// text returns the template of a key.
func (s *speaker) text(key string) string {
	t, ok := s.texts()[key]
	if !ok {
		t = s.english().texts[key]
	}
	if s.pseudo != nil {
		return s.pseudo(t)
	}
	return t
}

// say writes a text of this package.
func (s *speaker) say(key string, args map[string]any) string {
	return words.Fill(s.text(key), args, format{s, key})
}

// sayOf returns the function that writes the texts of a page or a mail. A text that no catalogue has stays English.
func (s *speaker) sayOf(page string) postern.Say {
	return func(text string, args map[string]any) string {
		return s.fill(page, text, args)
	}
}

// fill writes a text. The name of a browser and its system, "Chrome on Linux", is written by its template.
func (s *speaker) fill(page, text string, args map[string]any) string {
	if template, values, ok := useragent.Template(text); ok {
		text, args = string(template), values
	}
	return words.Fill(s.translated(page, text), args, format{s, page})
}

func (s *speaker) translated(page, text string) string {
	if key := s.english().index.key(page, text); key != "" {
		return s.text(key)
	}
	return text
}

// A format writes the values of texts in the language of a speaker.
type format struct {
	*speaker
	page string
}

// Plural implements words.Format.
func (f format) Plural(n int) string { return category(f.parsed, n) }

var categories = map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other"}

// category is the plural category of a number in a language (Unicode CLDR).
func category(tag language.Tag, n int) string {
	return categories[plural.Cardinal.MatchPlural(tag, max(n, -n), 0, 0, 0, 0)]
}

// The isolates of Unicode (UAX 9): a value keeps its direction, whatever stands around it. The pages write them as
// <bdi>.
const (
	isolateAuto = "\u2068"
	isolateLTR  = "\u2066"
	isolateEnd  = "\u2069"
)

// Value implements words.Format.
func (f format) Value(v any, style string) string {
	switch v := v.(type) {
	case postern.Phrase:
		return f.fill(f.page, string(v), nil)
	case postern.List:
		all := ""
		for i, one := range v {
			if all += f.Value(one, style); i < len(v)-1 {
				all += f.text("format.comma")
			}
		}
		return all
	case string:
		return isolated(v)
	case int:
		return f.digits(strconv.Itoa(v))
	case time.Duration:
		n, unit := words.Roughly(v)
		return f.say("format."+unit, map[string]any{"n": n})
	case time.Time:
		return f.time(v.UTC(), style)
	}
	return isolated(fmt.Sprint(v))
}

func (f format) time(t time.Time, style string) string {
	date := f.filled("format.date", map[string]string{
		"day": f.digits(strconv.Itoa(t.Day())), "month": f.text("format.month." + strconv.Itoa(int(t.Month()))), "year": f.digits(strconv.Itoa(t.Year())),
	})
	if style == "date" {
		return date
	}
	return f.filled("format.time", map[string]string{"date": date, "time": f.digits(t.Format("15:04"))})
}

// filled writes a text whose values are in the language already.
func (f format) filled(key string, values map[string]string) string {
	t := f.text(key)
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(t)
}

// digits writes the digits of the language.
func (f format) digits(s string) string {
	own := []rune(f.texts()["format.digits"])
	if len(own) != 10 || own[0] == '0' {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return own[r-'0']
		}
		return r
	}, s)
}

// isolated puts isolates around a value, whose own marks of direction are removed: they could turn the text around it.
func isolated(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\u061c' || r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return -1
		}
		return r
	}, s)
	switch {
	case s == "":
		return ""
	case technical(s):
		return isolateLTR + s + isolateEnd
	}
	return isolateAuto + s + isolateEnd
}

// technical reports whether a value is an address, a host, a code or the like, which is written from left to right in
// every language.
func technical(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return strings.ContainsAny(s, "@/:._-0123456789")
}

// plain removes the isolates, for places that have no direction to protect: an attribute, a mail as text.
func plain(s string) string {
	return strings.NewReplacer(isolateAuto, "", isolateLTR, "", isolateEnd, "").Replace(s)
}

// rightToLeft reports whether a language is written from right to left.
func rightToLeft(tag language.Tag) bool {
	script, _ := tag.Script()
	return slices.Contains([]string{"Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg"}, script.String())
}

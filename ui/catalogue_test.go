package ui

import (
	"maps"
	"slices"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/posternauth/postern/internal/words"
)

// TestCatalogue_Complete: every language has exactly the texts of English, with the same values and the plurals that it
// needs. A language exists as soon as it has a folder.
func TestCatalogue_Complete(t *testing.T) {
	base, err := load(texts, english)
	if err != nil {
		t.Fatal(err)
	}
	for key, text := range base.texts {
		if _, _, err := words.Inspect(text); err != nil {
			t.Errorf("en %s: %v", key, err)
		}
	}
	tags, err := shipped(texts)
	if err != nil {
		t.Fatal(err)
	}
	promised := []string{"ar", "de", "es", "fr", "he", "it", "ja", "ko", "nl", "pl", "pt-BR", "tr", "uk", "zh-Hans", "zh-Hant"}
	if !slices.Equal(slices.Sorted(slices.Values(tags[1:])), promised) {
		t.Errorf("the languages beside English are %q, and docs/translations.md has %q", tags[1:], promised)
	}
	for _, tag := range tags[1:] {
		c, err := load(texts, tag)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, key := range sorted(base.texts) {
			if own, ok := c.texts[key]; !ok {
				t.Errorf("%s: the key %s is missing", tag, key)
			} else if problem := compare(language.Make(tag), key, base.texts[key], own); problem != "" {
				t.Errorf("%s %s: %s: %q", tag, key, problem, own)
			}
		}
		for _, key := range sorted(c.texts) {
			if _, ok := base.texts[key]; !ok {
				t.Errorf("%s: English has no key %s", tag, key)
			}
		}
		if c.name == tag {
			t.Errorf("%s: about.json does not name the language", tag)
		}
	}
}

func compare(tag language.Tag, key, text, own string) string {
	want, plurals, _ := words.Inspect(text)
	got, ownPlurals, err := words.Inspect(own)
	switch {
	case err != nil:
		return err.Error()
	case !slices.Equal(want, got):
		return "other values than in English"
	case len(plurals) == 0 && len(ownPlurals) > 0 && len(want) == 0:
		return "a plural without a number"
	}
	for _, branches := range ownPlurals {
		for category := range needed(tag) {
			if !slices.Contains(branches, category) {
				return "the plural has no branch " + category
			}
		}
		for _, branch := range branches {
			if _, ok := categoriesOf(tag)[branch]; !ok && branch[0] != '=' && branch != "other" {
				return "the language has no plural " + branch
			}
		}
	}
	if n := utf8.RuneCountInString(text); n > 20 && utf8.RuneCountInString(own)*2 > n*5 {
		return "more than 2.5 times as long as in English"
	}
	return ""
}

// needed are the categories of the numbers that pages have.
func needed(tag language.Tag) map[string]bool {
	all := map[string]bool{"other": true}
	for n := range 201 {
		all[category(tag, n)] = true
	}
	return all
}

func categoriesOf(tag language.Tag) map[string]bool {
	all := needed(tag)
	all[category(tag, 1_000_000)] = true
	return all
}

func TestCatalogue_Compare(t *testing.T) {
	const plural = "{n, plural, one {# code} other {# codes}}"
	for _, c := range []struct {
		tag, text, own string
		good           bool
	}{
		{"de", "To {to}.", "An {to}.", true}, {"de", "To {to}.", "An {wen}.", false}, {"de", "To {to}.", "An.", false}, {"de", "To {to}.", "An {to", false},
		{"de", plural, "{n, plural, one {# Code} other {# Codes}}", true}, {"de", plural, "{n, plural, other {# Codes}}", false}, {"de", plural, "{n, plural, one {a} few {b} other {c}}", false},
		{"pl", plural, "{n, plural, one {# kod} few {# kody} many {# kodów} other {# kodu}}", true}, {"pl", plural, "{n, plural, one {# kod} other {# kodu}}", false},
		{"ja", plural, "{n, plural, other {# 個}}", true}, {"ja", plural, "{n, plural, one {a} other {# 個}}", false},
		{"ar", plural, "{n, plural, zero {a} one {a} two {a} few {a} many {a} other {a}}", true}, {"ar", plural, "{n, plural, one {a} other {a}}", false},
		{"fr", plural, "{n, plural, one {a} other {a}}", true},
	} {
		if problem := compare(language.Make(c.tag), "x", c.text, c.own); (problem == "") != c.good {
			t.Errorf("%s %q: %q", c.tag, c.own, problem)
		}
	}
}

func TestCatalogue_Load(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, c := range map[string]struct {
		files fstest.MapFS
		good  bool
	}{
		"two files":        {fstest.MapFS{"texts/en/a.json": file(`{"a.b":"x"}`), "texts/en/b.json": file(`{"a.c":"y"}`)}, true},
		"same text":        {fstest.MapFS{"texts/en/a.json": file(`{"a.b":"x"}`), "texts/en/b.json": file(`{"a.b":"x"}`)}, true},
		"two texts":        {fstest.MapFS{"texts/en/a.json": file(`{"a.b":"x"}`), "texts/en/b.json": file(`{"a.b":"y"}`)}, false},
		"not flat":         {fstest.MapFS{"texts/en/a.json": file(`{"a":{"b":"x"}}`)}, false},
		"broken about":     {fstest.MapFS{"texts/en/about.json": file(`{`)}, false},
		"without a folder": {fstest.MapFS{}, false},
	} {
		if _, err := load(c.files, "en"); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIndex_PrefersThePage(t *testing.T) {
	x := newIndex(map[string]string{"password.again": "Again", "magic.again": "Again", "magic.sent.again": "Again", "totp.x": "X"})
	for page, want := range map[string]string{"magic.sent": "magic.sent.again", "magic.code": "magic.again", "password.new": "password.again", "other.page": "magic.again"} {
		if got := x.key(page, "Again"); got != want {
			t.Errorf("%s: %q, want %q", page, got, want)
		}
	}
	if got := x.key("totp.y", "Y"); got != "" {
		t.Errorf("an unknown text has the key %q", got)
	}
}

func TestPseudo(t *testing.T) {
	for in, want := range map[string]string{
		"To {to}.": "[Ţô {to}.]",
		"{n, plural, one {# code} other {# codes}}": "[{n, plural, one {# çôðé} other {# çôðéš}} ~ ~]",
	} {
		if got := accented(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, change := range pseudo {
		base, err := load(texts, english)
		if err != nil {
			t.Fatal(err)
		}
		for key, text := range maps.All(base.texts) {
			want, _, _ := words.Inspect(text)
			if got, _, err := words.Inspect(change(text)); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %q, %v", key, change(text), err)
			}
		}
	}
}

func TestContrast(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{{"#fff", "#000", 21}, {"#777777", "#ffffff", 4.48}, {"#ff0000", "#ffffff", 3.99}, {"#000", "#000", 1}} {
		a, errA := parseColor(c.a)
		b, errB := parseColor(c.b)
		if got := contrast(a, b); errA != nil || errB != nil || got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("%s on %s: %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

package ui

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/text"
)

//go:embed texts
var texts embed.FS

// english is the language of the texts in the code, which every other catalogue translates.
const english = "en"

// A catalogue has the texts of one language.
type catalogue struct {
	name     string // of the language, in itself: "Deutsch"
	reviewed bool   // a person who speaks the language has read it
	texts    map[string]string
}

// about is the file texts/{language}/about.json.
type about struct {
	Name     string `json:"name"`
	Reviewed bool   `json:"reviewed"`
}

// shipped returns the languages that have a folder.
func shipped(files fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(files, "texts")
	if err != nil {
		return nil, err
	}
	list := []string{english}
	for _, e := range entries {
		if e.IsDir() && e.Name() != english {
			list = append(list, e.Name())
		}
	}
	return list, nil
}

// load reads the catalogue of one language: all files of its folder are one.
func load(files fs.FS, language string) (*catalogue, error) {
	folder := path.Join("texts", language)
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, fmt.Errorf("ui: there are no texts in %q", language)
	}
	c := &catalogue{name: language, texts: map[string]string{}}
	for _, e := range entries {
		if path.Ext(e.Name()) != ".json" {
			continue
		}
		name := path.Join(folder, e.Name())
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if e.Name() == "about.json" {
			var a about
			if err := json.Unmarshal(content, &a); err != nil {
				return nil, fmt.Errorf("ui: %s: %w", name, err)
			}
			c.name, c.reviewed = cmp.Or(a.Name, language), a.Reviewed
			continue
		}
		more := map[string]string{}
		if err := json.Unmarshal(content, &more); err != nil {
			return nil, fmt.Errorf("ui: %s: %w", name, err)
		}
		for key, text := range more {
			if other, ok := c.texts[key]; ok && other != text {
				return nil, fmt.Errorf("ui: %s: the key %q is in another file too, with another text", name, key)
			}
			c.texts[key] = text
		}
	}
	return c, nil
}

// read returns the texts of a language of this package, which tests have read without an error.
func read(files fs.FS, language string) map[string]string {
	c, err := load(files, language)
	if err != nil {
		return nil
	}
	return c.texts
}

// aboutOf reads what a language of this package is called.
func aboutOf(files fs.FS, language string) (a about) {
	if content, err := fs.ReadFile(files, path.Join("texts", language, "about.json")); err == nil {
		_ = json.Unmarshal(content, &a) // read by tests without an error
	}
	return a
}

// An index finds the key of an English text.
type index map[string][]string

func newIndex(english map[string]string) index {
	x := index{}
	for _, key := range slices.Sorted(maps.Keys(english)) {
		x[english[key]] = append(x[english[key]], key)
	}
	return x
}

// key returns the key of a text on the page, or in the mail, with a name. Of several, those of the page come first, and
// then those of its package: "magic.sent.again" before "magic.again", and both before "password.again".
func (x index) key(page, text string) string {
	keys := x[text]
	if len(keys) == 0 {
		return ""
	}
	family, _, _ := strings.Cut(page, ".")
	for _, prefix := range []string{page + ".", family + "."} {
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				return key
			}
		}
	}
	return keys[0]
}

// check finds what is wrong with the texts that an application writes for a language.
func check(language string, own, english map[string]string) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(own)) {
		text, known := english[key]
		if !known {
			errs = append(errs, fmt.Errorf("ui: Config.Texts[%q] has the unknown key %q; the nearest one is %q", language, key, nearest(key, english)))
			continue
		}
		if err := sameValues(text, own[key]); err != nil {
			errs = append(errs, fmt.Errorf("ui: Config.Texts[%q][%q]: %w", language, key, err))
		}
	}
	return errors.Join(errs...)
}

// nearest returns the key that is spelled most like another one.
func nearest(key string, all map[string]string) string {
	best, least := "", len(key)+100
	for _, other := range slices.Sorted(maps.Keys(all)) {
		if d := text.Distance(key, other); d < least {
			best, least = other, d
		}
	}
	return best
}

package ui

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"github.com/posternauth/postern"
)

// Config of the pages. The zero value works.
type Config struct {
	Theme Theme

	// Languages are the tags of the languages that people can choose, such as "de" or "pt-BR". The first one is for
	// people whose languages are not in the list. A language that this package does not have needs Texts. "en-XA" and
	// "ar-XB" are languages for tests: English with accents and longer, and English from right to left.
	//
	// Defaults to all that this package has, with English first.
	Languages []string

	// Texts are texts of yours, by language and key: {"en": {"postern.choose.title": "Welcome back"}}. The keys are
	// those of the files ui/texts/en/*.json. A text may leave values out; it must not have other ones. New refuses an
	// unknown key and names the nearest one.
	//
	// Defaults to none.
	Texts map[string]map[string]string
}

// Pages draws pages and mails. It is safe for concurrent use and does not change after New.
type Pages struct {
	theme    theme
	speakers []*speaker
	matcher  language.Matcher
	files    map[string]file // by name
	sheet    string          // name of the style sheet
	script   string          // name of the script of pages with a password

	templates *template.Template
	marks     map[string]template.HTML
}

// New checks the configuration and builds the pages. Its error lists every problem.
func New(c Config) (*Pages, error) {
	p := &Pages{files: map[string]file{}, marks: readMarks()}
	var errs []error
	var err error
	p.templates, err = readTemplates()
	errs = append(errs, err)
	speakers, err := newSpeakers(texts, c.Languages, c.Texts)
	errs = append(errs, err)
	p.speakers = speakers
	tags := make([]language.Tag, len(speakers))
	for i, s := range speakers {
		tags[i] = s.wanted()
	}
	p.matcher = language.NewMatcher(tags)
	p.theme, err = c.Theme.check()
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.addFiles(c.Theme)
	return p, nil
}

// newSpeakers checks the languages. Their texts are read when a page needs them first: sixteen languages would make the
// start of a function long.
func newSpeakers(files fs.FS, tags []string, own map[string]map[string]string) ([]*speaker, error) {
	base := sync.OnceValue(func() source {
		all := read(files, english)
		return source{all, newIndex(all)}
	})
	known, err := shipped(files)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		tags = known
	}
	var errs []error
	for _, tag := range sorted(own) {
		if !slices.Contains(tags, tag) {
			errs = append(errs, fmt.Errorf("ui: Config.Texts has the language %q, which is not in Languages: %s", tag, strings.Join(tags, ", ")))
		}
		errs = append(errs, check(tag, own[tag], base().texts))
	}
	var speakers []*speaker
	for i, tag := range tags {
		s := &speaker{tag: tag, dir: "ltr", english: base, name: tag}
		s.parsed, err = language.Parse(tag)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("ui: Config.Languages: %q is not the tag of a language: %w", tag, err))
			continue
		case slices.Contains(tags[:i], tag):
			errs = append(errs, fmt.Errorf("ui: Config.Languages has %q twice", tag))
			continue
		case rightToLeft(s.parsed):
			s.dir = "rtl"
		}
		from := tag
		switch {
		case pseudo[tag] != nil:
			s.pseudo, s.parsed, from = pseudo[tag], language.English, english
		case slices.Contains(known, tag):
			s.name = aboutOf(files, tag).Name
		case len(own[tag]) > 0:
			from = ""
		default:
			errs = append(errs, fmt.Errorf("ui: Config.Languages: there are no texts in %q: write them in Config.Texts, or choose from %s", tag, strings.Join(known, ", ")))
			continue
		}
		more := maps.Clone(own[tag])
		s.texts = sync.OnceValue(func() map[string]string {
			if from == "" {
				return more
			}
			return merged(read(files, from), more)
		})
		s.name = cmp.Or(own[tag]["ui.language-name"], s.name, tag)
		speakers = append(speakers, s)
	}
	return speakers, errors.Join(errs...)
}

// wanted is the tag for the matcher: that of the language in which the texts are. The languages for tests have another.
func (s *speaker) wanted() language.Tag {
	if s.pseudo != nil {
		return language.Make(s.tag)
	}
	return s.parsed
}

// speaker returns the language of a request.
func (p *Pages) speaker(r *http.Request) *speaker { return p.match(postern.Languages(r)...) }

// match returns the language that fits best. Each wish is a tag or an Accept-Language header.
func (p *Pages) match(wishes ...string) *speaker {
	for _, wish := range wishes {
		for _, s := range p.speakers { // also the languages for tests, which no browser asks for
			if strings.EqualFold(s.tag, wish) {
				return s
			}
		}
		if tags, _, err := language.ParseAcceptLanguage(wish); err == nil && len(tags) > 0 {
			if _, i, confidence := p.matcher.Match(tags...); confidence > language.No {
				return p.speakers[i]
			}
		}
	}
	return p.speakers[0]
}

// Translate returns a page in the language of the request, for an application that draws it: texts are plain, and
// values in them are between the isolates of Unicode (U+2066 to U+2069), which keep their direction in Arabic and
// Hebrew.
func (p *Pages) Translate(r *http.Request, page postern.Page) postern.Page {
	return page.Translate(p.speaker(r).sayOf(page.Name))
}

// Languages returns the tags of the languages of the pages and the mails, the one for everybody else first.
func (p *Pages) Languages() []string {
	tags := make([]string, len(p.speakers))
	for i, s := range p.speakers {
		tags[i] = s.tag
	}
	return tags
}

// LanguageName is what a language of Languages is called in itself, such as "Deutsch". Of another tag it is the tag.
func (p *Pages) LanguageName(tag string) string {
	for _, s := range p.speakers {
		if s.tag == tag {
			return s.name
		}
	}
	return tag
}

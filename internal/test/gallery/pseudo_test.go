package gallery

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// data is what stands in a page as it is in every language: what people and programs wrote, and names.
var data = []*regexp.Regexp{
	regexp.MustCompile(`^(Example Shop|Grace Hopper|My old phone|Your name|a mail|spam|curie|You are invited to Example Shop)$`),             // of people and the application
	regexp.MustCompile(`^\[\[(Grace Hopper|postern\.invitation)\] · Example Shop\]$`),                                                        // a title of nothing else
	regexp.MustCompile(`^(Chrome|Linux|Safari|iPhone|Google|GitHub|English|Deutsch|Italiano|Nederlands|Polski|en|de|ar|en-XA|ar-XB|ES256)$`), // names of things
	regexp.MustCompile(`^[\w.+…-]+@[\w.]+$|^(/home, )?https?://\S+(, \S+)*$|^/[\w/.-]+$|^otpauth:\S+$|^app\.example$`),                       // addresses
	regexp.MustCompile(`^[\d.:]+$|^[\w-]{16,}$|^[A-Z0-9]{4}([ -][A-Z0-9]{4})*$|^[A-Z0-9]{10}$`),                                              // codes, keys, ids, references
	regexp.MustCompile(`^[a-z]+(_[a-z]+)+$|^[a-z]+\.[a-z0-9-]+$|^\w+\.Config\.\w+$|^[a-z]+:[a-z]+( [a-z]+:[a-z]+)*$`),                        // codes of errors, mails, settings, scopes
	regexp.MustCompile(`^(api|member|owner|password|sign-up)$|^[a-z]+(, [a-z]+)+$`),                                                          // names in the configuration
}

func isData(text string) bool {
	return slices.ContainsFunc(data, func(r *regexp.Regexp) bool { return r.MatchString(text) })
}

// textsOf returns the texts of a page that people see.
func textsOf(body string) (all []string) {
	body = regexp.MustCompile(`(?s)<style>.*?</style>|<script.*?</script>|<svg.*?</svg>|<!doctype[^>]*>|<select name="language".*?</select>|<code.*?</code>|<time.*?</time>`).ReplaceAllString(body, "")
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict, d.Entity, d.AutoClose = false, xml.HTMLEntity, xml.HTMLAutoClose
	for {
		token, err := d.RawToken()
		if err != nil {
			return all
		}
		if text, ok := token.(xml.CharData); ok {
			if s := strings.TrimSpace(string(text)); s != "" {
				all = append(all, s)
			}
		}
	}
}

// TestEveryTextIsTranslated: in the pseudo-locale en-XA every text of a page has an accent, so a text without one is in
// no catalogue, and stays English in every language. It finds what TestTexts of package archtest does not see in the
// code.
func TestEveryTextIsTranslated(t *testing.T) {
	seen, texts := map[string]bool{}, 0
	for _, shot := range inAll(reached(t), "en-XA") {
		for _, text := range textsOf(shot.body) {
			texts++
			if strings.HasPrefix(shot.page, "admin.mail") && strings.Contains(text, "Example Shop") {
				continue // a subject, written in the language of the request
			}
			plain := !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) })
			if strings.HasPrefix(shot.name(), "admin.mail") && strings.HasSuffix(strings.Trim(text, "[]"), "Example Shop") {
				continue // the subject of a mail, in the language in which the page was asked for
			}
			if plain && strings.ContainsFunc(text, unicode.IsLetter) && !isData(text) && !seen[text] {
				seen[text] = true
				t.Errorf("%s: %q", shot.name(), text)
			}
		}
	}
	if texts < 1000 {
		t.Errorf("%d texts found: the search is wrong", texts)
	}
}

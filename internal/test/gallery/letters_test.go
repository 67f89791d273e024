package gallery

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/posternauth/postern/internal/test/testworld"
)

// A letter is a mail as the console previews it: with a picture of its HTML.
type letter struct {
	name, subject string
	shot          shot
}

// also reports whether the letter is shown dark and from right to left too.
func (l letter) also() bool { return slices.Contains(mailsAlso, l.name) }

var mailTitle = regexp.MustCompile(`<title>([^<]*)</title>`)

// letters returns every mail that the console has, in its order. TestMails_Complete says that these are all.
func letters(t *testing.T) (all []letter) {
	t.Helper()
	t.Run("mails", func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, 1)
		v := newWorld(t)
		v.Set(testworld.Start)
		p := v.person(t, "en").office("letters").open("/admin/mail")
		seen := map[string]bool{}
		for _, link := range mailLink.FindAllStringSubmatch(p.body, -1) {
			to := strings.TrimPrefix(link[1], "https://app.example"+base)
			name := strings.ReplaceAll(strings.TrimPrefix(to, "/admin/mail/"), "/", ".")
			if seen[name] {
				continue
			}
			seen[name] = true
			one := letter{name: name, shot: shot{scene: scene{page: "mail-" + name}, language: "en", bodies: map[string]string{},
				header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}}}
			for _, language := range []string{"ar", "en"} {
				one.shot.bodies[language] = p.open(to + "/html?language=" + language).body
			}
			title := mailTitle.FindStringSubmatch(one.shot.bodies["en"])
			if title == nil {
				t.Fatalf("%s has no title:\n%s", name, p.body)
			}
			one.subject = html.UnescapeString(title[1])
			all = append(all, one)
		}
	})
	if len(all) < 35 {
		t.Fatalf("%d mails", len(all))
	}
	for _, name := range mailsAlso {
		if !slices.ContainsFunc(all, func(l letter) bool { return l.name == name }) {
			t.Errorf("there is no mail %s", name)
		}
	}
	return all
}

package gallery

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
)

// mailsOf returns the mails that are sent on the way to the scenes, in a language, the last of each name.
func mailsOf(t *testing.T, language string) map[string]postern.Mail {
	t.Helper()
	var v *world
	t.Run("world", func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, 1)
		v = newWorld(t)
	})
	all := map[string]postern.Mail{}
	for _, s := range scenes() {
		v.TB = t
		v.Set(testworld.Start)
		s.walk(v.person(t, language))
		for _, m := range v.Mails.All() {
			all[m.Name] = m
		}
	}
	return all
}

// TestMails: what holds for a page holds for the HTML of each mail: no fault of axe-core or html-validate, light and
// dark, from left to right and from right to left, nothing lost at 320 pixels, and nothing loaded from anywhere.
func TestMails(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join(modules(t), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	s := newStudio(t, newWorld(t))
	s.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(string(axe)).Do(ctx)
		return err
	}))
	dir := t.TempDir()
	for _, language := range []string{"en", "ar"} {
		mails := mailsOf(t, language)
		if len(mails) < 25 {
			t.Errorf("%s: %d mails alone: %v", language, len(mails), slices.Sorted(maps.Keys(mails)))
		}
		for name, m := range mails {
			shot := shot{scene: scene{page: name, state: "mail-" + language}, body: m.HTML, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}}
			s.window(600, 800, "light")
			s.show(shot)
			for _, scheme := range []string{"light", "dark"} {
				s.window(600, 800, scheme)
				var faults []string
				// A mail is a part of another page: it has no landmarks.
				s.evaluate(strings.Replace(audit, "rules: {", "rules: {region: {enabled: false}, 'landmark-one-main': {enabled: false}, ", 1), &faults)
				for _, fault := range faults {
					t.Errorf("%s, %s: %s", shot.name(), scheme, fault)
				}
			}
			s.window(320, 500, "light")
			var faults []string
			s.evaluate(measure, &faults)
			for _, fault := range faults {
				t.Errorf("%s at 320 pixels: %s", shot.name(), fault)
			}
			for _, text := range s.complaints() {
				t.Errorf("%s: the browser complains: %s", shot.name(), text)
			}
			if !strings.HasPrefix(m.HTML, `<!doctype html>`) || strings.Contains(m.HTML, "<img") || strings.Contains(m.HTML, "url(") || strings.Contains(m.HTML, "<script") {
				t.Errorf("%s: has a picture or a script:\n%s", name, m.HTML)
			}
			if err := os.WriteFile(filepath.Join(dir, shot.name()+".html"), []byte(m.HTML), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	validate(t, dir, "testdata/htmlvalidate-mail.json")
}

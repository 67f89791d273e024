package ui_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/ui"
)

var anyText = map[string]string{"ui.or": "x"}

func TestLanguage_Negotiation(t *testing.T) {
	own := map[string]map[string]string{}
	languages := []string{"en", "de", "pt-BR", "zh-Hans", "zh-Hant", "sr", "sr-Latn", "he", "ar", "fr"}
	for _, l := range languages[1:] {
		own[l] = anyText
	}
	p := newPages(t, ui.Config{Languages: languages, Texts: own})
	for _, c := range []struct{ query, cookie, header, want string }{
		{"", "", "", "en"},
		{"", "", "de-CH, de;q=0.9, en;q=0.8", "de"},
		{"", "", "pt", "pt-BR"}, {"", "", "pt-PT", "pt-BR"},
		{"", "", "zh", "zh-Hans"}, {"", "", "zh-CN", "zh-Hans"}, {"", "", "zh-TW", "zh-Hant"}, {"", "", "zh-HK", "zh-Hant"}, {"", "", "zh-Hant-MO", "zh-Hant"},
		{"", "", "sr", "sr"}, {"", "", "sr-Latn-RS", "sr-Latn"}, {"", "", "sr-Cyrl", "sr"},
		{"", "", "iw", "he"}, {"", "", "ar-EG", "ar"}, {"", "", "ja, fr;q=0.3", "fr"}, {"", "", "tlh", "en"}, {"", "", "*", "en"}, {"", "", "de;q=0", "en"},
		{"", "", ",,;;q=x", "en"},
		{"", "fr", "de", "fr"}, {"", "xx", "de", "de"}, {"", "en", "de", "en"},
		{"?ui_locales=zh-TW+de", "fr", "ar", "zh-Hant"}, {"?ui_locales=hi", "fr", "ar", "fr"},
	} {
		r := httptest.NewRequest("GET", "https://shop.example/auth/authorize"+c.query, nil)
		if c.cookie != "" {
			r.Header.Set("Cookie", "__Host-postern-language="+c.cookie)
		}
		if c.header != "" {
			r.Header.Set("Accept-Language", c.header)
		}
		w := httptest.NewRecorder()
		p.Render(w, r, postern.Page{Status: 200, Title: "x", Assets: "/a/", App: "x"})
		if dir := map[bool]string{true: "rtl", false: "ltr"}[c.want == "he" || c.want == "ar"]; !strings.Contains(w.Body.String(), `<html lang="`+c.want+`" dir="`+dir+`">`) {
			t.Errorf("%+v: %.60s", c, w.Body)
		}
	}
}

func TestTexts_Refusals(t *testing.T) {
	for name, c := range map[string]struct {
		config ui.Config
		want   string
	}{
		"unknown key":       {ui.Config{Texts: map[string]map[string]string{"en": {"ui.privcy": "x"}}}, `unknown key "ui.privcy"; the nearest one is "ui.privacy"`},
		"unknown value":     {ui.Config{Texts: map[string]map[string]string{"en": {"ui.code": "{code} {name}"}}}, "there is no value {name}"},
		"value in a branch": {ui.Config{Texts: map[string]map[string]string{"en": {"format.day": "{n, plural, one {a day} other {# {days}}}"}}}, "there is no value {days}"},
		"broken":            {ui.Config{Texts: map[string]map[string]string{"en": {"ui.code": "{code"}}}, "brace"},
		"plural":            {ui.Config{Texts: map[string]map[string]string{"en": {"format.day": "{n, plural, one {a day}}"}}}, "other"},
		"no language":       {ui.Config{Languages: []string{"english!"}}, "not the tag of a language"},
		"twice":             {ui.Config{Languages: []string{"en", "en"}}, "twice"},
		"no texts":          {ui.Config{Languages: []string{"tlh"}}, `there are no texts in "tlh"`},
		"not in the list":   {ui.Config{Languages: []string{"en"}, Texts: map[string]map[string]string{"sv": anyText}}, "not in Languages"},
	} {
		if _, err := ui.New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestTexts_OfTheApplication(t *testing.T) {
	p := newPages(t, ui.Config{Languages: []string{"en", "sv"}, Texts: map[string]map[string]string{
		"en": {"postern.choose.title": "Welcome to {app}"},
		"sv": {"postern.choose.title": "Logga in på {app}", "format.minute": "{n, plural, one {# minut} other {# minuter}}"},
	}})
	page := postern.Page{Name: "postern.choose", Args: map[string]any{"app": "Shop", "life": 10 * time.Minute}, Title: "Sign in to {app}", Text: "It works for {life}."}
	for language, want := range map[string]string{"en": "<h1>Welcome to <bdi>Shop</bdi></h1>", "sv": "<h1>Logga in på <bdi>Shop</bdi></h1>"} {
		if body := drawn(p, page, "Accept-Language", language).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s: want %s in\n%s", language, want, body)
		}
	}
	// A text without a translation is English, with its values in the language.
	if body := drawn(p, page, "Accept-Language", "sv").Body.String(); !strings.Contains(body, "<p>It works for 10 minuter.</p>") {
		t.Errorf("%s", body)
	}
}

func TestMail_Language(t *testing.T) {
	p := newPages(t, ui.Config{Languages: []string{"en", "he"}, Texts: map[string]map[string]string{"he": anyText}})
	if tags := p.Languages(); !slices.Equal(tags, []string{"en", "he"}) {
		t.Errorf("the languages are %q", tags)
	}
	got, err := p.Compose(postern.Mail{To: "ann@example.com", Language: "he-IL", Subject: "For {who}", Args: map[string]any{"who": "ann@example.com"},
		Parts: []postern.MailPart{{Text: "Hello {who}."}, {Text: "Sign in", Link: "https://shop.example/auth/x?a=1"}, {Text: "Code", Code: "123 456"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "For ann@example.com" || !strings.Contains(got.Text, "Hello ann@example.com.\n") || !strings.Contains(got.Text, "\nhttps://shop.example/auth/x?a=1\n") ||
		!strings.Contains(got.HTML, `<html lang="he" dir="rtl">`) || !strings.Contains(got.HTML, `Hello <bdi dir="ltr">ann@example.com</bdi>.`) ||
		!strings.Contains(got.HTML, "prefers-color-scheme:dark") || strings.Contains(got.HTML, "<img") || got.ContentLanguage != "he" {
		t.Errorf("%q\n%s\n%s", got.Subject, got.Text, got.HTML)
	}
	raw, err := got.MIME("no-reply@example.com", time.Now())
	if err != nil || !strings.Contains(string(raw), "\r\nContent-Language: he\r\n") {
		t.Errorf("%v\n%.400s", err, raw)
	}
}

func FuzzLanguageCookie(f *testing.F) {
	for _, seed := range []string{"de", "de.fr", "", "..", "zh-Hant", strings.Repeat("a-", 200), "<b>", "en-XA", "\x00"} {
		f.Add(seed, seed)
	}
	p, err := ui.New(ui.Config{Languages: []string{"en", "de"}, Texts: map[string]map[string]string{"de": anyText}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, cookie, header string) {
		w := drawn(p, postern.Page{Title: "x"}, "Cookie", "postern-language="+cookie, "Accept-Language", header)
		body := w.Body.String()
		if w.Code != 200 || !strings.Contains(body, `<html lang="en" dir="ltr">`) && !strings.Contains(body, `<html lang="de" dir="ltr">`) {
			t.Errorf("%.80s", body)
		}
		if strings.Count(body, "<html") != 1 {
			t.Error("more than one document")
		}
	})
}

// TestLanguage_Device: the name of a browser is written in the language of the page and of the mail; a name that an
// application gave stays as it is.
func TestLanguage_Device(t *testing.T) {
	p := newPages(t, ui.Config{Languages: []string{"en", "de"}, Texts: map[string]map[string]string{
		"de": {"postern.device": "{browser} unter {system}", "postern.device.unknown": "ein unbekannter Browser", "postern.device.unknown.system": "ein unbekannter Browser unter {system}"},
	}})
	r := httptest.NewRequest("GET", "https://shop.example/auth/account/sessions", nil)
	r.Header.Set("Accept-Language", "de")
	w := httptest.NewRecorder()
	line := func(device any) postern.Line {
		return postern.Line{Label: "{device}", Value: postern.Phrase("Last used {used}"), Args: map[string]any{"device": device, "used": time.Unix(0, 0)}}
	}
	p.Render(w, r, postern.Page{
		Name: "postern.account-sessions", Status: 200, Title: "x", Assets: "/a/", App: "x",
		Lines:    []postern.Line{line(postern.Phrase("Firefox on Linux")), line(postern.Phrase("an unknown browser")), line("Ann’s phone on Linux")},
		Sections: []postern.Section{{Name: "list", Title: "x", Table: &postern.Table{Columns: []string{"Device"}, Rows: [][]postern.Cell{{{Value: postern.Phrase("Edge on Windows")}}}}}},
	})
	for _, want := range []string{"<bdi>Firefox</bdi> unter <bdi>Linux</bdi>", "ein unbekannter Browser", "<bdi>Ann’s phone on Linux</bdi>", "Edge</bdi> unter <bdi>Windows"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
	if sent, err := p.Compose(postern.Mail{To: "ann@example.com", Language: "de", Subject: "x", Args: map[string]any{"device": postern.Phrase("an unknown browser on iPad")},
		Parts: []postern.MailPart{{Text: "It works for {life}, in the browser that asked for it: {device}."}}}); err != nil || !strings.Contains(sent.Text, "ein unbekannter Browser unter ") {
		t.Errorf("%v: %s", err, sent.Text)
	}
}

package ui_test

import (
	"bytes"
	"compress/gzip"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/ui"
)

const plainSVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 60"><defs><linearGradient id="g"/></defs><style>.a{fill:url(#g)}</style><path class="a" d="M0 0h9v9z"/></svg>`

func TestTheme_Refusals(t *testing.T) {
	for name, c := range map[string]struct {
		theme ui.Theme
		want  string
	}{
		"accent on white":    {ui.Theme{Light: ui.Colors{Accent: "#ffcc00"}}, "Theme.Light: Accent #ffcc00 on Surface #ffffff has a contrast of 1.51, and a link needs 4.5"},
		"accent in the dark": {ui.Theme{Dark: ui.Colors{Accent: "#222288"}}, "Theme.Dark: Accent #222288 on Surface #181b21"},
		"text":               {ui.Theme{Light: ui.Colors{Text: "#999"}}, "Theme.Light: Text #999999 on Surface #ffffff has a contrast of 2.84, and text needs 4.5"},
		"background":         {ui.Theme{Dark: ui.Colors{Background: "#eee"}}, "Theme.Dark: Text"},
		"no colour":          {ui.Theme{Light: ui.Colors{Accent: "red;}body{display:none"}}, "is not a colour"},
		"colour of 4":        {ui.Theme{Light: ui.Colors{Surface: "#ffff"}}, "is not a colour"},
		"font":               {ui.Theme{Font: `x;}*{background:url(//evil.example)}`}, "Theme.Font"},
		"font with escape":   {ui.Theme{Font: `"a\"b"`}, "Theme.Font"},
		"font of two words":  {ui.Theme{Font: `Segoe UI, serif`}, "in quotes"},
		"radius":             {ui.Theme{Radius: 99}, "Theme.Radius"},
		"scheme":             {ui.Theme{Scheme: "blue"}, "Theme.Scheme"},
		"terms":              {ui.Theme{Terms: "javascript:alert(1)"}, "Theme.Terms"},
		"privacy":            {ui.Theme{Privacy: "//evil.example"}, "Theme.Privacy"},
		"mail of terms":      {ui.Theme{Terms: "mailto:a@b.example"}, "Theme.Terms"},
		"logo":               {ui.Theme{Logo: []byte("GIF89a")}, "neither SVG nor PNG"},
		"logo too large":     {ui.Theme{Logo: bytes.Repeat([]byte("x"), 70000)}, "70000 bytes"},
		"dark logo alone":    {ui.Theme{LogoDark: []byte(plainSVG)}, "needs Theme.Logo"},
		"script":             {ui.Theme{Logo: svg(`<script>x</script>`)}, "<script>"},
		"handler":            {ui.Theme{Logo: svg(`<path onclick="x"/>`)}, "onclick"},
		"other file":         {ui.Theme{Logo: svg(`<use href="https://evil.example/x"/>`)}, "another file"},
		"other file, old":    {ui.Theme{Logo: svg(`<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="data:x"/>`)}, "another file"},
		"style":              {ui.Theme{Logo: svg(`<style>@import "//evil.example"</style>`)}, "another file"},
		"style of a part":    {ui.Theme{Logo: svg(`<path style="fill:url( //evil.example/x )"/>`)}, "another file"},
		"html":               {ui.Theme{Logo: svg(`<foreignObject/>`)}, "foreignObject"},
		"style, comment":     {ui.Theme{Logo: svg(`<style>@imp<!-- -->ort "https://evil.example/x.css";</style>`)}, "another file"},
		"style, CDATA":       {ui.Theme{Logo: svg(`<style>@imp<![CDATA[ort "https://evil.example/x.css";]]></style>`)}, "another file"},
		"style, element":     {ui.Theme{Logo: svg(`<style><g/>@import "https://evil.example/x.css";</style>`)}, "<g>"},
		"base":               {ui.Theme{Logo: svg(`<g xml:base="https://evil.example/"><use href="#a"/></g>`)}, "base"},
		"character":          {ui.Theme{Logo: svg(`<g fill="u&#114;l(https://evil.example/x)"/>`)}, "another file"},
		"html, refresh":      {ui.Theme{Logo: svg(`<desc><h:meta xmlns:h="http://www.w3.org/1999/xhtml" http-equiv="refresh" content="0;url=https://evil.example/"/></desc>`)}, "<meta>"},
		"html, picture":      {ui.Theme{Logo: svg(`<title><img xmlns="http://www.w3.org/1999/xhtml" srcset="https://evil.example/x.png"/></title>`)}, "<img>"},
		"html, form":         {ui.Theme{Favicon: svg(`<title><h:form xmlns:h="http://www.w3.org/1999/xhtml" action="https://evil.example/"/></title>`)}, "<form>"},
		"doctype":            {ui.Theme{Logo: []byte(`<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + plainSVG)}, "DOCTYPE"},
		"not closed":         {ui.Theme{Favicon: []byte(`<svg>`)}, "not XML"},
		"html as svg":        {ui.Theme{Favicon: []byte(`<html/>`)}, "not SVG"},
	} {
		if _, err := ui.New(ui.Config{Theme: c.theme}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func svg(inside string) []byte {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">` + inside + `</svg>`)
}

func TestTheme_Accepted(t *testing.T) {
	for _, accent := range []string{"#1f4fd1", "#0b6e4f", "#b3261e", "#000", "#6d28d9", "#9a3412"} {
		p := newPages(t, ui.Config{Theme: ui.Theme{Light: ui.Colors{Accent: accent}, Logo: []byte(plainSVG), Favicon: []byte(plainSVG), Font: `"Segoe UI", Inter, sans-serif`, Radius: -1}})
		body := drawn(p, postern.Page{Title: "Sign in"}).Body.String()
		if !strings.Contains(body, `alt="Example Shop"`) || !strings.Contains(body, `rel="icon"`) || strings.Contains(body, `class="letter"`) {
			t.Errorf("%s: the logo is missing:\n%s", accent, body)
		}
	}
}

var asset = regexp.MustCompile(`(?:href|src|srcset)="/auth/assets/([^"]+)"`)

// TestAssets: each file has the hash of its content in its name, and the first page is small.
func TestAssets(t *testing.T) {
	p := newPages(t, ui.Config{Theme: ui.Theme{Logo: []byte(plainSVG), Favicon: []byte(plainSVG)}})
	page := postern.Page{Title: "Sign in to Example Shop", Forms: []postern.Form{{Fields: []postern.Field{{Name: "email", Label: "Email address", Type: "email"}}}}}
	for _, mark := range []string{"google", "github", "gitlab", "microsoft", "apple", "discord", "slack", "facebook", "linkedin", "x"} {
		page.Ways = append(page.Ways, postern.Link{Text: "Continue with " + mark, URL: "/auth/" + mark + "/authorize", Mark: mark})
	}
	w := drawn(p, page)
	total := gzipped(t, w.Body.Bytes())
	found := asset.FindAllStringSubmatch(w.Body.String(), -1)
	for _, m := range found {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", "/"+m[1], nil))
		if w.Code != 200 || !regexp.MustCompile(`\.[0-9a-f]{16}\.(css|svg)$`).MatchString(m[1]) {
			t.Errorf("%s: %d", m[1], w.Code)
		}
		total += gzipped(t, w.Body.Bytes())
	}
	if len(found) != 3 || total > 30<<10 || strings.Count(w.Body.String(), `class="mark"`) != len(page.Ways) {
		t.Errorf("%d files, %d bytes compressed\n%s", len(found), total, w.Body)
	}
	t.Logf("%d bytes compressed", total)
	for _, path := range []string{"/", "/page.css", "/../ui.go", "/page.0000000000000000.css"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		if p.ServeHTTP(w, r); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	other := newPages(t, ui.Config{Theme: ui.Theme{Radius: 4}})
	if asset.FindString(drawn(other, page).Body.String()) == asset.FindString(w.Body.String()) {
		t.Error("another theme has a style sheet of the same name")
	}
}

func gzipped(t *testing.T, b []byte) int {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return out.Len()
}

// TestStyle_BothDirections: only logical properties, so that the page is right in Arabic and Hebrew.
func TestStyle_BothDirections(t *testing.T) {
	css, err := os.ReadFile("page.css")
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?i)\b(left|right)\b|(?:margin|padding):[^\s;}]+ [^\s;}]+ [^\s;}]+ [^\s;}]+|url\(|@import|\bfloat\b`).FindAllString(string(css), -1); m != nil {
		t.Errorf("page.css has %q", m)
	}
	for _, want := range []string{"prefers-reduced-motion", "forced-colors", ":focus-visible", "@media print", ":user-invalid"} {
		if !strings.Contains(string(css), want) {
			t.Errorf("page.css has no %s", want)
		}
	}
}

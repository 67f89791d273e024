package ui_test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/ui"
)

var passwordScript = regexp.MustCompile(`<script src="/auth/assets/(scripts/password\.[0-9a-f]{16}\.js)" defer></script>`)

// TestRender_ShowPassword: after each field for a password comes a button, which is hidden until the script of the page
// shows it. Its name has that of the field. The field is as it was.
func TestRender_ShowPassword(t *testing.T) {
	p := newPages(t, ui.Config{})
	fields := []postern.Field{
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password", Required: true},
		{Name: "new", Label: "New password", Type: "password", Autocomplete: "new-password", Hint: "At least 8 characters."},
		{Name: "email", Label: "Email address", Type: "email"},
	}
	body := drawn(p, postern.Page{Title: "Change the password", Forms: []postern.Form{{Submit: "Change", Fields: fields}}}).Body.String()
	for _, want := range []string{
		`<label for="field-0" id="field-0-label">Password</label>`,
		`<input id="field-0" type="password" name="password" autocomplete="current-password" required dir="ltr" autofocus>` + "\n" +
			`<button type="button" id="field-0-show" aria-labelledby="field-0-show field-0-label" aria-controls="field-0" aria-pressed="false" hidden>Show</button>`,
		`type="password" name="new" autocomplete="new-password" aria-describedby="field-1-hint"`,
		`<button type="button" id="field-1-show" aria-labelledby="field-1-show field-1-label" aria-controls="field-1" aria-pressed="false" hidden>Show</button>`,
		`<label for="field-2">Email address</label>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %s\n%s", want, body)
		}
	}
	if n := strings.Count(body, `type="button"`); n != 2 {
		t.Errorf("%d buttons for 2 passwords", n)
	}
	found := passwordScript.FindAllStringSubmatch(body, -1)
	if len(found) != 1 {
		t.Fatalf("the page has the script %d times\n%s", len(found), body)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", "/"+found[0][1], nil))
	if kind := w.Header().Get("Content-Type"); w.Code != 200 || kind != "text/javascript; charset=utf-8" || !strings.Contains(w.Body.String(), "aria-pressed") {
		t.Errorf("%d %s %s", w.Code, kind, w.Body)
	}
	in := drawn(p, postern.Page{Title: "x", Sections: []postern.Section{{Title: "x", Forms: []postern.Form{{Submit: "x", Fields: fields[:1]}}}}}).Body.String()
	if !passwordScript.MatchString(in) {
		t.Errorf("a form of a section has no script\n%s", in)
	}
	without := drawn(p, postern.Page{Title: "x", Forms: []postern.Form{{Submit: "x", Fields: fields[2:]}}}).Body.String()
	if strings.Contains(without, "<script") || strings.Contains(without, `type="button"`) {
		t.Errorf("a page without a password has a script or a button\n%s", without)
	}
	german := drawn(p, postern.Page{Title: "x", Forms: []postern.Form{{Fields: fields[:1]}}}, "Accept-Language", "de").Body.String()
	if !strings.Contains(german, ">Anzeigen</button>") {
		t.Errorf("not in German\n%s", german)
	}
}

// TestScript_Size: with that of passkeys the scripts of a page have at most 3 KB gzipped. This one makes no HTML and
// loads nothing.
func TestScript_Size(t *testing.T) {
	total := 0
	for _, name := range []string{"password.js", "../passkey/passkey.js"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		total += gzipped(t, text)
		for _, word := range []string{"innerHTML", "eval", "document.write", "fetch(", "import", "localStorage", ".name =", "autocomplete ="} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s has %s", name, word)
			}
		}
	}
	if total > 3<<10 {
		t.Errorf("%d bytes gzipped", total)
	}
}

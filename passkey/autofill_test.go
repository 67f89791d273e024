package passkey_test

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
)

// The page that asks for an address offers passkeys in its field: the form of the passkey is on it, unseen, and ends
// the sign-in.
func TestAutofill(t *testing.T) {
	w := newWorld(t, func(o *options) { o.config = func(c *postern.Config) { c.IdentifierFirst = true } })
	d := newDevice()
	u := w.browser().signUp("ada@example.com", d)
	b := w.browser()
	page := b.get("/authorize?redirect_uri=/welcome&state=s1").want(200, "postern.choose")
	form := page.form("passkey")
	if len(page.page.Forms) != 2 || !strings.Contains(string(form.Data), `"mediation":"conditional"`) || !strings.Contains(string(form.Data), `"userVerification":"required"`) ||
		!strings.Contains(page.Body.String(), `"unseen":true`) || !strings.Contains(page.Body.String(), `"autocomplete":"username webauthn"`) {
		t.Fatalf("%s", page.Body)
	}
	proof := filled(form, d.show(t, form.Data))
	b.send(b.Request("POST", form.URL, proof)).want(200, "/welcome?state=s1")
	if s := b.session(); s == nil || s.Subject != u || b.amr() != "hwk user mfa" {
		t.Errorf("session %+v", s)
	}
	b.send(b.Request("POST", form.URL, proof)).want(400, "invalid_state") // once

	// People see the link, and nothing of the form; a request that opens no page begins nothing.
	b = w.browser()
	b.Header.Set("Accept", "text/html")
	a := b.get("/authorize")
	for _, part := range []string{`autocomplete="username webauthn"`, ` hidden>`, `<script src="/auth/passkey/`, ">Continue with a passkey</a>"} {
		if !strings.Contains(a.Body.String(), part) {
			t.Errorf("no %s in\n%s", part, a.Body)
		}
	}
	if strings.Contains(a.Body.String(), "Sign in with a passkey") || !strings.Contains(a.Header().Get("Content-Security-Policy"), "script-src ") {
		t.Errorf("policy %q\n%s", a.Header().Get("Content-Security-Policy"), a.Body)
	}
	for name, value := range map[string]string{"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"} {
		b.Header.Set(name, value)
	}
	if a := b.get("/authorize"); a.Code != 200 || strings.Contains(a.Body.String(), "webauthn") || len(a.Result().Cookies()) != 0 {
		t.Errorf("%d %v\n%s", a.Code, a.Result().Cookies(), a.Body)
	}
}

// unseen is the form that a page has for the choice in its field; ok is false without one.
func unseen(body string) (f form, ok bool) {
	_, rest, ok := strings.Cut(body, `<form method="post" action="https://auth.example.com/auth/passkey/callback" data-options="`)
	data, rest, _ := strings.Cut(rest, `" hidden>`)
	inside, _, _ := strings.Cut(rest, "</form>")
	f = form{URL: issuer + "/passkey/callback", Hidden: map[string]string{}, Data: json.RawMessage(html.UnescapeString(data))}
	for _, m := range hiddenInput.FindAllStringSubmatch(inside, -1) {
		f.Hidden[m[1]] = html.UnescapeString(m[2])
	}
	return f, ok
}

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// TestAutofill_OtherForms: the page that lists the ways, and those on which people type who they are, let the browser
// offer a passkey in the field. It leads where the application wanted.
func TestAutofill_OtherForms(t *testing.T) {
	w := newWorld(t, func(o *options) {
		o.config = func(c *postern.Config) {
			c.Providers["mail"] = magic.Code(magic.Config{})
			c.Order = []string{"password", "mail", "passkey", "door"}
		}
	})
	d := newDevice()
	w.browser().signUp("ada@example.com", d)
	for path, field := range map[string]string{
		"/authorize?state=xyz": "username webauthn", "/password/authorize?state=xyz": "username webauthn", "/mail/authorize?state=xyz": "username webauthn",
	} {
		t.Run(path, func(t *testing.T) {
			b := w.browser()
			b.asPage()
			page := b.get(path)
			f, ok := unseen(page.Body.String())
			if !ok || !strings.Contains(page.Body.String(), `autocomplete="`+field+`"`) || !strings.Contains(page.Body.String(), `<script src="/auth/passkey/`) {
				t.Fatalf("%s", page.Body)
			}
			if policy := page.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "script-src https://auth.example.com/auth/passkey/") || strings.Contains(policy, "connect-src") {
				t.Errorf("policy %s", policy)
			}
			b.Header.Set("Accept", "application/json")
			values := flat(filled(f, d.show(t, f.Data)))
			b.post(f.URL, values...).want(200, app+"?state=xyz")
			if b.amr() != "hwk user mfa" {
				t.Errorf("amr %s", b.amr())
			}
			w.browser().post(f.URL, values...).want(400, "invalid_state")
		})
	}
}

// TestAutofill_AfterAWrongPassword: the page that comes back with an error offers a passkey each
// time, and it leads where the application wanted.
func TestAutofill_AfterAWrongPassword(t *testing.T) {
	w := newWorld(t)
	d := newDevice()
	w.browser().signUp("ada@example.com", d)
	b := w.browser()
	b.asPage()
	state := hiddenInput.FindStringSubmatch(b.get("/password/authorize?state=xyz").Body.String())[2]
	for _, typed := range [][2]string{{"ada@example.com", "not this one"}, {"ada@", "not this one"}, {"ada@example.com", "nor this one"}} {
		page := b.post("/password/callback", "state", state, "identifier", typed[0], "password", typed[1])
		f, ok := unseen(page.Body.String())
		if page.Code != 400 || !ok || !strings.Contains(page.Body.String(), `autocomplete="username webauthn"`) || !strings.Contains(page.Body.String(), `<script src="/auth/passkey/`) {
			t.Fatalf("%d %s", page.Code, page.Body)
		}
		c := *b
		c.Browser = b.Clone()
		c.Header.Set("Accept", "application/json")
		c.post(f.URL, flat(filled(f, d.show(t, f.Data)))...).want(200, app+"?state=xyz")
	}
}

// TestAutofill_Not: programs, scripts, frames and a step-up get the page as it was.
func TestAutofill_Not(t *testing.T) {
	w := newWorld(t)
	w.browser().signUpPassword("ada@example.com")
	b := w.browser()
	if a := b.get("/password/authorize"); len(a.page.Forms) != 1 {
		t.Errorf("a program gets %+v", a.page.Forms)
	}
	before := len(b.Cookies)
	if b.get("/authorize"); len(b.Cookies) != before {
		t.Errorf("the list of ways gives a program cookies: %v", b.Cookies)
	}
	b.withPassword("ada@example.com")
	b.asPage()
	if _, ok := unseen(b.get("/step-up/password").Body.String()); ok {
		t.Error("a step-up offers every passkey of the device")
	}
	b = w.browser()
	b.asPage()
	b.Header.Set("Sec-Fetch-Dest", "image")
	b.Header.Set("Sec-Fetch-Site", "cross-site")
	if b.get("/authorize"); len(b.Cookies) != 0 {
		t.Errorf("an image begins sign-ins: %v", b.Cookies)
	}
}

// TestAutofill_Room: what a page begins for its field gives way first: the forms of four tabs work.
func TestAutofill_Room(t *testing.T) {
	w := newWorld(t)
	w.browser().signUpPassword("ada@example.com")
	b := w.browser()
	b.asPage()
	state := regexp.MustCompile(`password/callback">\n<input type="hidden" name="state" value="([^"]*)"`)
	var states []string
	for range 4 {
		w.Advance(time.Second)
		states = append(states, state.FindStringSubmatch(b.get("/password/authorize").Body.String())[1])
	}
	b.Header.Set("Accept", "application/json")
	for _, s := range states {
		b.post("/password/callback", "state", s, "identifier", "ada@example.com", "password", "wrong").want(400, "wrong_password")
	}
}

package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password"
)

// path is the address of an answer that leads to a page, without the state.
func path(w *httptest.ResponseRecorder) string {
	to, _, _ := strings.Cut(w.Header().Get("Location"), "?")
	return strings.TrimPrefix(to, issuer)
}

// TestCodePage_OpensAgain: the answer to the form is a redirect, so that reload and Back open the page and send
// nothing.
func TestCodePage_OpensAgain(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) { c.Providers["enrol"] = enrolls{} })
	b := h.browser()
	w := b.post(issuer+"/sign-up?redirect_uri=%2Fwelcome", url.Values{"email": {"ada@example.com"}})
	page := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || path(w) != "/sign-up/code" || strings.Contains(page, "ada") || strings.Contains(page, "welcome") {
		t.Fatalf("%d to %q", w.Code, page)
	}
	for range 3 {
		want(t, b.get(page), http.StatusOK, "8-digit code")
	}
	want(t, b.send(http.MethodHead, page, nil), http.StatusOK, "")
	want(t, h.browser().get(page), http.StatusBadRequest, "invalid_state") // in another browser there is nothing
	if n := len(h.mails.All()); n != 1 {
		t.Errorf("%d mails", n)
	}
	w = b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, b.get(page))}, "code": {h.code("ada@example.com")}})
	credential := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || path(w) != "/sign-up/credential" || strings.Contains(credential, "ada") {
		t.Fatalf("%d to %q", w.Code, credential)
	}
	for range 2 {
		want(t, b.get(credential), http.StatusOK, "ada@example.com")
	}
	want(t, h.browser().get(credential), http.StatusBadRequest, "invalid_state")
	// The pages are not one another's, and Back behind the code leads on.
	want(t, b.get(strings.Replace(credential, "/credential", "/code", 1)), http.StatusBadRequest, "invalid_state")
	want(t, b.get(strings.Replace(credential, "/credential", "/change", 1)), http.StatusBadRequest, "invalid_state")
	want(t, b.get(page), http.StatusBadRequest, issuer+"/sign-up\"")
	if to := b.landing(b.post(issuer+"/enrol/sign-up", url.Values{"state": {state(t, w)}})); to != "https://api.example.com/welcome" {
		t.Errorf("leads to %s", to)
	}
	want(t, b.get(credential), http.StatusBadRequest, "invalid_state")
}

// TestCodePage_AnotherCode: after 30 seconds another mail is sent, whose code alone is right. Known and unknown
// addresses are answered alike.
func TestCodePage_AnotherCode(t *testing.T) {
	for _, known := range []bool{false, true} {
		h := newHouse(t)
		if known {
			h.signIn(h.browser(), h.who) // ada@example.com
		}
		b := h.browser()
		w := b.onward(b.post(issuer+"/sign-up?redirect_uri=%2Fwelcome", url.Values{"email": {"ada@example.com"}}))
		st := state(t, w)
		early := b.post(issuer+"/sign-up/code/again", url.Values{"state": {st}})
		want(t, early, http.StatusTooManyRequests, "Another code can be sent in 30 seconds.")
		want(t, early, http.StatusTooManyRequests, `name="code"`)
		if after := early.Header().Get("Retry-After"); after != "30" || len(h.mails.All()) != 1 {
			t.Errorf("Retry-After %q, %d mails", after, len(h.mails.All()))
		}
		h.Advance(30 * time.Second)
		want(t, h.browser().post(issuer+"/sign-up/code/again", url.Values{"state": {st}}), http.StatusBadRequest, "invalid_state")
		again := b.post(issuer+"/sign-up/code/again", url.Values{"state": {st}})
		if again.Code != http.StatusSeeOther || path(again) != "/sign-up/code" || state(t, again) == st || len(h.mails.All()) != 2 {
			t.Fatalf("%d to %s, %d mails", again.Code, again.Header().Get("Location"), len(h.mails.All()))
		}
		want(t, b.get(again.Header().Get("Location")), http.StatusOK, "ada@example.com")
		want(t, b.post(issuer+"/sign-up/code/again", url.Values{"state": {st}}), http.StatusBadRequest, "invalid_state") // twice
		if known {
			if got := h.names(); got[0] != got[1] || got[1] != "ada@example.com have-account" {
				t.Errorf("mails %v", got)
			}
			continue
		}
		first, newest := h.mails.All()[0].Arg("code"), h.code("ada@example.com")
		want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {first}}), http.StatusBadRequest, "invalid_state")
		want(t, b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, again)}, "code": {first}}), http.StatusBadRequest, "wrong_code")
		if to := b.landing(b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, again)}, "code": {newest}})); to != "https://api.example.com/welcome" {
			t.Errorf("leads to %s", to)
		}
	}
}

// TestCodePage_AnotherCodeIsLimited: the mails to an address are counted as before, and the page says when the next one
// can be sent.
func TestCodePage_AnotherCodeIsLimited(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	w := apply(b, "ada@example.com")
	for range 4 {
		h.Advance(30 * time.Second)
		w = b.onward(b.post(issuer+"/sign-up/code/again", url.Values{"state": {state(t, w)}}))
		want(t, w, http.StatusOK, "one-time-code")
	}
	h.Advance(30 * time.Second)
	st := state(t, w)
	w = b.post(issuer+"/sign-up/code/again", url.Values{"state": {st}})
	want(t, w, http.StatusTooManyRequests, "Another code can be sent in ")
	if w.Header().Get("Retry-After") == "" || len(h.mails.All()) != 5 {
		t.Errorf("Retry-After %q, %d mails", w.Header().Get("Retry-After"), len(h.mails.All()))
	}
	b.landing(b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {h.code("ada@example.com")}})) // the last one still works
}

// TestCodePage_TooManyWrongCodes: the page says so, and offers another code to the same address.
func TestCodePage_TooManyWrongCodes(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	w := apply(b, "ada@example.com")
	code := []byte(h.code("ada@example.com"))
	code[0] = '0' + (code[0]-'0'+1)%10
	typed := url.Values{"state": {state(t, w)}, "code": {string(code)}}
	for range 5 {
		w = b.post(issuer+"/sign-up/code", typed)
		want(t, w, http.StatusBadRequest, `aria-invalid="true"`)
	}
	w = b.post(issuer+"/sign-up/code", typed)
	want(t, w, http.StatusBadRequest, "typed wrongly too often. Please ask for a new one.")
	if body := w.Body.String(); strings.Contains(body, `name="code"`) || !strings.Contains(body, "/sign-up/code/again") || !strings.Contains(body, "/sign-up/change?state=") {
		t.Errorf("no way on in\n%s", body)
	}
	h.Advance(time.Minute)
	w = b.post(issuer+"/sign-up/code/again", url.Values{"state": {state(t, w)}})
	b.landing(b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {h.code("ada@example.com")}}))
	if _, ok := h.session(b); !ok {
		t.Error("no session")
	}
}

// TestSignUp_Change: the form comes back with what was typed, in the browser that typed it, and leads where it led.
func TestSignUp_Change(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) {
		c.SignUpFields = []postern.Field{{Name: "team", Label: "Team"}, {Name: "terms", Label: "Terms", Type: "checkbox", Value: "yes", Required: true}, {Name: "pin", Label: "Pin", Type: "password"}}
	})
	b := h.browser()
	w := b.onward(b.post(issuer+"/sign-up?redirect_uri=%2Fwelcome", url.Values{"email": {"ada@exmaple.com"}, "team": {"<Blue>"}, "terms": {"yes"}, "pin": {"4711"}}))
	change := issuer + "/sign-up/change?state=" + state(t, w)
	w = b.get(change)
	for _, text := range []string{`value="ada@exmaple.com"`, `value="&lt;Blue&gt;"`, " checked", "redirect_uri=https%3A%2F%2Fapi.example.com%2Fwelcome"} {
		want(t, w, http.StatusOK, text)
	}
	if strings.Contains(w.Body.String(), "4711") {
		t.Errorf("the page shows a password:\n%s", w.Body)
	}
	want(t, h.browser().get(change), http.StatusBadRequest, "invalid_state")
	w = b.post(actionOf(w.Body.String()), url.Values{"email": {"ada@example.com"}, "team": {"Blue"}, "terms": {"yes"}})
	if to := b.landing(b.post(issuer+"/sign-up/code", url.Values{"state": {state(t, w)}, "code": {h.code("ada@example.com")}})); to != "https://api.example.com/welcome" {
		t.Errorf("leads to %s", to)
	}
}

// TestSignUp_RefusedFields: the form comes back with what was typed, and the error at its field.
func TestSignUp_RefusedFields(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) {
		c.Usernames, c.Providers["enrol"] = true, enrolls{}
		c.SignUpFields = []postern.Field{{Name: "team", Label: "Team", Required: true, MaxLength: 10}, {Name: "pin", Label: "Pin", Type: "password"}}
	})
	b := h.browser()
	b.post(issuer+"/enrol/sign-up", url.Values{"state": {state(t, b.post(issuer+"/sign-up", url.Values{"username": {"ada"}, "team": {"a"}}))}})
	for _, tc := range []struct {
		form   url.Values
		status int
		code   string
		at     string
	}{
		{url.Values{"username": {"ada"}, "team": {"Blue"}}, http.StatusConflict, "username_taken", "username"},
		{url.Values{"username": {"a b"}, "team": {"Blue"}}, http.StatusBadRequest, "invalid_username", "username"},
		{url.Values{"email": {"nobody"}, "team": {"Blue"}}, http.StatusBadRequest, "invalid_address", "email"},
		{url.Values{"email": {"bea@example.com"}, "team": {""}}, http.StatusBadRequest, "missing_field", "team"},
		{url.Values{"username": {"bea"}, "team": {strings.Repeat("x", 99)}}, http.StatusBadRequest, "invalid_field", "team"},
	} {
		tc.form.Set("pin", "4711")
		w := h.browser().post(issuer+"/sign-up?redirect_uri=%2Fwelcome", tc.form)
		want(t, w, tc.status, tc.code)
		body := w.Body.String()
		for name, v := range tc.form {
			if name != "pin" && v[0] != "" && !strings.Contains(body, `value="`+v[0]+`"`) {
				t.Errorf("%s: %s is not kept in\n%s", tc.code, name, body)
			}
		}
		marked := regexp.MustCompile(`<input[^>]* name="([a-z]+)"[^>]* aria-invalid="true" aria-describedby="[^"]*error"`).FindAllStringSubmatch(body, -1)
		if len(marked) != 1 || marked[0][1] != tc.at {
			t.Errorf("%s: the error is at %q in\n%s", tc.code, marked, body)
		}
		if strings.Contains(body, "4711") || !strings.Contains(actionOf(body), "redirect_uri=%2Fwelcome") {
			t.Errorf("%s: %s", tc.code, body)
		}
	}
	if n := len(h.mails.All()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// TestCodePage_StepUp: the page opens again without a mail, for its person alone, and another code can be asked for.
func TestCodePage_StepUp(t *testing.T) {
	h := newHouse(t, func(h *house, c *postern.Config) {
		c.Providers = map[string]postern.Provider{"door": door{identity: func(*http.Request) postern.Identity { return h.who }}}
	})
	b := h.browser()
	h.signIn(b, h.who)
	w := b.get(issuer + "/step-up/code?redirect_uri=%2Fwelcome&max_age=60")
	page, st := w.Header().Get("Location"), state(t, w)
	for range 3 {
		w = b.get(page)
		want(t, w, http.StatusOK, "8-digit code")
		want(t, w, http.StatusOK, "/step-up?max_age=60&amp;redirect_uri=https%3A%2F%2Fapi.example.com%2Fwelcome")
	}
	want(t, b.post(issuer+"/step-up/code/again", url.Values{"state": {st}}), http.StatusTooManyRequests, "Another code can be sent in 30 seconds.")
	if n := len(h.mails.All()); n != 1 {
		t.Errorf("%d mails", n)
	}
	other := h.browser() // of somebody else, with the same cookies of attempts
	h.signIn(other, at("eve", "eve@example.com", true))
	for name, value := range b.Cookies {
		if strings.HasPrefix(name, "__Host-flow-") {
			other.Cookies[name] = value
		}
	}
	h.Advance(30 * time.Second)
	if w := other.get(page); w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "ada@") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
	if w := other.post(issuer+"/step-up/code/again", url.Values{"state": {st}}); w.Code < 400 || len(h.mails.All()) != 1 {
		t.Errorf("%d, %d mails\n%s", w.Code, len(h.mails.All()), w.Body)
	}
	w = b.post(issuer+"/step-up/code/again", url.Values{"state": {st}})
	if w.Code != http.StatusSeeOther || state(t, w) == st || len(h.mails.All()) != 2 {
		t.Fatalf("%d, %d mails\n%s", w.Code, len(h.mails.All()), w.Body)
	}
	if to := b.landing(b.post(issuer+"/step-up/code", url.Values{"state": {state(t, w)}, "code": {h.code("ada@example.com")}})); to != "https://api.example.com/welcome" {
		t.Errorf("leads to %s", to)
	}
}

// TestLanguage_AfterAForm: the answer to a form of a sign-up has the choice of a language, which leads to the page with
// that form.
func TestLanguage_AfterAForm(t *testing.T) {
	h := newHouse(t, func(_ *house, c *postern.Config) {
		c.Usernames, c.Assets = true, http.NotFoundHandler()
		c.Providers["password"] = password.New(password.Config{Hasher: hasher()})
		c.Render = func(w http.ResponseWriter, _ *http.Request, p postern.Page) {
			w.Header().Set("X-Language", p.LanguageURL+" "+p.LanguageTo)
			w.WriteHeader(p.Status)
			if len(p.Forms) > 0 {
				_, _ = w.Write([]byte(`name="state" value="` + p.Forms[0].Hidden["state"] + `"`))
			}
		}
	})
	b := h.browser()
	leads := func(w *httptest.ResponseRecorder, status int, page string) {
		t.Helper()
		if got := w.Header().Get("X-Language"); w.Code != status || got != "/auth/language "+page {
			t.Fatalf("%d, %q", w.Code, got)
		}
		tag := b.post(issuer+"/language", url.Values{"language": {"de"}, "to": {page}})
		if to := tag.Header().Get("Location"); tag.Code != http.StatusSeeOther || to != "https://api.example.com"+page {
			t.Fatalf("%d to %q", tag.Code, to)
		}
		leadsTo := b.get("https://api.example.com" + page)
		if got := leadsTo.Header().Get("X-Language"); leadsTo.Code != http.StatusOK || got != "/auth/language "+page {
			t.Fatalf("%s: %d, %q", page, leadsTo.Code, got)
		}
	}
	leads(b.post(issuer+"/sign-up?redirect_uri=%2Fwelcome", url.Values{"username": {"a b"}}), http.StatusBadRequest, "/auth/sign-up?redirect_uri=%2Fwelcome")
	st := state(t, b.post(issuer+"/sign-up", url.Values{"email": {"ada@example.com"}}))
	leads(b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {"1"}}), http.StatusBadRequest, "/auth/sign-up/code?state="+st)
	st = state(t, b.post(issuer+"/sign-up/code", url.Values{"state": {st}, "code": {h.code("ada@example.com")}}))
	leads(b.post(issuer+"/password/sign-up", url.Values{"state": {st}, "password": {"short"}}), http.StatusBadRequest, "/auth/sign-up/credential?state="+st)
}

package postern_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// browserAccept is what Chromium sends where a person opens a page.
const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"

// open opens a page of the issuer in the window, as from a bookmark.
func (b *browser) open(path string) *httptest.ResponseRecorder {
	b.v.t.Helper()
	r := b.Request("GET", issuer+strings.TrimPrefix(path, issuer), nil)
	r.Header.Set("Accept", browserAccept)
	r.Header.Set("Sec-Fetch-Site", "none")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	return b.do(r)
}

// press sends a form of a page of the issuer.
func (b *browser) press(path string, values url.Values) *httptest.ResponseRecorder {
	b.v.t.Helper()
	r := b.Request("POST", issuer+strings.TrimPrefix(path, issuer), values)
	r.Header.Set("Accept", browserAccept)
	r.Header.Set("Origin", "https://api.example.com")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	return b.do(r)
}

// done presses a form and opens the page to which it leads.
func (b *browser) done(path string, values url.Values, notice string) {
	b.v.t.Helper()
	w := b.press(path, values)
	to := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(to, issuer+"/account") || strings.Contains(to, "resume") {
		b.v.t.Fatalf("%s: %d to %q\n%s", path, w.Code, to, w.Body)
	}
	want(b.v.t, b.open(to), http.StatusOK, notice)
}

func pageShows(t testing.TB, w *httptest.ResponseRecorder, status int, texts ...string) string {
	t.Helper()
	body := html.UnescapeString(w.Body.String())
	if ct := w.Header().Get("Content-Type"); w.Code != status || !strings.HasPrefix(ct, "text/html") || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s, want %d\n%s", w.Code, ct, status, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("no %q in\n%s", text, body)
		}
	}
	return body
}

func TestAccountPage_Views(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	other := h.browser()
	h.signIn(other, h.who)
	pageShows(t, b.open("/account"), http.StatusOK, "Your account", "ada@example.com", "Main address", "Change the profile", "Delete my account", `<nav>`, `aria-current="page"`, "Sign out")
	pageShows(t, b.open("/account/security"), http.StatusOK, "How you sign in", "Accounts at other sites", "Unlink</button>", "Link Other")
	// The name of a button says what it is for: the button itself, the label of its line, and the value.
	pageShows(t, b.open("/account"), http.StatusOK, `id="line-1-link" aria-labelledby="line-1-link line-1 line-1-value">Change</a>`,
		`<dt id="line-1">Main address</dt>`, `<dd id="line-1-value">ada@example.com</dd>`, `aria-labelledby="line-1-form line-1 line-1-value">Remove</button>`)
	pageShows(t, b.open("/account/sessions"), http.StatusOK, "This browser", "Other sessions", "End all other sessions", "Last used 1 March 2026 at 12:00 UTC")
	pageShows(t, b.open("/account/history"), http.StatusOK, "Sign-in", "The account was created")
	pageShows(t, b.open("/account/profile"), http.StatusOK, `value="ada"`, "Deutsch")
	pageShows(t, b.open("/account/address"), http.StatusOK, "Send the code")
	pageShows(t, b.open("/account/code"), http.StatusOK, "No address waits")
	pageShows(t, b.open("/account/link?provider=other"), http.StatusOK, "Continue with Other")
	for _, path := range []string{"/account/link", "/account/link?provider=nobody", "/account/address?id=x", "/account/nothing", "/account/", "/account/remove-address/x"} {
		pageShows(t, b.open(path), http.StatusNotFound)
	}
	w := b.open("/account/unlink") // a form alone
	if w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound {
		t.Errorf("GET of a deed: %d", w.Code)
	}
	// HEAD is as GET, and what is JSON alone stays JSON.
	r := b.Request("HEAD", issuer+"/account", nil)
	r.Header.Set("Accept", browserAccept)
	if w := b.do(r); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", w.Code, w.Body.Len())
	}
	if ct := b.open("/account/identities").Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("identities: %s", ct)
	}
}

// TestAccountPage_Accept: only a client that asks for HTML, and not for JSON, gets a page.
func TestAccountPage_Accept(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	for accept, page := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "text/html, application/json": false, "application/json;q=0.1, text/html": false,
		"text/plain": false, "text/html": true, "TEXT/HTML;q=0.5": true, "application/xhtml+xml": true, browserAccept: true,
	} {
		r := b.Request("GET", issuer+"/account", nil)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		w := b.do(r)
		if got := strings.HasPrefix(w.Header().Get("Content-Type"), "text/html"); w.Code != http.StatusOK || got != page {
			t.Errorf("Accept %q: %d %s", accept, w.Code, w.Header().Get("Content-Type"))
		}
	}
	// The pages without a JSON face do not exist for programs.
	for _, path := range []string{"/account/security", "/account/profile", "/account/delete", "/account/resume"} {
		answered(t, b.json("GET", path, ""), http.StatusNotFound, "not_found")
	}
	r := b.Request("POST", issuer+"/account/profile", nil)
	r.Body, r.Header = http.NoBody, http.Header{"Content-Type": {"application/json"}}
	if w := b.do(r); w.Code != http.StatusUnsupportedMediaType && w.Code != http.StatusBadRequest {
		t.Errorf("JSON to a form: %d", w.Code)
	}
}

// TestAccountPage_SignIn: a person who is not signed in comes back to the page that they opened.
func TestAccountPage_SignIn(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	for _, path := range []string{"/account", "/account/security", "/account/history", "/account/delete", "/account/link?provider=other"} {
		w := b.open(path)
		to, err := url.Parse(w.Header().Get("Location"))
		if w.Code != http.StatusSeeOther || err != nil || to.Path != "/auth/authorize" || to.Query().Get("redirect_uri") != issuer+path {
			t.Errorf("%s: %d to %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	want(t, h.signIn(b, h.who, "redirect_uri", issuer+"/account/security"), http.StatusSeeOther, issuer+"/account/security")
	pageShows(t, b.open("/account/security"), http.StatusOK)
	w := h.browser().press("/account/profile", url.Values{"name": {"x"}})
	want(t, w, http.StatusSeeOther, issuer+"/authorize?")
	pageShows(t, b.press("/account/sign-out", url.Values{}), http.StatusOK, "You are signed out")
}

// TestX1_OwnPagesAreClosed: beside Config.Redirects, only pages of the account may be where a sign-in or step-up leads.
func TestX1_OwnPagesAreClosed(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	for _, uri := range []string{
		"/account", "/auth/account", "//evil.example/auth/account", `/\evil.example`, issuer, issuer + "/", issuer + "/account/", issuer + "//account", issuer + "/account/export",
		issuer + "/account/sign-out", issuer + "/account/unlink", issuer + "/account/stop", issuer + "/step-up", issuer + "/account/../authorize", issuer + "/account/%2e%2e/authorize",
		issuer + "/account%2f", issuer + "/account?", issuer + "/account?a=b&c=d", issuer + "/account?next=https://evil.example", issuer + "/account?next=//evil", issuer + "/account?a",
		issuer + "/account#x", issuer + "/account?a=%2f", "http://api.example.com/auth/account", "https://API.example.com/auth/account", "https://api.example.com:443/auth/account",
		"https://u@api.example.com/auth/account", "https://api.example.com.evil.example/auth/account", "https://api.example.com/auth/Account", issuer + "/account\n", issuer + "/account?state=x",
		issuer + "/signout", issuer + "/session/end", issuer + "/step-up/code", "javascript:alert(1)",
	} {
		for _, begin := range []string{"/authorize", "/step-up", "/door/authorize", "/step-up/door"} {
			w := b.open(begin + "?" + url.Values{"redirect_uri": {uri}}.Encode())
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s to %q: %d to %q", begin, uri, w.Code, w.Header().Get("Location"))
			}
		}
	}
	for _, more := range []string{"state", "client_id", "code_challenge"} {
		q := url.Values{"redirect_uri": {issuer + "/account"}, more: {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}}
		if w := b.open("/door/authorize?" + q.Encode()); w.Code != http.StatusBadRequest {
			t.Errorf("with %s: %d", more, w.Code)
		}
	}
	for _, uri := range []string{issuer + "/account", issuer + "/account/sessions", issuer + "/account/resume", issuer + "/account/address?id=abc_-9"} {
		if w := b.open("/step-up?" + url.Values{"redirect_uri": {uri}}.Encode()); w.Code != http.StatusOK {
			t.Errorf("to %q: %d", uri, w.Code)
		}
	}
}

func TestAccountPage_Profile(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	b.done("/account/profile", url.Values{"name": {"Ada L."}, "locale": {"de"}, "picture": {"https://example.com/a.png"}}, "Your profile was changed.")
	pageShows(t, b.open("/account"), http.StatusOK, "Ada L.", "Deutsch", "https://example.com/a.png")
	body := pageShows(t, b.press("/account/profile", url.Values{"name": {"Ada M."}, "picture": {"http://example.com/a.png"}}), http.StatusBadRequest, `value="Ada M."`, `value="http://example.com/a.png"`)
	if !strings.Contains(body, `role="alert"`) {
		t.Errorf("no alert:\n%s", body)
	}
	pageShows(t, b.press("/account/profile", url.Values{}), http.StatusBadRequest, "The form was empty")
	pageShows(t, b.press("/account/profile", url.Values{"id": {"x"}, "confirm": {"y"}}), http.StatusBadRequest, "The form was empty")
	if me := decoded[account](t, b.json("GET", "/account", "")); me.Name != "Ada L." || me.Locale != "de" {
		t.Errorf("%+v", me)
	}
}

func TestAccountPage_Sessions(t *testing.T) {
	h := newHome(t)
	b, other := h.fresh(h.who), h.browser()
	h.signIn(other, h.who)
	gone, _ := h.session(other)
	b.done("/account/end-session", url.Values{"id": {gone.ID}}, "The session was ended.")
	b.done("/account/end-session", url.Values{"id": {gone.ID}}, "The session was ended.") // twice
	pageShows(t, b.press("/account/end-session", url.Values{"id": {"nothing"}}), http.StatusNotFound, "not part of your account any more")
	pageShows(t, b.press("/account/end-session", url.Values{}), http.StatusNotFound)
	want(t, other.open("/account"), http.StatusSeeOther, "/authorize")
	h.signIn(other, h.who)
	b.done("/account/end-sessions", url.Values{}, "All other sessions were ended.")
	want(t, other.open("/account"), http.StatusSeeOther, "/authorize")
	eve := h.fresh(at("eve", "eve@example.com", true))
	mine, _ := h.session(b)
	pageShows(t, eve.press("/account/end-session", url.Values{"id": {mine.ID}}), http.StatusNotFound)
	pageShows(t, b.press("/account/sign-out", url.Values{}), http.StatusOK, "You are signed out")
	want(t, b.open("/account"), http.StatusSeeOther, "/authorize")
}

// TestX4_AccountForms: a form of another site changes nothing.
func TestX4_AccountForms(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	b.NoSameSite = true
	for _, from := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
		{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://app.example.com"}},
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}},
		{"Origin": {"http://api.example.com"}},
	} {
		for _, name := range accountDeeds {
			r := httptest.NewRequest("POST", issuer+"/account/"+name, strings.NewReader("name=Eve&id=x&confirm=ada@example.com&address=eve@example.com"))
			r.Header = from.Clone()
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Accept", browserAccept)
			if w := b.do(r); w.Code != http.StatusForbidden {
				t.Errorf("%s from %v: %d", name, from, w.Code)
			}
		}
	}
	if me := decoded[account](t, b.json("GET", "/account", "")); me.Name != "ada" {
		t.Errorf("%+v", me)
	}
	// A link from another site opens a page, which does nothing.
	r := b.Request("GET", issuer+"/account", nil)
	r.Header = http.Header{"Accept": {browserAccept}, "Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	pageShows(t, b.do(r), http.StatusOK)
}

var accountDeeds = []string{"profile", "address", "code", "remove-address", "thaw", "link", "unlink", "forget-browser", "forget-browsers",
	"end-session", "end-sessions", "sign-out", "delete"}

// TestAccountPage_EmptyForms: no form does anything if it comes empty, or with the fields of another one.
func TestAccountPage_EmptyForms(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	empty := map[string]bool{"profile": true, "address": true, "code": true, "remove-address": true, "link": true, "unlink": true, "forget-browser": true, "end-session": true, "delete": true}
	for _, name := range accountDeeds {
		if !empty[name] {
			continue
		}
		for _, values := range []url.Values{{}, {"elsewhere": {"x"}}, {"id": {""}}, {"resume": {""}}} {
			if w := b.press("/account/"+name, values); w.Code < 400 || w.Code > 499 {
				t.Errorf("%s with %v: %d to %q", name, values, w.Code, w.Header().Get("Location"))
			}
		}
	}
	me := decoded[account](t, b.json("GET", "/account", ""))
	if me.Name != "ada" || len(me.Addresses) != 1 || me.Ways["identities"] != 1 {
		t.Errorf("%+v", me)
	}
	for _, body := range []string{"name=a&name=b", "name=%zz", "name=%00"} {
		r := b.Request("POST", issuer+"/account/profile", url.Values{})
		r.Body = http.NoBody
		r = httptest.NewRequest("POST", issuer+"/account/profile", strings.NewReader(body))
		r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {browserAccept}, "Sec-Fetch-Site": {"same-origin"}}
		if w := b.do(r); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
}

// TestAccountPage_StepUpKeepsTheForm: without a fresh proof the person gives one, and finds what they typed.
func TestAccountPage_StepUpKeepsTheForm(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	proves := func(w *httptest.ResponseRecorder) string {
		t.Helper()
		to, err := url.Parse(w.Header().Get("Location"))
		if w.Code != http.StatusSeeOther || err != nil || to.Path != "/auth/step-up" || w.Header().Get("WWW-Authenticate") != "" {
			t.Fatalf("%d to %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
		}
		back := to.Query().Get("redirect_uri")
		pageShows(t, b.open(to.String()), http.StatusOK, "Confirm that it is you")
		who := h.who
		who.AuthTime = h.Now()
		want(t, h.through(b, who, issuer+"/step-up/door", "redirect_uri", back), http.StatusSeeOther, back)
		return back
	}
	if back := proves(b.press("/account/profile", url.Values{"name": {`Ada "L." <b>`}, "locale": {"fr"}})); back != issuer+"/account/resume" {
		t.Fatalf("back to %s", back)
	}
	if me := decoded[account](t, b.json("GET", "/account", "")); me.Name != "ada" {
		t.Error("a step-up changed the profile")
	}
	page := b.open("/account/resume")
	pageShows(t, page, http.StatusOK, `value="Ada "L." <b>"`, "Thank you", ">Continue</button>")
	pageShows(t, b.open("/account/resume"), http.StatusOK, "Thank you") // a reload
	values := url.Values{"name": {`Ada "L." <b>`}, "locale": {"fr"}, "resume": {hiddenOf(t, page, "resume")}}
	b.done("/account/profile", values, "Your profile was changed.")
	if me := decoded[account](t, b.json("GET", "/account", "")); me.Name != `Ada "L." <b>` || me.Locale != "fr" {
		t.Errorf("%+v", me)
	}
	want(t, b.open("/account/resume"), http.StatusSeeOther, "done=lost")
	// Pressed twice, it is done once.
	b.done("/account/profile", url.Values{"name": {"ada"}}, "")
	want(t, b.press("/account/profile", values), http.StatusSeeOther, issuer+"/account")
	if me := decoded[account](t, b.json("GET", "/account", "")); me.Name != "ada" {
		t.Errorf("the form counted twice: %+v", me)
	}
	// A page that needs a proof itself comes back to itself.
	h.Advance(11 * time.Minute)
	for _, path := range []string{"/account/delete", "/account/download"} {
		if back := proves(b.open(path)); back != issuer+path {
			t.Errorf("%s: back to %s", path, back)
		}
		pageShows(t, b.open(path), http.StatusOK)
		h.Advance(11 * time.Minute)
	}
	if back := proves(b.press("/account/delete", url.Values{"confirm": {"ada@example.com"}})); back != issuer+"/account/delete" {
		t.Errorf("delete: back to %s", back)
	}
	h.Advance(11 * time.Minute)
	if back := proves(b.open("/account/export")); back != issuer+"/account/download" {
		t.Errorf("export: back to %s", back)
	}
}

// TestAccountPage_KeptFormIsOnes: a form that waits is shown to its person alone, for ten minutes, in this browser.
func TestAccountPage_KeptFormIsOnes(t *testing.T) {
	h := newHome(t)
	b := h.browser()
	h.signIn(b, h.who)
	keep := func(values url.Values) {
		t.Helper()
		want(t, b.press("/account/profile", values), http.StatusSeeOther, "/step-up?")
	}
	keep(url.Values{"name": {"secret of ada"}})
	eve := h.browser()
	for name, value := range b.Cookies {
		if strings.Contains(name, "postern-form") {
			eve.Cookies[name] = value
		}
	}
	if len(eve.Cookies) != 1 {
		t.Fatal("the form has no cookie")
	}
	h.signIn(eve, at("eve", "eve@example.com", true))
	want(t, eve.open("/account/resume"), http.StatusSeeOther, "done=lost")
	h.who = at("ada", "ada@example.com", true)
	pageShows(t, b.open("/account/resume"), http.StatusOK, "secret of ada")
	for name, value := range b.Cookies {
		if strings.Contains(value, "secret") || strings.Contains(name, "secret") {
			t.Error("the form is readable")
		}
	}
	h.Advance(11 * time.Minute)
	want(t, b.open("/account/resume"), http.StatusSeeOther, "done=lost")
	keep(url.Values{"name": {strings.Repeat("x", 4000)}}) // too long
	want(t, b.open("/account/resume"), http.StatusSeeOther, "done=lost")
	pageShows(t, b.open("/account?done=lost"), http.StatusOK, "Nothing was changed")
	if body := pageShows(t, b.open("/account?done=lost"), http.StatusOK); strings.Contains(body, "Nothing was changed") {
		t.Error("a reload shows it again")
	}
	body := pageShows(t, b.open("/account?done=<script>alert(1)</script>"), http.StatusOK)
	if strings.Contains(body, "alert(1)") || strings.Contains(body, `role="status"`) {
		t.Error("the text of the URL is on the page")
	}
	b.press("/account/profile", url.Values{"name": {"x"}, "resume": {"nothing"}})
	if me := decoded[account](t, b.json("GET", "/account", "")); me.Name != "ada" {
		t.Errorf("%+v", me)
	}
}

func hiddenOf(t testing.TB, w *httptest.ResponseRecorder, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(w.Body.String(), `name="`+name+`" value="`)
	value, _, _ := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no hidden field %s in\n%s", name, w.Body)
	}
	return html.UnescapeString(value)
}

func TestAccountPage_Delete(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	id := h.idOf(b)
	pageShows(t, b.open("/account/delete"), http.StatusOK, "To confirm, type ada@example.com", "Nobody can undo this")
	for _, typed := range []string{"", " ", "eve@example.com", id, "ada"} {
		pageShows(t, b.press("/account/delete", url.Values{"confirm": {typed}}), http.StatusBadRequest, "Nothing was deleted", `aria-invalid="true"`)
	}
	pageShows(t, b.press("/account/delete", url.Values{"confirm": {" Ada@example.com "}}), http.StatusOK, "Your account was deleted")
	if _, err := h.dir.Get(t.Context(), id); err == nil {
		t.Error("the user exists")
	}
	want(t, b.press("/account/delete", url.Values{"confirm": {"ada@example.com"}}), http.StatusSeeOther, "/authorize")
}

func TestAccountPage_Export(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	pageShows(t, b.open("/account/download"), http.StatusOK, issuer+"/account/export")
	w := b.open("/account/export")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Disposition") != `attachment; filename="account.json"` ||
		!strings.Contains(w.Body.String(), "ada@example.com") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

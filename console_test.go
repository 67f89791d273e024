package postern_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
)

// page opens a page of the console, or sends a form of it.
func (b *browser) page(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.v.t.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = issuer + path
	}
	if method == "POST" && form == nil {
		form = url.Values{}
	}
	r := b.Request(method, path, form)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	return b.do(r)
}

// shows fails unless an answer is a page with a status and the texts.
func shows(t testing.TB, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("status %d, want %d with a page: %s %s", w.Code, status, w.Header(), w.Body)
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), html.EscapeString(text)) && !strings.Contains(w.Body.String(), text) {
			t.Errorf("the page has no %q: %s", text, w.Body)
		}
	}
}

// leads fails unless an answer redirects to a URL.
func leads(t testing.TB, w *httptest.ResponseRecorder, to string) {
	t.Helper()
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != to {
		t.Fatalf("status %d to %q, want %q: %s", w.Code, got, to, w.Body)
	}
}

// made makes a user with roles, who has not signed in yet.
func (h *home) made(name string, roles ...string) (id string) {
	h.t.Helper()
	who := at(name, name+"@example.com", true)
	who.Provider = "door"
	id, err := h.dir.Create(h.t.Context(), postern.SignUp{ID: "sign-up of " + name + " 0123456789", Identity: who, Roles: roles, Time: h.Now()})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func TestConsole_ListAndDisable(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	id, ada := h.person("ada", "member")
	leads(t, boss.page("GET", "/admin", nil), issuer+"/admin/users")
	leads(t, boss.page("GET", "/admin/", nil), issuer+"/admin/users")
	shows(t, boss.page("GET", "/admin/users", nil), http.StatusOK, "ada@example.com", "boss@example.com", issuer+"/admin/users/"+id)
	one := boss.page("GET", "/admin/users?identifier=ada@example.com", nil)
	shows(t, one, http.StatusOK, "ada@example.com")
	if strings.Contains(one.Body.String(), "boss@") {
		t.Error("the search found another user")
	}
	shows(t, boss.page("GET", "/admin/users?identifier=nobody", nil), http.StatusOK, "No user was found.")
	user := "/admin/users/" + id
	shows(t, boss.page("GET", user, nil), http.StatusOK, "ada", "Active", "Disable the user")
	shows(t, boss.page("POST", user+"/disable", url.Values{"reason": {""}, "until": {"2026-05-01"}}), http.StatusBadRequest, "Please give a reason.", `value="2026-05-01"`)
	shows(t, boss.page("POST", user+"/disable", url.Values{"reason": {"spam"}, "until": {"soon"}}), http.StatusBadRequest, "This is not a day.", `value="spam"`)
	answered(t, ada.json("GET", "/account", ""), http.StatusOK, "")
	leads(t, boss.page("POST", user+"/disable", url.Values{"reason": {"spam"}}), issuer+user+"?done=disable")
	shows(t, boss.page("GET", user+"?done=disable", nil), http.StatusOK, "signed out everywhere", "Reason: spam")
	for _, link := range []string{user + "?done=disable", "/admin/users?done=delete"} { // as a link of another site has it
		if body := boss.page("GET", link, nil).Body.String(); strings.Contains(body, `role="status"`) {
			t.Errorf("%s says that something was done", link)
		}
	}
	answered(t, ada.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	leads(t, boss.page("POST", user+"/enable", nil), issuer+user+"?done=enable")
}

// TestConsole_SignIn: who is not signed in is led to the sign-in and back to the page, also where codes are required.
func TestConsole_SignIn(t *testing.T) {
	for _, codes := range []bool{false, true} {
		h := newOffice(t, func(_ *home, c *postern.Config) { c.RequirePKCE = codes })
		h.made("boss", "owner")
		id := h.made("ada", "member")
		user := issuer + "/admin/users/" + id
		b := h.browser()
		b.Header.Set("Sec-Fetch-Site", "cross-site") // from a mail, or from a bookmark at another site
		w := b.page("GET", user, nil)
		leads(t, w, issuer+"/authorize?"+url.Values{"redirect_uri": {user}}.Encode())
		b.Header.Del("Sec-Fetch-Site")
		leads(t, h.signIn(b, at("boss", "boss@example.com", true), "redirect_uri", user), user)
		shows(t, b.page("GET", user, nil), http.StatusOK, "ada@example.com")
		// The proof is no fresh one: the form is refused with a way to give one, that leads back.
		w = b.page("POST", "/admin/users/"+id+"/disable", url.Values{"reason": {"spam"}})
		shows(t, w, http.StatusUnauthorized, issuer+"/step-up?"+url.Values{"redirect_uri": {issuer + "/admin/resume"}, "max_age": {"600"}}.Encode())
		who := at("boss", "boss@example.com", true)
		who.AuthTime = h.Now()
		leads(t, h.through(b, who, issuer+"/step-up/door", "redirect_uri", user), user)
		leads(t, b.page("POST", "/admin/users/"+id+"/disable", url.Values{"reason": {"spam"}}), user+"?done=disable")
		for _, wrong := range []string{"/admin/../welcome", "/admin//evil.example", "/administrator", "/admin/users?x=1", "/admin/users#x", "/admin\\evil", "/account/../admin"} {
			if w := b.page("GET", "/authorize?redirect_uri="+url.QueryEscape(issuer+wrong), nil); w.Code != http.StatusBadRequest {
				t.Errorf("redirect_uri %q: %d", wrong, w.Code)
			}
		}
	}
}

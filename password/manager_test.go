package password_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Password managers find the name to keep beside a new password: it is in a field that nobody sees and that is not
// sent.
func TestPasswordManagers_Name(t *testing.T) {
	w := newWorld(t)
	named := func(rec *httptest.ResponseRecorder, name string) {
		t.Helper()
		page := rec.Body.String()
		i := strings.Index(page, `<input type="text" autocomplete="username" hidden readonly value="`+name+`">`)
		if i < 0 || i > strings.Index(page, `autocomplete="new-password"`) {
			t.Errorf("%d: no name before the password in\n%s", rec.Code, page)
		}
	}
	b := w.browser()
	st := state(t, b.post("/sign-up", "email", "ada@example.com"))
	page := b.get("/sign-up/credential?state=" + state(t, b.post("/sign-up/code", "state", st, "code", w.code("ada@example.com"))))
	named(page, "ada@example.com")
	short := b.post("/password/sign-up", "state", state(t, page), "password", "short")
	named(short, "ada@example.com")
	want(t, b.post("/password/sign-up", "state", state(t, short), "password", good), http.StatusSeeOther, "")
	named(b.get("/password/change"), "ada@example.com")
	named(b.post("/password/change", "password", "wrong", "new_password", better), "ada@example.com")

	b.post("/password/forgot", "identifier", "ada@example.com")
	all := w.mails.All()
	link, err := url.Parse(all[len(all)-1].Arg("link"))
	if err != nil || link.Query().Get("token") == "" {
		t.Fatal(err, all)
	}
	for range 2 { // a program that scans mail uses nothing up
		named(w.browser().get("/password/reset?"+link.RawQuery), "ada@example.com")
	}
	named(w.browser().post("/password/reset", "token", link.Query().Get("token"), "password", "short"), "ada@example.com")
	want(t, w.browser().post("/password/reset", "token", link.Query().Get("token"), "password", better), http.StatusSeeOther, "")
	for _, query := range []string{link.RawQuery, link.RawQuery + "x", "token=x", ""} { // used, changed, none
		if page := w.browser().get("/password/reset?" + query).Body.String(); strings.Contains(page, "ada@") {
			t.Errorf("a link that opens nothing names the account:\n%s", page)
		}
	}

	// A person without a mailbox has their username there.
	c := w.browser()
	page = c.get("/sign-up/credential?state=" + state(t, c.post("/sign-up", "username", "grace")))
	named(page, "grace")
	want(t, c.post("/password/sign-up", "state", state(t, page), "password", good), http.StatusSeeOther, "")
	named(c.get("/password/change"), "grace")
}

// TestPasswordManagers_ChangePage: https://host/.well-known/change-password leads to the page (W3C, A Well-Known URL
// for Changing Passwords).
func TestPasswordManagers_ChangePage(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	w.auth.Mount(mux)
	for _, h := range []http.Handler{mux, w.auth.WellKnown()} { // of the application, and of another server of the host
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "https://api.example.com/.well-known/change-password", nil))
		if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != issuer+"/password/change" {
			t.Errorf("%d to %q", rec.Code, rec.Header().Get("Location"))
		}
	}
	signedOut := w.browser().get("/password/change")
	if signedOut.Code != http.StatusUnauthorized || !strings.Contains(signedOut.Body.String(), issuer+"/authorize") {
		t.Errorf("a person who is signed out: %d\n%s", signedOut.Code, signedOut.Body)
	}
}

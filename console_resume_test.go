package postern_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/users"
)

var resumeID = regexp.MustCompile(`name="resume" value="([A-Z0-9]+)"`)

// resumed opens the page of the form that waits, and returns its id.
func (b *browser) resumed(texts ...string) string {
	b.v.t.Helper()
	w := b.page("GET", "/admin/resume", nil)
	shows(b.v.t, w, http.StatusOK, append(texts, "Nothing was changed yet.")...)
	id := resumeID.FindStringSubmatch(w.Body.String())
	if id == nil {
		b.v.t.Fatalf("no form in %s", w.Body)
	}
	return id[1]
}

// TestConsole_StepUpKeeps: a form that needs a fresh proof comes back filled, does nothing when its page is opened, and
// is done once.
func TestConsole_StepUpKeeps(t *testing.T) {
	for _, apart := range []bool{false, true} {
		h := newConsole(t)
		if apart {
			h = newApart(t)
		}
		h.made("boss", "chief")
		id := h.made("ada", "member")
		who, user := at("boss", "boss@example.com", true), "/admin/users/"+id
		var b *browser
		if apart {
			b = h.opened("boss")
		} else {
			b = h.fresh(who)
		}
		again := func() {
			t.Helper()
			h.stepUp(b, who)
			if apart {
				leads(t, b.page("POST", "/admin/session/resume", nil), issuer+"/admin/resume")
			}
		}
		h.Advance(11 * time.Minute)
		link := issuer + "/step-up?"
		if apart {
			link = issuer + "/admin/session/resume"
		}
		shows(t, b.page("POST", user+"/disable", url.Values{"reason": {"spam & more"}, "until": {"2026-05-01"}}), http.StatusUnauthorized, link)
		leads(t, b.page("GET", "/admin/resume", nil), issuer+"/admin/users?done=lost") // the proof is as old as before
		again()
		stolen := b.Clone()
		resume := b.resumed(`value="spam &amp; more"`, `value="2026-05-01"`, issuer+user+"/disable", "Disable the user")
		leads(t, b.page("GET", "/admin", nil), issuer+"/admin/resume")
		if u, err := h.dir.User(t.Context(), id); err != nil || u.Disabled != nil {
			t.Fatalf("opening the page disabled the user: %v", err)
		}
		form := url.Values{"reason": {"spam & more"}, "resume": {resume}}
		leads(t, b.page("POST", user+"/disable", form), issuer+user+"?done=disable")
		shows(t, b.page("GET", user, nil), http.StatusOK, "Reason: spam & more")
		leads(t, b.page("POST", user+"/enable", nil), issuer+user+"?done=enable")
		leads(t, b.page("POST", user+"/disable", form), issuer+user+"?done=lost") // twice
		copied := &browser{Browser: stolen, v: b.v, secure: true}
		leads(t, copied.page("POST", user+"/disable", form), issuer+user+"?done=lost") // a copy of the cookie
		leads(t, b.page("GET", "/admin/resume", nil), issuer+"/admin/users?done=lost")
		shows(t, b.page("GET", "/admin/users?done=lost", nil), http.StatusOK, "what you typed is not kept any more")
		if u, err := h.dir.User(t.Context(), id); err != nil || u.Disabled != nil {
			t.Errorf("a used form disabled the user: %v", err)
		}
	}
}

// TestConsole_StepUpKeepsForOne: the form of one administrator is nobody else's, ends with ten minutes, with the rights
// and with the security of its owner, and never has what confirms a deed.
func TestConsole_StepUpKeepsForOne(t *testing.T) {
	h := newConsole(t)
	boss, b := h.person("boss", "chief")
	_, other := h.person("other", "chief")
	id := h.made("ada", "member")
	who, user := at("boss", "boss@example.com", true), "/admin/users/"+id
	lost := func(b *browser) {
		t.Helper()
		leads(t, b.page("GET", "/admin/resume", nil), issuer+"/admin/users?done=lost")
	}
	send := func(path string, form url.Values) {
		t.Helper()
		h.Advance(11 * time.Minute)
		shows(t, b.page("POST", user+path, form), http.StatusUnauthorized, "Confirm that it is you")
	}
	send("/edit", url.Values{"name": {`"><script>alert(1)`}, "locale": {"de"}})
	h.stepUp(other, at("other", "other@example.com", true))
	for name, value := range b.Cookies {
		if strings.Contains(name, "postern-form-console") {
			other.Cookies[name] = value
		}
	}
	lost(other)
	h.stepUp(b, who)
	b.resumed(`value="de"`)
	harmless(t, "resume", b.page("GET", "/admin/resume", nil).Body.String())
	h.Advance(10 * time.Minute)
	lost(b)
	send("/delete", url.Values{"confirm": {"ada@example.com"}})
	h.stepUp(b, who)
	b.resumed("Type ada@example.com to confirm")
	if strings.Contains(b.page("GET", "/admin/resume", nil).Body.String(), `value="ada@example.com"`) {
		t.Error("what confirms a deed was kept")
	}
	send("/disable", url.Values{"reason": {strings.Repeat("é", 3000)}})
	h.stepUp(b, who)
	lost(b) // too long for a cookie
	send("/disable", url.Values{"reason": {"spam"}})
	h.stepUp(b, who)
	if err := h.dir.SetRoles(t.Context(), boss, []string{"but-users:write"}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	h.signIn(b, who)
	w := b.page("GET", "/admin/resume", nil)
	if w.Code == http.StatusOK {
		t.Errorf("without the right the form is there: %s", w.Body)
	}
}

// TestConsole_SessionLeadsBack: the button that makes a session leads to the page that was wanted, if it is one of the
// console.
func TestConsole_SessionLeadsBack(t *testing.T) {
	h := newApart(t)
	h.made("boss", "chief")
	id := h.made("ada", "member")
	who := at("boss", "boss@example.com", true)
	b := h.browser()
	page := "/admin/users/" + id + "/sessions"
	here := issuer + "/admin/session/users/" + id + "/sessions"
	leads(t, b.page("GET", page, nil), here)
	leads(t, b.page("GET", here, nil), issuer+"/authorize?"+url.Values{"redirect_uri": {here}}.Encode())
	who.AuthTime = h.Now()
	leads(t, h.through(b, who, issuer+"/door/authorize", "redirect_uri", here), here)
	h.stepUp(b, who)
	shows(t, b.page("GET", here, nil), http.StatusOK, `action="`+here+`"`)
	leads(t, b.page("POST", here, nil), issuer+page)
	for _, wrong := range []string{"/evil", "/", "//evil.example", "/users/", "/keys/rotate", "/session", "/https://evil.example", "/users?x=1/..", "/..%2f..%2fevil"} {
		for _, method := range []string{"GET", "POST"} {
			w := b.page(method, "/admin/session"+wrong, nil)
			if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, issuer+"/admin") {
				t.Errorf("%s %s leads to %s", method, wrong, to)
			}
			if w.Code == http.StatusSeeOther && !strings.HasPrefix(wrong, "/users?") {
				t.Errorf("%s %s: %d to %s", method, wrong, w.Code, w.Header().Get("Location"))
			}
		}
	}
}

// TestConsole_Leave: the console has a way out, which ends its session alone and says so.
func TestConsole_Leave(t *testing.T) {
	h := newApart(t)
	h.made("boss", "chief")
	b := h.opened("boss")
	shows(t, b.page("GET", "/admin/users", nil), http.StatusOK, issuer+"/admin/leave")
	old := &browser{Browser: b.Clone(), v: b.v, secure: true}
	shows(t, b.page("GET", "/admin/leave", nil), http.StatusOK, "you stay signed in to the application")
	foreign := b.Request("POST", issuer+"/admin/leave", url.Values{})
	foreign.Header.Set("Accept", "text/html")
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	shows(t, b.do(foreign), http.StatusForbidden)
	shows(t, b.page("GET", "/admin/users", nil), http.StatusOK)
	shows(t, b.page("POST", "/admin/leave", nil), http.StatusOK, "Your session of the console has ended, and no other one.")
	for _, one := range []*browser{b, old} { // also for a copy of the cookies
		leads(t, one.page("GET", "/admin/users", nil), issuer+"/admin/session/users")
	}
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
	shows(t, b.page("POST", "/admin/leave", nil), http.StatusUnauthorized, "Sign in")
	// With the kind of the application there is one session, and the page says that.
	one := newConsole(t)
	_, boss := one.person("boss", "chief")
	shows(t, boss.page("GET", "/admin/leave", nil), http.StatusOK, "you are signed out of both", issuer+"/account/sign-out")
	shows(t, boss.page("POST", "/admin/leave", nil), http.StatusOK, "you are signed out of both")
	answered(t, boss.json("GET", "/account", ""), http.StatusOK, "")
}

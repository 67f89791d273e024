package postern_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// newApart is an office whose administrators have a kind of session with its own cookie.
func newApart(t testing.TB) *home {
	t.Helper()
	return newConsole(t, func(h *home, c *postern.Config) {
		kind := postern.NewKind(h.sessions, h.dir, session.KindConfig[user]{Name: "staff"}, func(p postern.Person) user { return user{Name: p.Name} })
		c.Admin = h.dir.Admin(kind)
	})
}

// TestConsole_Session: a fresh session of the application and a scope give a session of the console, and nothing else
// does.
func TestConsole_Session(t *testing.T) {
	h := newApart(t)
	h.made("boss", "chief")
	h.made("ada", "member")
	who, here := at("boss", "boss@example.com", true), issuer+"/admin/session/users"
	b := h.browser()
	leads(t, b.page("GET", "/admin/users", nil), here)
	leads(t, b.page("GET", here, nil), issuer+"/authorize?"+url.Values{"redirect_uri": {here}}.Encode())
	shows(t, b.page("POST", here, nil), http.StatusUnauthorized, "Sign in")
	leads(t, h.signIn(b, who, "redirect_uri", here), here)
	leads(t, b.page("GET", here, nil), issuer+"/step-up?"+url.Values{"max_age": {"600"}}.Encode()+"&"+url.Values{"redirect_uri": {here}}.Encode())
	shows(t, b.page("POST", here, nil), http.StatusUnauthorized, "Confirm that it is you")
	leads(t, b.page("GET", "/admin/users", nil), here)
	who.AuthTime = h.Now()
	leads(t, h.through(b, who, issuer+"/step-up/door", "redirect_uri", here), here)
	shows(t, b.page("GET", here, nil), http.StatusOK, "Open the console", "1 hour")
	leads(t, b.page("GET", "/admin/users", nil), here) // by the button alone
	foreign := b.Request("POST", here, url.Values{})
	foreign.Header.Set("Accept", "text/html")
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	shows(t, b.do(foreign), http.StatusForbidden, "This request did not come from a page of this site.")
	leads(t, b.page("POST", here, nil), issuer+"/admin/users") // the page that was wanted
	shows(t, b.page("GET", "/admin/users", nil), http.StatusOK, "boss@example.com")
	answered(t, b.json("GET", "/admin/users", ""), http.StatusOK, "")
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "") // its session is another one
	// Who has no scope gets none.
	ada := h.fresh(at("ada", "ada@example.com", true))
	for _, method := range []string{"GET", "POST"} {
		shows(t, ada.page(method, here, nil), http.StatusForbidden, "You have no right to administer anything here.")
	}
	answered(t, ada.json("GET", "/admin/users", ""), http.StatusUnauthorized, "not_signed_in")
	// The session of the application alone opens nothing, and a console of one kind has no such page.
	shows(t, newConsole(t).browser().page("GET", "/admin/session", nil), http.StatusNotFound)
}

// opened is a browser with a session of the console.
func (h *home) opened(name string) *browser {
	h.t.Helper()
	b := h.fresh(at(name, name+"@example.com", true))
	leads(h.t, b.page("POST", "/admin/session", nil), issuer+"/admin")
	shows(h.t, b.page("GET", "/admin/users", nil), http.StatusOK)
	return b
}

// TestConsole_SessionEnds: on the server, after an hour, and with the session of the application, whatever the browser
// keeps. Consoles of others kept their sessions for ever.
func TestConsole_SessionEnds(t *testing.T) {
	ended := func(t *testing.T, b *browser) {
		t.Helper()
		leads(t, b.page("GET", "/admin/users", nil), issuer+"/admin/session/users")
		shows(t, b.page("POST", "/admin/keys/rotate", nil), http.StatusUnauthorized)
		answered(t, b.json("GET", "/admin/users", ""), http.StatusUnauthorized, "not_signed_in")
	}
	t.Run("after an hour", func(t *testing.T) {
		h := newApart(t)
		h.made("boss", "chief")
		b := h.opened("boss")
		for range 11 {
			h.Advance(5 * time.Minute)
			shows(t, b.page("GET", "/admin/users", nil), http.StatusOK)
		}
		h.Advance(5 * time.Minute)
		ended(t, b)
	})
	t.Run("with the session of the application", func(t *testing.T) {
		h := newApart(t)
		h.made("boss", "chief")
		b := h.opened("boss")
		own, _ := h.session(b)
		if err := h.sessions.Revoke(t.Context(), own.ID); err != nil {
			t.Fatal(err)
		}
		ended(t, b)
	})
	t.Run("with a new one", func(t *testing.T) {
		h := newApart(t)
		h.made("boss", "chief")
		b := h.opened("boss")
		old := b.Clone()
		h.Advance(time.Minute)
		who := at("boss", "boss@example.com", true)
		h.stepUp(b, who) // the session of the application is another one
		leads(t, b.page("POST", "/admin/session", nil), issuer+"/admin")
		shows(t, b.page("GET", "/admin/users", nil), http.StatusOK)
		ended(t, &browser{Browser: old, v: b.v, secure: true})
	})
	t.Run("with the rights", func(t *testing.T) {
		h := newApart(t)
		id := h.made("boss", "chief")
		b := h.opened("boss")
		if err := h.dir.SetRoles(t.Context(), id, []string{"member"}, users.Extra{}); err != nil {
			t.Fatal(err)
		}
		shows(t, b.page("GET", "/admin/users", nil), http.StatusForbidden)
		if err := h.dir.Disable(t.Context(), id, "left", time.Time{}, users.Extra{}); err != nil {
			t.Fatal(err)
		}
		ended(t, b)
	})
	t.Run("with a proof that is too old for a change", func(t *testing.T) {
		h := newApart(t)
		h.made("boss", "chief")
		b := h.opened("boss")
		h.Advance(11 * time.Minute)
		shows(t, b.page("POST", "/admin/keys/rotate", nil), http.StatusUnauthorized, issuer+"/admin/session")
	})
}

// TestConsole_ActAs: administrators of another issuer act as a user, see the application, and stay signed in to the
// console.
func TestConsole_ActAs(t *testing.T) {
	g := newAgency(t)
	_, boss := g.administrator("boss", "owner")
	id, _ := g.person("ada", "member")
	user := "/admin/users/" + id
	leads(t, g.browser().page("GET", user, nil), staffIssuer+"/authorize?"+url.Values{"redirect_uri": {issuer + "/admin"}}.Encode())
	shows(t, boss.page("GET", user, nil), http.StatusOK, "Act as the user")
	shows(t, boss.page("POST", user+"/impersonate", nil), http.StatusBadRequest, "Please give a reason.")
	if got := boss.landing(boss.page("POST", user+"/impersonate", url.Values{"reason": {"ticket 4711"}})); got != "https://app.example.com/" {
		t.Errorf("the form leads to %s", got)
	}
	if claims := payload(t, g.token(boss)); claims["sub"] != id || claims["act"] == nil {
		t.Errorf("%v", claims)
	}
	shows(t, boss.page("GET", user+"/sessions", nil), http.StatusOK, "Impersonation")
	shows(t, boss.page("POST", user+"/impersonate", url.Values{"reason": {"again"}}), http.StatusConflict, "Please sign out there first.")
	equal, _ := g.person("equal", "owner")
	if w := boss.page("GET", "/admin/users/"+equal, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), equal+"/impersonate") {
		t.Errorf("the console offers to act as an administrator with the same rights: %d", w.Code)
	}
	if w := boss.page("POST", "/admin/users/"+equal+"/impersonate", url.Values{"reason": {"x"}}); w.Code == http.StatusSeeOther {
		t.Error("an administrator acts as another one")
	}
	boss.page("POST", "/session/end", nil)
	shows(t, boss.page("GET", user+"/sessions", nil), http.StatusOK, "Sessions of ada")
}

// TestConsole_ActAsNeedsTheOtherIssuer: a session of the console that was made of one of the application is never alone
// in its browser, so nobody acts as a user with it, as docs/administration.md says.
func TestConsole_ActAsNeedsTheOtherIssuer(t *testing.T) {
	h := newApart(t)
	h.made("boss", "chief")
	id := h.made("ada", "member")
	b := h.opened("boss")
	form := `action="` + issuer + "/admin/users/" + id + `/impersonate"`
	if page := b.page("GET", "/admin/users/"+id, nil); page.Code != http.StatusOK || strings.Contains(page.Body.String(), form) {
		t.Errorf("the console offers it: %d\n%s", page.Code, page.Body)
	}
	shows(t, b.page("POST", "/admin/users/"+id+"/impersonate", url.Values{"reason": {"help & look"}}), http.StatusConflict, "Please sign out there first.")
	answered(t, b.json("POST", "/admin/users/"+id+"/impersonate", `{"reason":"x"}`), http.StatusConflict, "signed_in_here")
	shows(t, b.page("GET", "/admin/users", nil), http.StatusOK)
	answered(t, b.json("GET", "/account", ""), http.StatusOK, "")
}

// TestConsole_NoDeadEnd: each refusal of the console has a link, and it leads to a page that works.
func TestConsole_NoDeadEnd(t *testing.T) {
	h := newApart(t)
	h.made("boss", "chief")
	h.made("ada", "member")
	boss, ada := h.opened("boss"), h.browser()
	h.signIn(ada, at("ada", "ada@example.com", true))
	h.stepUp(ada, at("ada", "ada@example.com", true))
	g := newConsole(t)
	_, member := g.person("ada", "member")
	for name, c := range map[string]struct {
		who    *browser
		method string
		path   string
		status int
	}{
		"no such page":                     {boss, "GET", "/admin/nope", http.StatusNotFound},
		"no such page, for nobody":         {h.browser(), "GET", "/admin/nope", http.StatusNotFound},
		"no such user":                     {boss, "GET", "/admin/users/nobody", http.StatusNotFound},
		"another method":                   {boss, "POST", "/admin/settings", http.StatusMethodNotAllowed},
		"no right, before the button":      {ada, "GET", "/admin/session", http.StatusForbidden},
		"no right, by the application":     {member, "GET", "/admin", http.StatusForbidden},
		"no right to see it":               {member, "GET", "/admin/users", http.StatusForbidden},
		"a form without a session":         {h.browser(), "POST", "/admin/keys/rotate", http.StatusUnauthorized},
		"a form of somebody without right": {member, "POST", "/admin/keys/rotate", http.StatusForbidden},
	} {
		w := c.who.page(c.method, c.path, nil)
		links := hrefs(w.Body.String())
		if w.Code != c.status || len(links) == 0 {
			t.Errorf("%s: %d, links %q\n%s", name, w.Code, links, w.Body)
			continue
		}
		if strings.HasPrefix(links[0], issuer) {
			if w := c.who.page("GET", strings.TrimPrefix(links[0], issuer), nil); w.Code >= http.StatusBadRequest {
				t.Errorf("%s: its link leads to %d at %s", name, w.Code, links[0])
			}
		}
	}
}

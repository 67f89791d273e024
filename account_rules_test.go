package postern_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// A15: the last way in that postern.Config offers is never removed, with the default of users.Config.Ways.
func TestA15_TheLastConfiguredWayStays(t *testing.T) {
	h := newHome(t) // providers: door and other; nothing mails, no passwords
	b := h.browser()
	id := at("ada", "ada@example.com", true)
	h.signIn(b, id)
	user := h.idOf(b)
	h.stepUp(b, id)
	b.json("DELETE", "/account/identities/"+h.identities(b).Identities[0].ID, "")
	if ids, _ := h.dir.Identities(t.Context(), user); len(ids) == 0 {
		t.Errorf("the last configured way is gone")
	}
}

// A10: own table; who unlinks the thief's identity ends the thief's session.
func TestA10_UnlinkEndsSessionsOfATable(t *testing.T) {
	h := newHouse(t)
	b, thief := h.browser(), h.browser()
	id := at("ada", "ada@example.com", true)
	h.signIn(b, id)
	bad := at("evil", "", false)
	bad.Provider = "other"
	if err := h.table.Link(t.Context(), "user-1", bad); err != nil {
		t.Fatal(err)
	}
	h.signIn(thief, bad)
	id.AuthTime = h.Now()
	h.through(b, id, issuer+"/step-up/door")
	w := b.Do(b.Request("GET", issuer+"/account/identities", nil))
	for _, part := range strings.Split(w.Body.String(), `"id":"`)[1:] {
		if strings.Contains(part, "other") {
			w = b.Do(b.Request("DELETE", issuer+"/account/identities/"+part[:22], nil))
		}
	}
	want(t, w, http.StatusNoContent, "")
	h.Advance(time.Hour)
	if rec := thief.post(issuer+"/refresh", url.Values{}); rec.Code == http.StatusOK {
		t.Errorf("the thief's session lives")
	}
}

// R1: the last administrator stays, also by DELETE {base}/account.
func TestR1_TheLastAdministratorDoesNotDeleteThemselves(t *testing.T) {
	h := newOffice(t)
	id, boss := h.person("boss", "owner")
	h.person("ada", "member")
	w := boss.json("DELETE", "/account?confirm="+id, "")
	if _, err := h.dir.User(t.Context(), id); err != nil {
		t.Errorf("%d: no administrator is left", w.Code)
	}
}

// Invitations by an administrator of another pool end with the administrator.
func TestR1_InvitationByStaff(t *testing.T) {
	var staff *users.Directory
	var kind *postern.Kind[user]
	h := newHomeOf(t, office, func(h *home, c *postern.Config) {
		staff, _ = users.New(users.Config{Sessions: h.sessions, Pool: "staff", Roles: office, AllowUsernames: true})
		kind = postern.NewKind(h.sessions, staff, session.KindConfig[user]{Name: "staff"}, func(p postern.Person) user { return user{Name: p.Name} })
		c.Admin = h.dir.Admin(kind)
	})
	grace, err := staff.Create(t.Context(), postern.SignUp{Identity: postern.Identity{Issuer: postern.NameIssuer, Subject: "grace"}, Roles: []string{"owner"}})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := kind.Create(t.Context(), session.Grant[user]{Subject: grace, Scopes: staff.Scopes([]string{"owner"}),
		Authentication: session.Authentication{Time: h.Now(), Methods: []string{"pwd"}}})
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	b.Header.Set("Authorization", "Bearer "+tokens.Access)
	want(t, b.json("POST", "/admin/users/invite", `{"address":"eve@example.com","roles":["owner"]}`), http.StatusNoContent, "")
	if err := staff.SetRoles(t.Context(), grace, []string{"member"}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	link := ""
	for _, m := range h.mails.All() {
		link = m.Arg("link")
	}
	u, _ := url.Parse(link)
	w := h.signIn(h.browser(), at("eve", "eve@example.com", true), "invitation", u.Query().Get("invitation"))
	if id, err := h.dir.Find(t.Context(), at("eve", "", false)); err == nil {
		p, _ := h.dir.User(t.Context(), id)
		t.Errorf("%d: the invitation of a lowered administrator gave %v", w.Code, p.Roles)
	}
}

// R1: a role that has no scopes, and which guards ask by name, is given by those alone who have it.
func TestR1_ARoleWithoutScopes(t *testing.T) {
	roles := users.Roles{"superuser": {}}
	for name, scopes := range office {
		roles[name] = scopes
	}
	h := newHomeOf(t, roles, func(h *home, c *postern.Config) { c.Admin = h.dir.Admin(h.kind) })
	h.person("boss", "owner", "superuser")
	_, clerk := h.person("clerk", "clerk")
	id, ada := h.person("ada", "member")
	clerk.json("PUT", "/admin/users/"+id+"/roles", `{"roles":["superuser"]}`)
	h.signIn(ada, at("ada", "ada@example.com", true))
	opened := false
	guard := h.kind.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { opened = true }), session.Role("superuser"))
	r := httptest.NewRequest("GET", "https://api.example.com/x", nil)
	r.Header.Set("Authorization", "Bearer "+ada.access())
	guard.ServeHTTP(httptest.NewRecorder(), r)
	if opened {
		t.Error("a clerk gave a role that the clerk does not have, and it opens a guard")
	}
}

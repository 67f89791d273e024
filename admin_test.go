package postern_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

var office = users.Roles{
	"owner":  {"users:read", "users:write", "users:roles", "users:export", "users:delete", "sessions:read", "sessions:write", "posts:read", "posts:write"},
	"clerk":  {"users:read", "users:write", "users:roles", "users:export", "users:delete", "sessions:read", "sessions:write", "posts:read"},
	"guard":  {"users:read", "sessions:read", "sessions:write"},
	"reader": {"users:read"}, "editor": {"posts:read", "posts:write"}, "member": {"posts:read"},
}

// newOffice is a home with an administration.
func newOffice(t testing.TB, change ...func(h *home, c *postern.Config)) *home {
	t.Helper()
	return newHomeOf(t, office, append([]func(h *home, c *postern.Config){func(h *home, c *postern.Config) {
		c.Admin = h.dir.Admin(h.kind)
	}}, change...)...)
}

// person makes a user with roles, and a browser with a fresh session.
func (h *home) person(name string, roles ...string) (id string, b *browser) {
	h.t.Helper()
	who := at(name, name+"@example.com", true)
	b = h.browser()
	h.signIn(b, who)
	id = h.idOf(b)
	if err := h.dir.SetRoles(h.t.Context(), id, roles, users.Extra{}); err != nil {
		h.t.Fatal(err)
	}
	h.signIn(b, who) // with the roles
	h.stepUp(b, who)
	return id, b
}

type adminUser struct {
	ID, Name, Version string
	Roles, Scopes     []string
	Disabled          *struct{ Why string }
}

func TestAdmin_Deeds(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	id, ada := h.person("ada", "member")
	user := "/admin/users/" + id
	answered(t, h.browser().json("GET", user, ""), http.StatusUnauthorized, "not_signed_in")
	w := boss.json("GET", user, "")
	answered(t, w, http.StatusOK, "")
	if u := decoded[adminUser](t, w); u.ID != id || strings.Join(u.Scopes, " ") != "posts:read" {
		t.Errorf("%s", w.Body)
	}
	list := func(query string) []adminUser {
		w := boss.json("GET", "/admin/users"+query, "")
		answered(t, w, http.StatusOK, "")
		return decoded[struct{ Users []adminUser }](t, w).Users
	}
	if all := list(""); len(all) != 2 {
		t.Errorf("%+v", all)
	}
	if one := list("?identifier=ada@example.com"); len(one) != 1 || one[0].ID != id {
		t.Errorf("%+v", one)
	}
	answered(t, boss.json("GET", "/admin/users?limit=1000", ""), http.StatusBadRequest, "invalid_request")
	w = boss.json("PATCH", user, `{"name":"Ada","data":{"plan":"gold"}}`)
	answered(t, w, http.StatusOK, "")
	version := decoded[adminUser](t, w).Version
	answered(t, boss.json("PATCH", user, `{"name":"Ada L.","version":"`+version+`"}`), http.StatusOK, "")
	answered(t, boss.json("PATCH", user, `{"name":"Ada M.","version":"`+version+`"}`), http.StatusConflict, "user_changed")
	answered(t, boss.json("PUT", user+"/roles", `{"roles":["nothing"]}`), http.StatusBadRequest, "unknown_role")
	w = boss.json("PUT", user+"/roles", `{"roles":["editor"]}`)
	answered(t, w, http.StatusOK, "")
	if u := decoded[adminUser](t, w); strings.Join(u.Roles, " ") != "editor" {
		t.Errorf("%+v", u)
	}
	answered(t, boss.json("GET", user+"/sessions", ""), http.StatusOK, "")
	mine, _ := h.session(ada)
	answered(t, boss.json("DELETE", user+"/sessions/"+mine.ID, ""), http.StatusNoContent, "")
	answered(t, ada.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	h.signIn(ada, at("ada", "ada@example.com", true))
	answered(t, boss.json("DELETE", user+"/sessions", ""), http.StatusNoContent, "")
	answered(t, ada.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	answered(t, boss.json("POST", user+"/disable", `{}`), http.StatusBadRequest, "missing_field")
	answered(t, boss.json("POST", user+"/disable", `{"reason":"spam"}`), http.StatusNoContent, "")
	if u := decoded[adminUser](t, boss.json("GET", user, "")); u.Disabled == nil || u.Disabled.Why != "spam" {
		t.Errorf("%+v", u)
	}
	want(t, h.signIn(ada, at("ada", "ada@example.com", true)), http.StatusForbidden, "account_disabled")
	answered(t, boss.json("POST", user+"/enable", ``), http.StatusNoContent, "")
	answered(t, boss.json("POST", "/admin/users/invite", `{"address":"new@example.com","roles":["member"]}`), http.StatusNoContent, "")
	answered(t, boss.json("POST", "/admin/users/invite", `{"address":"x"}`), http.StatusBadRequest, "invalid_address")
	answered(t, boss.json("GET", user+"/export", ""), http.StatusOK, "")
	answered(t, boss.json("DELETE", user, ""), http.StatusNoContent, "")
	answered(t, boss.json("GET", user, ""), http.StatusNotFound, "not_found")
	answered(t, boss.json("DELETE", user, ""), http.StatusNotFound, "not_found")
	w = boss.json("PUT", "/admin/users", `{}`)
	answered(t, w, http.StatusMethodNotAllowed, "method_not_allowed")
	if w.Header().Get("Allow") != "GET, POST" {
		t.Errorf("Allow: %q", w.Header().Get("Allow"))
	}
	// Every deed is in the audit log, with the actor and the user.
	deeds := 0
	for _, e := range h.Events.All() {
		if e.Provider == "admin" && e.Subject != "" && e.SessionID != "" {
			deeds++
		}
	}
	if deeds != 10 {
		t.Errorf("%d deeds in the audit log", deeds)
	}
}

// adminRoutes are all routes, with a body that would do something.
func adminRoutes(id, sid string) [][3]string {
	return [][3]string{
		{"GET", "/admin/users", ""}, {"GET", "/admin/users/" + id, ""}, {"GET", "/admin/users/" + id + "/sessions", ""},
		{"GET", "/admin/users/" + id + "/export", ""},
		{"POST", "/admin/users/invite", `{"address":"x@example.com","roles":["editor"]}`},
		{"PATCH", "/admin/users/" + id, `{"name":"x"}`}, {"PUT", "/admin/users/" + id + "/roles", `{"roles":["editor"]}`},
		{"POST", "/admin/users/" + id + "/disable", `{"reason":"x"}`}, {"POST", "/admin/users/" + id + "/enable", ``},
		{"DELETE", "/admin/users/" + id + "/sessions/" + sid, ""}, {"DELETE", "/admin/users/" + id + "/sessions", ""},
		{"DELETE", "/admin/users/" + id, ""},
	}
}

// TestR1_WithinTheActorsRights: every pair of six roles at every route. What the user has, and what the user is given,
// is within the scopes of the actor, or the answer is 403 and nothing changes.
func TestR1_WithinTheActorsRights(t *testing.T) {
	h := newOffice(t)
	need := map[string]string{"GET": "users:read", "POST": "users:write", "PATCH": "users:write", "PUT": "users:roles", "DELETE": "users:delete"}
	has := func(role, scope string) bool {
		return strings.Contains(" "+strings.Join(office[role], " ")+" ", " "+scope+" ")
	}
	covers := func(actor, target string) bool {
		for _, s := range office[target] {
			if !has(actor, s) {
				return false
			}
		}
		return true
	}
	actors := map[string]*browser{}
	for actor := range office {
		_, actors[actor] = h.person("actor-"+actor, actor)
	}
	n := 0
	for target := range office {
		n++
		id, b := h.person(fmt.Sprint("target", n), target)
		mine, _ := h.session(b)
		for actor, by := range actors {
			for _, route := range adminRoutes(id, mine.ID) {
				scope := need[route[0]]
				switch {
				case strings.HasSuffix(route[1], "/sessions") && route[0] == "GET":
					scope = "sessions:read"
				case strings.Contains(route[1], "/sessions"):
					scope = "sessions:write"
				case strings.HasSuffix(route[1], "/export"):
					scope = "users:export"
				}
				allowed := has(actor, scope)
				switch {
				case route[0] == "GET" && !strings.HasSuffix(route[1], "/export"):
				case strings.HasSuffix(route[1], "/invite"):
					allowed = allowed && covers(actor, "editor")
				default:
					allowed = allowed && covers(actor, target) && (route[0] != "PUT" || covers(actor, "editor"))
				}
				if allowed && route[0] != "GET" {
					continue // shown by TestAdmin_Deeds; here it would end the target
				}
				before, err := h.dir.User(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				w := by.json(route[0], route[1], route[2])
				if allowed && w.Code != http.StatusOK || !allowed && w.Code != http.StatusForbidden {
					t.Errorf("%s at %s: %s %s: %d %s", actor, target, route[0], route[1], w.Code, w.Body)
				}
				if after, err := h.dir.User(t.Context(), id); err != nil || after.Version != before.Version {
					t.Errorf("%s at %s: %s %s changed the user, %v", actor, target, route[0], route[1], err)
				}
			}
		}
		if again, ok := h.session(b); !ok || again.ID != mine.ID {
			t.Errorf("the session of %s ended", target)
		}
	}
}

func TestR1_NobodyChangesThemselves(t *testing.T) {
	h := newOffice(t)
	id, boss := h.person("boss", "owner")
	mine, _ := h.session(boss)
	for _, route := range adminRoutes(id, mine.ID) {
		w := boss.json(route[0], route[1], route[2])
		if route[0] == "GET" && !strings.HasSuffix(route[1], "/export") || strings.HasSuffix(route[1], "/invite") {
			continue
		}
		if route[0] == "GET" {
			answered(t, w, http.StatusOK, "")
			continue
		}
		answered(t, w, http.StatusForbidden, "not_yourself")
	}
}

// TestR1_LastAdministratorStays: administrators who take the role from each other at once leave one.
func TestR1_LastAdministratorStays(t *testing.T) {
	h := newOffice(t)
	const n = 10 // each at each other: 90 racers
	ids, browsers := make([]string, n), make([]*browser, n)
	for i := range n {
		ids[i], browsers[i] = h.person(fmt.Sprint("boss", i), "owner")
	}
	var racers sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range n {
		token := browsers[i].access()
		for j := range n {
			if i == j {
				continue
			}
			racers.Go(func() {
				method, path, body := "PUT", "/admin/users/"+ids[j]+"/roles", `{"roles":["member"]}`
				switch (i + j) % 3 {
				case 1:
					method, path, body = "POST", "/admin/users/"+ids[j]+"/disable", `{"reason":"race"}`
				case 2:
					method, path, body = "DELETE", "/admin/users/"+ids[j], ""
				}
				b := h.browser()
				b.Header.Set("Authorization", "Bearer "+token)
				w := b.json(method, path, body)
				mu.Lock()
				defer mu.Unlock()
				codes[fmt.Sprint(w.Code)]++
			})
		}
	}
	racers.Wait()
	left := 0
	for _, id := range ids {
		if u, err := h.dir.User(t.Context(), id); err == nil && u.Disabled == nil && strings.Contains(strings.Join(u.Scopes, " "), "users:roles") {
			left++
		}
	}
	if left < 1 || codes["200"]+codes["204"] == 0 {
		t.Errorf("%d administrators left, %v", left, codes)
	}
	t.Logf("%d left, %v", left, codes)
}

// TestR1_LastAdministratorOfAnotherPool: administrators with a directory, a kind and a cookie apart remove all
// administrators of the users at once. One of them stays.
func TestR1_LastAdministratorOfAnotherPool(t *testing.T) {
	var staff *users.Directory
	var kind *postern.Kind[user]
	h := newHomeOf(t, office, func(h *home, c *postern.Config) {
		var err error
		if staff, err = users.New(users.Config{Sessions: h.sessions, Pool: "staff", Roles: office, AllowUsernames: true}); err != nil {
			t.Fatal(err)
		}
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
	var ids []string
	var own *browser
	for i := range 10 {
		var id string
		id, own = h.person(fmt.Sprint("boss", i), "owner")
		ids = append(ids, id)
	}
	// A session of another kind opens nothing here.
	answered(t, own.json("GET", "/admin/users", ""), http.StatusUnauthorized, "not_signed_in")
	var racers sync.WaitGroup
	for i := range 100 {
		racers.Go(func() {
			b := h.browser()
			b.Header.Set("Authorization", "Bearer "+tokens.Access)
			b.json("PUT", "/admin/users/"+ids[i%10]+"/roles", `{"roles":["member"]}`)
		})
	}
	racers.Wait()
	left := 0
	for _, id := range ids {
		if u, err := h.dir.User(t.Context(), id); err == nil && u.Roles[0] == "owner" {
			left++
		}
	}
	b := h.browser()
	b.Header.Set("Authorization", "Bearer "+tokens.Access)
	if left == 0 {
		t.Fatal("no administrator is left")
	}
	refused := 0
	for _, id := range ids { // one after the other, down to the last
		w := b.json("DELETE", "/admin/users/"+id, "")
		if w.Code == http.StatusConflict {
			answered(t, w, http.StatusConflict, "last_administrator")
			refused++
		} else {
			answered(t, w, http.StatusNoContent, "")
		}
	}
	if refused != 1 {
		t.Errorf("%d deletions refused, want that of the last administrator", refused)
	}
}

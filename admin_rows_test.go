package postern_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
)

// TestR2_AdminBodies: no body of the administration sets what has a route or a proof.
func TestR2_AdminBodies(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	id, _ := h.person("ada", "member")
	before, _ := h.dir.User(t.Context(), id)
	for _, field := range []string{"verified", "addresses", "roles", "scopes", "disabled", "identities", "id", "username", "created"} {
		for _, name := range []string{field, strings.ToUpper(field)} {
			w := boss.json("PATCH", "/admin/users/"+id, `{"name":"x","`+name+`":[]}`)
			answered(t, w, http.StatusBadRequest, "unknown_member")
		}
	}
	for _, body := range []string{`{"Data":1}`, `{"name":"x","name":"y"}`, `{"data":{"a":1,"A":2}}`, `{"Version":"1"}`} {
		if w := boss.json("PATCH", "/admin/users/"+id, body); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
	if after, err := h.dir.User(t.Context(), id); err != nil || after.Version != before.Version {
		t.Errorf("changed: %v", err)
	}
}

// TestR3_UserOfThePath: the id of the path decides, and an id that does not exist is answered alike at each route.
func TestR3_UserOfThePath(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	_, reader := h.person("reader", "reader")
	id, ada := h.person("ada", "member")
	other, bob := h.person("bob", "member")
	his, _ := h.session(bob)
	answered(t, boss.json("DELETE", "/admin/users/"+id+"/sessions/"+his.ID, ""), http.StatusNotFound, "not_found")
	answered(t, bob.json("GET", "/account", ""), http.StatusOK, "")
	for _, route := range adminRoutes("nobody", "none") {
		if strings.HasSuffix(route[1], "/invite") || route[1] == "/admin/users" {
			continue
		}
		answered(t, boss.json(route[0], route[1], route[2]), http.StatusNotFound, "not_found")
		// Without the scope every id is answered alike.
		known := strings.ReplaceAll(route[1], "nobody", other)
		if route[1] != "/admin/users/nobody" || route[0] != "GET" {
			a, b := reader.json(route[0], route[1], route[2]), reader.json(route[0], known, route[2])
			if a.Code != http.StatusForbidden || a.Code != b.Code || a.Body.String() != b.Body.String() {
				t.Errorf("%v: %d %s, %d %s", route, a.Code, a.Body, b.Code, b.Body)
			}
		}
		answered(t, ada.json(route[0], known, route[2]), http.StatusForbidden, "insufficient_scope")
	}
	for _, path := range []string{"/admin", "/admin/", "/admin/users/", "/admin/users//sessions", "/admin/users/" + id + "/", "/admin/nothing"} {
		answered(t, boss.json("GET", path, ""), http.StatusNotFound, "not_found")
	}
}

// TestR5_AdminIsFresh: a change needs a fresh proof, and no other origin is served, whatever is configured.
func TestR5_AdminIsFresh(t *testing.T) {
	h := newOffice(t, func(_ *home, c *postern.Config) { c.Origins = []string{"https://app.example.com"} })
	_, boss := h.person("boss", "owner")
	id, _ := h.person("ada", "member")
	all := adminRoutes(id, "x")
	for _, path := range []string{"", "/import", "/" + id + "/addresses", "/" + id + "/impersonate", "/" + id + "/reset-mail", "/" + id + "/unlock", "/" + id + "/demand-change"} {
		all = append(all, [3]string{"POST", "/admin/users" + path, "{}"})
	}
	all = append(all, [3]string{"POST", "/admin/mail/test", ""}, [3]string{"DELETE", "/admin/users/" + id + "/password", ""},
		[3]string{"DELETE", "/admin/users/" + id + "/identities?issuer=x&subject=y", ""})
	for _, route := range all {
		for _, origin := range []string{"https://app.example.com", "https://evil.example", "null"} {
			for _, method := range []string{route[0], "OPTIONS"} {
				r := boss.Request(method, issuer+route[1], nil)
				r.Header.Set("Origin", origin)
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Access-Control-Request-Method", route[0])
				w := boss.do(r)
				if w.Code != http.StatusForbidden || w.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s %s from %s: %d %v", method, route[1], origin, w.Code, w.Header())
				}
			}
		}
	}
	h.Advance(11 * time.Minute)
	for _, route := range all {
		w := boss.json(route[0], route[1], route[2])
		if route[0] == "GET" && !strings.HasSuffix(route[1], "/export") {
			answered(t, w, http.StatusOK, "")
			continue
		}
		answered(t, w, http.StatusUnauthorized, "insufficient_user_authentication")
	}
}

// TestR6_CursorsAreSealed: a cursor works for its administrator alone; without the scope nobody learns who exists.
func TestR6_CursorsAreSealed(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	_, clerk := h.person("clerk", "clerk")
	_, ada := h.person("ada", "member")
	w := boss.json("GET", "/admin/users?limit=1", "")
	answered(t, w, http.StatusOK, "")
	next := decoded[struct{ Next string }](t, w).Next
	if next == "" {
		t.Fatalf("%s", w.Body)
	}
	answered(t, boss.json("GET", "/admin/users?limit=1&cursor="+next, ""), http.StatusOK, "")
	answered(t, clerk.json("GET", "/admin/users?limit=1&cursor="+next, ""), http.StatusBadRequest, "invalid_cursor")
	answered(t, boss.json("GET", "/admin/users?cursor="+next+"x", ""), http.StatusBadRequest, "invalid_cursor")
	a, b := ada.json("GET", "/admin/users?identifier=boss@example.com", ""), ada.json("GET", "/admin/users?identifier=nobody@example.com", "")
	if a.Code != http.StatusForbidden || a.Body.String() != b.Body.String() {
		t.Errorf("%s %s", a.Body, b.Body)
	}
}

// TestAdmin_StoreFails: a call of the store that fails is 503, and the next try does the deed.
func TestAdmin_StoreFails(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	id, _ := h.person("ada", "member")
	for _, route := range [][3]string{
		{"GET", "/admin/users", ""}, {"GET", "/admin/users/" + id, ""}, {"GET", "/admin/users/" + id + "/sessions", ""},
		{"PATCH", "/admin/users/" + id, `{"name":"x"}`}, {"PUT", "/admin/users/" + id + "/roles", `{"roles":["editor"]}`},
		{"POST", "/admin/users/" + id + "/disable", `{"reason":"x"}`}, {"DELETE", "/admin/users/" + id + "/sessions", ""},
	} {
		h.eachFails(boss, route[0], route[1], route[2])
	}
	if u, err := h.dir.User(t.Context(), id); err != nil || u.Disabled == nil || u.Roles[0] != "editor" || u.Name != "x" {
		t.Errorf("%+v %v", u, err)
	}
}

// TestAdmin_ChangedRoleAtTheWire: a role that was taken is without effect at once where a guard asks the store, and at
// the next refresh elsewhere.
func TestAdmin_ChangedRoleAtTheWire(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	id, clerk := h.person("clerk", "clerk")
	token := clerk.access()
	bearer := func(token string) *browser {
		b := h.browser()
		b.Header.Set("Authorization", "Bearer "+token)
		return b
	}
	answered(t, bearer(token).json("GET", "/admin/users", ""), http.StatusOK, "")
	answered(t, boss.json("PUT", "/admin/users/"+id+"/roles", `{"roles":["member"]}`), http.StatusOK, "")
	answered(t, bearer(token).json("GET", "/admin/users", ""), http.StatusUnauthorized, "try_refresh")
	if s, err := h.kind.Verify(t.Context(), token); err != nil || len(s.Scopes) < 5 {
		t.Errorf("without the store the token is as it was until it expires: %+v %v", s, err)
	}
	// With cookies the guard refreshes by itself: the session goes on, with the rights of now.
	answered(t, clerk.json("GET", "/admin/users", ""), http.StatusForbidden, "insufficient_scope")
	if s, ok := h.session(clerk); !ok || strings.Join(s.Scopes, " ") != "posts:read" {
		t.Errorf("%+v %v", s, ok)
	}
}

package postern_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// chief are the scopes of the role "chief": all of the administration.
var chief = []string{"users:read", "users:write", "users:roles", "users:export", "users:delete", "users:credentials", "users:impersonate",
	"sessions:read", "sessions:write", "events:read", "keys:rotate", "mail:test", "posts:read", "posts:write"}

func newConsole(t testing.TB, change ...func(h *home, c *postern.Config)) *home {
	t.Helper()
	roles := users.Roles{"chief": chief, "member": {"posts:read"}, "editor": {"posts:read", "posts:write"}, "none": nil, "rival": {"secret:do"}}
	for _, scope := range chief {
		roles["only-"+scope] = []string{scope, "posts:read"}
		roles["but-"+scope] = slices.DeleteFunc(slices.Clone(chief), func(s string) bool { return s == scope })
	}
	return newHomeOf(t, roles, append([]func(h *home, c *postern.Config){func(h *home, c *postern.Config) {
		c.Admin = h.dir.Admin(h.kind)
	}}, change...)...)
}

// A consoleForm is a form of the console, with what would do something, and the scope that it needs.
type consoleForm struct {
	path, scope string
	form        url.Values
}

func consoleFormsOf(id, sid, identity string) []consoleForm {
	user := "/admin/users/" + id
	return []consoleForm{
		{"/admin/users", "users:write", url.Values{"address": {"new@example.com"}}},
		{"/admin/users/invite", "users:write", url.Values{"address": {"new@example.com"}}},
		{user + "/edit", "users:write", url.Values{"name": {"Changed"}}},
		{user + "/roles", "users:roles", url.Values{"roles": {"all"}, "role.member": {"on"}}},
		{user + "/disable", "users:write", url.Values{"reason": {"spam"}}},
		{user + "/enable", "users:write", url.Values{}},
		{user + "/addresses", "users:credentials", url.Values{"address": {"more@example.com"}}},
		{user + "/remove-identity", "users:credentials", url.Values{"issuer": {"https://door.example"}, "subject": {identity}}},
		{user + "/reset-mail", "users:credentials", url.Values{}},
		{user + "/reset-factors", "users:credentials", url.Values{}},
		{user + "/unlock", "users:credentials", url.Values{}},
		{user + "/demand-change", "users:credentials", url.Values{}},
		{user + "/remove-password", "users:credentials", url.Values{}},
		{user + "/remove-passkeys", "users:credentials", url.Values{}},
		{user + "/impersonate", "users:impersonate", url.Values{"reason": {"help"}}},
		{user + "/export", "users:export", url.Values{}},
		{user + "/delete", "users:delete", url.Values{"confirm": {id}}},
		{user + "/sessions/end", "sessions:write", url.Values{}},
		{user + "/sessions/" + sid + "/end", "sessions:write", url.Values{}},
		{"/admin/keys/rotate", "keys:rotate", url.Values{}},
		{"/admin/mail/test", "mail:test", url.Values{}},
		{"/admin/mail/postern/invitation/test", "mail:test", url.Values{"language": {"en"}}},
	}
}

var consolePagesOf = map[string]string{
	"/admin/users": "users:read", "/admin/users/new": "users:write", "/admin/users/invite": "users:write", "/admin/users/{id}": "users:read",
	"/admin/users/{id}/sessions": "sessions:read", "/admin/users/{id}/history": "events:read", "/admin/keys": "keys:rotate",
	"/admin/mail": "mail:test", "/admin/mail/postern/invitation": "mail:test", "/admin/settings": "users:read", "/admin/sessions": "sessions:read", "/admin/history": "events:read",
}

// TestConsole_Walk goes through the pages and does what they offer.
func TestConsole_Walk(t *testing.T) {
	h := newConsole(t)
	_, boss := h.person("boss", "chief")
	id, ada := h.person("ada", "member")
	user := "/admin/users/" + id
	for path := range consolePagesOf {
		shows(t, boss.page("GET", strings.ReplaceAll(path, "{id}", id), nil), http.StatusOK, "<nav>", "Settings")
	}
	done := func(path string, form url.Values, page, notice string) {
		t.Helper()
		w := boss.page("POST", path, form)
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), issuer+page) {
			t.Fatalf("%s: %d to %q: %s", path, w.Code, w.Header().Get("Location"), w.Body)
		}
		shows(t, boss.page("GET", w.Header().Get("Location"), nil), http.StatusOK, notice)
	}
	done(user+"/edit", url.Values{"name": {"Ada L."}, "locale": {"de"}}, user, "The profile was saved.")
	done(user+"/roles", url.Values{"roles": {"all"}, "role.editor": {"on"}, "role.member": {"on"}}, user, "The roles were saved.")
	if u, err := h.dir.User(t.Context(), id); err != nil || u.Name != "Ada L." || u.Locale != "de" || strings.Join(u.Roles, " ") != "editor member" {
		t.Errorf("%+v, %v", u, err)
	}
	done(user+"/addresses", url.Values{"address": {"more@example.com"}}, user, "The link was mailed")
	w := boss.page("POST", user+"/export", nil)
	if w.Code != http.StatusOK || w.Header().Get("Content-Disposition") != `attachment; filename="user.json"` || !strings.Contains(w.Body.String(), "Ada L.") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("export: %d %v %s", w.Code, w.Header(), w.Body)
	}
	h.signIn(ada, at("ada", "ada@example.com", true))
	mine, _ := h.session(ada)
	shows(t, boss.page("GET", user+"/sessions", nil), http.StatusOK, "/sessions/"+mine.ID+"/end")
	done(user+"/sessions/"+mine.ID+"/end", nil, user+"/sessions", "The session has ended.")
	answered(t, ada.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	h.signIn(ada, at("ada", "ada@example.com", true))
	done(user+"/sessions/end", nil, user+"/sessions", "All sessions of the user have ended.")
	answered(t, ada.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
	shows(t, boss.page("GET", user+"/history", nil), http.StatusOK, "Sign-in", "The account was created")
	done("/admin/users", url.Values{"address": {"eve@example.com"}, "name": {"Eve"}, "role.member": {"on"}}, "/admin/users/", "The user was created")
	done("/admin/users/invite", url.Values{"address": {"kim@example.com"}}, "/admin/users/invite", "The invitation was mailed.")
	done("/admin/mail/test", nil, "/admin/mail", "The test mail was sent.")
	done("/admin/keys/rotate", nil, "/admin/keys", "A key and a secret were added.")
	shows(t, boss.page("GET", "/admin/keys", nil), http.StatusOK, "Current", "Next", "ES256")
	shows(t, boss.page("GET", "/admin/settings", nil), http.StatusOK, "postern.Config.Redirects", "https://app.example.com/", "Default", "Program", "only-users:read")
	// With the kind of the application nobody acts as somebody else, and the page does not offer it.
	page := boss.page("POST", user+"/impersonate", url.Values{"reason": {"help & look"}})
	shows(t, page, http.StatusConflict, "its own cookie")
	if strings.Contains(page.Body.String(), `action="`+issuer+user+`/impersonate"`) {
		t.Error("the page offers what never works")
	}
	shows(t, boss.page("POST", user+"/delete", url.Values{"confirm": {"yes"}}), http.StatusBadRequest, "Please type ada@example.com to confirm.")
	shows(t, boss.page("POST", user+"/delete", nil), http.StatusBadRequest, "Nothing was deleted.")
	done(user+"/delete", url.Values{"confirm": {"ada@example.com"}}, "/admin/users", "The user was deleted.")
	shows(t, boss.page("GET", user, nil), http.StatusNotFound, "There is nothing at this address.")
	shows(t, boss.page("POST", user+"/enable", nil), http.StatusNotFound, "There is nothing at this address.")
}

// TestConsole_Scopes posts each form with each scope alone, and with all scopes but its own: 403 without it, and the
// page does not offer it.
func TestConsole_Scopes(t *testing.T) {
	h := newConsole(t)
	id, _ := h.person("ada", "member")
	before, _ := h.dir.User(t.Context(), id)
	mails := len(h.mails.All())
	for i, scope := range chief[:12] {
		_, only := h.person(fmt.Sprint("only", i), "only-"+scope)
		_, but := h.person(fmt.Sprint("but", i), "but-"+scope)
		for _, f := range consoleFormsOf(id, "x", "ada") {
			if f.scope != scope {
				shows(t, only.page("POST", f.path, f.form), http.StatusForbidden, "You may not do this. It needs the scope "+f.scope+".")
				continue
			}
			shows(t, but.page("POST", f.path, f.form), http.StatusForbidden, "You may not do this. It needs the scope "+f.scope+".")
		}
		for path, need := range consolePagesOf {
			path = strings.ReplaceAll(path, "{id}", id)
			if need != scope {
				shows(t, only.page("GET", path, nil), http.StatusForbidden, "It needs the scope "+need+".")
				continue
			}
			shows(t, but.page("GET", path, nil), http.StatusForbidden, "It needs the scope "+need+".")
		}
		if scope == "users:read" {
			continue
		}
		page := but.page("GET", "/admin/users/"+id, nil).Body.String()
		for _, f := range consoleFormsOf(id, "x", "ada") {
			if f.scope == scope && strings.Contains(page, `action="`+issuer+f.path+`"`) {
				t.Errorf("without %s the page offers %s", scope, f.path)
			}
		}
	}
	if after, err := h.dir.User(t.Context(), id); err != nil || after.Version != before.Version || len(h.mails.All()) != mails {
		t.Errorf("the forms changed the user, or mailed: %v", err)
	}
}

// TestConsole_NobodyIsNobody: without a session, and without a right, no address has data. An address that is none is
// answered alike for everybody.
func TestConsole_NobodyIsNobody(t *testing.T) {
	h := newConsole(t)
	id, ada := h.person("ada", "member")
	_, boss := h.person("boss", "chief")
	stranger := h.browser()
	for path := range consolePagesOf {
		w := stranger.page("GET", strings.ReplaceAll(path, "{id}", id), nil)
		if w.Code != http.StatusSeeOther || w.Body.Len() > 0 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	forms := consoleFormsOf(id, "x", "ada")
	for _, f := range forms {
		shows(t, stranger.page("POST", f.path, f.form), http.StatusUnauthorized, "Sign in")
		shows(t, ada.page("POST", f.path, f.form), http.StatusForbidden, "It needs the scope")
		w := boss.page("GET", f.path, nil)
		if consolePagesOf[strings.ReplaceAll(f.path, id, "{id}")] == "" && (w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST") {
			t.Errorf("GET %s: %d, Allow %q", f.path, w.Code, w.Header().Get("Allow"))
		}
	}
	for _, path := range []string{"/admin/nothing", "/admin/users/" + id + "/", "/admin/users/" + id + "/nothing", "/admin/users/a/b/c/d", "/admin/users//sessions", "/admin/keys/x", "/admin/session/x"} {
		for _, b := range []*browser{stranger, boss} {
			shows(t, b.page("GET", path, nil), http.StatusNotFound, "There is nothing at this address.")
			shows(t, b.page("POST", path, nil), http.StatusNotFound, "There is nothing at this address.")
		}
	}
	for _, path := range []string{"/admin/users?cursor=x", "/admin/users/" + id + "/sessions?after=x"} {
		shows(t, boss.page("GET", path, nil), http.StatusBadRequest, "There is no such page.")
	}
	shows(t, boss.page("GET", "/admin/users/nobody", nil), http.StatusNotFound)
	for _, b := range []*browser{stranger, boss} { // a link with a made-up notice
		if w := b.page("GET", "/admin/users?done=<b>x", nil); strings.Contains(w.Body.String(), "<b>x") || strings.Contains(w.Body.String(), "&lt;b&gt;x") {
			t.Error("the page repeats the query")
		}
	}
	// The search goes on over pages with a cursor that nobody else can use.
	for i := range 55 {
		h.made(fmt.Sprint("u", i), "member")
	}
	next := hrefOf(t, boss.page("GET", "/admin/users", nil).Body.String(), "Next users")
	second := boss.page("GET", next, nil)
	shows(t, second, http.StatusOK, "All users, the newest first")
	if rows := strings.Count(second.Body.String(), `<th scope="row">`); rows != 7 {
		t.Errorf("%d rows on the second page of 57 users", rows)
	}
	_, other := h.person("other", "chief")
	shows(t, other.page("GET", next, nil), http.StatusBadRequest, "There is no such page.")
	shows(t, boss.page("GET", strings.Replace(next, "cursor=", "cursor=A", 1), nil), http.StatusBadRequest, "There is no such page.")
}

// hrefOf returns the address of the link with a text.
func hrefOf(t testing.TB, page, text string) string {
	t.Helper()
	before, _, ok := strings.Cut(page, `">`+text+"</a>")
	if !ok {
		t.Fatalf("no link %q in %s", text, page)
	}
	return strings.ReplaceAll(before[strings.LastIndex(before, `href="`)+6:], "&amp;", "&")
}

// TestConsole_Forms: forms of other sites, empty forms, forms twice, and forms of a proof that is too old.
func TestConsole_Forms(t *testing.T) {
	h := newConsole(t, func(_ *home, c *postern.Config) { c.Origins = []string{"https://app.example.com"} })
	_, boss := h.person("boss", "chief")
	id, _ := h.person("ada", "member")
	before, _ := h.dir.User(t.Context(), id)
	unchanged := func(what string) {
		t.Helper()
		if after, err := h.dir.User(t.Context(), id); err != nil || after.Version != before.Version {
			t.Errorf("%s changed the user: %v", what, err)
		}
	}
	for _, f := range consoleFormsOf(id, "x", "ada") {
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://app.example.com"}, {"Origin", "null"}} {
			r := boss.Request("POST", issuer+f.path, f.form)
			r.Header.Set("Accept", "text/html")
			r.Header.Set(header[0], header[1])
			boss.NoSameSite = true
			shows(t, boss.do(r), http.StatusForbidden, "This request did not come from a page of this site.")
		}
	}
	unchanged("another site")
	user := "/admin/users/" + id
	for _, path := range []string{"/edit", "/roles", "/disable", "/addresses", "/remove-identity", "/impersonate", "/delete"} {
		if w := boss.page("POST", user+path, nil); w.Code != http.StatusBadRequest && w.Code != http.StatusConflict {
			t.Errorf("an empty form at %s: %d %s", path, w.Code, w.Body)
		}
		foreign := url.Values{"name\u0000": {"x"}}
		if w := boss.page("POST", user+path, foreign); w.Code != http.StatusBadRequest {
			t.Errorf("%s: a control character: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/admin/users", "/admin/users/invite"} {
		shows(t, boss.page("POST", path, nil), http.StatusBadRequest)
	}
	unchanged("an empty form")
	// Fields that no form has set nothing.
	leads(t, boss.page("POST", user+"/edit", url.Values{"name": {"ada"}, "roles": {"chief"}, "disabled": {"1"}, "data": {"{}"}, "verified": {"true"}}), issuer+user+"?done=edit")
	shows(t, boss.page("POST", user+"/roles", url.Values{"roles": {"all"}, "role.rival": {"on"}}), http.StatusForbidden, "a role or a right that you do not have")
	shows(t, boss.page("POST", user+"/roles", url.Values{"roles": {"all"}, "role.nothing": {"on"}}), http.StatusBadRequest, "There is no such role.")
	if strings.Contains(boss.page("GET", user, nil).Body.String(), "role.rival") {
		t.Error("the page offers a role beyond the rights of the actor")
	}
	// Twice is as once, and a form of an older state is refused.
	version := before.Version
	shows(t, boss.page("POST", user+"/edit", url.Values{"name": {"Late"}, "version": {version}}), http.StatusConflict, "The user has changed in the meantime.", `value="Late"`)
	for range 2 {
		leads(t, boss.page("POST", user+"/disable", url.Values{"reason": {"spam"}}), issuer+user+"?done=disable")
	}
	h.Advance(11 * time.Minute)
	for _, f := range consoleFormsOf(id, "x", "ada") {
		shows(t, boss.page("POST", f.path, f.form), http.StatusUnauthorized, "Confirm that it is you", "/step-up?")
	}
}

// TestConsole_Limits: nobody changes themselves, or somebody with more rights, and the last administrator stays.
func TestConsole_Limits(t *testing.T) {
	h := newConsole(t)
	me, boss := h.person("boss", "chief")
	for _, f := range consoleFormsOf(me, "x", "boss")[2:19] {
		if !strings.HasSuffix(f.path, "/export") {
			shows(t, boss.page("POST", f.path, f.form), http.StatusForbidden, "Nobody changes their own account here.")
		}
	}
	page := boss.page("GET", "/admin/users/"+me, nil)
	shows(t, page, http.StatusOK, "This is your own account.")
	if strings.Contains(page.Body.String(), `method="post"`) {
		t.Error("the page of oneself has a form")
	}
	rival, _ := h.person("rival", "rival")
	page = boss.page("GET", "/admin/users/"+rival, nil)
	shows(t, page, http.StatusOK, "This user has a role or a right that you do not have")
	if strings.Contains(page.Body.String(), "<form") {
		t.Error("the page of somebody with more rights has a form")
	}
	shows(t, boss.page("POST", "/admin/users/"+rival+"/disable", url.Values{"reason": {"x"}}), http.StatusForbidden, "a role or a right that you do not have")
	// A right that is lost in between counts at once.
	if err := h.dir.SetRoles(t.Context(), me, []string{"member"}, users.Extra{}); err != nil {
		t.Fatal(err)
	}
	shows(t, boss.page("GET", "/admin/users", nil), http.StatusForbidden, "It needs the scope users:read.")
	shows(t, boss.page("POST", "/admin/users/"+rival+"/disable", url.Values{"reason": {"x"}}), http.StatusForbidden)
}

// TestConsole_Payloads: nothing that somebody typed becomes markup or a link.
func TestConsole_Payloads(t *testing.T) {
	h := newConsole(t)
	_, boss := h.person("boss", "chief")
	id, ada := h.person("ada", "member")
	user := "/admin/users/" + id
	for _, payload := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' autofocus onfocus=alert(1) x='`, "javascript:alert(1)", "{user} {reason} {confirm}", "{{.}}"} {
		ada.Header.Set("User-Agent", payload)
		h.signIn(ada, at("ada", "ada@example.com", true))
		leads(t, boss.page("POST", user+"/edit", url.Values{"name": {payload}}), issuer+user+"?done=edit")
		for _, path := range []string{"/admin/users", user, user + "/sessions", user + "/history", "/admin/users?identifier=" + url.QueryEscape(payload)} {
			harmless(t, path, boss.page("GET", path, nil).Body.String())
		}
		for _, form := range []url.Values{{"reason": {payload}, "until": {payload}}, {"address": {payload}}, {"confirm": {payload}}, {"name": {payload}, "version": {payload}}} {
			for _, path := range []string{"/disable", "/addresses", "/delete", "/edit", "/impersonate"} {
				if path == "/disable" && form.Get("until") == "" {
					continue
				}
				harmless(t, path, boss.page("POST", user+path, form).Body.String())
			}
		}
		leads(t, boss.page("POST", user+"/disable", url.Values{"reason": {payload}}), issuer+user+"?done=disable")
		harmless(t, "disabled", boss.page("GET", user, nil).Body.String())
		leads(t, boss.page("POST", user+"/enable", nil), issuer+user+"?done=enable")
	}
}

func harmless(t testing.TB, what, page string) {
	t.Helper()
	for _, bad := range []string{"<script", "<img", `href="javascript`, "onfocus=alert(1) x='\"", `onerror=alert(1)>"`} {
		if strings.Contains(page, bad) {
			t.Errorf("%s has %s: %s", what, bad, page)
		}
	}
}

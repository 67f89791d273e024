package password_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// office is a world with an administration.
type office struct {
	*world
	staff *postern.Kind[profile]
	roled *users.Directory
}

var officeRoles = users.Roles{
	"owner":       {"users:read", "users:write", "users:roles", "users:credentials", "users:impersonate", "events:read", "mail:test", "keys:rotate", "sessions:write", "posts:read"},
	"clerk":       {"users:read", "users:write", "posts:read"},
	"member":      {"posts:read"},
	"credentials": {"users:credentials"},
	"editor":      {"posts:read", "posts:write"},
}

func newOffice(t testing.TB, change ...func(o *options)) *office {
	t.Helper()
	f := &office{}
	f.world = newWorld(t, append([]func(o *options){func(o *options) {
		o.users = func(s *session.Sessions) postern.Users {
			var err error
			if f.roled, err = users.New(users.Config{Sessions: s, AllowUsernames: true, Roles: officeRoles}); err != nil {
				t.Fatal(err)
			}
			f.staff = postern.NewKind(s, f.roled, session.KindConfig[profile]{Name: "staff"}, func(p postern.Person) profile { return profile{p.Name} })
			return f.roled
		}
		o.config = func(c *postern.Config) { c.Admin = f.roled.Admin(f.staff) }
	}}, change...)...)
	return f
}

// admin makes an administrator with a fresh proof. The client sends JSON with a Bearer token.
func (f *office) admin(name string, roles ...string) *client {
	f.t.Helper()
	id, err := f.roled.Create(f.t.Context(), postern.SignUp{Roles: roles, Identity: postern.Identity{Issuer: postern.MailIssuer, Subject: name + "@example.com"}})
	if err != nil {
		f.t.Fatal(err)
	}
	return &client{f, id}
}

type client struct {
	f  *office
	id string
}

func (c *client) do(method, path, body string) *httptest.ResponseRecorder {
	c.f.t.Helper()
	p, err := c.f.roled.Get(c.f.t.Context(), c.id)
	if err != nil {
		c.f.t.Fatal(err)
	}
	tokens, err := c.f.staff.Create(c.f.t.Context(), session.Grant[profile]{Subject: c.id, Roles: p.Roles, Scopes: p.Scopes,
		Authentication: session.Authentication{Time: c.f.Now(), Methods: []string{"pwd"}}})
	if err != nil {
		c.f.t.Fatal(err)
	}
	r := httptest.NewRequest(method, issuer+"/admin/"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+tokens.Access)
	return testworld.NewBrowser(c.f.auth).Do(r)
}

func (c *client) want(status int, code, method, path, body string) *httptest.ResponseRecorder {
	c.f.t.Helper()
	w := c.do(method, path, body)
	var e struct{ Error string }
	_ = json.Unmarshal(w.Body.Bytes(), &e)
	if w.Code != status || e.Error != code {
		c.f.t.Fatalf("%s %s: %d %s, want %d %s", method, path, w.Code, w.Body, status, code)
	}
	return w
}

// user makes a user with a password and a role.
func (f *office) user(name string, roles ...string) (id string, b *browser) {
	f.t.Helper()
	b = f.browser()
	id = b.signUp(name+"@example.com", good)
	if err := f.roled.SetRoles(f.t.Context(), id, roles, users.Extra{}); err != nil {
		f.t.Fatal(err)
	}
	want(f.t, b.signIn(name+"@example.com", good), http.StatusSeeOther, "")
	return id, b
}

// TestAdmin_ResetMail: the administrator causes a mail with a link, and sees neither the link nor a password.
func TestAdmin_ResetMail(t *testing.T) {
	f := newOffice(t)
	boss := f.admin("boss", "owner")
	id, _ := f.user("ada", "member")
	f.mails.Take()
	w := boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/reset-mail", "")
	if w.Body.Len() > 0 {
		t.Errorf("%s", w.Body)
	}
	sent := f.mails.Take()
	if len(sent) != 1 || sent[0].To != "ada@example.com" || sent[0].Name != "password.reset-by-admin" || strings.Contains(sent[0].Text, "boss") {
		t.Fatalf("%+v", sent)
	}
	link, err := url.Parse(sent[0].Arg("link"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, f.browser().post("/password/reset", "token", link.Query().Get("token"), "password", better), http.StatusSeeOther, "")
	want(t, f.browser().signIn("ada@example.com", better), http.StatusSeeOther, "")

	// No link for a user who signs in without a password, and none without a mailbox.
	f.who = postern.Identity{Issuer: "https://door.example", Subject: "bob", Addresses: []postern.Address{{Type: "email", Value: "bob@example.com", Verified: true}}}
	f.browser().get("/door/authorize")
	boss.want(http.StatusConflict, "no_reset", "POST", "users/"+f.world.user("bob@example.com")+"/reset-mail", "")
	named, err := f.roled.Create(t.Context(), postern.SignUp{Identity: postern.Identity{Issuer: postern.NameIssuer, Subject: "hopper"}})
	if err != nil {
		t.Fatal(err)
	}
	boss.want(http.StatusConflict, "no_reset", "POST", "users/"+named+"/reset-mail", "")
	boss.want(http.StatusNotFound, "not_found", "POST", "users/nobody/reset-mail", "")
	for range 4 {
		boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/reset-mail", "")
		f.Advance(16 * time.Minute / 4)
	}
	if w := boss.do("POST", "users/"+id+"/reset-mail", ""); w.Code != http.StatusTooManyRequests {
		t.Errorf("a sixth mail in the hour: %d", w.Code)
	}
}

// TestAdmin_Unlock: 100 wrong passwords lock it; an administrator lifts that.
func TestAdmin_Unlock(t *testing.T) {
	f := newOffice(t)
	boss := f.admin("boss", "owner")
	id, _ := f.user("ada", "member")
	h := f.head(id)
	h.Lock = "password"
	if err := f.store.Write(t.Context(), h.Put()); err != nil {
		t.Fatal(err)
	}
	want(t, f.browser().signIn("ada@example.com", good), http.StatusBadRequest, "wrong_password")
	boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/unlock", "")
	want(t, f.browser().signIn("ada@example.com", good), http.StatusSeeOther, "")
	boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/unlock", "")
}

// TestAdmin_DemandChange: the right password opens nothing until it is changed, and a wrong one learns nothing of it.
func TestAdmin_DemandChange(t *testing.T) {
	f := newOffice(t)
	boss := f.admin("boss", "owner")
	id, b := f.user("ada", "member")
	boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/demand-change", "")
	if b.session() == nil {
		t.Error("the session ended")
	}
	want(t, f.browser().signIn("ada@example.com", "not it, not it, not it"), http.StatusBadRequest, "wrong_password")
	other := f.browser()
	want(t, other.signIn("ada@example.com", good), http.StatusBadRequest, "password_change_demanded")
	if other.session() != nil {
		t.Error("signed in")
	}
	w := b.get("/step-up/password")
	if w.Code == http.StatusFound || w.Code == http.StatusSeeOther {
		w = b.Do(b.Request("GET", w.Header().Get("Location"), nil))
	}
	want(t, b.post("/password/callback", "state", state(t, w), "password", good), http.StatusBadRequest, "password_change_demanded")
	want(t, b.post("/password/change", "password", good, "new_password", better), http.StatusOK, "changed")
	want(t, f.browser().signIn("ada@example.com", better), http.StatusSeeOther, "")

	// A reset lifts it too.
	boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/demand-change", "")
	f.mails.Take()
	want(t, other.post("/password/forgot", "identifier", "ada@example.com"), http.StatusOK, "")
	link, err := url.Parse(f.mails.Take()[0].Arg("link"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, other.post("/password/reset", "token", link.Query().Get("token"), "password", good), http.StatusSeeOther, "")
	want(t, f.browser().signIn("ada@example.com", good), http.StatusSeeOther, "")

	f.who = postern.Identity{Issuer: "https://door.example", Subject: "bob", Addresses: []postern.Address{{Type: "email", Value: "bob@example.com", Verified: true}}}
	f.browser().get("/door/authorize")
	boss.want(http.StatusConflict, "no_password", "POST", "users/"+f.world.user("bob@example.com")+"/demand-change", "")
	n := f.browser()
	want(t, n.post("/password/sign-up", "state", state(t, n.post("/sign-up", "username", "hopper")), "password", good), http.StatusSeeOther, "")
	hopper, err := f.roled.Find(t.Context(), postern.Identity{Issuer: postern.NameIssuer, Subject: "hopper"})
	if err != nil {
		t.Fatal(err)
	}
	boss.want(http.StatusConflict, "no_address", "POST", "users/"+hopper+"/demand-change", "")
}

// TestAdmin_RemoveWays: an administrator removes a password and an identity, never the last way in. Sessions end, and
// the person gets a mail.
func TestAdmin_RemoveWays(t *testing.T) {
	f := newOffice(t)
	boss := f.admin("boss", "owner")
	id, b := f.user("ada", "member")
	boss.want(http.StatusConflict, "last_way", "DELETE", "users/"+id+"/password", "")
	door := postern.Identity{Issuer: "https://door.example", Subject: "ada", Provider: "door"}
	if err := f.roled.Link(t.Context(), id, door); err != nil {
		t.Fatal(err)
	}
	const identity = "/identities?issuer=https%3A%2F%2Fdoor.example&subject=ada"
	boss.want(http.StatusNotFound, "not_found", "DELETE", "users/"+id+"/identities?issuer=https%3A%2F%2Fdoor.example&subject=eve", "")
	f.mails.Take()
	boss.want(http.StatusNoContent, "", "DELETE", "users/"+id+"/password", "")
	if b.session() != nil {
		t.Error("the session lives")
	}
	if m := f.mails.Take(); len(m) != 1 || m[0].To != "ada@example.com" || m[0].Name != "postern.way-removed" {
		t.Errorf("%+v", m)
	}
	want(t, f.browser().signIn("ada@example.com", good), http.StatusBadRequest, "wrong_password")
	if h := f.head(id); h.Ways.Passwords != 0 {
		t.Errorf("%+v", h)
	}
	boss.want(http.StatusConflict, "no_password", "DELETE", "users/"+id+"/password", "")
	boss.want(http.StatusConflict, "last_way", "DELETE", "users/"+id+identity, "")
	f.who = door
	f.browser().get("/door/authorize")

	// Beside another way, the identity goes.
	m := newOffice(t, func(o *options) {
		inner := o.config
		o.config = func(c *postern.Config) {
			inner(c)
			c.Providers["code"] = magic.Code(magic.Config{})
		}
	})
	boss = m.admin("boss", "owner")
	id, b = m.user("ada", "member")
	if err := m.roled.Link(t.Context(), id, door); err != nil {
		t.Fatal(err)
	}
	boss.want(http.StatusNoContent, "", "DELETE", "users/"+id+identity, "")
	if b.session() != nil {
		t.Error("the session lives")
	}
	if u, err := m.roled.User(t.Context(), id); err != nil || len(u.Identities) != 0 {
		t.Errorf("%+v %v", u, err)
	}
	events := 0
	for _, e := range m.Events.All() {
		if e.Name == "identity unlinked" && e.UserID == id && e.Subject == boss.id && e.Provider == "admin" {
			events++
		}
	}
	if events != 1 {
		t.Errorf("%d events", events)
	}
}

// TestR1_Credentials: the deeds need the scope, and a user within the rights of the administrator.
func TestR1_Credentials(t *testing.T) {
	f := newOffice(t)
	boss, clerk := f.admin("boss", "owner"), f.admin("clerk", "clerk")
	id, _ := f.user("ada", "member")
	more, _ := f.user("eve", "editor")
	for _, deed := range [][2]string{{"POST", "/reset-mail"}, {"POST", "/reset-factors"}, {"POST", "/unlock"}, {"POST", "/demand-change"}, {"DELETE", "/password"}, {"DELETE", "/identities?issuer=x&subject=y"}} {
		clerk.want(http.StatusForbidden, "insufficient_scope", deed[0], "users/"+id+deed[1], "")
		boss.want(http.StatusForbidden, "not_yourself", deed[0], "users/"+boss.id+deed[1], "")
		if !strings.HasPrefix(deed[1], "/identities") {
			boss.want(http.StatusForbidden, "beyond_rights", deed[0], "users/"+more+deed[1], "")
		}
	}
	clerk.want(http.StatusForbidden, "insufficient_scope", "GET", "users/"+id+"/history", "")
	clerk.want(http.StatusForbidden, "insufficient_scope", "POST", "mail/test", "")
	if h := f.head(more); h.Change || h.Ways.Passwords != 1 {
		t.Errorf("%+v", h)
	}
}

// TestAdmin_HistoryAndTestMail: with the scopes, an administrator reads the history of a user, and gets a test mail.
func TestAdmin_HistoryAndTestMail(t *testing.T) {
	fails := false
	f := newOffice(t, func(o *options) {
		inner := o.config
		o.config = func(c *postern.Config) {
			inner(c)
			send := c.Mail
			c.Mail = func(ctx context.Context, m postern.Mail) error {
				if fails {
					return errors.New("the mail server is away")
				}
				return send(ctx, m)
			}
		}
	})
	boss := f.admin("boss", "owner")
	id, _ := f.user("ada", "member")
	w := boss.want(http.StatusOK, "", "GET", "users/"+id+"/history", "")
	if !strings.Contains(w.Body.String(), `"event":"user_created"`) || !strings.Contains(w.Body.String(), `"event":"sign-in"`) {
		t.Errorf("%s", w.Body)
	}
	boss.want(http.StatusNotFound, "not_found", "GET", "users/nobody/history", "")
	f.mails.Take()
	boss.want(http.StatusNoContent, "", "POST", "mail/test", "")
	if m := f.mails.Take(); len(m) != 1 || m[0].To != "boss@example.com" || m[0].Name != "postern.test" {
		t.Errorf("%+v", m)
	}
	fails = true
	boss.want(http.StatusServiceUnavailable, "mail_failed", "POST", "mail/test", "")
	fails = false
	for range 3 {
		boss.want(http.StatusNoContent, "", "POST", "mail/test", "")
	}
	if w := boss.do("POST", "mail/test", ""); w.Code != http.StatusTooManyRequests {
		t.Errorf("a sixth in the hour: %d", w.Code)
	}
}

// TestAdmin_RotateKeys: a new key is published, and what the old one signed stays good. A fourth in a day is refused.
func TestAdmin_RotateKeys(t *testing.T) {
	f := newOffice(t)
	boss, clerk := f.admin("boss", "owner"), f.admin("clerk", "clerk")
	_, b := f.user("ada", "member")
	clerk.want(http.StatusForbidden, "insufficient_scope", "POST", "keys/rotate", "")
	for n := range 3 {
		boss.want(http.StatusNoContent, "", "POST", "keys/rotate", "")
		if all, err := f.ring.Keys(t.Context()); err != nil || len(all) != n+2 {
			t.Fatalf("%d keys, %v", len(all), err)
		}
	}
	if w := boss.do("POST", "keys/rotate", ""); w.Code != http.StatusTooManyRequests {
		t.Errorf("a fourth: %d", w.Code)
	}
	if b.session() == nil {
		t.Error("signed out")
	}
}

// TestAdmin_BareRoutes: a route that takes no body refuses one with anything in it, and has done nothing.
func TestAdmin_BareRoutes(t *testing.T) {
	f := newOffice(t)
	boss := f.admin("boss", "owner")
	id, _ := f.user("ada", "member")
	f.mails.Take()
	for _, deed := range []string{"enable", "reset-mail", "reset-factors", "unlock", "demand-change"} {
		for body, code := range map[string]string{`{"name":"x"}`: "unknown_member", `[{}]`: "invalid_request", `{`: "invalid_request", `"x"`: "invalid_request"} {
			boss.want(http.StatusBadRequest, code, "POST", "users/"+id+"/"+deed, body)
		}
	}
	for _, path := range []string{"/password", "/passkeys", "/sessions", "/identities?issuer=x&subject=y"} {
		boss.want(http.StatusBadRequest, "unknown_member", "DELETE", "users/"+id+path, `{"name":"x"}`)
	}
	if n := len(f.mails.All()); n != 0 {
		t.Errorf("%d mails", n)
	}
	want(t, f.browser().signIn("ada@example.com", good), http.StatusSeeOther, "")
	boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/unlock", "{}")
}

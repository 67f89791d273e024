package postern_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// TestD1_ProfileOfMarkup: a profile may have 64 KiB of any characters, and leaves room in the row: a user who fills it
// can still be disabled.
func TestD1_ProfileOfMarkup(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	id, b := h.person("mallory", "member")
	for _, c := range []string{"<", "&", "\u2028", "\\u0001", "a"} {
		profile := `"` + strings.Repeat(c, 65000/len(c)) + `"`
		answered(t, b.json("PATCH", "/account", `{"profile":`+profile+`}`), http.StatusOK, "")
		answered(t, boss.json("PATCH", "/admin/users/"+id, `{"data":`+profile+`}`), http.StatusOK, "")
		answered(t, boss.json("POST", "/admin/users/"+id+"/disable", `{"reason":"`+strings.Repeat("<", 1000)+`"}`), http.StatusNoContent, "")
		answered(t, boss.json("POST", "/admin/users/"+id+"/enable", ""), http.StatusNoContent, "")
		h.signIn(b, at("mallory", "mallory@example.com", true))
		h.stepUp(b, at("mallory", "mallory@example.com", true))
	}
}

// TestA7_DisabledForAWhile: a user whose time has passed signs in at the first try, by a provider and by password.
func TestA7_DisabledForAWhile(t *testing.T) {
	f := newFlat(t)
	old := f.enter()
	for name, signIn := range map[string]func(b *browser) *httptest.ResponseRecorder{
		"a provider": func(b *browser) *httptest.ResponseRecorder { return f.signIn(b, at("ann", "", false)) },
		"a password": f.enterIn,
	} {
		if err := f.dir.Disable(t.Context(), f.id, "spam", f.Now().Add(time.Hour), users.Extra{}); err != nil {
			t.Fatal(err)
		}
		f.Advance(59 * time.Minute)
		want(t, signIn(f.browser()), http.StatusForbidden, "account_disabled")
		f.Advance(time.Minute)
		b := f.browser()
		if w := signIn(b); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		} else if s, ok := f.session(b); !ok || s.Subject != f.id {
			t.Errorf("%s: session %+v", name, s)
		}
	}
	answered(t, old.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
}

// TestAdmin_RolesAreNamed: a request that names no list of roles takes none away.
func TestAdmin_RolesAreNamed(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	id, _ := h.person("ada", "member")
	for _, body := range []string{`{}`, `{"roles":null}`} {
		answered(t, boss.json("PUT", "/admin/users/"+id+"/roles", body), http.StatusBadRequest, "missing_field")
	}
	if u, err := h.dir.User(t.Context(), id); err != nil || len(u.Roles) != 1 {
		t.Errorf("%+v %v", u, err)
	}
	answered(t, boss.json("PUT", "/admin/users/"+id+"/roles", `{"roles":[]}`), http.StatusOK, "")
	for _, until := range []string{"2001-01-01T00:00:00Z", h.Now().UTC().Format(time.RFC3339)} {
		answered(t, boss.json("POST", "/admin/users/"+id+"/disable", `{"reason":"x","until":"`+until+`"}`), http.StatusBadRequest, "invalid_field")
	}
}

// listed counts the listings of a store.
type listed struct {
	store.Store
	n int
}

func (s *listed) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	s.n++
	return s.Store.List(ctx, part, after, limit)
}

// TestAdmin_LoweringReadsNoList: to disable an administrator costs the same, however many users there are: the
// administrator who does it stays.
func TestAdmin_LoweringReadsNoList(t *testing.T) {
	h := newOffice(t)
	_, boss := h.person("boss", "owner")
	rogue, _ := h.person("rogue", "owner")
	count := &listed{Store: h.store.Store}
	h.store.Store = count
	answered(t, boss.json("POST", "/admin/users/"+rogue+"/disable", `{"reason":"x"}`), http.StatusNoContent, "")
	if count.n != 0 {
		t.Errorf("%d listings", count.n)
	}
}

// TestD1_SignUpFieldsFit: fields that are too long together are a mistake of the client.
func TestD1_SignUpFieldsFit(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) {
		c.SignUpFields = []postern.Field{{Name: "name", Label: "Name"}, {Name: "about", Label: "About you"}, {Name: "terms", Label: "Terms"}}
	})
	for v, status := range map[string]int{
		strings.Repeat("x", 255): http.StatusOK, strings.Repeat("x", 1020): http.StatusBadRequest, strings.Repeat("x", 1021): http.StatusBadRequest,
		strings.Repeat(`"`, 800): http.StatusBadRequest, strings.Repeat("\u2028", 300): http.StatusBadRequest,
	} {
		b := h.browser()
		w := b.onward(b.post(issuer+"/sign-up", url.Values{"email": {anns}, "name": {v}, "about": {v}, "terms": {v}}))
		if w.Code != status || status == http.StatusBadRequest && !strings.Contains(w.Body.String(), "invalid_field") {
			t.Errorf("%d bytes each: %d\n%s", len(v), w.Code, w.Body)
		}
	}
}

// TestA4_UsernamesAtSignUp: a username that nobody can have is refused before a password is chosen, and no letter of
// another script becomes one of ASCII.
func TestA4_UsernamesAtSignUp(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) {
		c.Usernames, c.Providers["password"] = true, password.New(password.Config{Hasher: hasher()})
	})
	for _, name := range []string{"admin", "Postmaster", "-.-", ".ada", "ad", "\u212Aarl", "\u0131da", "ada\u0000", "ada@example.com", strings.Repeat("a", 33)} {
		w := h.browser().post(issuer+"/sign-up", url.Values{"username": {name}})
		if w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d\n%s", name, w.Code, w.Body)
		}
	}
	b := h.browser()
	w := b.onward(b.post(issuer+"/sign-up", url.Values{"username": {" Karl "}}))
	want(t, w, http.StatusOK, "karl")
	b = h.browser()
	want(t, b.post(issuer+"/password/sign-up", url.Values{"state": {state(t, w)}, "password": {first}}), http.StatusBadRequest, "invalid_state")
	st := state(t, b.get(issuer+"/password/authorize"))
	w = b.post(issuer+"/password/callback", url.Values{"state": {st}, "identifier": {"\u212Aarl"}, "password": {first}})
	want(t, w, http.StatusBadRequest, "invalid_username")
}

// TestRooms_UnknownMembers: a body that has more than a step knows is refused, as at the steps of providers.
func TestRooms_UnknownMembers(t *testing.T) {
	h := newHome(t, func(_ *home, c *postern.Config) {
		c.Usernames, c.Providers["password"] = true, password.New(password.Config{Hasher: hasher()})
		c.SignUpFields = []postern.Field{{Name: "terms", Label: "Terms"}}
	})
	b := h.browser()
	for _, c := range [][2]string{
		{"/sign-up", `{"email":"ann@example.com","password":"` + first + `"}`},
		{"/sign-up", `{"email":"ann@example.com","role":"admin"}`},
		{"/sign-up", `{"email":"ann@example.com","username":"ann"}`},
		{"/sign-up/code", `{"state":"x","code":"12345678","user":"1"}`},
		{"/step-up/code", `{"state":"x","code":"12345678","user":"1"}`},
		{"/link", `{"state":"x","choice":"add","user":"1"}`},
		{"/join", `{"state":"x","choice":"add","user":"1"}`},
		{"/account/stop", `{"user":"x","token":"y","address":"1"}`},
	} {
		r := httptest.NewRequest("POST", issuer+c[0], strings.NewReader(c[1]))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		want(t, b.do(r), http.StatusBadRequest, `"invalid_request"`)
	}
	if n := len(h.mails.All()); n != 0 {
		t.Errorf("%d mails", n)
	}
	w := b.onward(b.post(issuer+"/sign-up?redirect_uri=%2Fwelcome&state=s", url.Values{"email": {anns}, "terms": {"yes"}}))
	want(t, w, http.StatusOK, "one-time-code")
}

// TestNew_OneStore: users, sessions and the handler write rows that each of them reads, so they have one store.
func TestNew_OneStore(t *testing.T) {
	h := newHome(t)
	other := &store.Memory{}
	if _, err := users.New(users.Config{Sessions: h.sessions, Store: other}); err == nil || !strings.Contains(err.Error(), "Config.Store") {
		t.Errorf("a directory in another store: %v", err)
	}
	if _, err := users.New(users.Config{Sessions: h.sessions, Store: h.sessions.Store()}); err != nil {
		t.Error(err)
	}
	kind := postern.NewKind(h.sessions, h.dir, session.KindConfig[user]{Name: "second"}, func(postern.Person) user { return user{} })
	c := postern.Config{Sessions: h.sessions, Session: kind, Store: other, Redirects: []string{"/"}, Providers: map[string]postern.Provider{"door": door{}}}
	if _, err := postern.New(c); err == nil || !strings.Contains(err.Error(), "Config.Store") {
		t.Errorf("a handler with another store: %v", err)
	}
}

// TestA16_DeletedThoughTheStoreFails: from the first write on the user is deleted. If the store fails later, the answer
// says so, and the deed is in the audit log and in the mail.
func TestA16_DeletedThoughTheStoreFails(t *testing.T) {
	for _, by := range []string{"an administrator", "the person"} {
		t.Run(by, func(t *testing.T) {
			for n := 0; ; n++ {
				h := newOffice(t)
				_, boss := h.person("boss", "owner")
				id, ada := h.person("ada", "member")
				failing := &failsOnce{Store: h.store.Store, at: n}
				h.store.Store = failing
				before := len(h.mails.All())
				event := "user deleted"
				w := (*httptest.ResponseRecorder)(nil)
				if by == "the person" {
					event, w = "account deleted", ada.json("DELETE", "/account?confirm="+id, "")
				} else {
					w = boss.json("DELETE", "/admin/users/"+id, "")
				}
				h.store.Store = failing.Store
				_, err := h.dir.User(t.Context(), id)
				events := 0
				for _, e := range h.Events.All() {
					if e.Name == event && e.UserID == id {
						events++
					}
				}
				switch {
				case err == nil && (w.Code != http.StatusServiceUnavailable || events != 0):
					t.Errorf("call %d: not deleted, %d with %d events", n, w.Code, events)
				case err != nil && (w.Code != http.StatusNoContent || events != 1):
					t.Errorf("call %d: deleted, %d with %d events", n, w.Code, events)
				case err != nil && by == "the person" && len(h.mails.All()) == before:
					t.Errorf("call %d: deleted, no mail", n)
				}
				if failing.at >= 0 {
					break
				}
			}
		})
	}
}

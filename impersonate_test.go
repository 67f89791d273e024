package postern_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

const staffIssuer = "https://api.example.com/staff"

// staffRoles: support may act as a member, and not as a peer, an owner or somebody who has what support has not.
var staffRoles = users.Roles{
	"owner":   {"users:read", "users:write", "users:roles", "users:impersonate", "sessions:read", "sessions:write", "posts:read", "posts:write"},
	"support": {"users:read", "users:impersonate", "sessions:read", "sessions:write", "posts:read"},
	"clerk":   {"users:read", "users:write", "posts:read"},
	"member":  {"posts:read"}, "editor": {"posts:read", "posts:write"}, "silent": {},
}

// agency is a home whose administrators sign in at another issuer, with another kind and cookie.
type agency struct {
	*home
	staff *postern.Kind[user]
	all   http.Handler // both issuers
}

func newAgency(t testing.TB, change ...func(h *home, c *postern.Config)) *agency {
	t.Helper()
	g := &agency{}
	var at staffAuth
	g.home = newHomeOf(t, staffRoles, append([]func(h *home, c *postern.Config){func(h *home, c *postern.Config) {
		at = newStaffAuth(t, h)
		c.Admin = h.dir.Admin(at.kind)
	}}, change...)...)
	mux := http.NewServeMux()
	g.auth.Mount(mux)
	at.auth.Mount(mux)
	mux.Handle("GET /posts", g.kind.Require(handlerFunc(func(requestOf) {}), session.Scope("posts:read")))
	mux.Handle("GET /stored", g.kind.Require(handlerFunc(func(requestOf) {}), session.CheckStore))
	mux.Handle("GET /fresh", g.kind.Require(handlerFunc(func(requestOf) {}), session.Fresh(24*time.Hour)))
	g.staff, g.all = at.kind, mux
	return g
}

type staffAuth struct {
	auth     *postern.Auth
	sessions *session.Sessions
	kind     *postern.Kind[user]
}

func newStaffAuth(t testing.TB, h *home) (s staffAuth) {
	t.Helper()
	sc := h.Config(staffIssuer)
	sc.Keys, sc.Store = h.Ring(t, nil), h.store
	var err error
	if s.sessions, err = session.New(sc); err != nil {
		t.Fatal(err)
	}
	s.kind = postern.NewKind(s.sessions, h.dir, session.KindConfig[user]{Name: "staff"}, func(p postern.Person) user { return user{Name: p.Name} })
	s.auth, err = postern.New(postern.Config{Sessions: s.sessions, Session: s.kind, Logger: h.Logger(), Redirects: []string{"/welcome"},
		Providers: map[string]postern.Provider{"door": knows{h.house}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (g *agency) browser() *browser {
	b := g.home.browser()
	b.Handler = g.all
	return b
}

// administrator makes a user with roles, who is signed in at the issuer of the administrators with a fresh proof.
func (g *agency) administrator(name string, roles ...string) (id string, b *browser) {
	g.t.Helper()
	id, _ = g.person(name, roles...)
	b = g.browser()
	who := at(name, name+"@example.com", true)
	want(g.t, g.through(b, who, staffIssuer+"/door/authorize"), http.StatusSeeOther, "/welcome")
	g.prove(b, who)
	return id, b
}

func (g *agency) prove(b *browser, who postern.Identity) {
	g.t.Helper()
	who.AuthTime = g.Now()
	want(g.t, g.through(b, who, staffIssuer+"/step-up/door", "redirect_uri", "/welcome"), http.StatusSeeOther, "/welcome")
}

// actAs begins an impersonation.
func (g *agency) actAs(boss *browser, id string) (sessionID string) {
	g.t.Helper()
	w := boss.json("POST", "/admin/users/"+id+"/impersonate", `{"reason":"ticket 4711"}`)
	answered(g.t, w, http.StatusOK, "")
	return decoded[struct{ ID string }](g.t, w).ID
}

// token returns the access token of the browser's session of the users.
func (g *agency) token(b *browser) string {
	g.t.Helper()
	for _, value := range b.Cookies {
		if strings.HasPrefix(value, "eyJ") && payload(g.t, value)["type"] == "user" {
			return value
		}
	}
	g.t.Fatal("no access token of the users")
	return ""
}

func payload(t testing.TB, token string) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		t.Fatalf("not a token: %v", err)
	}
	return claims
}

// app asks a route of the application.
func (b *browser) app(path string) *httptest.ResponseRecorder {
	return b.Do(httptest.NewRequest("GET", "https://api.example.com"+path, nil))
}

// TestR4_ActInEveryTokenAndEvent: each token of an impersonation names who acts, each event does, and the front end
// sees it. It never counts as fresh, and the routes of the application work as for the user.
func TestR4_ActInEveryTokenAndEvent(t *testing.T) {
	g := newAgency(t)
	boss, b := g.administrator("boss", "support")
	id, _ := g.person("ada", "member")
	g.Events.Take()
	begun := g.Now()
	sid := g.actAs(b, id)
	for range 12 {
		claims := payload(t, g.token(b))
		act, _ := claims["act"].(map[string]any)
		if claims["sub"] != id || len(act) != 1 || act["sub"] != boss || claims["auth_time"] != nil || claims["amr"] != nil || claims["sid"] != sid {
			t.Fatalf("%v", claims)
		}
		if w := b.app("/posts"); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w := b.app("/fresh"); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "insufficient_user_authentication") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		w := b.json("GET", "/session?kind=user", "")
		if s := decoded[map[string]any](t, w); s["sub"] != id || s["actor"] != boss {
			t.Fatalf("%s", w.Body)
		}
		g.Advance(4 * time.Minute)
	}
	answered(t, b.json("POST", "/session/end", ""), http.StatusSeeOther, "")
	names := map[string]int{}
	for _, e := range g.Events.All() {
		names[e.Name]++
		switch {
		case e.Actor != boss:
			t.Errorf("%+v", e)
		case e.Name == "impersonation begun" && (e.Subject != boss || e.UserID != id || e.Reason != "ticket 4711" || e.SessionID != sid || !e.Time.Equal(begun)):
			t.Errorf("%+v", e)
		case e.Name == "impersonation ended" && (e.Subject != boss || e.UserID != id || e.Reason != "revoked" || e.SessionID != sid):
			t.Errorf("%+v", e)
		}
	}
	if names["session created"] != 1 || names["impersonation begun"] != 1 || names["session refreshed"] < 5 || names["session ended"] != 1 || names["impersonation ended"] != 1 {
		t.Errorf("%v", names)
	}
}

// TestR4_ForbiddenRoutes: what only the person may do is refused, by cookie and by Bearer token.
func TestR4_ForbiddenRoutes(t *testing.T) {
	g := newAgency(t, func(_ *home, c *postern.Config) { c.Providers["lock"] = asksPerson{} })
	_, boss := g.administrator("boss", "support")
	id, ada := g.person("ada", "member")
	mine, _ := g.session(ada)
	g.actAs(boss, id)
	bearer := g.browser()
	bearer.Header.Set("Authorization", "Bearer "+g.token(boss))
	before, err := g.dir.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*browser{boss, bearer} {
		for _, route := range [][3]string{
			{"GET", "/account", ""}, {"PATCH", "/account", `{"name":"x"}`}, {"DELETE", "/account?confirm=" + id, ""},
			{"GET", "/account/sessions", ""}, {"DELETE", "/account/sessions", ""}, {"DELETE", "/account/sessions/" + mine.ID, ""},
			{"GET", "/account/identities", ""}, {"POST", "/account/identities/other", "{}"}, {"DELETE", "/account/identities/x", ""},
			{"POST", "/account/addresses", `{"address":"eve@example.com"}`}, {"POST", "/account/addresses/confirm", `{"code":"123456"}`},
			{"DELETE", "/account/addresses/x", ""}, {"GET", "/account/history", ""}, {"GET", "/account/export", ""},
			{"GET", "/step-up", ""}, {"GET", "/step-up/door", ""}, {"GET", "/step-up/code", ""}, {"POST", "/step-up/door", "{}"},
			{"GET", "/lock/change", ""}, {"POST", "/lock/change", "{}"},
		} {
			r := httptest.NewRequest(route[0], issuer+route[1], strings.NewReader(route[2]))
			r.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
			if route[0] == "GET" {
				r.Header["Sec-Fetch-Mode"], r.Header["Sec-Fetch-Dest"] = []string{"navigate"}, []string{"document"}
			}
			if b == bearer {
				r.Header.Set("Authorization", bearer.Header.Get("Authorization"))
			}
			answered(t, b.do(r), http.StatusForbidden, "impersonated")
		}
	}
	for _, route := range [][2]string{{"GET", "/sessions"}, {"DELETE", "/sessions"}, {"DELETE", "/sessions/" + mine.ID}, {"POST", "/signout/everywhere"}} {
		answered(t, bearer.json(route[0], route[1], ""), http.StatusForbidden, "impersonated")
	}
	// With cookies, the session of the administrator is another issuer's.
	answered(t, boss.json("DELETE", "/sessions", ""), http.StatusForbidden, "impersonated")
	answered(t, boss.json("POST", "/signout/everywhere", ""), http.StatusForbidden, "impersonated")
	if after, err := g.dir.User(t.Context(), id); err != nil || after.Version != before.Version {
		t.Errorf("the user changed, %v", err)
	}
	if _, ok := g.session(ada); !ok {
		t.Error("the session of the person ended")
	}
	if m := g.mails.All(); len(m) > 0 {
		t.Errorf("mailed: %+v", m)
	}
}

// asksPerson is a provider with a step for a change of a credential.
type asksPerson struct{}

func (asksPerson) Handler(f *postern.Flow) http.Handler {
	change := func(w http.ResponseWriter, r *http.Request) {
		if _, ok := f.Person(w, r, 0); ok {
			w.WriteHeader(http.StatusNoContent)
		}
	}
	return f.Steps(map[string]http.HandlerFunc{"GET change": change, "POST change": change})
}

// TestR4_NotInTheAdministration: an impersonation opens no administration, also where its kind is that of the
// administrators and its user has the scopes.
func TestR4_NotInTheAdministration(t *testing.T) {
	g := newAgency(t, func(h *home, c *postern.Config) { c.Admin = h.dir.Admin(h.kind) })
	_, boss := g.administrator("boss", "owner")
	id, ada := g.person("ada", "clerk")
	answered(t, ada.json("GET", "/admin/users", ""), http.StatusOK, "")
	by, err := g.staff.Verify(t.Context(), boss.access())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := g.kind.Create(t.Context(), session.Grant[user]{Subject: id, Scopes: []string{"users:read", "users:write"}, ActorSession: by.ID, ActorPool: g.dir.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	b := g.browser()
	b.Header.Set("Authorization", "Bearer "+tokens.Access)
	for _, route := range adminRoutes(id, "x") {
		answered(t, b.json(route[0], route[1], route[2]), http.StatusForbidden, "impersonated")
	}
	// One browser has one cookie of a kind.
	answered(t, ada.json("POST", "/admin/users/"+id+"/impersonate", `{"reason":"x"}`), http.StatusForbidden, "insufficient_scope")
	_, chief := g.person("chief", "owner")
	answered(t, chief.json("POST", "/admin/users/"+id+"/impersonate", `{"reason":"x"}`), http.StatusConflict, "separate_kind_needed")
}

// TestR4_EndsWithTheAdministrator: an impersonation ends with the session and the rights of the administrator, and with
// any change of the security or the rights of the user: at once where a guard asks the store, and at the next refresh.
func TestR4_EndsWithTheAdministrator(t *testing.T) {
	for name, event := range map[string]func(g *agency, boss, user string, b *browser){
		"administrator signs out": func(g *agency, _, _ string, b *browser) {
			r := httptest.NewRequest("POST", staffIssuer+"/signout", nil)
			if w := b.Clone().Do(r); w.Code != http.StatusNoContent {
				g.t.Fatal(w.Code)
			}
		},
		"administrator steps up": func(g *agency, _, _ string, b *browser) { g.prove(b, at("boss", "boss@example.com", true)) },
		"administrator revoked": func(g *agency, boss, _ string, _ *browser) {
			g.check(g.staffSessions().RevokeSubject(g.t.Context(), boss))
		},
		"administrator's sec": func(g *agency, boss, _ string, _ *browser) { g.check(g.sessions.RevokeSubject(g.t.Context(), boss)) },
		"administrator disabled": func(g *agency, boss, _ string, _ *browser) {
			g.check(g.dir.Disable(g.t.Context(), boss, "x", time.Time{}, users.Extra{}))
		},
		"administrator deleted": func(g *agency, boss, _ string, _ *browser) { g.check(g.dir.Delete(g.t.Context(), boss, users.Extra{})) },
		"administrator's roles": func(g *agency, boss, _ string, _ *browser) {
			g.check(g.dir.SetRoles(g.t.Context(), boss, []string{"member"}, users.Extra{}))
		},
		"user's sec": func(g *agency, _, id string, _ *browser) { g.check(g.auth.EndUser(g.t.Context(), id)) },
		"user disabled": func(g *agency, _, id string, _ *browser) {
			g.check(g.dir.Disable(g.t.Context(), id, "x", time.Time{}, users.Extra{}))
		},
		"user deleted": func(g *agency, _, id string, _ *browser) { g.check(g.dir.Delete(g.t.Context(), id, users.Extra{})) },
		"user has more": func(g *agency, _, id string, _ *browser) {
			g.check(g.dir.SetRoles(g.t.Context(), id, []string{"owner"}, users.Extra{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, how := range []string{"CheckStore", "refresh"} {
				g := newAgency(t)
				boss, b := g.administrator("boss", "support")
				id, _ := g.person("ada", "member")
				g.actAs(b, id)
				acting := b.Clone()
				tab := &browser{Browser: acting, v: b.v, secure: true}
				if w := tab.app("/stored"); w.Code != http.StatusOK {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				event(g, boss, id, b)
				path := "/stored"
				if how == "refresh" {
					g.Advance(6 * time.Minute)
					path = "/posts"
				}
				if w := tab.app(path); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "session_ended") {
					t.Errorf("%s: %d %s", how, w.Code, w.Body)
				}
				g.Advance(6 * time.Minute)
				if w := tab.app("/posts"); w.Code != http.StatusUnauthorized {
					t.Errorf("%s, later: %d %s", how, w.Code, w.Body)
				}
			}
		})
	}
}

func (g *agency) check(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// staffSessions returns the sessions of the administrators as another program has them.
func (g *agency) staffSessions() *session.Sessions {
	g.t.Helper()
	return newStaffAuth(g.t, g.home).sessions
}

// TestR4_AnHour: however often it is used, and whatever is lost on the way, it ends an hour after its beginning.
func TestR4_AnHour(t *testing.T) {
	g := newAgency(t)
	_, b := g.administrator("boss", "support")
	id, _ := g.person("ada", "member")
	g.actAs(b, id)
	end := g.Now().Add(time.Hour)
	for g.Now().Before(end.Add(-time.Minute)) {
		if w := b.app("/stored"); w.Code != http.StatusOK {
			t.Fatalf("%v before the end: %d %s", end.Sub(g.Now()), w.Code, w.Body)
		}
		if exp := int64(payload(t, g.token(b))["exp"].(float64)); exp > end.Unix() {
			t.Fatalf("a token lives %d s longer than the session", exp-end.Unix())
		}
		g.Advance(150 * time.Second)
	}
	g.Set(end)
	for _, path := range []string{"/stored", "/posts"} {
		if w := b.app(path); w.Code == http.StatusOK && path == "/stored" {
			t.Errorf("%s after an hour: %d", path, w.Code)
		}
	}
	g.Advance(2 * time.Minute) // the leeway of clocks
	if w := b.app("/posts"); w.Code != http.StatusUnauthorized {
		t.Errorf("after an hour: %d", w.Code)
	}
	answered(t, b.json("GET", "/admin/users", ""), http.StatusOK, "") // the administrator goes on
}

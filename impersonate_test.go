package postern_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
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

// TestR4_Refused: who may act as whom, and why not.
func TestR4_Refused(t *testing.T) {
	g := newAgency(t)
	own, b := g.administrator("boss", "support")
	_, clerk := g.administrator("clerk", "clerk")
	ids := map[string]string{}
	for _, role := range []string{"member", "editor", "owner", "silent", "support", "clerk"} {
		ids[role], _ = g.person("a-"+role, role)
	}
	post := func(b *browser, id, body string, status int, code string) {
		t.Helper()
		answered(t, b.json("POST", "/admin/users/"+id+"/impersonate", body), status, code)
	}
	const good = `{"reason":"x"}`
	post(g.browser(), ids["member"], good, http.StatusUnauthorized, "not_signed_in")
	post(clerk, ids["member"], good, http.StatusForbidden, "insufficient_scope")
	for body, code := range map[string]string{`{}`: "missing_field", `{"reason":""}`: "missing_field", `{"reason":null}`: "missing_field", `{"reason":" "}`: "invalid_field",
		`{"reason":"` + strings.Repeat("x", 501) + `"}`: "invalid_field", `{"reason":"a\nb"}`: "invalid_field", `{"reason":"a\u202eb"}`: "invalid_field",
		`{"Reason":"x"}`: "unknown_member", `{"reason":"x","user":"y"}`: "unknown_member", `[]`: "invalid_request"} {
		post(b, ids["member"], body, http.StatusBadRequest, code)
	}
	for _, role := range []string{"editor", "owner", "silent", "support", "clerk"} {
		post(b, ids[role], good, http.StatusForbidden, "beyond_rights")
	}
	post(b, own, good, http.StatusForbidden, "not_yourself")
	post(b, "nobody", good, http.StatusNotFound, "not_found")
	g.check(g.dir.Disable(t.Context(), ids["member"], "x", time.Time{}, users.Extra{}))
	post(b, ids["member"], good, http.StatusConflict, "user_disabled")
	g.check(g.dir.Delete(t.Context(), ids["member"], users.Extra{}))
	post(b, ids["member"], good, http.StatusNotFound, "not_found")

	// A browser in which somebody is signed in keeps that session.
	id, _ := g.person("eve", "member")
	g.signIn(b, at("bob", "bob@example.com", true))
	bob := g.idOf(b)
	post(b, id, good, http.StatusConflict, "signed_in_here")
	if s, ok := g.session(b); !ok || s.Subject != bob {
		t.Errorf("%+v", s)
	}
	answered(t, b.json("POST", "/session/end", ""), http.StatusConflict, "not_impersonating")
	answered(t, g.browser().json("POST", "/session/end", ""), http.StatusUnauthorized, "not_signed_in")
	b.json("POST", "/signout", "")
	g.actAs(b, id)
	post(b, id, good, http.StatusConflict, "signed_in_here")
	b.json("POST", "/session/end", "")
	g.Advance(11 * time.Minute)
	w := b.json("POST", "/admin/users/"+id+"/impersonate", good)
	answered(t, w, http.StatusUnauthorized, "insufficient_user_authentication")
	if up := decoded[map[string]string](t, w)["step_up"]; !strings.HasPrefix(up, staffIssuer+"/step-up?") {
		t.Errorf("step_up %q", up)
	}
	for _, e := range g.Events.All() {
		if e.Name == "impersonation begun" && e.UserID != id {
			t.Errorf("%+v", e)
		}
	}
}

// TestR4_End: the end leaves the administrator signed in, and removes the cookies of the users alone. The person sees
// both in the history, without the administrator's reason, device and address.
func TestR4_End(t *testing.T) {
	g := newAgency(t)
	boss, b := g.administrator("boss", "support")
	id, ada := g.person("ada", "member")
	g.Advance(time.Minute)
	b.Header.Set("User-Agent", "Mozilla/5.0 secret-device")
	sid := g.actAs(b, id)
	for _, origin := range []string{"https://evil.example", "null"} {
		r := b.Request("POST", issuer+"/session/end", nil)
		r.Header.Set("Origin", origin)
		if w := b.do(r); w.Code != http.StatusForbidden {
			t.Errorf("from %s: %d", origin, w.Code)
		}
	}
	old := b.Clone()
	r := b.Request("POST", issuer+"/session/end", nil)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if w := b.do(r); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if _, ok := g.session(b); ok {
		t.Error("the browser still acts")
	}
	if w := old.Do(httptest.NewRequest("GET", "https://api.example.com/stored", nil)); w.Code != http.StatusUnauthorized {
		t.Errorf("a copy of the cookies: %d", w.Code)
	}
	answered(t, b.json("GET", "/admin/users", ""), http.StatusOK, "")
	w := ada.json("GET", "/account/history", "")
	events := decoded[struct{ Events []map[string]string }](t, w).Events
	if len(events) < 3 || events[0]["event"] != "impersonation_ended" && events[1]["event"] != "impersonation_ended" {
		t.Fatalf("%s", w.Body)
	}
	found := 0
	for _, e := range events[:2] {
		if !strings.HasPrefix(e["event"], "impersonation_") || e["provider"] != "admin" || e["device"] != "" || e["address"] != "" || len(e) != 3 {
			t.Errorf("%v", e)
		} else {
			found++
		}
	}
	for _, secret := range []string{"4711", boss, sid, "secret-device"} {
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("%q is in the history of the person", secret)
		}
	}
	if found != 2 {
		t.Errorf("%s", w.Body)
	}
	// The person sees the session while it lives, and can end it.
	g.stepUp(ada, at("ada", "ada@example.com", true))
	sid = g.actAs(b, id)
	answered(t, ada.json("DELETE", "/account/sessions/"+sid, ""), http.StatusNoContent, "")
	if w := b.app("/stored"); w.Code != http.StatusUnauthorized {
		t.Errorf("ended by the person: %d", w.Code)
	}
}

// TestR4_StoreFails: each call of the store that fails is 503, without a session in the browser.
func TestR4_StoreFails(t *testing.T) {
	g := newAgency(t)
	_, b := g.administrator("boss", "support")
	id, _ := g.person("ada", "member")
	refused := 0
	failing := func(n int, ask func() *httptest.ResponseRecorder) (w *httptest.ResponseRecorder, failed bool) {
		store := &failsOnce{Store: g.store.Store, at: n}
		inner := g.store.Store
		g.store.Store = store
		defer func() { g.store.Store = inner }()
		return ask(), store.at < 0
	}
	for n := range 60 {
		w, failed := failing(n, func() *httptest.ResponseRecorder {
			return b.json("POST", "/admin/users/"+id+"/impersonate", `{"reason":"x"}`)
		})
		_, acts := g.session(b)
		switch {
		case acts != (w.Code == http.StatusOK):
			t.Errorf("call %d failed: %d, and the browser acts: %t", n, w.Code, acts)
		case !acts && w.Code != http.StatusServiceUnavailable:
			t.Errorf("call %d failed: %d %s", n, w.Code, w.Body)
		case !acts:
			refused++
		}
		if !failed {
			break
		}
		if acts { // the write was repeated, or it was not needed
			answered(t, b.json("POST", "/session/end", ""), http.StatusSeeOther, "")
		}
	}
	if refused < 8 {
		t.Errorf("%d refused", refused)
	}
	// A refresh cannot go on without the row of the administrator's session; nothing ends by that.
	g.Advance(6 * time.Minute)
	for n := range 4 {
		if w, _ := failing(n, func() *httptest.ResponseRecorder { return b.app("/posts") }); w.Code != http.StatusServiceUnavailable && w.Code != http.StatusOK {
			t.Errorf("call %d: %d %s", n, w.Code, w.Body)
		}
	}
}

// TestR4_RaceWithTheEnd: of 100 impersonations that begin while the session of the administrator ends, none lives after
// it.
func TestR4_RaceWithTheEnd(t *testing.T) {
	g := newAgency(t)
	boss, b := g.administrator("boss", "support")
	id, _ := g.person("ada", "member")
	by, err := g.staff.Verify(t.Context(), b.access())
	if err != nil {
		t.Fatal(err)
	}
	var racers sync.WaitGroup
	var made testworld.List[*browser]
	for i := range 100 {
		racer := &browser{Browser: b.Clone(), v: b.v, secure: true}
		racers.Go(func() {
			if i == 50 {
				if err := g.staffSessions().Revoke(t.Context(), by.ID); err != nil {
					t.Error(err)
				}
				return
			}
			if w := racer.json("POST", "/admin/users/"+id+"/impersonate", `{"reason":"x"}`); w.Code == http.StatusOK {
				made.Add(racer)
			}
		})
	}
	racers.Wait()
	for _, racer := range made.All() {
		if w := racer.app("/stored"); w.Code != http.StatusUnauthorized {
			t.Errorf("%d", w.Code)
		}
	}
	t.Logf("%d began, by %s", len(made.All()), boss)
}

package postern_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/users"
)

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

// TestR4_FactorOfTheUser: the second factor of the user ends no session in which an administrator acts.
func TestR4_FactorOfTheUser(t *testing.T) {
	g := newAgency(t, func(_ *home, c *postern.Config) { c.Factors = map[string]postern.Provider{"chip": chip{}} })
	_, b := g.administrator("boss", "support")
	id, ada := g.person("ada", "member")
	h, err := head.Get(t.Context(), g.store, g.dir.Pool(), id)
	g.check(err)
	h.Factors = h.Factors.With("chip", 1)
	g.check(g.store.Write(t.Context(), h.Added().Put()))
	g.actAs(b, id)
	g.Advance(6 * time.Minute)
	if w := b.app("/posts"); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, ok := g.session(ada); ok {
		t.Error("the session of the person, without the factor, goes on")
	}
}

package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
)

// acting is a grant by which the session of an actor acts as u1.
func (k *keeper) acting(by session.Tokens) session.Grant[User] {
	g := k.grant()
	g.ActorSession = by.SessionID
	return g
}

// admin makes a session of the kind staff.
func admin(t testing.TB, staff *session.Kind[User]) session.Tokens {
	t.Helper()
	return must(staff.Create(t.Context(), session.Grant[User]{Subject: "boss", Scopes: []string{"admin"}}))(t)
}

// TestR4_Session: the actor is in each token, in the lists and in the answer of {base}/session; nothing proves the
// person, and no change adds a right.
func TestR4_Session(t *testing.T) {
	eachStore(t, func(t *testing.T, changes ...any) {
		k := newKeeper(t, changes...)
		staff := session.NewKind[User](k.sessions, "staff")
		by := admin(t, staff)
		made := must(k.member.Create(t.Context(), k.acting(by)))(t)
		check := func(access string) *session.Session[User] {
			t.Helper()
			s := must(k.member.Verify(t.Context(), access, session.CheckStore))(t)
			if s.Actor != "boss" || s.Subject != "u1" || !s.Authentication.Time.IsZero() || len(s.Authentication.Methods) > 0 || len(s.Scopes) > 2 || len(s.Roles) > 1 {
				t.Errorf("%+v", s)
			}
			again := must(k.member.Verify(t.Context(), access))(t) // from the cache
			if again.Actor != "boss" {
				t.Errorf("%+v", again)
			}
			return s
		}
		s := check(made.Access)
		more := func(g *session.Grant[User]) error {
			g.Scopes, g.Roles = append(g.Scopes, "admin"), append(g.Roles, "chief")
			g.Authentication = session.Authentication{Time: k.Now(), Methods: []string{"otp"}}
			return nil
		}
		check(must(k.member.Merge(t.Context(), s, more))(t).Access)
		if err := k.member.Edit(t.Context(), s.ID, more); err != nil {
			t.Fatal(err)
		}
		k.Advance(time.Minute)
		check(must(k.refresh(made.Refresh))(t).Access)
		if err := k.member.Edit(t.Context(), s.ID, func(g *session.Grant[User]) error { g.ActorSession = ""; return nil }); !errors.Is(err, session.ErrGrant) {
			t.Error(err)
		}
		if list := k.list(); len(list) != 1 || list[0].Actor != "boss" || !list[0].Authentication.Time.IsZero() {
			t.Errorf("%+v", list)
		}
		if info := must(k.sessions.Find(t.Context(), s.ID))(t); info.Actor != "boss" || !info.ExpiresAt.Equal(k.Now().Add(59*time.Minute)) {
			t.Errorf("%+v", info)
		}
		own := must(k.member.Verify(t.Context(), k.create().Access))(t)
		if own.Actor != "" {
			t.Errorf("%+v", own)
		}
		if err := k.sessions.RevokeOthers(t.Context(), s.ID); !errors.Is(err, session.ErrImpersonated) || session.Reason(err) != "impersonated" {
			t.Error(err)
		}
		if _, err := k.member.Replace(t.Context(), must(k.refresh(made.Refresh))(t).Refresh, k.grant()); !errors.Is(err, session.ErrImpersonated) {
			t.Error(err)
		}
		check(made.Access)
		k.Events.Take()
		if err := k.sessions.Revoke(t.Context(), by.SessionID); err != nil {
			t.Fatal(err)
		}
		k.wantOver("the actor is signed out", made)
		if len(k.list()) != 1 {
			t.Errorf("%+v", k.list())
		}
		if info := must(k.sessions.Find(t.Context(), s.ID))(t); info.Ended != "actor" {
			t.Errorf("%+v", info)
		}
		k.Advance(time.Minute)
		if _, err := k.refresh(made.Refresh); !errors.Is(err, session.ErrEnded) {
			t.Error(err)
		}
		if e := k.lastEvent(); e.Name != "impersonation ended" || e.Reason != "actor" || e.Subject != "boss" || e.UserID != "u1" || e.Actor != "boss" {
			t.Errorf("%+v", e)
		}
	})
}

// TestR4_SessionRefused: an impersonation begins for the session of an actor that lives, by Create or Cookie.
func TestR4_SessionRefused(t *testing.T) {
	k := newKeeper(t)
	staff := session.NewKind[User](k.sessions, "staff")
	by := admin(t, staff)
	refused := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	g := k.acting(by)
	_, err := k.user.Create(t.Context(), g) // Stateless
	refused("stateless", err, session.ErrGrant)
	refused("a code", k.member.Code(recorder(), request("GET", "/"), g, returnto.New("https://app.example.com/", "s", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", audience)), session.ErrGrant)
	_, err = k.member.Replace(t.Context(), k.create().Refresh, g)
	refused("replace", err, session.ErrGrant)
	g.Subject = "boss"
	_, err = staff.Create(t.Context(), g)
	refused("as oneself", err, session.ErrGrant)
	for _, id := range []string{"x", "AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA"} {
		g = k.grant()
		g.ActorSession = id
		_, err = k.member.Create(t.Context(), g)
		refused("unknown", err, session.ErrEnded)
	}
	chained := must(k.member.Create(t.Context(), k.acting(by)))(t)
	g = session.Grant[User]{Subject: "u2", ActorSession: chained.SessionID}
	_, err = k.member.Create(t.Context(), g)
	refused("by an impersonation", err, session.ErrEnded)
	k.Advance(31 * 24 * time.Hour)
	_, err = k.member.Create(t.Context(), k.acting(by))
	refused("by an expired session", err, session.ErrEnded)
}

// TestR4_ClaimAct: of the claim act a kind takes the form that it writes, and no other.
func TestR4_ClaimAct(t *testing.T) {
	w := newWorld(t)
	if s, err := w.user.Verify(t.Context(), w.sign(w.with("act", map[string]any{"sub": "boss"}))); err != nil || s.Actor != "boss" {
		t.Errorf("%+v %v", s, err)
	}
	for _, act := range []any{"boss", []string{"boss"}, map[string]any{}, map[string]any{"sub": ""}, map[string]any{"sub": 1}, 1, true,
		map[string]any{"sub": "boss", "act": map[string]any{"sub": "other"}}, map[string]any{"sub": "boss", "iss": "x"}, map[string]any{"Sub": "boss"}} {
		if s, err := w.user.Verify(t.Context(), w.sign(w.with("act", act))); session.Reason(err) != "claims" {
			t.Errorf("%v: %+v %v", act, s, err)
		}
	}
	if _, err := w.user.Verify(t.Context(), w.sign(strings.Replace(string(must(json.Marshal(w.with("act", "?")))(t)), `"?"`, "null", 1))); err == nil {
		t.Error("act is null")
	}
}

// TestR4_OwnSessions: by cookies, an impersonation neither lists nor ends the sessions of its person, beside a session
// of the administrator in the same browser; sign-out ends both.
func TestR4_OwnSessions(t *testing.T) {
	k := newKeeper(t)
	staff := session.NewKind[User](k.sessions, "staff")
	by := admin(t, staff)
	other := k.create()
	made := must(k.member.Create(t.Context(), k.acting(by)))(t)
	jar := session.CookieNameOf(k.member) + "=" + made.Access + "; " + session.CookieNameOf(staff) + "=" + by.Access
	h := k.sessions.Handler()
	rec := serve(h, request("GET", issuer+"/sessions", "Cookie", jar))
	if rec.Code != 200 || strings.Contains(rec.Body.String(), `"u1"`) || !strings.Contains(rec.Body.String(), `"boss"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	alone := session.CookieNameOf(k.member) + "=" + made.Access
	for _, route := range [][2]string{{"GET", "/sessions"}, {"DELETE", "/sessions"}, {"DELETE", "/sessions/" + other.SessionID}, {"POST", "/signout/everywhere"}} {
		if rec := serve(h, request(route[0], issuer+route[1], "Cookie", alone)); rec.Code != 403 || errorCode(t, rec) != "impersonated" {
			t.Errorf("%v: %d %s", route, rec.Code, rec.Body)
		}
	}
	if rec := serve(h, request("DELETE", issuer+"/sessions/"+other.SessionID, "Cookie", jar)); rec.Code != 404 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := serve(h, request("GET", issuer+"/session?kind=member", "Cookie", alone)); !strings.Contains(rec.Body.String(), `"actor":"boss"`) {
		t.Errorf("%s", rec.Body)
	}
	if rec := serve(h, request("POST", issuer+"/signout/everywhere", "Cookie", jar)); rec.Code != 204 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	k.wantOver("signed out everywhere", made)
	if _, err := k.member.Verify(t.Context(), other.Access, session.CheckStore); err != nil {
		t.Errorf("the session of the person: %v", err)
	}
}

// TestR4_UnknownKindOfActor: a program without the kind of the actor sees the end of the actor's session too.
func TestR4_UnknownKindOfActor(t *testing.T) {
	k := newKeeper(t)
	staff := session.NewKind[User](k.sessions, "staff")
	by := admin(t, staff)
	made := must(k.member.Create(t.Context(), k.acting(by)))(t)
	api := k.twin(0)
	if s, err := api.member.Verify(context.Background(), made.Access, session.CheckStore); err != nil || s.Actor != "boss" {
		t.Fatalf("%+v %v", s, err)
	}
	if err := k.sessions.Revoke(t.Context(), by.SessionID); err != nil {
		t.Fatal(err)
	}
	if _, err := api.member.Verify(context.Background(), made.Access, session.CheckStore); !errors.Is(err, session.ErrEnded) {
		t.Error(err)
	}
}

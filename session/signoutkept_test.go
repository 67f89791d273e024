package session_test

import (
	"context"
	"errors"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Signing out ends the session in the store, whatever of it the request carries, and clears both cookies.
func TestS9_SignOut(t *testing.T) {
	k := newKeeper(t)
	for name, c := range map[string]struct {
		later   time.Duration
		headers func(mine session.Tokens) []string
	}{
		"cookies":             {0, func(m session.Tokens) []string { return []string{"Cookie", k.cookies(m)} }},
		"access expired":      {time.Hour, func(m session.Tokens) []string { return []string{"Cookie", k.cookies(m)} }},
		"access cookie alone": {0, func(m session.Tokens) []string { return []string{"Cookie", k.access() + "=" + m.Access} }},
		"refresh alone":       {time.Hour, func(m session.Tokens) []string { return []string{"Cookie", k.renewal() + "=" + m.Refresh} }},
		"Bearer":              {0, func(m session.Tokens) []string { return []string{"Authorization", "Bearer " + m.Access} }},
		"cookie beside another's Bearer": {0, func(m session.Tokens) []string {
			return []string{"Cookie", k.cookies(m), "Authorization", "Bearer " + k.create().Access}
		}},
		"behind a planted cookie": {0, func(m session.Tokens) []string {
			return []string{"Cookie", k.access() + "=x; " + k.renewal() + "=x; " + k.cookies(m)}
		}},
	} {
		mine, other := k.create(), k.create()
		k.Advance(c.later)
		k.told(true)
		headers := c.headers(mine)
		rec := k.ask("POST", "/signout", "", headers...)
		if rec.Code != 204 || !strings.Contains(set(t, rec.Header(), k.access()), "Max-Age=0") || !strings.Contains(set(t, rec.Header(), k.renewal()), "Max-Age=0") || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v", name, rec.Code, rec.Body, rec.Header())
		}
		if told := k.told(); len(told) == 0 || told[0] != "session ended: sign-out" {
			t.Errorf("%s: events %q", name, told)
		}
		if _, err := k.refresh(mine.Refresh); !errors.Is(err, session.ErrEnded) {
			t.Errorf("%s: it lives: %v", name, err)
		}
		k.mustRefresh(other.Refresh)
	}
	// With an old refresh token, too: to end a session is no more than its thief could do by using it.
	mine := k.create()
	next := k.rotate(k.rotate(mine.Refresh).Refresh)
	if rec := k.ask("POST", "/signout", "", "Cookie", k.renewal()+"="+mine.Refresh); rec.Code != 204 {
		t.Errorf("old token: %d", rec.Code)
	}
	if _, err := k.refresh(next.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("it lives: %v", err)
	}
}

// POST {base}/signout/everywhere ends what there is of a person and kind, if the one who asks is alive.
func TestS9_SignOutEverywhere(t *testing.T) {
	k := newKeeper(t, func(c *session.Config) { c.Origins = []string{"https://app.example.net"} })
	robot := session.NewKind[APIKey](k.sessions, "robot")
	mine, other := k.create(), k.create()
	bot := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t)
	neighbour := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u2"}))(t)
	over := k.create()
	if err := k.sessions.Revoke(t.Context(), over.SessionID); err != nil {
		t.Fatal(err)
	}
	k.told(true)
	k.spy.calm()
	asMine := []string{"Cookie", k.cookies(mine)}
	with := func(more ...string) []string { return append(append([]string{}, asMine...), more...) }
	for name, c := range map[string]struct {
		method, body string
		headers      []string
		code         int
		error        string
	}{
		"nobody":         {"POST", "", nil, 401, "unauthorized"},
		"over":           {"POST", "", []string{"Cookie", k.cookies(over)}, 401, "session_ended"},
		"over, Bearer":   {"POST", "", []string{"Authorization", "Bearer " + over.Access}, 401, "session_ended"},
		"GET":            {"GET", "", asMine, 405, "method_not_allowed"},
		"text":           {"POST", "x", with("Content-Type", "text/plain"), 415, "invalid_request"},
		"another's page": {"POST", "", with("Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"), 403, "cross_origin"},
		"another's form": {"POST", "a=b", with("Origin", "null"), 403, "cross_origin"},
	} {
		rec := k.ask(c.method, "/signout/everywhere", c.body, c.headers...)
		if rec.Code != c.code || errorCode(t, rec) != c.error || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%s: %d %s %v", name, rec.Code, rec.Body, rec.Header())
		}
	}
	if k.spy.writes() != 0 {
		t.Errorf("%d writes by what was refused", k.spy.writes())
	}
	k.wantTold()
	k.Advance(10 * time.Minute) // who asks is refreshed first
	rec := k.ask("POST", "/signout/everywhere", "a=b", with("Accept", "text/html", "Origin", "https://app.example.net", "Sec-Fetch-Site", "cross-site")...)
	if rec.Code != 303 || rec.Header().Get("Location") != "https://api.example.com/" || !strings.Contains(set(t, rec.Header(), k.access()), "Max-Age=0") ||
		!strings.Contains(set(t, rec.Header(), k.renewal()), "Max-Age=0") || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s %v", rec.Code, rec.Body, rec.Header())
	}
	k.wantTold("subject revoked")
	for _, tokens := range []session.Tokens{mine, other} {
		if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) {
			t.Errorf("it lives: %v", err)
		}
	}
	k.mustRefresh(bot.Refresh) // of another kind
	k.mustRefresh(neighbour.Refresh)
}

// TestX2_GetChangesNothing crawls all routes by GET and HEAD, and sends every other method from a page of another
// origin, with the cookies of a live session: the store stays as it is.
func TestX2_GetChangesNothing(t *testing.T) {
	k := newKeeper(t)
	mine := k.create()
	k.spy.calm()
	paths := []string{"/token", "/refresh", "/revoke", "/signout", "/signout/everywhere", "/sessions", "/sessions/" + mine.SessionID, "/.well-known/jwks.json", "/.well-known/openid-configuration", "/", ""}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			if rec := k.ask(method, path, "", "Cookie", k.cookies(mine)); len(rec.Header()["Set-Cookie"]) != 0 {
				t.Errorf("%s %s sets %q", method, path, rec.Header()["Set-Cookie"])
			}
		}
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			for _, from := range [][]string{{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, {"Origin", "null"}, {"Sec-Fetch-Site", "same-site"}} {
				rec := k.ask(method, path, "a=b", append([]string{"Cookie", k.cookies(mine)}, from...)...)
				if rec.Code < 400 || len(rec.Header()["Set-Cookie"]) != 0 {
					t.Errorf("%s %s from %q: %d %v", method, path, from, rec.Code, rec.Header())
				}
			}
		}
	}
	if k.spy.writes() != 0 {
		t.Errorf("%d writes", k.spy.writes())
	}
	k.mustRefresh(mine.Refresh)
}

// TestA7_LockedOut: a person whom the application locks out is out at their next refresh by OnRefresh alone, and at
// once with RevokeSubject and CheckStore; no code or refresh that is under way brings them back.
func TestA7_LockedOut(t *testing.T) {
	locked := map[string]bool{}
	newLocked := func() *keeper {
		return newKeeper(t, func(c *session.KindConfig[User]) {
			c.OnRefresh = func(_ context.Context, _ string, g *session.Grant[User]) error {
				if locked[g.Subject] {
					return session.ErrEnded
				}
				return nil
			}
		})
	}
	k := newLocked()
	mine := k.create()
	locked["u1"] = true
	k.Advance(5*time.Minute + 31*time.Second) // the life of the token and the leeway
	if rec := serve(k.member.Require(k.whoami()), request("GET", "/", "Cookie", k.cookies(mine))); rec.Code != 401 || errorCode(t, rec) != "session_ended" {
		t.Errorf("with OnRefresh: %d %s", rec.Code, rec.Body)
	}
	maps.DeleteFunc(locked, func(string, bool) bool { return true })
	k = newLocked()
	mine = k.create()
	code := k.memberCode(audience)
	if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	checked := k.member.Require(k.whoami(), session.CheckStore)
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"cookie":  serve(checked, request("GET", "/", "Cookie", k.cookies(mine))),
		"Bearer":  serve(checked, request("GET", "/", "Authorization", "Bearer "+mine.Access)),
		"renewal": serve(checked, request("GET", "/", "Cookie", k.renewal()+"="+mine.Refresh)),
		"refresh": k.ask("POST", "/refresh", "", "Cookie", k.cookies(mine)),
		"grant":   k.ask("POST", "/token", "grant_type=refresh_token&refresh_token="+mine.Refresh),
		"code":    k.redeemCode(code, audience),
		"list":    k.ask("GET", "/sessions", "", "Cookie", k.cookies(mine)),
	} {
		if rec.Code != 401 && rec.Code != 400 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestT6_Tenants: kinds and subjects share nothing: not a part of the store, and not by names that run together.
func TestT6_Tenants(t *testing.T) {
	k := newKeeper(t)
	robot := session.NewKind[APIKey](k.sessions, "robot")
	parts := map[string]string{}
	add := func(name string, tokens session.Tokens, err error) {
		if err != nil {
			t.Fatal(err)
		}
		part := keyOf(tokens.SessionID).Part
		if other, ok := parts[part]; ok {
			t.Errorf("%s and %s share a part", name, other)
		}
		parts[part] = name
	}
	for _, subject := range []string{"u1", "u2", "U1", "u1 ", "member|u1", "|u1", "robot|u1", "ü", "u\u0308"} {
		tokens, err := k.member.Create(t.Context(), session.Grant[User]{Subject: subject})
		add("member "+subject, tokens, err)
		tokens, err = robot.Create(t.Context(), session.Grant[APIKey]{Subject: subject})
		add("robot "+subject, tokens, err)
	}
	for part := range parts {
		if err := store.CheckKeys(store.Key{Part: part, ID: "!"}); err != nil || len(part) != len("session:")+16 {
			t.Errorf("part %q: %v", part, err)
		}
	}
}

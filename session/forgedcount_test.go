package session_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// spent returns how many takes of the limit an address has spent: forged codes use up the rest.
func (k *keeper) spent(addr, half string) int {
	k.t.Helper()
	for i := range 101 {
		if k.from(addr, "/token", form(half+"."+fmt.Sprintf("%043d", i)).Encode()).Code == 429 {
			return 100 - i
		}
	}
	k.t.Fatal("no limit")
	return 0
}

// TestD3_EachForgedCookieIsCounted: a forged refresh cookie is counted beside a good session of another kind, and each
// of several forged ones is. The good session is answered, over the limit too.
func TestD3_EachForgedCookieIsCounted(t *testing.T) {
	send := func(method, path string) func(*keeper, *session.Kind[APIKey], string) *httptest.ResponseRecorder {
		return func(k *keeper, _ *session.Kind[APIKey], cookies string) *httptest.ResponseRecorder {
			r := request(method, issuer+path, "Cookie", cookies, "X-Forwarded-For", "203.0.113.7")
			r.RemoteAddr = "10.0.0.1:1"
			return serve(k.sessions.Handler(), r)
		}
	}
	for name, tc := range map[string]struct {
		send   func(*keeper, *session.Kind[APIKey], string) *httptest.ResponseRecorder
		status int
		once   bool // the request ends the good session
	}{
		"refresh":             {send("POST", "/refresh"), 200, false},
		"session":             {send("GET", "/session"), 200, false},
		"list":                {send("GET", "/sessions"), 200, false},
		"own sessions":        {send("DELETE", "/sessions"), 204, false},
		"sign-out":            {send("POST", "/signout"), 204, true},
		"sign-out everywhere": {send("POST", "/signout/everywhere"), 204, true},
		"guards": {func(k *keeper, robot *session.Kind[APIKey], cookies string) *httptest.ResponseRecorder {
			r := request("GET", "/", "Cookie", cookies, "X-Forwarded-For", "203.0.113.7")
			r.RemoteAddr = "10.0.0.1:1"
			return serve(session.AnyOf(k.member, robot).Require(k.whoami()), r)
		}, 200, false},
		"a sign-in": {func(k *keeper, robot *session.Kind[APIKey], cookies string) *httptest.ResponseRecorder {
			r := request("GET", "/", "Cookie", cookies, "X-Forwarded-For", "203.0.113.7")
			r.RemoteAddr = "10.0.0.1:1"
			rec := httptest.NewRecorder()
			if err := k.member.Cookie(rec, r, k.grant(), ret(app)); err != nil {
				k.t.Error(err)
			}
			return rec
		}, 303, false},
	} {
		t.Run(name, func(t *testing.T) {
			k, _ := newCountedKeeper(t)
			robot := session.NewKind[APIKey](k.sessions, "robot")
			good := func() string {
				made := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "r1"}))(t)
				return session.CookieNameOf(robot) + "-refresh=" + made.Refresh
			}
			victim := k.create()
			half := victim.SessionID[:16]
			beside, bad := good(), k.renewal()+"="+forge(victim.Refresh)
			for i := range 40 {
				if rec := tc.send(k, robot, bad+"; "+beside); rec.Code != tc.status {
					t.Fatalf("request %d: %d %s", i, rec.Code, rec.Body)
				}
				if tc.once {
					beside = good()
				}
			}
			if n := k.spent("203.0.113.7", half); n != 40 {
				t.Errorf("%d counted of 40 forged cookies beside a good one", n)
			}
			if rec := tc.send(k, robot, bad+"; "+beside); rec.Code != tc.status && name != "sign-out" {
				t.Errorf("a good session over the limit: %d %s", rec.Code, rec.Body)
			}
			if name == "a sign-in" {
				return // it reads the cookies of one kind
			}
			k.Advance(11 * time.Minute)
			other := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "r2"}))(t)
			for range 20 {
				tc.send(k, robot, bad+"; "+session.CookieNameOf(robot)+"-refresh="+forge(other.Refresh))
			}
			if n := k.spent("203.0.113.7", half); n != 40 {
				t.Errorf("%d counted of 20 requests with two forged cookies", n)
			}
		})
	}
}

// TestD3_ReplaceCookiesCountsForgedTokens: the step up of an application counts a forged cookie, too.
func TestD3_ReplaceCookiesCountsForgedTokens(t *testing.T) {
	k, _ := newCountedKeeper(t)
	tokens := k.create()
	replace := func(token string) error {
		r := request("POST", "/step-up", "Cookie", k.renewal()+"="+token, "X-Forwarded-For", "203.0.113.7")
		r.RemoteAddr = "10.0.0.1:1"
		return k.member.ReplaceCookies(recorder(), r, k.grant())
	}
	for i := range 300 {
		if err := replace(forge(tokens.Refresh)); session.Reason(err) != map[bool]string{true: "refresh", false: "unavailable"}[i < 100] {
			t.Fatalf("forged %d: %v", i, err)
		}
	}
	if err := replace(tokens.Refresh); err != nil {
		t.Errorf("the true token: %v", err)
	}
}

// TestD3_AFloodIsNotAFloodOfEvents: a client that goes on after its limit causes one event in each period, and a
// network whose clients take turns causes a few.
func TestD3_AFloodIsNotAFloodOfEvents(t *testing.T) {
	k, s := newCountedKeeper(t)
	tokens := k.create()
	send := func(addr string) int {
		return k.from(addr, "/refresh", "", "Cookie", k.renewal()+"="+forge(tokens.Refresh)).Code
	}
	for range 4000 { // 40 minutes
		k.Advance(600 * time.Millisecond)
		send("203.0.113.7")
	}
	if n := k.limited(); n < 3 || n > 4 {
		t.Errorf("%d events of one client in 40 minutes, want one for each ten", n)
	}
	k.Advance(time.Hour)
	before, refused := k.limited(), 0
	s.gets, s.writes = 0, 0
	for i := range 4000 {
		if send(fmt.Sprintf("2001:db8:1:%x::1", i)) == 429 {
			refused++
		}
	}
	if n := k.limited() - before; n < 1 || n > 20 || refused < 3400 {
		t.Errorf("%d events of 4,000 networks /64 in one /48, %d refused", n, refused)
	}
	if s.writes > 500 || s.gets > 600 {
		t.Errorf("%d reads and %d writes: a /48 has 500 forged tokens", s.gets, s.writes)
	}
}

package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// TestD1_TooLargeAHeader: a header that is too large to be searched for a token is answered as that, wherever a token
// may be. It is never taken for a bad token or for no token, and nothing about the session changes: a page that fills
// a browser with cookies signs nobody out.
func TestD1_TooLargeAHeader(t *testing.T) {
	k := newKeeper(t)
	k.member = session.NewKindConfig(k.sessions, session.KindConfig[User]{Name: "socket", CookieName: "socket", WebSocketProtocol: true})
	tokens := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t)
	padding := strings.Repeat("x", 64<<10)
	mine := "socket=" + tokens.Access + "; socket-refresh=" + tokens.Refresh
	served := k.sessions.Handler()
	guards := map[string]http.Handler{
		"Require": k.member.Require(k.whoami()), "Optional": k.member.Optional(k.whoami()),
		"AnyOf":      session.AnyOf(k.member, session.NewKind[APIKey](k.sessions, "other")).Require(k.whoami()),
		"CheckStore": k.member.Require(k.whoami(), session.CheckStore),
	}
	for _, c := range []struct {
		name    string
		headers []string
	}{
		{"cookie", []string{"Cookie", mine + "; bomb=" + padding}},
		{"cookie in front", []string{"Cookie", "bomb=" + padding + "; " + mine}},
		{"cookies in two headers", []string{"Cookie", "bomb=" + padding, "Cookie", mine}},
		{"Authorization", []string{"Authorization", "Bearer " + padding + "x"}},
		{"subprotocol", []string{"Upgrade", "websocket", "Sec-WebSocket-Protocol", "bearer." + tokens.Access + ", " + padding}},
	} {
		for name, h := range guards {
			rec := serve(h, request("GET", "/", c.headers...))
			if rec.Code != 431 || errorCode(t, rec) != "request_too_large" || rec.Header().Get("WWW-Authenticate") != "" || len(rec.Header()["Set-Cookie"]) > 0 {
				t.Errorf("%s, %s: %d %s", name, c.name, rec.Code, rec.Body)
			}
		}
		rec := serve(session.ForwardAuth(k.member), request("GET", "/verify", append(c.headers, "X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/", "Origin", "https://api.example.com")...))
		if c.name == "subprotocol" {
			continue // a proxy asks without Upgrade
		}
		if rec.Code != 403 || rec.Header().Get("X-Auth-Error") != "request_too_large" {
			t.Errorf("ForwardAuth, %s: %d %q %s", c.name, rec.Code, rec.Header().Get("X-Auth-Error"), rec.Body)
		}
	}
	for _, c := range []struct{ method, path string }{
		{"POST", "/refresh"}, {"GET", "/sessions"}, {"DELETE", "/sessions"}, {"POST", "/signout"}, {"POST", "/signout/everywhere"},
	} {
		rec := serve(served, request(c.method, issuer+c.path, "Cookie", mine+"; bomb="+padding))
		if rec.Code != 431 || len(rec.Header()["Set-Cookie"]) > 0 {
			t.Errorf("%s: %d %s, cookies %q", c.path, rec.Code, rec.Body, rec.Header()["Set-Cookie"])
		}
	}
	if _, err := k.member.Verify(t.Context(), tokens.Access, session.CheckStore); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	_, err := session.Inspect(k.member).Request(asRequest("Cookie", mine+"; bomb="+padding))
	if got := session.Reason(err); got != "header_too_large" {
		t.Errorf("Inspect: %q, %v", got, err)
	}
}

func asRequest(name, value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, issuer, nil)
	r.Header.Set(name, value)
	return r
}

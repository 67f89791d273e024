package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// {base}/session answers with the session of the request: what its own token says, and no token.
func TestCurrentSession(t *testing.T) {
	k := newKeeper(t, func(c *session.Config) { c.Origins = []string{"https://app.example.net"} })
	robot := session.NewKind[APIKey](k.sessions, "robot")
	g := k.grant()
	g.Properties = User{UserID: "u1", TenantID: `t"1`}
	mine := must(k.member.Create(t.Context(), g))(t)
	bot := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "r1", Properties: APIKey{"ci"}}))(t)
	bearer, cookies := "Bearer "+mine.Access, k.cookies(mine)
	both := cookies + "; " + session.CookieNameOf(robot) + "=" + bot.Access

	k.spy.calm()
	for name, headers := range map[string][]string{
		"Bearer": {"Authorization", bearer}, "cookie": {"Cookie", cookies}, "two kinds": {"Cookie", both},
		"Bearer beside the cookie of another": {"Authorization", bearer, "Cookie", session.CookieNameOf(robot) + "=" + bot.Access},
	} {
		rec := k.ask("GET", "/session", "", headers...)
		got := decode(t, rec)
		properties, _ := got["properties"].(map[string]any)
		if rec.Code != 200 || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Content-Type") != "application/json" || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Fatalf("%s: %d %s %v", name, rec.Code, rec.Body, rec.Header())
		}
		if got["id"] != mine.SessionID || got["kind"] != "member" || got["sub"] != "u1" || got["client_id"] != audience || len(properties) != 2 || properties["userID"] != "u1" || properties["tenantID"] != `t"1` ||
			got["auth_time"] != g.Authentication.Time.UTC().Format(time.RFC3339) || got["amr"].([]any)[0] != "oidc" || len(got["scopes"].([]any)) != 2 || got["roles"].([]any)[0] != "owner" ||
			got["token_expires_at"] != mine.Expires.UTC().Format(time.RFC3339) || len(got) != 10 {
			t.Errorf("%s: %s", name, rec.Body)
		}
		if strings.Contains(rec.Body.String(), mine.Access) || strings.Contains(rec.Body.String(), mine.Refresh) {
			t.Errorf("%s: a token is in the answer: %s", name, rec.Body)
		}
	}
	if got := decode(t, k.ask("GET", "/session?kind=robot", "", "Cookie", both)); got["sub"] != "r1" || got["kind"] != "robot" {
		t.Errorf("the other kind: %v", got)
	}
	if k.spy.gets+k.spy.lists+k.spy.writes() != 0 {
		t.Error("the store was asked for what the token says")
	}

	for name, c := range map[string]struct {
		method, path string
		headers      []string
		code         int
		error        string
	}{
		"nobody":                  {"GET", "/session", nil, 401, "unauthorized"},
		"a bad token":             {"GET", "/session", []string{"Authorization", "Bearer x"}, 401, "invalid_token"},
		"a refresh token":         {"GET", "/session", []string{"Authorization", "Bearer " + mine.Refresh}, 401, "invalid_token"},
		"a kind without a cookie": {"GET", "/session?kind=robot", []string{"Cookie", cookies}, 401, "unauthorized"},
		"a token of another kind": {"GET", "/session?kind=robot", []string{"Authorization", bearer}, 401, "invalid_token"},
		"an unknown kind":         {"GET", "/session?kind=ghost", []string{"Cookie", cookies}, 400, "invalid_request"},
		"two tokens":              {"GET", "/session", []string{"Cookie", k.access() + "=a; " + k.access() + "=b"}, 400, "invalid_request"},
		"POST":                    {"POST", "/session", []string{"Cookie", cookies}, 405, "method_not_allowed"},
		"below it":                {"GET", "/session/x", []string{"Cookie", cookies}, 404, "not_found"},
	} {
		rec := k.ask(c.method, c.path, "", c.headers...)
		if rec.Code != c.code || errorCode(t, rec) != c.error || len(rec.Header()["Set-Cookie"]) != 0 || strings.Contains(rec.Body.String(), "u1") {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.code, c.error)
		}
	}

	// Pages of listed origins read it, others do not.
	for origin, allowed := range map[string]string{"https://app.example.net": "https://app.example.net", "https://evil.example": ""} {
		rec := k.ask("GET", "/session", "", "Cookie", cookies, "Origin", origin, "Sec-Fetch-Site", "cross-site")
		if got := rec.Header().Get("Access-Control-Allow-Origin"); got != allowed || !slices.Contains(rec.Header()["Vary"], "Origin") {
			t.Errorf("for %s: Access-Control-Allow-Origin %q, Vary %q", origin, got, rec.Header()["Vary"])
		}
	}

	// After the access token: a client with cookies is refreshed on the way, one with a Bearer token must do it.
	k.Advance(10 * time.Minute)
	rec := k.ask("GET", "/session", "", "Cookie", cookies)
	if rec.Code != 200 || value(set(t, rec.Header(), k.renewal())) == "" || decode(t, rec)["token_expires_at"] != k.Now().Add(5*time.Minute).UTC().Format(time.RFC3339) {
		t.Errorf("refreshed: %d %s %v", rec.Code, rec.Body, rec.Header())
	}
	if rec := k.ask("GET", "/session", "", "Authorization", bearer); rec.Code != 401 || errorCode(t, rec) != "try_refresh" {
		t.Errorf("expired: %d %s", rec.Code, rec.Body)
	}
	k.spy.onGet = func(int) error { return errors.New("away") }
	k.Advance(10 * time.Minute)
	if rec := k.ask("GET", "/session", "", "Cookie", cookies); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("store away: %d %s", rec.Code, rec.Body)
	}
}

// A kind with CheckStore is asked in the store here too, and a program without a store answers for the tokens it reads.
func TestCurrentSessionAndTheStore(t *testing.T) {
	k := newKeeper(t, func(c *session.KindConfig[User]) { c.CheckStore = true })
	mine := k.create()
	if err := k.sessions.Revoke(t.Context(), mine.SessionID); err != nil {
		t.Fatal(err)
	}
	if rec := k.ask("GET", "/session", "", "Authorization", "Bearer "+mine.Access); rec.Code != 401 || errorCode(t, rec) != "session_ended" {
		t.Errorf("after its end: %d %s", rec.Code, rec.Body)
	}
	none := newKeeper(t, func(c *session.Config) { c.Store = nil })
	if got := decode(t, none.ask("GET", "/session", "", "Authorization", "Bearer "+none.token())); got["sub"] != "u1" {
		t.Errorf("without a store: %v", got)
	}
}

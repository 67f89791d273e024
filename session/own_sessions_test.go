package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// A list shows live sessions by kind, the newest first, with what helps a person to recognise them.
func TestList(t *testing.T) {
	k := newKeeper(t)
	robot := session.NewKind[APIKey](k.sessions, "robot")
	named := k.grant()
	named.Device, named.Address = "Firefox\non\x00 Linux", strings.Repeat("ä", 200)
	first := must(k.member.Create(t.Context(), named))(t)
	k.Advance(time.Minute)
	bot := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "u1", Scopes: []string{"x"}}))(t)
	k.Advance(time.Minute)
	second := k.create()
	k.Advance(time.Minute)
	over := k.create()
	if err := k.sessions.Revoke(t.Context(), over.SessionID); err != nil {
		t.Fatal(err)
	}
	must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u2"}))(t)
	k.memberCode(audience) // lies in the same part, and is no session
	ids := func() (out []string) {
		for _, in := range k.list() {
			out = append(out, in.ID)
		}
		return out
	}
	if got := ids(); !slices.Equal(got, []string{second.SessionID, first.SessionID, bot.SessionID}) {
		t.Errorf("sessions %q", got)
	}
	created := k.Now().Add(-3 * time.Minute)
	first = k.rotate(first.Refresh)
	if got := ids(); got[1] != first.SessionID {
		t.Errorf("after a refresh %q: the order changes with use", got)
	}
	in := k.list()[1]
	if in.Kind != "member" || in.Subject != "u1" || in.ClientID != audience || in.Device != "Firefoxon Linux" || in.Address != strings.Repeat("ä", 127) ||
		!in.Created.Equal(created) || !in.LastUsed.Equal(k.Now()) || !in.IdleExpiresAt.Equal(k.Now().Add(7*day)) || !in.ExpiresAt.Equal(created.Add(30*day)) ||
		!slices.Equal(in.Scopes, []string{"orders:read", "orders:write"}) || !slices.Equal(in.Roles, []string{"owner"}) || !slices.Equal(in.Authentication.Methods, []string{"oidc"}) || in.Ended != "" {
		t.Errorf("info %+v", in)
	}
	if found := must(k.sessions.Find(t.Context(), first.SessionID))(t); found.Ended != "" || found.Kind != "member" || !found.LastUsed.Equal(in.LastUsed) || !found.IdleExpiresAt.Equal(in.IdleExpiresAt) {
		t.Errorf("found %+v", found)
	}
	if found := must(k.sessions.Find(t.Context(), over.SessionID))(t); found.Ended != "revoked" || found.Subject != "u1" || found.Device != "" || found.Scopes != nil {
		t.Errorf("found %+v", found)
	}
	if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	if got := ids(); len(got) != 0 {
		t.Errorf("after the end of all %q", got)
	}
	if found := must(k.sessions.Find(t.Context(), first.SessionID))(t); found.Ended != "revoked" {
		t.Errorf("found %+v", found)
	}
	for _, id := range []string{"", "x", strings.Repeat("A", 16) + "." + strings.Repeat("A", 22), strings.Repeat("A", 16) + ".!"} {
		if _, err := k.sessions.Find(t.Context(), id); !errors.Is(err, session.ErrEnded) {
			t.Errorf("Find %q: %v", id, err)
		}
	}
	k.spy.onGet = func(int) error { return errors.New("away") }
	if _, err := k.sessions.List(t.Context(), "u1", session.ListOptions{}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("store away: %v", err)
	}
}

// {base}/sessions is a person's own: those of others are not there, whatever is asked, and nothing changes by GET.
func TestOwnSessions(t *testing.T) {
	k := newKeeper(t, func(c *session.Config) { c.Origins = []string{"https://app.example.net"} })
	robot := session.NewKind[APIKey](k.sessions, "robot")
	rec := recorder()
	r := request("GET", "/", "User-Agent", "Firefox")
	if err := k.member.Cookie(rec, r, k.grant(), ret(app)); err != nil {
		t.Fatal(err)
	}
	mine := session.Tokens{Access: value(set(t, rec.Header(), k.access())), Refresh: value(set(t, rec.Header(), k.renewal()))}
	mine.SessionID = must(k.member.Verify(t.Context(), mine.Access))(t).ID
	k.Advance(time.Minute)
	other := k.create()
	foreign := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u2"}))(t)
	bot := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t)
	bearer := []string{"Authorization", "Bearer " + mine.Access}
	cookies := []string{"Cookie", k.cookies(mine)}

	for _, headers := range [][]string{bearer, cookies} {
		got := k.ask("GET", "/sessions", "", headers...)
		list := decode(t, got)["sessions"].([]any)
		if got.Code != 200 || len(list) != 2 || got.Header().Get("Cache-Control") != "no-store" || strings.Contains(got.Body.String(), mine.Refresh) {
			t.Fatalf("%d %s %v", got.Code, got.Body, got.Header())
		}
		one, two := list[0].(map[string]any), list[1].(map[string]any)
		if one["id"] != other.SessionID || one["current"] != false || two["id"] != mine.SessionID || two["current"] != true || two["device"] != "Firefox" || two["device_name"] != "Firefox" ||
			two["created_at"] != k.Now().Add(-time.Minute).Format(time.RFC3339) || two["last_used_at"] != two["created_at"] || two["sub"] != "u1" ||
			two["idle_expires_at"] != k.Now().Add(7*day-time.Minute).Format(time.RFC3339) || two["expires_at"] != k.Now().Add(30*day-time.Minute).Format(time.RFC3339) || two["client_id"] != audience || two["amr"].([]any)[0] != "oidc" || two["kind"] != "member" || len(two) != 15 {
			t.Errorf("list %v", list)
		}
	}
	k.told(true)
	k.spy.calm()
	cross := append(slices.Clone(cookies), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		code         int
		error        string
	}{
		"nobody":                    {"GET", "/sessions", nil, 401, "unauthorized"},
		"nobody ends":               {"DELETE", "/sessions", nil, 401, "unauthorized"},
		"nobody ends one":           {"DELETE", "/sessions/" + other.SessionID, nil, 401, "unauthorized"},
		"a bad token":               {"GET", "/sessions", []string{"Authorization", "Bearer x"}, 401, "invalid_token"},
		"a refresh token":           {"GET", "/sessions", []string{"Authorization", "Bearer " + mine.Refresh}, 401, "invalid_token"},
		"a stateless token":         {"GET", "/sessions", []string{"Authorization", "Bearer " + k.token()}, 401, "invalid_token"},
		"another person's":          {"DELETE", "/sessions/" + foreign.SessionID, cookies, 404, "not_found"},
		"one's own of another kind": {"DELETE", "/sessions/" + bot.SessionID, cookies, 404, "not_found"},
		"none":                      {"DELETE", "/sessions/" + strings.Repeat("A", 16) + "." + strings.Repeat("A", 22), cookies, 404, "not_found"},
		"no id":                     {"DELETE", "/sessions/", cookies, 404, "not_found"},
		"the epoch":                 {"DELETE", "/sessions/" + strings.Split(mine.SessionID, ".")[0] + ".!", cookies, 404, "not_found"},
		"longer":                    {"DELETE", "/sessions/" + other.SessionID + "/x", cookies, 404, "not_found"},
		"another's page":            {"DELETE", "/sessions", cross, 403, "cross_origin"},
		"another's page, one":       {"DELETE", "/sessions/" + other.SessionID, cross, 403, "cross_origin"},
		"GET of one":                {"GET", "/sessions/" + other.SessionID, cookies, 405, "method_not_allowed"},
		"POST":                      {"POST", "/sessions", cookies, 405, "method_not_allowed"},
		"HEAD":                      {"HEAD", "/sessions", cookies, 405, "method_not_allowed"},
		"PUT of one":                {"PUT", "/sessions/" + other.SessionID, cookies, 405, "method_not_allowed"},
		"path that begins like it":  {"GET", "/sessionsx", cookies, 404, "not_found"},
		"two tokens":                {"DELETE", "/sessions", []string{"Cookie", k.access() + "=a; " + k.access() + "=b"}, 400, "invalid_request"},
	} {
		rec := k.ask(c.method, c.path, "", c.headers...)
		if rec.Code != c.code || errorCode(t, rec) != c.error || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.code, c.error)
		}
		if c.code == 405 && rec.Header().Get("Allow") != map[bool]string{true: "DELETE", false: "GET, DELETE"}[strings.Contains(c.path, ".")] {
			t.Errorf("%s: Allow %q", name, rec.Header().Get("Allow"))
		}
	}
	if k.spy.writes() != 0 {
		t.Errorf("%d writes by what was refused", k.spy.writes())
	}
	k.wantTold()
	pre := k.ask("OPTIONS", "/sessions/"+other.SessionID, "", "Origin", "https://app.example.net", "Access-Control-Request-Method", "DELETE")
	if pre.Code != 204 || pre.Header().Get("Access-Control-Allow-Origin") != "https://app.example.net" || !strings.Contains(pre.Header().Get("Access-Control-Allow-Methods"), "DELETE") {
		t.Errorf("preflight: %d %v", pre.Code, pre.Header())
	}

	for range 2 { // over is over
		rec = k.ask("DELETE", "/sessions/"+other.SessionID, "", append(slices.Clone(cookies), "Origin", "https://app.example.net", "Sec-Fetch-Site", "cross-site")...)
		if rec.Code != 204 || rec.Body.Len() != 0 || len(rec.Header()["Set-Cookie"]) != 0 || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("end one: %d %s %v", rec.Code, rec.Body, rec.Header())
		}
	}
	k.wantTold("session ended: revoked")
	third := k.create()
	if rec := k.ask("DELETE", "/sessions", "", cookies...); rec.Code != 204 || len(rec.Header()["Set-Cookie"]) != 0 {
		t.Errorf("end the others: %d %s", rec.Code, rec.Body)
	}
	k.wantTold("others revoked")
	for _, tokens := range []session.Tokens{other, third} {
		if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) {
			t.Errorf("it lives: %v", err)
		}
	}
	// An expired session is refreshed on the way; and the end of the session that asks clears its cookies, once.
	k.Advance(10 * time.Minute)
	rec = k.ask("GET", "/sessions", "", cookies...)
	if rec.Code != 200 || value(set(t, rec.Header(), k.renewal())) == "" {
		t.Errorf("refreshed: %d %s %v", rec.Code, rec.Body, rec.Header())
	}
	rec = k.ask("DELETE", "/sessions/"+mine.SessionID, "", cookies...)
	if rec.Code != 204 || !strings.Contains(set(t, rec.Header(), k.access()), "Max-Age=0") || !strings.Contains(set(t, rec.Header(), k.renewal()), "Max-Age=0") {
		t.Errorf("end one's own: %d %s %v", rec.Code, rec.Body, rec.Header())
	}
	rec = k.ask("GET", "/sessions", "", bearer...)
	if rec.Code != 401 {
		t.Errorf("after that: %d %s", rec.Code, rec.Body)
	}
	fresh := k.create() // a good token of a session that is over
	if err := k.sessions.Revoke(t.Context(), fresh.SessionID); err != nil {
		t.Fatal(err)
	}
	if rec := k.ask("GET", "/sessions", "", "Authorization", "Bearer "+fresh.Access); rec.Code != 401 || errorCode(t, rec) != "session_ended" {
		t.Errorf("a session that is over: %d %s", rec.Code, rec.Body)
	}
	k.mustRefresh(foreign.Refresh)

	good := k.create()
	k.spy.onGet = func(int) error { return errors.New("away") }
	for _, method := range []string{"GET", "DELETE"} {
		if rec := k.ask(method, "/sessions", "", "Authorization", "Bearer "+good.Access); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s, store away: %d %s", method, rec.Code, rec.Body)
		}
	}
	none := newKeeper(t, func(c *session.Config) { c.Store = nil })
	for _, path := range []string{"/sessions", "/sessions/" + good.SessionID, "/signout/everywhere"} {
		method := map[bool]string{true: "POST", false: "DELETE"}[strings.HasPrefix(path, "/signout")]
		if rec := none.ask(method, path, ""); rec.Code != 404 || errorCode(t, rec) != "not_found" {
			t.Errorf("%s without a store: %d %s", path, rec.Code, rec.Body)
		}
	}
}

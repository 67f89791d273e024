package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// ask sends a request to the issuer's own handler; body is a form if there is one.
func (k *keeper) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, k.sessions.Issuer()+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return serve(k.sessions.Handler(), r)
}

func decode(t testing.TB, rec *httptest.ResponseRecorder) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	return out
}

// POST {base}/refresh renews the cookies of this browser.
func TestRefreshEndpoint(t *testing.T) {
	k := newKeeper(t, func(c *session.Config) { c.Origins = []string{"https://app.example.net"} })
	tokens := k.create()
	k.Advance(10 * time.Minute)
	rec := k.ask("POST", "/refresh", "", "Cookie", k.cookies(tokens), "Origin", "https://app.example.net", "Sec-Fetch-Site", "cross-site")
	if body := decode(t, rec); rec.Code != 200 || body["expires_in"] != 300.0 || len(body) != 1 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	h := rec.Header()
	if h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" || h.Get("Access-Control-Allow-Origin") != "https://app.example.net" || h.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("headers %v", h)
	}
	if s, err := k.member.Verify(t.Context(), value(set(t, h, k.access()))); err != nil || s.ID != tokens.SessionID {
		t.Errorf("access cookie: %v", err)
	}
	next := value(set(t, h, k.renewal()))
	if next == tokens.Refresh || strings.Contains(rec.Body.String(), next) {
		t.Error("the refresh token stays, or is in the body")
	}
	k.mustRefresh(next)

	robot := session.NewKind[APIKey](k.sessions, "robot")
	other := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "r1"}))(t)
	robotRenewal := session.CookieNameOf(robot) + "-refresh"
	ended := k.create()
	if err := k.sessions.Revoke(t.Context(), ended.SessionID); err != nil {
		t.Fatal(err)
	}
	reused := k.create()
	k.rotate(k.rotate(reused.Refresh).Refresh)
	k.Advance(2 * time.Minute)
	mine := k.create().Refresh
	renew := func(token string) []string { return []string{"Cookie", k.renewal() + "=" + token} }
	for name, c := range map[string]struct {
		method, body string
		headers      []string
		code         int
		error        string
		cookies      int // in the answer
	}{
		"no cookie":             {"POST", "", nil, 401, "unauthorized", 0},
		"access cookie alone":   {"POST", "", []string{"Cookie", k.access() + "=" + tokens.Access}, 401, "unauthorized", 0},
		"Bearer":                {"POST", "", []string{"Authorization", "Bearer " + mine}, 401, "unauthorized", 0},
		"not a token":           {"POST", "", renew("x"), 401, "session_ended", 2},
		"spoiled":               {"POST", "", renew(mine + "A"), 401, "session_ended", 2},
		"ended":                 {"POST", "", renew(ended.Refresh), 401, "session_ended", 2},
		"used again":            {"POST", "", renew(reused.Refresh), 401, "session_ended", 2},
		"of another kind":       {"POST", "", renew(other.Refresh), 401, "invalid_token", 2},
		"two":                   {"POST", "", renew(mine + "; " + k.renewal() + "=" + mine), 400, "invalid_request", 0},
		"good":                  {"POST", "", renew(mine), 200, "", 2},
		"JSON":                  {"POST", "{}", append(renew(mine), "Content-Type", "application/json"), 200, "", 2},
		"form":                  {"POST", "a=b", renew(mine), 200, "", 2},
		"text":                  {"POST", "x", append(renew(mine), "Content-Type", "text/plain"), 415, "invalid_request", 0},
		"multipart":             {"POST", "x", append(renew(mine), "Content-Type", "multipart/form-data; boundary=a"), 415, "invalid_request", 0},
		"GET":                   {"GET", "", renew(mine), 405, "method_not_allowed", 0},
		"HEAD":                  {"HEAD", "", renew(mine), 405, "method_not_allowed", 0},
		"DELETE":                {"DELETE", "", renew(mine), 405, "method_not_allowed", 0},
		"another's page":        {"POST", "", append(renew(mine), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"), 403, "cross_origin", 0},
		"a sibling's page":      {"POST", "", append(renew(mine), "Origin", "https://evil.example.com", "Sec-Fetch-Site", "same-site"), 403, "cross_origin", 0},
		"an opaque origin":      {"POST", "a=b", append(renew(mine), "Origin", "null"), 403, "cross_origin", 0},
		"two kinds":             {"POST", "", renew(mine + "; " + robotRenewal + "=" + other.Refresh), 200, "", 4},
		"two kinds, one dead":   {"POST", "", renew("x; " + robotRenewal + "=" + other.Refresh), 200, "", 4},
		"two kinds, both spent": {"POST", "", renew("x; " + robotRenewal + "=y"), 401, "session_ended", 4},
	} {
		rec := k.ask(c.method, "/refresh", c.body, c.headers...)
		if rec.Code != c.code || c.code != 200 && errorCode(t, rec) != c.error {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.code, c.error)
		}
		if len(rec.Header()["Set-Cookie"]) != c.cookies || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, rec.Header())
		}
		if cleared := value(set(t, rec.Header(), k.renewal())); c.code == 401 && cleared != "" {
			t.Errorf("%s: a refresh cookie %q", name, cleared)
		}
		if c.code == 405 && rec.Header().Get("Allow") != "POST" {
			t.Errorf("%s: Allow %q", name, rec.Header().Get("Allow"))
		}
	}
	pre := k.ask("OPTIONS", "/refresh", "", "Origin", "https://app.example.net", "Access-Control-Request-Method", "POST")
	if pre.Code != 204 || pre.Header().Get("Access-Control-Allow-Origin") != "https://app.example.net" {
		t.Errorf("preflight: %d %v", pre.Code, pre.Header())
	}
	// With the store away: 503, and nothing is cleared.
	k.spy.calm()
	k.spy.onGet = func(int) error { return errors.New("away") }
	rec = k.ask("POST", "/refresh", "", renew(mine)...)
	if rec.Code != 503 || errorCode(t, rec) != "temporarily_unavailable" || rec.Header().Get("Retry-After") == "" || len(rec.Header()["Set-Cookie"]) != 0 {
		t.Errorf("store away: %d %s %v", rec.Code, rec.Body, rec.Header())
	}
	for name, change := range map[string]func(*session.Config){
		"store": func(c *session.Config) { c.Store = nil }, "secrets": func(c *session.Config) { c.Secrets = nil },
		"signer": func(c *session.Config) { c.Keys = must(keys.Static(must(keys.Generate(keys.ES256))(t).Public()))(t) },
	} {
		if rec := newKeeper(t, change).ask("POST", "/refresh", "", renew(mine)...); rec.Code != 404 || errorCode(t, rec) != "not_found" {
			t.Errorf("without %s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestI6_RefreshGrant: at the token endpoint a refresh token is good for the client it was given to, and its scopes do
// not grow; there is no other grant.
func TestI6_RefreshGrant(t *testing.T) {
	k := newKeeper(t)
	web := k.create()
	k.told(true)
	mobile := k.codeTokens(audience)
	k.Advance(10 * time.Minute)
	grant := func(token string, more ...string) url.Values {
		v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	for name, c := range map[string]struct {
		form  url.Values
		error string // empty: 200
	}{
		"of the default client": {grant(web.Refresh), ""},
		"named":                 {grant(web.Refresh, "client_id", audience), ""},
		"of a code":             {grant(mobile.Refresh, "client_id", audience), ""},
		"as another client":     {grant(web.Refresh, "client_id", "mobile"), "invalid_grant"},
		"of a code, as another": {grant(mobile.Refresh, "client_id", audience+"2"), "invalid_grant"},
		"more scopes":           {grant(web.Refresh, "scope", "orders:read admin"), "invalid_scope"},
		"fewer scopes":          {grant(web.Refresh, "scope", "orders:read"), ""}, // and gets all, which the answer says
		"the same scopes":       {grant(web.Refresh, "scope", "orders:write orders:read"), ""},
		"another scope":         {grant(web.Refresh, "scope", "admin"), "invalid_scope"},
		"no token":              {grant(""), "invalid_request"},
		"not a token":           {grant("x"), "invalid_grant"},
		"an access token":       {grant(web.Access), "invalid_grant"},
		"a code grant":          {url.Values{"grant_type": {"authorization_code"}, "code": {web.Refresh}, "code_verifier": {proof}, "redirect_uri": {app}}, "invalid_grant"},
		"password":              {url.Values{"grant_type": {"password"}, "username": {"a"}, "password": {"b"}}, "unsupported_grant_type"},
		"client credentials":    {url.Values{"grant_type": {"client_credentials"}}, "unsupported_grant_type"},
	} {
		rec := k.ask("POST", "/token", c.form.Encode())
		if c.error != "" {
			if rec.Code != 400 || errorCode(t, rec) != c.error {
				t.Errorf("%s: %d %s, want %s", name, rec.Code, rec.Body, c.error)
			}
			continue
		}
		body := decode(t, rec)
		if rec.Code != 200 || body["token_type"] != "Bearer" || body["expires_in"] != 300.0 || body["scope"] != "orders:read orders:write" || len(body) != 5 ||
			rec.Header().Get("Cache-Control") != "no-store" || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			continue
		}
		s := must(k.member.Verify(t.Context(), body["access_token"].(string)))(t)
		if s.ClientID != audience || s.Subject != "u1" {
			t.Errorf("%s: %+v", name, s)
		}
		k.mustRefresh(body["refresh_token"].(string))
	}
	k.told()
	// For the client a replay is one more refusal; it ends the session.
	next := k.rotate(k.mustRefresh(web.Refresh).Refresh)
	k.told()
	k.Advance(2 * time.Minute)
	if rec := k.ask("POST", "/token", grant(web.Refresh).Encode()); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
		t.Errorf("replay: %d %s", rec.Code, rec.Body)
	}
	k.wantTold("session ended: reuse")
	if rec := k.ask("POST", "/token", grant(next.Refresh).Encode()); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
		t.Errorf("after it: %d %s", rec.Code, rec.Body)
	}
	k.spy.calm()
	k.spy.onGet = func(int) error { return errors.New("away") }
	if rec := k.ask("POST", "/token", grant(mobile.Refresh, "client_id", audience).Encode()); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("store away: %d %s", rec.Code, rec.Body)
	}
}

// codeTokens signs u1 in by code, as a client.
func (k *keeper) codeTokens(client string) session.Tokens {
	k.t.Helper()
	rec := k.redeemCode(k.memberCode(client), client)
	body := decode(k.t, rec)
	if rec.Code != 200 {
		k.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	s := must(k.member.Verify(k.t.Context(), body["access_token"].(string)))(k.t)
	return session.Tokens{SessionID: s.ID, Access: body["access_token"].(string), Refresh: body["refresh_token"].(string)}
}

func (k *keeper) memberCode(client string) string {
	k.t.Helper()
	rec := recorder()
	if err := k.member.Code(rec, request("GET", "/"), k.grant(), handedTo(client)); err != nil {
		k.t.Fatal(err)
	}
	return must(rec.Result().Location())(k.t).Query().Get("code")
}

func (k *keeper) redeemCode(code, client string) *httptest.ResponseRecorder {
	f := form(code)
	f.Set("client_id", client)
	return k.ask("POST", "/token", f.Encode())
}

// A session that no longer fits into a token is no fault of who asks: 503, and the token stays good.
func TestRefresh_OwnFault(t *testing.T) {
	k := newKeeper(t)
	tokens := k.create()
	k.Advance(10 * time.Minute)
	grown := k.twin(0, func(c *session.KindConfig[User]) {
		c.OnRefresh = func(_ context.Context, _ string, g *session.Grant[User]) error {
			g.Properties.TenantID = strings.Repeat("x", 4000)
			return nil
		}
	})
	if _, err := grown.refresh(tokens.Refresh); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("Refresh: %v", err)
	}
	for _, rec := range []*httptest.ResponseRecorder{
		grown.ask("POST", "/refresh", "", "Cookie", k.cookies(tokens)),
		grown.ask("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}}.Encode()),
		serve(grown.member.Require(grown.whoami()), request("GET", "/", "Cookie", k.cookies(tokens))),
	} {
		if rec.Code != 503 || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	k.mustRefresh(tokens.Refresh)
}

package session_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// Who has a token of a session can end it by POST {base}/revoke, be it good, old or expired: RFC 7009.
func TestS9_Revoke(t *testing.T) {
	k := newKeeper(t, func(c *session.Config) { c.Origins = []string{"https://app.example.net"} })
	for name, c := range map[string]struct {
		later time.Duration
		form  func(mine session.Tokens) url.Values
	}{
		"refresh token": {0, func(m session.Tokens) url.Values { return url.Values{"token": {m.Refresh}} }},
		"old, with a hint": {0, func(m session.Tokens) url.Values {
			return url.Values{"token": {m.Refresh}, "token_type_hint": {"refresh_token"}}
		}},
		"rotated away": {0, func(m session.Tokens) url.Values {
			k.rotate(k.rotate(m.Refresh).Refresh)
			return url.Values{"token": {m.Refresh}}
		}},
		"access token":         {0, func(m session.Tokens) url.Values { return url.Values{"token": {m.Access}} }},
		"expired access token": {time.Hour, func(m session.Tokens) url.Values { return url.Values{"token": {m.Access}} }},
		"a wrong hint": {0, func(m session.Tokens) url.Values {
			return url.Values{"token": {m.Access}, "token_type_hint": {"refresh_token"}}
		}},
		"a hint of no sense": {0, func(m session.Tokens) url.Values { return url.Values{"token": {m.Refresh}, "token_type_hint": {"x"}} }},
	} {
		mine, other := k.codeTokens(audience), k.create()
		k.Advance(c.later)
		form := c.form(mine)
		form.Set("client_id", audience)
		k.told(true)
		for range 2 { // the second time it is dead
			rec := k.ask("POST", "/revoke", form.Encode(), "Origin", "https://app.example.net", "Cookie", k.cookies(other))
			if rec.Code != 200 || rec.Body.Len() != 0 || rec.Header().Get("Cache-Control") != "no-store" || len(rec.Header()["Set-Cookie"]) != 0 || rec.Header().Get("Access-Control-Allow-Origin") == "" {
				t.Errorf("%s: %d %s %v", name, rec.Code, rec.Body, rec.Header())
			}
		}
		k.wantTold("session ended: sign-out")
		if in := must(k.sessions.Find(t.Context(), mine.SessionID))(t); in.Ended != "sign-out" {
			t.Errorf("%s: ended %q", name, in.Ended)
		}
		k.mustRefresh(other.Refresh) // that of the cookies
	}
}

// What is refused ends nothing; what is no token is no error.
func TestS9_RevokeRefuses(t *testing.T) {
	key := must(keys.Generate(keys.EdDSA))(t)
	k := newKeeper(t, func(c *session.Config) { c.Keys = must(keys.StaticSigner(key))(t) })
	mine := k.codeTokens(audience)
	spoilt := func(name string, value any) url.Values {
		c := payload(t, mine.Access)
		c[name] = value
		return url.Values{"client_id": {audience}, "token": {k.signAs(key, "at+jwt", c)}}
	}
	guess := mine.Refresh[:len(mine.Refresh)-43] + strings.Repeat("A", 43)
	stateless := k.token()
	k.told(true)
	k.spy.calm()
	for name, c := range map[string]struct {
		form  url.Values
		code  int
		error string // empty: none
	}{
		"no token":             {url.Values{"client_id": {audience}}, 400, "invalid_request"},
		"two tokens":           {url.Values{"client_id": {audience}, "token": {mine.Refresh, mine.Access}}, 400, "invalid_request"},
		"another client":       {url.Values{"client_id": {"web"}, "token": {mine.Refresh}}, 400, "invalid_client"},
		"another client's JWT": {url.Values{"client_id": {"web"}, "token": {mine.Access}}, 400, "invalid_client"},
		"good till it expires": {url.Values{"token": {stateless}}, 400, "unsupported_token_type"},
		"not a token":          {url.Values{"client_id": {audience}, "token": {"x"}}, 200, ""},
		"a guess":              {url.Values{"client_id": {audience}, "token": {guess}}, 200, ""},
		"a session id":         {url.Values{"client_id": {audience}, "token": {mine.SessionID}}, 200, ""},
		"of an unknown kind":   {spoilt("type", "nobody"), 200, ""},
		"of another issuer":    {spoilt("iss", "https://other.example"), 200, ""},
		"for another audience": {spoilt("aud", "other"), 200, ""},
		"of another session":   {spoilt("sid", "x"), 200, ""},
		"of no client":         {spoilt("client_id", ""), 200, ""},
	} {
		rec := k.ask("POST", "/revoke", c.form.Encode())
		if rec.Code != c.code || c.error != "" && errorCode(t, rec) != c.error || c.error == "" && rec.Body.Len() != 0 {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.code, c.error)
		}
	}
	if rec := k.ask("POST", "/revoke", "", "Content-Type", "application/json"); rec.Code != 415 {
		t.Errorf("JSON: %d %s", rec.Code, rec.Body)
	}
	if rec := k.ask("GET", "/revoke?token="+mine.Access, ""); rec.Code != 405 || rec.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %s", rec.Code, rec.Body)
	}
	if k.spy.writes() != 1 || !strings.HasPrefix(k.spy.written[0][0].Item.Key.Part, "limit:") {
		t.Errorf("%d writes by what was refused, want one: the guess is counted", k.spy.writes())
	}
	k.wantTold()
	k.Advance(2 * time.Hour)
	if rec := k.ask("POST", "/revoke", url.Values{"token": {stateless}}.Encode()); rec.Code != 200 {
		t.Errorf("dead anyway: %d %s", rec.Code, rec.Body)
	}
	k.mustRefresh(mine.Refresh)
	k.spy.onGet = func(int) error { return errors.New("away") }
	for _, token := range []string{mine.Refresh, mine.Access} {
		rec := k.ask("POST", "/revoke", url.Values{"client_id": {audience}, "token": {token}}.Encode())
		if rec.Code != 503 || errorCode(t, rec) != "temporarily_unavailable" || rec.Header().Get("Retry-After") == "" {
			t.Errorf("store away: %d %s", rec.Code, rec.Body)
		}
	}
	k.spy.calm()
	k.spy.onWrite = fails(false, errors.New("away"))
	k.spy.onGet = func(n int) error { // read before, not after
		if n > 1 {
			return errors.New("away")
		}
		return nil
	}
	if rec := k.ask("POST", "/revoke", url.Values{"client_id": {audience}, "token": {mine.Access}}.Encode()); rec.Code != 503 {
		t.Errorf("store away for writing: %d %s", rec.Code, rec.Body)
	}
	none := newKeeper(t, func(c *session.Config) { c.Store = nil })
	if rec := none.ask("POST", "/revoke", url.Values{"token": {mine.Access}}.Encode()); rec.Code != 404 || errorCode(t, rec) != "not_found" {
		t.Errorf("without a store: %d %s", rec.Code, rec.Body)
	}
	if doc := decode(t, none.ask("GET", "/.well-known/oauth-authorization-server", "")); doc["revocation_endpoint"] != nil || doc["token_endpoint"] == nil {
		t.Errorf("without a store: %v", doc)
	}
}

// TestS9_SignOutOld: a token that opens no door any more still ends its session.
func TestS9_SignOutOld(t *testing.T) {
	var before time.Time
	at := func(k *keeper) *keeper { return k.twin(0, func(c *session.Config) { c.NotBefore = before }) }
	k := newKeeper(t)
	for name, c := range map[string]struct {
		restored bool
		headers  func(m session.Tokens) []string
	}{
		"expired Bearer":           {false, func(m session.Tokens) []string { return []string{"Authorization", "Bearer " + m.Access} }},
		"expired cookie":           {false, func(m session.Tokens) []string { return []string{"Cookie", k.access() + "=" + m.Access} }},
		"refresh token as Bearer":  {false, func(m session.Tokens) []string { return []string{"Authorization", "Bearer " + m.Refresh} }},
		"Bearer before NotBefore":  {true, func(m session.Tokens) []string { return []string{"Authorization", "Bearer " + m.Access} }},
		"cookie before NotBefore":  {true, func(m session.Tokens) []string { return []string{"Cookie", k.access() + "=" + m.Access} }},
		"refresh before NotBefore": {true, func(m session.Tokens) []string { return []string{"Authorization", "Bearer " + m.Refresh} }},
	} {
		mine, other := k.create(), k.create()
		k.Advance(time.Hour)
		in := k
		if c.restored {
			before = k.Now()
			in = at(k)
		}
		if rec := in.ask("POST", "/signout", "", c.headers(mine)...); rec.Code != 204 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
		if in := must(k.sessions.Find(t.Context(), mine.SessionID))(t); in.Ended != "sign-out" {
			t.Errorf("%s: ended %q", name, in.Ended)
		}
		k.mustRefresh(other.Refresh)
	}
	// What proves nothing ends nothing, and is not an error: the client is signed out.
	mine := k.create()
	k.told(true)
	forged := k.signAs(k.key, "at+jwt", map[string]any{"iss": issuer, "aud": audience, "sub": "u1", "sid": mine.SessionID, "type": "member", "client_id": audience, "exp": 1})
	guess := mine.Refresh[:len(mine.Refresh)-43] + strings.Repeat("A", 43)
	for _, token := range []string{"garbage", forged, guess, mine.SessionID} {
		if rec := k.ask("POST", "/signout", "", "Authorization", "Bearer "+token); rec.Code != 204 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	k.wantTold()
	k.spy.onGet = func(int) error { return errors.New("away") }
	for _, token := range []string{mine.Refresh, mine.Access} {
		if rec := k.ask("POST", "/signout", "", "Authorization", "Bearer "+token); rec.Code != 503 || len(rec.Header()["Set-Cookie"]) != 0 {
			t.Errorf("store away: %d %s", rec.Code, rec.Body)
		}
	}
	k.spy.calm()
	k.mustRefresh(mine.Refresh)
}

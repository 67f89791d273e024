package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const proof = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B

func form(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {proof}, "redirect_uri": {app}, "client_id": {audience}}
}

func TestCode(t *testing.T) {
	w := newWorld(t)
	rec := recorder()
	err := w.user.Code(rec, request("GET", "/"), w.grant(), returnto.New(app+"?a=b", "st", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", audience))
	if err != nil {
		t.Fatal(err)
	}
	u := must(rec.Result().Location())(t)
	q := u.Query()
	if rec.Code != 303 || !strings.HasPrefix(u.String(), app+"?a=b&code=") || q.Get("state") != "st" || q.Get("iss") != issuer || len(q.Get("code")) != 16+1+43 ||
		rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Referrer-Policy") != "no-referrer" || len(rec.Result().Cookies()) != 0 {
		t.Fatalf("%d %v", rec.Code, rec.Header())
	}
	if names := w.eventNames(); len(names) != 0 {
		t.Errorf("events before redemption: %v", names)
	}
	w.Advance(10 * time.Second)
	f := form(q.Get("code"))
	f.Set("client_id", audience)
	f.Set("redirect_uri", app+"?a=b")
	answer := w.redeem(f)
	var body map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || answer.Code != 200 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if body["token_type"] != "Bearer" || body["expires_in"] != 3600.0 || body["scope"] != "orders:read orders:write" || len(body) != 4 {
		t.Errorf("answer %v", body)
	}
	if answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", answer.Header())
	}
	s := must(w.user.Verify(t.Context(), body["access_token"].(string)))(t)
	if s.Subject != "u1" || s.Properties.TenantID != "t1" || s.ClientID != audience || strings.Join(s.Roles, "") != "owner" ||
		!s.Authentication.Time.Equal(w.Now().Add(-70*time.Second)) || strings.Join(s.Authentication.Methods, "") != "oidc" {
		t.Errorf("session %+v", s)
	}
	if names := w.eventNames(); len(names) != 1 || names[0] != "session created" || w.Events.All()[0].SessionID != s.ID {
		t.Errorf("events %+v", w.Events.All())
	}
	again := w.redeem(f)
	if again.Code != 400 || errorCode(t, again) != "invalid_grant" {
		t.Errorf("a second time: %d %s", again.Code, again.Body)
	}
	if e := w.lastEvent(); e.Name != "code refused" || e.Reason != "used" || e.SessionID != s.ID {
		t.Errorf("event %+v", e)
	}
}

// TestI3_Code: 60 seconds, one use, bound to client, redirect_uri and challenge; a refused try costs nothing.
func TestI3_Code(t *testing.T) {
	w := newWorld(t)
	code := w.code(proof)
	for name, change := range map[string]url.Values{
		"another client":       {"client_id": {"other"}},
		"another redirect_uri": {"redirect_uri": {app + "/"}},
		"another verifier":     {"code_verifier": {strings.Repeat("v", 43)}},
		"the challenge itself": {"code_verifier": {s256(proof)}},
		"another code":         {"code": {strings.Repeat("A", 43)}},
		"a part of the code":   {"code": {code[:42]}},
		"a longer code":        {"code": {code + "A"}},
	} {
		f := form(code)
		maps.Copy(f, change)
		if rec := w.redeem(f); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	w.Advance(time.Minute - time.Millisecond)
	if rec := w.redeem(form(code)); rec.Code != 200 {
		t.Errorf("a moment before its end: %d %s", rec.Code, rec.Body)
	}
	late := w.code(proof)
	w.Advance(time.Minute)
	if rec := w.redeem(form(late)); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
		t.Errorf("at its end: %d %s", rec.Code, rec.Body)
	}
	stopped := w.Now() // a store that is slow to forget
	w = newWorld(t, func(c *session.Config) { c.Store = &store.Memory{Now: func() time.Time { return stopped }} })
	w.Set(stopped)
	late = w.code(proof)
	w.Advance(time.Minute)
	if rec := w.redeem(form(late)); rec.Code != 400 || errorCode(t, rec) != "invalid_grant" {
		t.Errorf("at its end, by our clock alone: %d %s", rec.Code, rec.Body)
	}
	seen := map[string]bool{}
	for range 1000 {
		if c := w.code(proof); len(c) != 60 || seen[c] {
			t.Fatalf("code %q is short or not new", c)
		} else {
			seen[c] = true
		}
	}
}

func TestI3_CodeRace(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		code := w.code(proof)
		codes := make(chan int, 100)
		var start, done sync.WaitGroup
		start.Add(1)
		for range cap(codes) {
			done.Go(func() {
				start.Wait()
				codes <- w.redeem(form(code)).Code
			})
		}
		start.Done()
		done.Wait()
		close(codes)
		count := map[int]int{}
		for c := range codes {
			count[c]++
		}
		if count[200] != 1 || count[400] != 99 {
			t.Fatalf("answers %v, want one 200 and 99 times 400", count)
		}
	}
	created := 0
	for _, name := range w.eventNames() {
		if name == "session created" {
			created++
		}
	}
	if created != 20 {
		t.Errorf("%d sessions were created, want 20", created)
	}
}

// TestI4_PKCE: no code is made or redeemed without S256 (OpenAuth's finding O4).
func TestI4_PKCE(t *testing.T) {
	w := newWorld(t)
	for name, challenge := range map[string]string{
		"none": "", "plain": "a-plain-challenge-of-more-than-43-characters-abc", "short": s256(proof)[:42], "padded": s256(proof) + "=", "stray bits": s256(proof)[:42] + "B", "other alphabet": strings.Repeat("+", 43), "with newline": s256(proof)[:42] + "\n",
	} {
		rec := recorder()
		if err := w.user.Code(rec, request("GET", "/"), w.grant(), returnto.New(app, "", challenge, "")); !errors.Is(err, session.ErrCode) || len(rec.Header()) != 0 {
			t.Errorf("challenge %s: %v %v", name, err, rec.Header())
		}
	}
	code := w.code(proof)
	for name, verifiers := range map[string][]string{
		"none": nil, "empty": {""}, "short": {proof[:42]}, "long": {strings.Repeat("a", 129)}, "other characters": {strings.Repeat("a", 42) + "+"}, "space": {proof + " "}, "twice": {proof, proof},
	} {
		f := form(code)
		f["code_verifier"] = verifiers
		if rec := w.redeem(f); rec.Code != 400 || errorCode(t, rec) != "invalid_request" {
			t.Errorf("verifier %s: %d %s", name, rec.Code, rec.Body)
		}
	}
	if rec := w.redeem(form(code)); rec.Code != 200 {
		t.Errorf("the right one, after all: %d %s", rec.Code, rec.Body)
	}
}

// OpenAuth answered a request without a sign-in in progress with a text about the browser (its finding O13).
func TestToken_Request(t *testing.T) {
	w := newWorld(t)
	h := w.sessions.Handler()
	code := w.code(proof)
	good := form(code).Encode()
	many := good
	for i := range 100 {
		many += fmt.Sprintf("&a%d=b", i)
	}
	for name, c := range map[string]struct {
		method, contentType, body string
		code                      int
		error                     string
	}{
		"GET":               {"GET", "application/x-www-form-urlencoded", "", 405, "method_not_allowed"},
		"PUT":               {"PUT", "application/x-www-form-urlencoded", good, 405, "method_not_allowed"},
		"JSON":              {"POST", "application/json", `{"grant_type":"authorization_code"}`, 415, "invalid_request"},
		"no type":           {"POST", "", good, 415, "invalid_request"},
		"multipart":         {"POST", "multipart/form-data; boundary=x", good, 415, "invalid_request"},
		"text":              {"POST", "text/plain", good, 415, "invalid_request"},
		"no grant":          {"POST", "application/x-www-form-urlencoded", "code=" + code, 400, "invalid_request"},
		"password grant":    {"POST", "application/x-www-form-urlencoded", "grant_type=password&username=a&password=b", 400, "unsupported_grant_type"},
		"refresh grant":     {"POST", "application/x-www-form-urlencoded", "grant_type=refresh_token&refresh_token=a", 400, "invalid_grant"},
		"grant in capitals": {"POST", "application/x-www-form-urlencoded", strings.Replace(good, "authorization_code", "Authorization_Code", 1), 400, "unsupported_grant_type"},
		"client grant":      {"POST", "application/x-www-form-urlencoded", "grant_type=client_credentials", 400, "unsupported_grant_type"},
		"empty grant":       {"POST", "application/x-www-form-urlencoded", "grant_type=", 400, "invalid_request"},
		"nothing":           {"POST", "application/x-www-form-urlencoded", "", 400, "invalid_request"},
		"grant twice":       {"POST", "application/x-www-form-urlencoded", good + "&grant_type=x", 400, "invalid_request"},
		"unknown code":      {"POST", "application/x-www-form-urlencoded", strings.Replace(good, "code="+code, "code=x", 1), 400, "invalid_grant"},
		"code twice":        {"POST", "application/x-www-form-urlencoded", good + "&code=" + code, 400, "invalid_request"},
		"unknown twice":     {"POST", "application/x-www-form-urlencoded", good + "&x=1&x=2", 400, "invalid_request"},
		"too many":          {"POST", "application/x-www-form-urlencoded", many, 400, "invalid_request"},
		"too large":         {"POST", "application/x-www-form-urlencoded", good + "&a=" + strings.Repeat("b", 64<<10), 413, "invalid_request"},
		"bad escapes":       {"POST", "application/x-www-form-urlencoded", good + "&a=%zz", 400, "invalid_request"},
		"semicolons":        {"POST", "application/x-www-form-urlencoded", strings.ReplaceAll(good, "&", ";"), 400, "invalid_request"},
		"no code":           {"POST", "application/x-www-form-urlencoded", strings.Replace(good, "code="+code, "code=", 1), 400, "invalid_request"},
		"no redirect_uri":   {"POST", "application/x-www-form-urlencoded", strings.Replace(good, "redirect_uri=", "x=", 1), 400, "invalid_request"},
	} {
		r := httptest.NewRequest(c.method, issuer+"/token?"+good, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.contentType)
		rec := serve(h, r)
		if rec.Code != c.code || errorCode(t, rec) != c.error || strings.Contains(rec.Body.String(), "browser") {
			t.Errorf("%s: %d %s, want %d %s", name, rec.Code, rec.Body, c.code, c.error)
		}
	}
	// A client that named none at authorize need not name one here.
	r := httptest.NewRequest("POST", issuer+"/token", strings.NewReader(strings.Replace(good, "client_id=", "unknown=", 1)))
	r.Header.Set("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")
	if rec := serve(h, r); rec.Code != 200 {
		t.Errorf("good: %d %s", rec.Code, rec.Body)
	}
}

func TestCode_Requires(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*session.Config)
		want   error
	}{
		"store":   {func(c *session.Config) { c.Store = nil }, session.ErrStoreRequired},
		"secrets": {func(c *session.Config) { c.Secrets = nil }, session.ErrNoSigner},
		"signer": {func(c *session.Config) {
			c.Keys = must(keys.Static(must(keys.Generate(keys.ES256))(t).Public()))(t)
		}, session.ErrNoSigner},
	} {
		w := newWorld(t, c.change)
		if err := w.user.Code(recorder(), request("GET", "/"), w.grant(), returnto.New(app, "", s256(proof), "")); !errors.Is(err, c.want) {
			t.Errorf("no %s: %v", name, err)
		}
		if rec := w.redeem(form("x")); rec.Code != 400 || errorCode(t, rec) != "unsupported_grant_type" {
			t.Errorf("no %s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

// TestM9_NoClaimsFromOutside: whatever comes with the requests of a sign-in, the session says what the application
// granted.
func TestM9_NoClaimsFromOutside(t *testing.T) {
	w := newWorld(t)
	evil := "?email=a@b&role=admin&roles=admin&sub=1&scope=admin&type=apikey&properties=%7B%7D&iss=x&aud=x&exp=9999999999"
	rec := recorder()
	r := httptest.NewRequest("POST", issuer+"/google/callback"+evil, strings.NewReader(evil[1:]))
	if err := w.user.Code(rec, r, session.Grant[User]{Subject: "u1"}, returnto.New(app+evil, "role=admin", s256(proof), "")); err != nil {
		t.Fatal(err)
	}
	f := form(must(rec.Result().Location())(t).Query().Get("code"))
	f.Set("redirect_uri", app+evil)
	for _, name := range []string{"role", "roles", "sub", "scope", "type", "properties", "exp"} {
		f.Set(name, "admin")
	}
	var body struct {
		Token string `json:"access_token"`
		Scope string `json:"scope"`
	}
	if err := json.Unmarshal(w.redeem(f).Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	s := must(w.user.Verify(t.Context(), body.Token))(t)
	if s.Subject != "u1" || s.Roles != nil || s.Scopes != nil || body.Scope != "" || s.Kind != "user" || s.Properties != (User{}) {
		t.Errorf("session %+v, scope %q", s, body.Scope)
	}
	// Properties named like claims stay properties.
	bag := session.NewKind[map[string]any](w.sessions, "bag")
	tokens := must(bag.Create(t.Context(), session.Grant[map[string]any]{Subject: "u1", Properties: map[string]any{"sub": "root", "roles": []string{"admin"}, "scope": "admin", "type": "user", "exp": 9e9}}))(t)
	b := must(bag.Verify(t.Context(), tokens.Access))(t)
	if b.Subject != "u1" || b.Roles != nil || b.Scopes != nil || b.Expires.Sub(w.Now()) != 5*time.Minute {
		t.Errorf("session %+v", b)
	}
}

package openapi

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// TestEveryOperation calls every operation of the document with success, and again in ways that must be refused. Every
// answer must have a status of the document, and a body that fits its schema.
func TestEveryOperation(t *testing.T) {
	v := newTown(t)
	for _, part := range []func(*town){public, signUps, passwords, passkeys, account, addresses, identities, stepUps, factors, apps, tokens, sessions, administration} {
		part(v)
		v.Advance(11 * time.Minute) // the limits of the part before have passed
	}
	v.hostile()
	for _, name := range slices.Sorted(maps.Keys(v.operations())) {
		ok, refused := false, false
		for status := range v.seen[name] {
			ok, refused = ok || status < 300, refused || status >= 400
		}
		if !ok || !refused {
			t.Errorf("%s: answered with success: %t, refused: %t", name, ok, refused)
		}
	}
}

func public(v *town) {
	c := v.client()
	tag := c.must(200, "GET", "/openapi.json", nil).Header().Get("ETag")
	c.Header.Set("If-None-Match", tag)
	c.must(304, "GET", "/openapi.json", nil)
	c.Header.Del("If-None-Match")
	c.must(200, "GET", "/", nil)
	c.must(200, "GET", "/authorize", nil)
	c.must(200, "GET", "/authorize?provider=one", nil)
	if page := c.must(200, "POST", "/authorize", object{"identifier": "ada@example.com"}); page.text("step") != "postern.ways" {
		c.v.Errorf("after the address: %s", page.Body)
	}
	c.must(400, "POST", "/authorize", object{"identifier": "ada@"})
	c.must(200, "GET", "/assets/"+v.pages.Sheet(), nil)
	c.must(404, "GET", "/assets/other.css", nil)
	to := c.must(200, "POST", "/language", object{"language": "de", "to": "/auth/authorize"}).text("redirect_uri")
	if to != flowtest.Issuer+"/authorize" {
		v.Errorf("the choice of a language leads to %s", to)
	}
	c.must(400, "POST", "/language", url.Values{"language": {"de"}, "to": {"https://evil.example/"}})
	for _, path := range []string{"jwks.json", "openid-configuration", "oauth-authorization-server"} {
		c.must(200, "GET", "/.well-known/"+path, nil)
	}
}

func signUps(v *town) {
	c := v.client()
	c.must(200, "GET", "/sign-up", nil)
	page := c.must(200, "POST", "/sign-up", url.Values{"email": {"grace@example.com"}})
	c.must(200, "GET", "/sign-up/code?state="+page.hidden("state"), nil)
	c.must(200, "GET", "/sign-up/code/link?token="+v.mailed("postern.verify-address", "link", "token"), nil)
	c.must(400, "GET", "/sign-up/code/link?token=x", nil)
	c.must(200, "GET", "/sign-up/change?state="+page.hidden("state"), nil)
	c.must(429, "POST", "/sign-up/code/again", object{"state": page.hidden("state")})
	v.Advance(30 * time.Second)
	page = c.must(200, "POST", "/sign-up/code/again", object{"state": page.hidden("state")})
	c.must(400, "POST", "/sign-up/code", object{"state": page.hidden("state"), "code": "000000"})
	ticket := c.must(200, "POST", "/sign-up/code", object{"state": page.hidden("state"), "code": v.code()}).hidden("state")
	c.must(200, "GET", "/sign-up/credential?state="+ticket, nil)
	c.must(400, "GET", "/sign-up/code?state="+ticket, nil)
	c.must(400, "GET", "/sign-up/change?state="+ticket, nil)
	c.must(400, "GET", "/sign-up/credential?state=x", nil)
	c.must(400, "POST", "/password/sign-up", object{"state": ticket, "password": "short"})
	c.must(200, "POST", "/password/sign-up", object{"state": ticket, "password": good})
	page = c.must(200, "POST", "/sign-up", object{"username": "hopper"})
	c.must(200, "POST", "/password/sign-up", object{"state": page.hidden("state"), "password": good})
	v.client().must(409, "POST", "/sign-up", object{"username": "hopper"})
	v.client().must(400, "POST", "/sign-up", object{"email": "nobody"})

	// By a mailed code, and then a first password.
	c = v.client()
	to := c.must(200, "POST", "/code/authorize", object{"email": "edith@example.com"}).text("redirect_uri")
	page = c.must(200, "GET", to, nil)
	c.must(200, "POST", "/code/callback", object{"state": page.hidden("state"), "code": v.code()})
	page = c.must(200, "GET", "/step-up/code", nil)
	c.must(200, "GET", "/step-up/code/sent?state="+page.hidden("state"), nil)
	c.must(400, "GET", "/step-up/code/sent?state=x", nil)
	c.must(200, "GET", "/step-up/code/link?token="+v.mailed("postern.step-up", "link", "token"), nil)
	c.must(400, "GET", "/step-up/code/link?token=x", nil)
	c.must(429, "POST", "/step-up/code/again", object{"state": page.hidden("state")})
	v.Advance(30 * time.Second)
	page = c.must(200, "POST", "/step-up/code/again", object{"state": page.hidden("state")})
	c.must(200, "POST", "/step-up/code", object{"state": page.hidden("state"), "code": v.code()})
	c.must(200, "POST", "/password/set", object{"new_password": good})
}

func passwords(v *town) {
	c := v.signUp("pat@example.com")
	c.must(200, "GET", "/password/change", nil)
	c.must(400, "POST", "/password/change", object{"password": "not it, not it", "new_password": next})
	c.must(200, "POST", "/password/change", object{"password": good, "new_password": next})
	lost := v.client()
	lost.must(200, "GET", "/password/forgot", nil)
	lost.must(200, "POST", "/password/forgot", object{"identifier": "pat@example.com"})
	token := v.mailed("password.reset", "link", "token")
	page := lost.must(200, "GET", "/password/reset?token="+token, nil)
	lost.must(200, "POST", "/password/reset", object{"token": page.hidden("token"), "password": good})
	lost.must(400, "POST", "/password/reset", object{"token": token, "password": good})
	// Another way in, so that the password may go.
	c.signIn("pat@example.com", good)
	c.must(200, "POST", "/password/remove", object{})
	c.must(200, "GET", "/step-up", nil)
}

func account(v *town) {
	c := v.signUp("acc@example.com")
	id := c.id()
	c.must(200, "PATCH", "/account", object{"name": "Ada", "locale": "en", "picture": "https://example.com/a.png", "profile": object{"likes": []string{"tea"}}})
	c.must(400, "PATCH", "/account", object{"roles": []string{"owner"}})
	c.must(415, "PATCH", "/account", url.Values{"name": {"Ada"}})
	other := v.client()
	other.signIn("acc@example.com", good)
	for _, s := range c.must(200, "GET", "/account/sessions", nil).json["sessions"].([]any) {
		if s := s.(object); s["current"] == false {
			c.must(204, "DELETE", "/account/sessions/"+s["id"].(string), nil)
			c.must(404, "DELETE", "/account/sessions/none", nil)
		}
	}
	c.must(204, "DELETE", "/account/sessions", nil)
	c.must(200, "GET", "/account/browsers", nil)
	c.must(204, "DELETE", "/account/browsers", nil)
	c.must(404, "DELETE", "/account/browsers/none", nil)
	c.must(400, "GET", "/account/sessions?after=x", nil)
	c.must(200, "GET", "/account/history", nil)
	c.must(200, "GET", "/account/export", nil)
	v.Advance(11 * time.Minute)
	if a := c.must(401, "DELETE", "/account?confirm="+id, nil); a.text("step_up") == "" {
		v.Errorf("%s", a.Body)
	}
	page := c.must(200, "GET", "/step-up/password", nil)
	if to := page.text("redirect_uri"); to != "" {
		page = c.must(200, "GET", to, nil)
	}
	c.must(200, "POST", "/password/callback", object{"state": page.hidden("state"), "password": good})
	c.must(200, "GET", "/step-up", nil)
	c.must(200, "POST", "/step-up/password", object{})
	c.must(400, "DELETE", "/account", nil)
	c.must(204, "DELETE", "/account?confirm="+id, nil)
	c.must(401, "GET", "/account", nil)
}

func addresses(v *town) {
	c := v.signUp("addr@example.com")
	c.must(400, "POST", "/account/addresses", object{"address": "no"})
	c.must(202, "POST", "/account/addresses", object{"address": "second@example.com"})
	c.must(400, "POST", "/account/addresses/confirm", object{"code": "1"})
	c.must(200, "GET", "/account/code/link?token="+v.mailed("postern.new-address", "link", "token"), nil)
	c.must(400, "GET", "/account/code/link?token=x", nil)
	c.must(204, "POST", "/account/addresses/confirm", object{"code": v.codeOf("postern.new-address")})
	for _, a := range c.must(200, "GET", "/account", nil).json["addresses"].([]any) {
		if a := a.(object); a["value"] == "second@example.com" {
			c.must(204, "DELETE", "/account/addresses/"+a["id"].(string), nil)
		}
	}
	c.must(404, "DELETE", "/account/addresses/none", nil)
	c.must(202, "POST", "/account/addresses", object{"address": "third@example.com"})
	query := url.Values{"user": {v.mailed("postern.address-change", "link", "user")}, "token": {v.mailed("postern.address-change", "link", "token")}}
	c.must(200, "GET", "/account/stop?"+query.Encode(), nil)
	c.must(200, "POST", "/account/stop", query)
	c.must(400, "GET", "/account/stop?"+query.Encode(), nil)
	c.must(400, "POST", "/account/stop", query)

	c = v.signUp("undo@example.com")
	c.must(204, "DELETE", "/account/freeze", nil)
	id := c.must(200, "GET", "/account", nil).json["addresses"].([]any)[0].(object)["id"]
	c.must(202, "POST", "/account/addresses", object{"address": "undone@example.com", "replace": id})
	c.must(204, "POST", "/account/addresses/confirm", object{"code": v.codeOf("postern.new-address")})
	query = url.Values{"user": {v.mailed("postern.address-undo", "link", "user")}, "token": {v.mailed("postern.address-undo", "link", "token")}}
	c.must(200, "GET", "/account/undo?"+query.Encode(), nil)
	c.must(200, "POST", "/account/undo", query)
	c.must(400, "GET", "/account/undo?"+query.Encode(), nil)
	c.must(400, "POST", "/account/undo", query)
	c.signIn("undo@example.com", good)
	if a := c.must(200, "GET", "/account", nil); a.json["frozen"] != true {
		v.Errorf("%s", a.Body)
	}
	c.must(204, "DELETE", "/account/freeze", nil)
}

// at opens the page of the provider and returns the URL of the callback.
func (c *client) at(a answer) string {
	c.v.Helper()
	to, err := url.Parse(a.text("redirect_uri"))
	if err != nil || to.Host == "" {
		c.v.Fatalf("%d %s", a.Code, a.Body)
	}
	b := c.v.Browser()
	return b.Agree(flowtest.As(to, ada.Subject))
}

func identities(v *town) {
	c := v.signUp("ident@example.com")
	begun := c.must(200, "POST", "/account/identities/one", nil)
	page := c.must(200, "GET", c.at(begun), nil)
	c.must(400, "POST", "/link", object{"state": "x", "choice": "add"})
	c.must(200, "POST", "/link", object{"state": page.hidden("state"), "choice": "add"})
	for _, id := range c.must(200, "GET", "/account/identities", nil).json["identities"].([]any) {
		c.must(204, "DELETE", "/account/identities/"+id.(object)["id"].(string), nil)
	}
	c.must(404, "DELETE", "/account/identities/none", nil)
	c.must(404, "POST", "/account/identities/none", nil)

	// Somebody has the address of ada at the provider: the sign-in there leads to /join.
	v.signUp(ada.Email)
	c = v.client()
	c.must(409, "GET", c.at(c.must(200, "GET", "/one/authorize", nil)), nil)
	page = c.must(200, "GET", "/password/authorize", nil)
	page = c.must(200, "POST", "/password/callback", object{"state": page.hidden("state"), "identifier": ada.Email, "password": good})
	c.must(200, "POST", "/join", object{"state": page.hidden("state"), "choice": "add"})
	c.must(400, "POST", "/join", object{"state": "x"})
}

func stepUps(v *town) {
	c := v.signUp("step@example.com")
	c.must(200, "GET", "/step-up?max_age=60", nil)
	c.must(200, "GET", "/step-up/password", nil)
	c.must(404, "GET", "/step-up/none", nil)
	c.must(404, "POST", "/step-up/none", nil)
	c.must(400, "POST", "/step-up/code", object{"state": "x", "code": "1"})
	c.must(400, "GET", "/factors?state=x", nil)
	c.must(400, "POST", "/factors/code", object{"state": "x"})
	c.must(400, "POST", "/factors/continue", object{"state": "x"})
	// A browser comes to the page between a form and another site; the document describes its JSON face.
	form := c.must(200, "GET", "/password/authorize", nil)
	person := c.Clone()
	person.Handler = v.Auth
	rec := person.Do(person.Request("POST", flowtest.Issuer+"/password/callback",
		url.Values{"state": {form.hidden("state")}, "identifier": {"step@example.com"}, "password": {good}}))
	person.Handler = v.handler
	(&client{person, v}).must(200, "GET", rec.Header().Get("Location"), nil)
	c.must(400, "GET", "/continue?ticket=none", nil)
}

func tokens(v *town) {
	v.signUp("tok@example.com")
	c := v.client()
	verifier := strings.Repeat("v", 43)
	query := url.Values{"redirect_uri": {"https://app.example/cb"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}, "response_type": {"code"}}
	page := c.must(200, "GET", "/password/authorize?"+query.Encode(), nil)
	to := c.must(200, "POST", "/password/callback", object{"state": page.hidden("state"), "identifier": "tok@example.com", "password": good}).text("redirect_uri")
	u, err := url.Parse(to)
	if err != nil {
		v.Fatalf("%v", err)
	}
	program := v.client()
	got := program.must(200, "POST", "/token", url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "code_verifier": {verifier}, "redirect_uri": {"https://app.example/cb"}})
	program.must(400, "POST", "/token", url.Values{"grant_type": {"password"}})
	got = program.must(200, "POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.text("refresh_token")}})
	program.Header.Set("Authorization", "Bearer "+got.text("access_token"))
	program.must(200, "GET", "/account", nil)
	program.must(200, "POST", "/revoke", url.Values{"token": {got.text("refresh_token")}})
	program.must(400, "POST", "/revoke", url.Values{"x": {"y"}})
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sessions(v *town) {
	c := v.signUp("ses@example.com")
	c.must(200, "GET", "/session", nil)
	c.must(200, "POST", "/refresh", nil)
	c.must(400, "GET", "/sessions?limit=x", nil)
	v.client().signIn("ses@example.com", good)
	for _, s := range c.must(200, "GET", "/sessions", nil).json["sessions"].([]any) {
		if s := s.(object); s["current"] == false {
			c.must(204, "DELETE", "/sessions/"+s["id"].(string), nil)
		}
	}
	c.must(204, "DELETE", "/sessions", nil)
	c.must(204, "POST", "/signout", nil)
	c.must(401, "GET", "/session", nil)
	c.signIn("ses@example.com", good)
	c.must(204, "POST", "/signout/everywhere", nil)
}

func administration(v *town) {
	c, target := v.signUp("boss@example.com"), v.signUp("user@example.com")
	v.owner(c)
	c = v.enters(c.id())
	id := target.id()
	user := "/admin/users/" + id
	c.must(200, "GET", "/admin/users?limit=2", nil)
	c.must(200, "GET", "/admin/users?identifier=user@example.com", nil)
	c.must(400, "GET", "/admin/users?limit=x", nil)
	c.must(204, "POST", "/admin/users/invite", object{"address": "new@example.com", "roles": []string{"member"}})
	fresh := c.must(201, "POST", "/admin/users", object{"address": "fresh@example.com", "name": "F", "roles": []string{"member"}}).text("id")
	c.must(409, "POST", "/admin/users", object{"address": "user@example.com"})
	c.must(204, "POST", "/admin/users/"+fresh+"/addresses", object{"address": "fresh@example.com"})
	confirm := url.Values{"token": {v.mailed("postern.confirm-address", "link", "token")}}
	v.client().must(200, "GET", "/account/confirm?"+confirm.Encode(), nil)
	v.client().must(200, "POST", "/account/confirm", confirm)
	v.client().must(400, "POST", "/account/confirm", confirm)
	c.must(200, "POST", "/admin/users/import", object{"from": "old", "users": []object{{"id": "1", "addresses": []object{{"type": "email", "value": "old@example.com", "verified": true}}}, {"id": ""}}})
	c.must(400, "POST", "/admin/users/import", object{"users": []object{}})
	c.must(200, "GET", user, nil)
	c.must(200, "PATCH", user, object{"name": "U", "data": object{"plan": "gold"}})
	c.must(409, "PATCH", user, object{"name": "U", "version": "old"})
	c.must(200, "PUT", user+"/roles", object{"roles": []string{"member"}})
	c.must(200, "GET", user+"/export", nil)
	c.must(200, "POST", user+"/impersonate", object{"reason": "ticket 4711"})
	c.must(200, "GET", "/session?kind=user", nil)
	c.must(403, "GET", "/account", nil)
	c.must(204, "POST", "/session/end", nil)
	c.must(401, "POST", "/session/end", nil)
	c.must(204, "POST", user+"/reset-mail", nil)
	c.must(204, "POST", user+"/unlock", nil)
	c.must(204, "POST", user+"/reset-factors", nil)
	c.must(204, "DELETE", user+"/passkeys", nil)
	c.must(204, "POST", user+"/demand-change", nil)
	c.must(200, "GET", user+"/history", nil)
	c.must(204, "POST", "/admin/mail/test", nil)
	c.must(204, "POST", "/admin/keys/rotate", nil)
	if err := v.dir.Link(v.Context(), id, postern.Identity{Issuer: "https://other.example", Subject: "x", Provider: "one"}); err != nil {
		v.Fatalf("%v", err)
	}
	c.must(204, "DELETE", user+"/identities?issuer=https://other.example&subject=x", nil)
	c.must(204, "DELETE", user+"/password", nil)
	to := target.must(200, "POST", "/code/authorize", object{"email": "user@example.com"}).text("redirect_uri")
	page := target.must(200, "GET", to, nil)
	target.must(200, "POST", "/code/callback", object{"state": page.hidden("state"), "code": v.code()})
	sessions := c.must(200, "GET", user+"/sessions", nil).json["sessions"].([]any)
	c.must(204, "DELETE", user+"/sessions/"+sessions[0].(object)["id"].(string), nil)
	c.must(204, "DELETE", user+"/sessions", nil)
	c.must(204, "POST", user+"/disable", object{"reason": "spam"})
	c.must(200, "GET", user, nil)
	c.must(204, "POST", user+"/enable", nil)
	c.must(204, "DELETE", user, nil)
	c.must(404, "GET", user, nil)
	v.Advance(11 * time.Minute)
	c.must(401, "POST", "/admin/users/invite", object{"address": "new@example.com"})
}

// enters returns a browser with a session of an administrator.
func (v *town) enters(id string) *client {
	v.Helper()
	p, err := v.dir.Get(v.Context(), id)
	if err != nil {
		v.Fatalf("%v", err)
	}
	t, err := v.staff.Create(v.Context(), session.Grant[profile]{Subject: id, Roles: p.Roles, Scopes: p.Scopes,
		Authentication: session.Authentication{Time: v.Now(), Methods: []string{"pwd"}}})
	if err != nil {
		v.Fatalf("%v", err)
	}
	c, w := v.client(), httptest.NewRecorder()
	v.staff.SetCookies(w, t)
	for _, k := range w.Result().Cookies() {
		c.Cookies[k.Name] = k.Value
	}
	return c
}

// owner makes a person an administrator.
func (v *town) owner(c *client) {
	v.Helper()
	if err := v.dir.SetRoles(v.Context(), c.id(), []string{"owner"}, users.Extra{}); err != nil {
		v.Fatalf("%v", err)
	}
}

// hostile calls every operation with wrong requests, without a session and with one of a person without rights. No
// answer is a fault of the server.
func (v *town) hostile() {
	v.Helper()
	long := strings.Repeat("x", 70<<10)
	ways := map[string]func(r *http.Request){
		"a page of another site": func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		},
		"headers too large":        func(r *http.Request) { r.Header.Set("X-Long", long) },
		"cookies too large":        func(r *http.Request) { r.Header.Set("Cookie", "a="+long) },
		"a wrong escape":           func(r *http.Request) { r.URL.RawQuery = "state=%zz" },
		"a long query":             func(r *http.Request) { r.URL.RawQuery = "state=" + long },
		"a token that is none":     func(r *http.Request) { r.Header.Set("Authorization", "Bearer x.y.z") },
		"text":                     func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"a client of another name": func(r *http.Request) { r.URL.RawQuery = "client_id=other&redirect_uri=https://evil.example/" },
	}
	bodies := []string{"", "{", "[]", "null", `{"a":1,"a":2}`, `{"a":{"b":1}}`, `{"state":"x"}`, `{"code":1}`, `{"email":null}`, "\x00", `"` + long + `"`, strings.Repeat("[", 1000)}
	for i, name := range slices.Sorted(maps.Keys(v.operations())) {
		method, path, _ := strings.Cut(name, " ")
		plain := v.signUp(fmt.Sprintf("plain%d@example.com", i))
		for _, values := range []map[string]string{{"id": "none", "sid": "none", "provider": "password"}, {"id": "%00", "sid": "..", "provider": "code"}, {"id": "x", "sid": "x", "provider": "passkey"}, {"id": strings.Repeat("i", 300), "sid": "x", "provider": "none"}} {
			target := path
			for variable, value := range values {
				target = strings.ReplaceAll(target, "{"+variable+"}", value)
			}
			if target == "/" {
				target = ""
			}
			for _, c := range []*client{v.client(), {plain.Clone(), v}} {
				for _, body := range bodies {
					c.endures(name, "a body "+body[:min(len(body), 20)], c.request(method, target, body))
				}
				for way, change := range ways {
					r := c.request(method, target, `{"state":"x"}`)
					change(r)
					c.endures(name, way, r)
				}
			}
		}
		v.Advance(time.Hour) // the limits of an address have passed
	}
}

func (c *client) request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, flowtest.Issuer+target, strings.NewReader(body))
	r.Header.Set("Accept", "application/json")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (c *client) endures(name, how string, r *http.Request) {
	c.v.Helper()
	if a := c.Do(r); a.Code >= 500 {
		c.v.Errorf("%s, %s: %d %s", name, how, a.Code, a.Body)
	}
}

package oidc_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/oidc"
)

// TestUserInfo_AskedForWhatIsMissing: without Config.UserInfo, and whatever becomes of it.
func TestUserInfo_AskedForWhatIsMissing(t *testing.T) {
	o := plainOP(t, nil)
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
	}
	o.userInfo = answer(`{"sub":"u-1","email":"a@example.net","email_verified":true,"name":"Ada"}`)
	if id := o.in("nothing is missing"); o.calls["/userinfo"] != 0 || id.UserInfo != nil {
		t.Errorf("UserInfo was asked")
	}
	o.claims = func(c object) { delete(c, "email") }
	if mail, ok := o.in("no address").Email(); mail != "a@example.net" || !ok {
		t.Errorf("address %q %v", mail, ok)
	}
	o.claims = func(c object) { delete(c, "name") }
	if id := o.in("no name"); id.Name != "Ada" || id.Addresses[0].Value != "mara@example.net" {
		t.Errorf("%+v", id)
	}
	asked := o.calls["/userinfo"]
	o.claims = func(c object) { delete(c, "email") }
	for name, h := range map[string]http.HandlerFunc{
		"another person": answer(`{"sub":"u-2","email":"evil@example.net","email_verified":true}`),
		"no sub":         answer(`{"email":"evil@example.net","email_verified":true}`),
		"not JSON":       answer(`<html>`), "a JWT as JSON": answer(`a.b.c`),
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "404": http.NotFound,
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		},
	} {
		o.userInfo = h
		if id := o.in(name); len(id.Addresses) != 0 || id.UserInfo != nil || id.Subject != "u-1" {
			t.Errorf("%s: %+v", name, id)
		}
	}
	if o.calls["/userinfo"] != asked+7 {
		t.Errorf("%d calls for 7 sign-ins", o.calls["/userinfo"]-asked)
	}
	before := o.calls["/userinfo"]
	for name, f := range map[string]func(object){"no access token": func(a object) { delete(a, "access_token") }, "a type that is not known": func(a object) { a["token_type"] = "mac" }} {
		o.token = f
		o.in(name)
	}
	o.token = nil
	if o.calls["/userinfo"] != before {
		t.Error("UserInfo was asked with an access token that cannot be sent")
	}

	scopes := plainOP(t, func(c *oidc.Config) { c.Scopes = []string{"openid"} })
	scopes.claims = func(c object) { delete(c, "email"); delete(c, "name") }
	if scopes.in("nothing was asked for"); scopes.calls["/userinfo"] != 0 {
		t.Error("UserInfo was asked for what is in no scope")
	}
	required := plainOP(t, func(c *oidc.Config) { c.UserInfo = true })
	required.userInfo = answer(`{"sub":"u-2"}`)
	required.out("Config.UserInfo and another person", "provider_error", "sub is not that of the ID token")
}

// TestUserInfo_AsJWT: Core section 5.3.2.
func TestUserInfo_AsJWT(t *testing.T) {
	o := plainOP(t, func(c *oidc.Config) { c.UserInfo = true })
	claims := func(change object) object {
		c := object{"iss": opIssuer, "aud": "client-1", "sub": "u-1", "nickname": "mara", "phone_number": "+12025550123", "phone_number_verified": true}
		for k, v := range change {
			c[k] = v
		}
		return c
	}
	var token string
	o.userInfo = func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "application/jwt") {
			t.Errorf("Accept %q", r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "application/jwt; charset=utf-8")
		_, _ = w.Write([]byte(token))
	}
	for name, change := range map[string]object{"whole": nil, "iss and aud null": {"iss": nil, "aud": nil}, "aud of several": {"aud": []string{"x", "client-1"}}} {
		token = o.sign(claims(change))
		if id := o.in(name); len(id.Addresses) != 2 || !id.Addresses[1].Verified || !json.Valid(id.UserInfo) {
			t.Errorf("%s: %+v %s", name, id.Addresses, id.UserInfo)
		}
	}
	good := o.sign(claims(nil))
	for name, bad := range map[string]string{
		"another issuer": o.sign(claims(object{"iss": "https://evil.example"})), "another client": o.sign(claims(object{"aud": "client-2"})),
		"expired": o.sign(claims(object{"exp": o.Now().Add(-time.Hour).Unix()})), "an ID token": o.sign(claims(object{"nonce": "x"})),
		"unsigned": good[:strings.LastIndexByte(good, '.')+1], "changed": good[:len(good)-40] + strings.Repeat("A", 40), "encrypted": "a.b.c.d.e", "nothing": "",
		"JSON": `{"sub":"u-1"}`,
	} {
		token = bad
		o.out(name, "provider_error", "UserInfo is a JWT")
	}
	token = o.sign(claims(object{"sub": "u-2"}))
	o.out("another person", "provider_error", "sub is not that of the ID token")
	o.header["typ"] = "at+jwt"
	token = o.sign(claims(nil))
	o.header["typ"] = "JWT"
	o.out("an access token", "provider_error", "UserInfo is a JWT")
}

// TestUserInfo_JWTWire: Config.Leeway and Config.MaxIDToken hold for a UserInfo answer that is a JWT, too.
func TestUserInfo_JWTWire(t *testing.T) {
	answered := func(change func(*oidc.Config), more object) *op {
		o := plainOP(t, func(c *oidc.Config) { c.UserInfo = true; change(c) })
		claims := object{"iss": opIssuer, "aud": "client-1", "sub": "u-1", "nickname": "mara"}
		for k, v := range more {
			claims[k] = v
		}
		o.userInfo = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwt")
			_, _ = w.Write([]byte(o.sign(claims)))
		}
		return o
	}
	leeway := func(d time.Duration) func(*oidc.Config) { return func(c *oidc.Config) { c.Leeway = d } }
	size := func(n int) func(*oidc.Config) { return func(c *oidc.Config) { c.MaxIDToken = n } }
	now := plainOP(t, nil).Now()
	for name, tc := range map[string]struct {
		change func(*oidc.Config)
		more   object
		why    string // empty: accepted
	}{
		"late within the leeway":         {leeway(3 * time.Minute), object{"exp": now.Add(-2 * time.Minute).Unix()}, ""},
		"late within the default":        {leeway(0), object{"exp": now.Add(-30 * time.Second).Unix()}, ""},
		"later than the leeway":          {leeway(3 * time.Minute), object{"exp": now.Add(-4 * time.Minute).Unix()}, "claim exp has passed"},
		"late without leeway":            {leeway(-1), object{"exp": now.Add(-time.Second).Unix()}, "claim exp has passed"},
		"large":                          {size(200 << 10), object{"groups": strings.Repeat("g", 100<<10)}, ""},
		"larger than MaxIDToken":         {size(4 << 10), object{"groups": strings.Repeat("g", 8<<10)}, "UserInfo is a JWT"},
		"larger than the default's size": {size(0), object{"groups": strings.Repeat("g", 200<<10)}, "UserInfo is a JWT"},
	} {
		o := answered(tc.change, tc.more)
		if tc.why != "" {
			o.out(name, "provider_error", tc.why)
			continue
		}
		if id := o.in(name); !strings.Contains(string(id.UserInfo), "mara") {
			t.Errorf("%s: %s", name, id.UserInfo)
		}
	}
}

package oidc_test

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

const appleCallback = flowtest.Issuer + "/apple/callback"

func TestApple(t *testing.T) {
	w := all(t)
	w.IdP.SetUsers(fakeidp.User{Subject: "001.a.1", Email: "x7@privaterelay.appleid.com", EmailVerified: true, Name: "Ada Lovelace"})
	var form url.Values
	w.Observe(func(e fakeidp.Endpoint, v url.Values) {
		if e == fakeidp.Token {
			form = v
		}
	})
	q := w.Browser().Begin("apple").Query()
	if q.Get("response_mode") != "form_post" || q.Get("scope") != "openid email name" || q.Get("response_type") != "code" {
		t.Errorf("%v", q)
	}
	id := identityAt(t, w, "apple", "001.a.1")
	if mail, ok := id.Email(); !ok || mail != "x7@privaterelay.appleid.com" || id.Name != "Ada Lovelace" || id.Issuer != flowtest.IdP+"/apple" || id.Subject != "001.a.1" {
		t.Errorf("%+v", id)
	}
	if again := identityAt(t, w, "apple", "001.a.1"); again.Name != "" || again.Subject != id.Subject {
		t.Errorf("the second time: %+v", again)
	}
	if w.IdP.Calls(fakeidp.Discovery) != 0 {
		t.Error("metadata were read")
	}

	// The secret is new each time and says what Apple's documentation asks for.
	first := form.Get("client_secret")
	w.Advance(time.Second)
	identityAt(t, w, "apple", "001.a.1")
	if second := form.Get("client_secret"); second == first || form.Get("code_verifier") == "" {
		t.Error("the secret was used again, or there is no verifier")
	}
	var header, claims map[string]any
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(form.Get("client_secret"), ".")[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	now := float64(w.Now().Unix())
	if header["alg"] != "ES256" || header["kid"] != keyID || len(header) != 2 {
		t.Errorf("header %v", header)
	}
	if claims["iss"] != team || claims["sub"] != flowtest.ClientID || claims["aud"] != flowtest.IdP+"/apple" || claims["iat"] != now || claims["exp"] != now+300 || len(claims) != 5 {
		t.Errorf("claims %v", claims)
	}
}

// TestApple_Name: what the browser sends is shown if it is a name, and believed in nothing.
func TestApple_Name(t *testing.T) {
	w := all(t)
	for user, want := range map[string]string{
		`{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"victim@example.com"}`: "Ada Lovelace",
		`{"name":{"firstName":" Ada ","lastName":""}}`:                                    "Ada",
		`{"name":{"lastName":"Lovelace"}}`:                                                "Lovelace",
		`{"name":{"firstName":"<b>Ada</b>"}}`:                                             "<b>Ada</b>", // escaped where it is shown
		`{"name":{"firstName":"A\nB"}}`:                                                   "",
		`{"name":{"firstName":"` + strings.Repeat("x", 201) + `"}}`:                       "",
		`{"name":"Ada"}`:                           "",
		`{"name":{"firstName":1}}`:                 "",
		`{"email":"victim@example.com"}`:           "",
		`{"sub":"victim","email_verified":"true"}`: "",
		`{`:    "",
		`null`: "",
		`[]`:   "",
		``:     "",
	} {
		b := w.Browser()
		form := answerOf(w, b.Begin("apple"))
		form.Set("user", user)
		before := len(w.SignIns())
		a := b.Post(appleCallback, form)
		done := w.SignIns()
		if a.Status != 200 || len(done) != before+1 {
			t.Errorf("%s: %d %s", user, a.Status, a.Body)
			continue
		}
		id := done[before].Identity
		if mail, _ := id.Email(); id.Name != want || mail != "ada@example.com" || id.Subject != "10001" || len(id.Addresses) != 1 {
			t.Errorf("%s: %+v", user, id)
		}
	}
}

// TestC1_AppleCallback: by POST, in the browser that began, once.
func TestC1_AppleCallback(t *testing.T) {
	w := all(t)
	b := w.Browser()
	form := answerOf(w, b.Begin("apple"))
	twin := b.Clone()
	if a := b.Clone().Get(appleCallback + "?" + form.Encode()); a.Status != 400 {
		t.Errorf("by GET: %d %s", a.Status, a.Body)
	}
	if a := w.Browser().Post(appleCallback, form); a.Status != 403 {
		t.Errorf("in another browser: %d %s", a.Status, a.Body)
	}
	if w.IdP.Calls(fakeidp.Token) != 0 {
		t.Error("a code was exchanged")
	}
	if a := b.Post(appleCallback, form); a.Status != 200 {
		t.Errorf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
	if a := twin.Post(appleCallback, form); a.Status != 400 || a.Code() != "used_state" {
		t.Errorf("again: %d %s", a.Status, a.Body)
	}
	// A person who cancels.
	b = w.Browser()
	form = url.Values{"error": {"user_cancelled_authorize"}, "state": {b.Begin("apple").Query().Get("state")}}
	if a := b.Post(appleCallback, form); a.Status != 403 || a.Code() != "access_denied" {
		t.Errorf("cancelled: %d %s", a.Status, a.Body)
	}
}

// TestApple_WrongKey: what Apple refuses has a plain text, and no secret is in the log.
func TestApple_WrongKey(t *testing.T) {
	w := all(t)
	public, ok := appleKey(t).Public().Public().(*ecdsa.PublicKey)
	if !ok {
		t.Fatal("not an ECDSA key")
	}
	w.IdP.SetClient(fakeidp.Client{ID: flowtest.ClientID, RedirectURIs: []string{appleCallback}, Apple: &fakeidp.AppleKey{TeamID: team, KeyID: keyID, Key: public}})
	secret := ""
	w.Observe(func(e fakeidp.Endpoint, v url.Values) {
		if e == fakeidp.Token {
			secret = v.Get("client_secret")
		}
	})
	if a := signInAs(w, "apple", "10001"); a.Status != 502 || a.Code() != "provider_error" || !strings.Contains(w.Log(), "invalid_client") || strings.Contains(w.Log()+a.Body, secret) || secret == "" {
		t.Errorf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
}

func TestAppleConfig(t *testing.T) {
	good := oidc.Config{ClientID: "com.example.web"}
	if err := oidc.Apple(team, appleKey(t), good).Check(); err != nil {
		t.Error(err)
	}
	rsa, err := keys.Generate(keys.RS256)
	if err != nil {
		t.Fatal(err)
	}
	unnamed, err := keys.Generate(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	for problem, tt := range map[string]struct {
		team   string
		key    keys.SigningKey
		change func(*oidc.Config)
	}{
		"teamID must be":       {"", appleKey(t), nil},
		"key is missing":       {team, nil, nil},
		"must be for ES256":    {team, rsa, nil},
		"ten characters":       {team, unnamed, nil},
		"ClientSecret":         {team, appleKey(t), func(c *oidc.Config) { c.ClientSecret = "x" }},
		"AuthMethod empty":     {team, appleKey(t), func(c *oidc.Config) { c.AuthMethod = "client_secret_basic" }},
		"UserInfo":             {team, appleKey(t), func(c *oidc.Config) { c.UserInfo = true }},
		"ClientID is missing":  {team, appleKey(t), func(c *oidc.Config) { c.ClientID = "" }},
		`Scopes must hold "op`: {team, appleKey(t), func(c *oidc.Config) { c.Scopes = []string{"email"} }},
	} {
		c := good
		if tt.change != nil {
			tt.change(&c)
		}
		if err := oidc.Apple(tt.team, tt.key, c).Check(); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("want %q: %v", problem, err)
		}
	}
}

package oauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/oauth"
)

func TestGitHub(t *testing.T) {
	w := world(t)
	w.IdP.SetUsers(fakeidp.User{
		Subject: "x", GitHubID: 9007199254740993, Login: "octo", Name: "Octo Cat", Email: "Octo@Example.com", EmailVerified: true, Picture: "https://example.com/o.png",
		MoreEmails: []fakeidp.Email{{Address: "other@example.com", Verified: true}},
	})
	var form url.Values
	w.Observe(func(e fakeidp.Endpoint, v url.Values) {
		if e == fakeidp.Token {
			form = v
		}
	})
	q := w.Browser().Begin("github").Query()
	if q.Get("scope") != "user:email" || q.Get("code_challenge_method") != "S256" || q.Has("nonce") || q.Has("prompt") {
		t.Errorf("%v", q)
	}
	in := accepted(t, w, "github")
	id := in.Identity
	want := []postern.Address{{Type: "email", Value: "octo@example.com", Verified: true}}
	if id.Issuer != flowtest.IdP || id.Subject != "9007199254740993" || id.Name != "Octo Cat" || id.Picture != "https://example.com/o.png" || fmt.Sprint(id.Addresses) != fmt.Sprint(want) {
		t.Errorf("%+v", id)
	}
	if !json.Valid(id.Raw) || id.Tokens == nil || id.Tokens.Access == "" || in.Tokens != id.Tokens || fmt.Sprint(in.Authentication.Methods) != "[oauth]" {
		t.Errorf("%s %+v %+v", id.Raw, id.Tokens, in.Authentication)
	}
	if form.Get("client_secret") != flowtest.Secret || form.Get("code_verifier") == "" {
		t.Error("the secret was not sent in the body")
	}
}

func TestA2_GitHubAddresses(t *testing.T) {
	w := world(t)
	user := fakeidp.User{Subject: "1", Login: "octo", Email: "octo@example.com", EmailVerified: true, MoreEmails: []fakeidp.Email{{Address: "proven@example.com", Verified: true}}}
	for name, tt := range map[string]struct {
		faults fakeidp.Faults
		change func(*fakeidp.User)
		list   int
	}{
		"primary unproven, another proven": {fakeidp.Faults{}, func(u *fakeidp.User) { u.EmailVerified = false }, 1},
		"verified as text":                 {fakeidp.Faults{EmailVerifiedText: true}, nil, 1},
		"verified absent":                  {fakeidp.Faults{NoEmailVerified: true}, nil, 1},
		"no primary":                       {fakeidp.Faults{}, func(u *fakeidp.User) { u.Email = "" }, 0},
	} {
		u := user
		if tt.change != nil {
			tt.change(&u)
		}
		w.IdP.SetUsers(u)
		w.IdP.SetFaults(tt.faults)
		id := accepted(t, w, "github").Identity
		if mail, ok := id.Email(); ok || len(id.Addresses) != tt.list {
			t.Errorf("%s: %q, %+v", name, mail, id.Addresses)
		}
	}
}

// TestGitHub_Profiles: shapes of GitHub's API, served by hand.
func TestGitHub_Profiles(t *testing.T) {
	for _, tt := range []struct {
		user, emails string
		status       int    // of the list
		want         string // subject, name, proven address; or a code
	}{
		{`{"id":1,"login":"o","name":null,"email":"public@example.com"}`, `[]`, 200, `1 o `},
		{`{"id":1,"login":"o"}`, `[{"email":"a@example.com","primary":true,"verified":true,"visibility":null}]`, 200, `1 o a@example.com`},
		{`{"id":1,"login":"o"}`, `[{"email":"a@example.com","primary":false,"verified":true}]`, 200, `1 o `},
		{`{"id":1,"login":"o"}`, `[{"email":"a@example.com","primary":true,"verified":"true"}]`, 200, `1 o `},
		{`{"id":1,"login":"o"}`, `[{"email":"a b@example.com","primary":true,"verified":true}]`, 200, `1 o `},
		{`{"id":1,"login":"o"}`, ``, 403, `1 o `},
		{`{"id":1,"login":"o"}`, ``, 404, `1 o `},
		{`{"id":1,"login":"o"}`, ``, 500, `provider_unavailable`},
		{`{"id":1,"login":"o"}`, ``, 429, `provider_unavailable`},
		{`{"id":1,"login":"o"}`, ``, 401, `provider_error`},
		{`{"id":1,"login":"o"}`, `{}`, 200, `provider_error`},
		{`{"id":1,"login":"o"}`, `<html>`, 200, `provider_error`},
		{`{"id":"1","login":"o"}`, `[]`, 200, `provider_error`},
		{`{"id":0,"login":"o"}`, `[]`, 200, `provider_error`},
		{`{"id":-1,"login":"o"}`, `[]`, 200, `provider_error`},
		{`{"id":1.5,"login":"o"}`, `[]`, 200, `provider_error`},
		{`{"id":1e300,"login":"o"}`, `[]`, 200, `provider_error`},
		{`{"login":"o"}`, `[]`, 200, `provider_error`},
		{`{"id":1,"id":2,"login":"o"}`, `[]`, 200, `provider_error`},
		{`[]`, `[]`, 200, `provider_error`},
		{`null`, `[]`, 200, `provider_error`},
		{``, `[]`, 200, `provider_error`},
	} {
		w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
			c := gitHub(w)
			c.Endpoint.UserInfoURL = "https://api.example/user"
			return map[string]postern.Provider{"github": oauth.GitHub(c)}
		})
		mux := http.NewServeMux()
		mux.HandleFunc("/user", func(rw http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || r.Header.Get("User-Agent") == "" {
				t.Errorf("header %v", r.Header)
			}
			fmt.Fprint(rw, tt.user)
		})
		mux.HandleFunc("/user/emails", func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(tt.status)
			fmt.Fprint(rw, tt.emails)
		})
		w.Serve("api.example", mux)
		a := w.Browser().SignIn("github")
		got := a.Code()
		if done := w.SignIns(); len(done) == 1 {
			mail, _ := done[0].Identity.Email()
			got = fmt.Sprint(done[0].Identity.Subject, " ", done[0].Identity.Name, " ", mail)
		}
		if got != tt.want {
			t.Errorf("%s %d %s: %q, want %q", tt.user, tt.status, tt.emails, got, tt.want)
		}
	}
}

// TestC4_GitHubIss: GitHub says {issuer}/login/oauth, or nothing.
func TestC4_GitHubIss(t *testing.T) {
	for iss, ok := range map[string]bool{
		"-": true, flowtest.IdP + "/login/oauth": true, flowtest.IdP: false, "https://github.com/login/oauth": false, "": false,
	} {
		w := world(t)
		b := w.Browser()
		a := b.Get(flowtest.With(b.To("github"), "iss", iss))
		if (a.Status == 200) != ok || !ok && a.Code() != "invalid_issuer" {
			t.Errorf("iss %q: %d %s", iss, a.Status, a.Body)
		}
	}
}

func TestGoogle(t *testing.T) {
	w := world(t, func(c *oauth.Config) {
		c.Prompt, c.AuthParams = "consent", map[string]string{"access_type": "offline", "include_granted_scopes": "true"}
	})
	q := w.Browser().Begin("google").Query()
	for name, want := range map[string]string{
		"prompt": "consent", "access_type": "offline", "include_granted_scopes": "true", "scope": "openid email profile", "code_challenge_method": "S256",
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	in := accepted(t, w, "google")
	id := in.Identity
	if mail, ok := id.Email(); id.Issuer != flowtest.IdP || id.Subject != "10001" || id.Name != "Ada Lovelace" || mail != "ada@example.com" || !ok {
		t.Errorf("%+v", id)
	}
	if id.Tokens.Refresh == "" || string(id.UserInfo) != string(id.Raw) || fmt.Sprint(in.Authentication.Methods) != "[oauth]" {
		t.Errorf("%+v %s", id.Tokens, id.UserInfo)
	}
	w.IdP.SetFaults(fakeidp.Faults{EmailVerifiedText: true})
	if mail, ok := accepted(t, w, "google").Identity.Email(); ok {
		t.Errorf("%s is proven by text", mail)
	}
}

// TestPresetsNameTheRealServices: what an application with only an id and a secret would use.
func TestPresetsNameTheRealServices(t *testing.T) {
	c := oauth.Config{ClientID: "a", ClientSecret: "b"}
	enterprise := c
	enterprise.Issuer = "https://github.example.com/"
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		return map[string]postern.Provider{"github": oauth.GitHub(c), "google": oauth.Google(c), "one": oauth.GitHub(enterprise)}
	})
	for name, want := range map[string]string{
		"github": "https://github.com/login/oauth/authorize?", "google": "https://accounts.google.com/o/oauth2/v2/auth?",
		"one": "https://github.example.com/login/oauth/authorize?",
	} {
		if to := w.Browser().Begin(name).String(); !strings.HasPrefix(to, want) {
			t.Errorf("%s: %s", name, to)
		}
	}
}

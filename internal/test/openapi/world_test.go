package openapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/totp"
	"github.com/posternauth/postern/ui"
	"github.com/posternauth/postern/users"
)

const (
	base = "/auth"
	good = "wolke sieben am fluss"
	next = "elf graue elefanten im nebel"
)

var ada = fakeidp.User{Subject: "10001", Email: "ada@other.example", EmailVerified: true, Name: "Ada"}

var roles = users.Roles{"owner": {"users:read", "users:write", "users:roles", "users:export", "users:delete", "users:impersonate", "users:credentials", "events:read", "mail:test", "keys:rotate", "sessions:read", "sessions:write", "posts:read"}, "member": {"posts:read"}}

type profile struct {
	Name string `json:"name"`
}

// A town is a handler with everything that the document describes. Each answer is checked.
type town struct {
	*flowtest.World
	*document
	dir     *users.Directory
	staff   *postern.Kind[profile]
	pages   *ui.Pages
	handler http.Handler
}

func newTown(t testing.TB) *town {
	t.Helper()
	v := &town{document: newDocument(t)}
	v.World = flowtest.NewUsers(t, func(w *flowtest.World, c *postern.Config) {
		var err error
		if v.dir, err = users.New(users.Config{Sessions: w.Sessions, Roles: roles, AllowUsernames: true}); err != nil {
			t.Fatal(err)
		}
		if v.pages, err = ui.New(ui.Config{}); err != nil {
			t.Fatal(err)
		}
		c.Assets = v.pages
		say := func(p postern.Person) profile { return profile{p.Name} }
		v.staff = postern.NewKind(w.Sessions, v.dir, session.KindConfig[profile]{Name: "staff"}, say)
		kind := postern.NewKind(w.Sessions, v.dir, session.KindConfig[profile]{Name: "user"}, say)
		c.Session, c.Admit, c.Admin, c.Usernames, c.IdentifierFirst = kind, postern.Open, v.dir.Admin(v.staff), true, true
		c.Factors, c.RequireFactor = map[string]postern.Provider{"knock": knock{}, "totp": totp.New(totp.Config{}), "recovery": totp.Recovery(totp.Config{})}, demand
		c.Redirects = append(c.Redirects, "/", "https://app.example/cb")
		c.Providers = map[string]postern.Provider{
			"one":      oidc.New(oidc.Config{Issuer: flowtest.IdP, ClientID: flowtest.ClientID, ClientSecret: flowtest.Secret, HTTPClient: w.HTTP}),
			"code":     magic.Code(magic.Config{}),
			"passkey":  passkey.New(passkey.Config{}),
			"password": password.New(password.Config{}),
		}
	})
	v.IdP.SetUsers(ada)
	v.handler = v.watch(base, v.Auth)
	return v
}

// A client is a program of one person, which keeps cookies.
type client struct {
	*testworld.Browser
	v *town
}

func (v *town) client() *client { return &client{testworld.NewBrowser(v.handler), v} }

// An answer is JSON, if there is any.
type answer struct {
	*httptest.ResponseRecorder
	json object
}

// text returns a member that is a text; empty for any other.
func (a answer) text(name string) string {
	s, _ := a.json[name].(string)
	return s
}

// hidden returns a hidden field of the first form of a page.
func (a answer) hidden(name string) string {
	forms, _ := a.json["forms"].([]any)
	if len(forms) == 0 {
		return ""
	}
	hidden, _ := forms[0].(object)["hidden"].(object)
	s, _ := hidden[name].(string)
	return s
}

// do sends a request of a page of the issuer: body is a JSON value, a url.Values, or nil.
func (c *client) do(method, target string, body any) answer {
	c.v.Helper()
	text, media := "", ""
	switch body := body.(type) {
	case nil:
	case url.Values:
		text, media = body.Encode(), "application/x-www-form-urlencoded"
	case string:
		text, media = body, "application/json"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			c.v.Fatalf("%v", err)
		}
		text, media = string(encoded), "application/json"
	}
	if strings.HasPrefix(target, "/") {
		target = flowtest.Issuer + target
	}
	r := httptest.NewRequest(method, target, strings.NewReader(text))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == "GET" { // as a person opens it
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	maps.Copy(r.Header, c.Header.Clone())
	a := answer{ResponseRecorder: c.Do(r)}
	_ = json.Unmarshal(a.Body.Bytes(), &a.json)
	return a
}

// must is do for an answer with a status.
func (c *client) must(status int, method, target string, body any) answer {
	c.v.Helper()
	a := c.do(method, target, body)
	if a.Code != status {
		c.v.Fatalf("%s %s: %d, want %d: %s", method, target, a.Code, status, a.Body)
	}
	return a
}

// code returns the code of the last mail.
func (v *town) code() string {
	all := v.Mails.All()
	return all[len(all)-1].Arg("code")
}

// mailed returns a parameter of the link in the last mail of a name.
func (v *town) mailed(name, argument, parameter string) string {
	v.Helper()
	all := v.Mails.All()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name == name {
			u, err := url.Parse(all[i].Arg(argument))
			if err != nil || !u.Query().Has(parameter) {
				v.Fatalf("%q: %v", all[i].Arg(argument), err)
			}
			return u.Query().Get(parameter)
		}
	}
	v.Fatalf("no mail %s", name)
	return ""
}

// signUp makes a person with a password, whose session has a fresh proof.
func (v *town) signUp(address string) *client {
	v.Helper()
	c := v.client()
	page := c.must(200, "POST", "/sign-up", object{"email": address})
	page = c.must(200, "POST", "/sign-up/code", object{"state": page.hidden("state"), "code": v.code()})
	c.must(200, "POST", "/password/sign-up", object{"state": page.hidden("state"), "password": good})
	c.signIn(address, good)
	return c
}

func (c *client) signIn(address, password string) {
	c.v.Helper()
	page := c.must(200, "GET", "/password/authorize", nil)
	c.must(200, "POST", "/password/callback", object{"state": page.hidden("state"), "identifier": address, "password": password})
}

func (c *client) id() string {
	c.v.Helper()
	return c.must(200, "GET", "/account", nil).text("id")
}

// codeOf returns the code of the last mail of a name.
func (v *town) codeOf(name string) string {
	v.Helper()
	all := v.Mails.All()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name == name {
			return all[i].Arg("code")
		}
	}
	v.Fatalf("no mail %s", name)
	return ""
}

package main

import (
	"cmp"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/devpage"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// person is what a session of the demo knows about somebody.
type person struct {
	UserID string `json:"userID"`
	Name   string `json:"name,omitempty"`
	Email  string `json:"email,omitempty"` // only if it was proven
}

func personOf(p postern.Person) person {
	email, _ := p.Email()
	return person{UserID: p.ID, Name: p.Name, Email: email}
}

// demo is the application that `dev` protects: a page at / and an API at /api/me.
type demo struct {
	site
	sessions *session.Sessions
	user     *postern.Kind[person]
	url      string
	people   []resident

	handlers [4]*http.ServeMux // the auth handler, for first and offer of the settings
	settings atomic.Uint32     // those of now
}

// A way is a way to sign in.
type way struct{ Provider, Name, Note string }

// ways are in the order of the page.
var ways = []way{
	{"google", "Continue with Google", "OpenID Connect, at a stand-in"},
	{"github", "Continue with GitHub", "OAuth 2, at a stand-in"},
	{"password", "Password", "Of an account that is here"},
	{"passkey", "Passkey", "Of this device, once you have one"},
	{"link", "Email me a link", "To the inbox here"},
	{"code", "Email me a code", "Six digits, to the inbox here"},
	{"both", "Email me a link and a code", "In one mail, to the inbox here"},
}

// routes registers the application on mux.
func (d *demo) routes(mux *http.ServeMux) {
	mux.Handle("GET /{$}", d.user.Optional(http.HandlerFunc(d.home), session.CheckStore))
	mux.Handle("GET /api/me", d.user.Require(http.HandlerFunc(d.me)))
	mux.Handle("POST /renew", http.HandlerFunc(d.renew))
	mux.Handle("POST /settings", http.NewCrossOriginProtection().Handler(http.HandlerFunc(d.choose)))
	for _, path := range []string{"/auth", "/auth/", "/.well-known/"} {
		mux.HandleFunc(path, d.auth)
	}
	mux.HandleFunc("/", d.nothing)
}

// to is the query that leads back here.
func (d *demo) to() string { return url.Values{"redirect_uri": {d.url + "/"}}.Encode() }

func (d *demo) home(w http.ResponseWriter, r *http.Request) {
	if s, ok := d.user.From(r.Context()); ok {
		d.signedIn(w, r, s)
		return
	}
	d.show(w, devpage.Page{
		Title: "Try Postern", Path: "/",
		Lead: "Everything happens on this machine: stand-ins take the place of Google and GitHub, and mail goes to the inbox. Nothing is sent to anybody.",
	}, "start", map[string]any{"To": template.URL(d.to()), "Ways": ways, "People": d.people, "Password": readyPassword,
		"Settings": d.shown(), "Saved": r.URL.Query().Has("saved")})
}

// me is a handler behind a guard: it reads who calls, typed.
func (d *demo) me(w http.ResponseWriter, r *http.Request) {
	s, _ := d.user.From(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(s.Properties)
}

// renew renews the access token before it expires: without its cookie the guard trades the refresh token.
func (d *demo) renew(w http.ResponseWriter, r *http.Request) {
	_, name := d.token(r)
	r = r.Clone(r.Context())
	kept := r.Cookies()
	r.Header.Del("Cookie")
	for _, k := range kept {
		if k.Name != name {
			r.AddCookie(k)
		}
	}
	d.user.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := "/"
		if _, ok := d.user.From(r.Context()); ok {
			to = "/?renewed"
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, to, http.StatusSeeOther)
	})).ServeHTTP(w, r)
}

// token returns the access token of the session that a browser has, and the cookie that holds it.
func (d *demo) token(r *http.Request) (token, cookie string) {
	for _, k := range r.Cookies() {
		if _, err := d.user.Verify(r.Context(), k.Value); err == nil {
			return k.Value, k.Name
		}
	}
	return "", ""
}

// proofLife is how old a proof may be for a change of the account.
const proofLife = 10 * time.Minute

func (d *demo) signedIn(w http.ResponseWriter, r *http.Request, s *session.Session[person]) {
	now := d.sessions.Now()
	lead := "As " + cmp.Or(s.Properties.Name, s.Properties.Email, s.Subject)
	if s.Properties.Name != "" && s.Properties.Email != "" {
		lead += ", " + s.Properties.Email
	}
	notice := ""
	if r.URL.Query().Has("renewed") {
		notice = "The session has a new access token."
	}
	d.show(w, devpage.Page{Title: "You are signed in", Path: "/", Lead: lead + "."}, "home", map[string]any{
		"To": template.URL(d.to()), "Notice": notice, "SignedIn": inWords(s.Authentication.Time, now), "Proof": strings.Join(s.Authentication.Methods, ", "),
		"Expires": inWords(s.Expires, now), "Issued": inWords(s.Issued, now), "Fresh": now.Sub(s.Authentication.Time) < proofLife,
		"Roles": strings.Join(s.Roles, ", "), "Admin": slices.Contains(s.Scopes, users.ScopeRead), "Claims": d.claims(s, now),
	})
}

// A claim is one of a token, with words about it.
type claim struct{ Name, Value, Words string }

// claims lists the claims of the session under their names in the token.
func (d *demo) claims(s *session.Session[person], now time.Time) (all []claim) {
	properties, _ := json.MarshalIndent(s.Properties, "", "  ") // strings only: cannot fail
	add := func(name, value, words string) {
		if value != "" {
			all = append(all, claim{name, value, words})
		}
	}
	add("iss", d.sessions.Issuer(), "who issued it")
	add("aud", audience, "the service that it is for")
	add("sub", s.Subject, "who: the id of the user")
	add("type", s.Kind, "which kind of session")
	add("properties", string(properties), "what the application knows of the person")
	add("client_id", s.ClientID, "")
	for _, t := range []struct {
		name, verb string
		at         time.Time
	}{{"auth_time", "signed in", s.Authentication.Time}, {"iat", "issued", s.Issued}, {"exp", "expires", s.Expires}} {
		words := t.verb + " " + inWords(t.at, now) + ", " + stamp(t.at)
		if t.name == "iat" {
			words += "; back-dated 30 seconds for verifiers whose clocks are late"
		}
		add(t.name, strconv.FormatInt(t.at.Unix(), 10), words)
	}
	add("amr", strings.Join(s.Authentication.Methods, " "), "how it was proven")
	add("roles", strings.Join(s.Roles, " "), "what the user is")
	add("scope", strings.Join(s.Scopes, " "), "what the user may do")
	add("sid", s.ID, "this session")
	add("jti", s.TokenID, "this token")
	return all
}

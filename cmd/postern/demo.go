package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/session"
)

// person is what a session of the demo knows about somebody.
type person struct {
	UserID   string `json:"userID"`
	Provider string `json:"provider"`
	Name     string `json:"name,omitempty"`
	Email    string `json:"email,omitempty"` // only if the provider vouches for it
}

// demo is the application that `dev` protects: a page at / and an API at /api/me.
type demo struct {
	sessions *session.Sessions
	user     *session.Kind[person]
	url      string
}

// ways to sign in, in the order of the page.
var ways = [...]struct{ provider, name, note string }{
	{"google", "Continue with Google", "OpenID Connect"},
	{"github", "Continue with GitHub", "OAuth 2"},
	{"link", "Email me a link", "To the inbox here"},
	{"code", "Email me a code", "Six digits, to the inbox here"},
}

// routes registers the application on mux.
func (d *demo) routes(mux *http.ServeMux) {
	mux.Handle("GET /{$}", d.user.Optional(http.HandlerFunc(d.home), session.CheckStore))
	mux.Handle("GET /api/me", d.user.Require(http.HandlerFunc(d.me)))
	d.sessionRoutes(mux)
	mux.HandleFunc("GET /assets/", serveAssets)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		errorPage(w, http.StatusNotFound, "Nothing here", "There is no page at this address.")
	})
}

func (d *demo) home(w http.ResponseWriter, r *http.Request) {
	s, ok := d.user.From(r.Context())
	if !ok {
		d.signedOut(w)
		return
	}
	page, err := d.sessions.List(r.Context(), s.Subject, session.ListOptions{})
	if err != nil {
		unavailable(w)
		return
	}
	d.signedIn(w, s, page.Sessions)
}

// me is a handler behind a guard: it reads who calls, typed.
func (d *demo) me(w http.ResponseWriter, r *http.Request) {
	s, _ := d.user.From(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(s.Properties)
}

func (d *demo) signedOut(w http.ResponseWriter) {
	var m markup
	m.raw(`<section class="card">
<h1>Sign in</h1>
<p class="lead">Try any way in. Everything happens on this machine: the providers are a stand-in and mail goes to the inbox, so nothing is sent to anybody.</p>
<ul class="ways">
`)
	for _, way := range ways {
		m.raw(`<li><a class="way" href="/auth/`, way.provider, `/authorize?`)
		m.text(url.Values{"redirect_uri": {d.url + "/"}}.Encode())
		m.raw(`"><b>`)
		m.text(way.name)
		m.raw("</b><span>")
		m.text(way.note)
		m.raw("</span></a></li>\n")
	}
	m.raw(`</ul>
</section>
`)
	writePage(w, http.StatusOK, "Sign in · Postern", &m)
}

func (d *demo) signedIn(w http.ResponseWriter, s *session.Session[person], list []session.Info) {
	var m markup
	m.raw("<section class=\"card\">\n<h1>You are signed in</h1>\n<p class=\"lead\">")
	who := s.Properties.Name
	if who == "" {
		who = s.Properties.Email
	}
	if who == "" {
		who = s.Subject
	}
	m.text("As " + who + ", by " + s.Properties.Provider + ".")
	m.raw("</p>\n<dl>\n")
	now := d.sessions.Now()
	m.pair("Signed in", inWords(s.Authentication.Time, now))
	m.pair("Access token", "expires "+inWords(s.Expires, now)+", then renews itself")
	m.pair("Proven by", strings.Join(s.Authentication.Methods, ", "))
	m.raw(`</dl>
<form class="actions" method="post" action="/auth/signout"><button>Sign out</button></form>
</section>
`)
	d.sessionList(&m, list, s.ID, now)
	m.raw(`<section class="card">
<h2>What the token says</h2>
`)
	d.claims(&m, s, now)
	m.raw(`</section>
<section class="card">
<h2>How a handler reads it</h2>
<pre tabindex="0"><code>mux.Handle("GET /api/me", user.Require(http.HandlerFunc(me)))

func me(w http.ResponseWriter, r *http.Request) {
	s, _ := user.From(r.Context())
	json.NewEncoder(w).Encode(s.Properties)
}</code></pre>
<p class="note">See what it answers: <a href="/api/me">/api/me</a></p>
</section>
`)
	writePage(w, http.StatusOK, "Signed in · Postern", &m)
}

// claims lists the claims of the session under their names in the token, times in words beside them.
func (d *demo) claims(m *markup, s *session.Session[person], now time.Time) {
	properties, _ := json.MarshalIndent(s.Properties, "", "  ") // strings only: cannot fail
	m.raw("<dl>\n")
	m.claim("iss", d.sessions.Issuer(), "")
	m.claim("aud", audience, "")
	m.claim("sub", s.Subject, "who: the application's own id")
	m.claim("type", s.Kind, "which kind of session")
	m.claim("properties", string(properties), "")
	m.claim("client_id", s.ClientID, "")
	for _, t := range []struct {
		name, verb string
		at         time.Time
	}{{"auth_time", "signed in", s.Authentication.Time}, {"iat", "issued", s.Issued}, {"exp", "expires", s.Expires}} {
		words := t.verb + " " + inWords(t.at, now) + ", " + stamp(t.at)
		if t.name == "iat" {
			words += "; back-dated 30 seconds for verifiers whose clocks are late"
		}
		m.claim(t.name, strconv.FormatInt(t.at.Unix(), 10), words)
	}
	m.claim("amr", strings.Join(s.Authentication.Methods, " "), "how it was proven")
	m.claim("scope", strings.Join(s.Scopes, " "), "")
	m.claim("sid", s.ID, "this session")
	m.claim("jti", s.TokenID, "this token")
	m.raw("</dl>\n")
}

// pair writes a term and what it is.
func (m *markup) pair(term, value string) {
	m.raw("<dt>")
	m.text(term)
	m.raw("</dt><dd>")
	m.text(value)
	m.raw("</dd>\n")
}

// claim writes a claim that is there, and words about it.
func (m *markup) claim(name, value, words string) {
	if value == "" {
		return
	}
	m.raw("<dt><code>")
	m.text(name)
	m.raw("</code></dt><dd><code>")
	m.text(value)
	m.raw("</code>")
	if words != "" {
		m.raw(`<span class="words">`)
		m.text(words)
		m.raw("</span>")
	}
	m.raw("</dd>\n")
}

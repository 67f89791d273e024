package fakeidp

import (
	"cmp"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/pagestyle"
)

// more is what the login page needs beside the style of the pages of package postern: a list of people.
const more = `
h2{margin:2rem 0 .5rem;font-size:1rem}
form+form{margin-top:.75rem}
button{margin:0 0 .5rem}
button.person{background:none;border-color:var(--edge);color:inherit;font-weight:600;text-align:left;overflow-wrap:anywhere}
button.person small{display:block;color:var(--soft);font-weight:400}
button.plain{background:none;border-color:var(--edge);color:var(--act)}`

// submitScript sends the form of a form_post answer.
const submitScript = `document.forms[0].submit()`

// page writes an HTML page; body must be escaped.
func page(w http.ResponseWriter, status int, title, body, script string) {
	// There is no form-action: Chrome applies it to every redirect after the form, and those lead to the client.
	style := pagestyle.CSS + more
	policy := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src " + pagestyle.Source(style)
	if script != "" {
		policy += "; script-src " + pagestyle.Source(script)
		body += "<script>" + script + "</script>"
	}
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// Not no-referrer or same-origin: with those, browsers send "Origin: null" with a form, or one to another site.
	w.Header().Set("Referrer-Policy", "origin")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"+
		"<title>%s</title><style>%s</style></head><body><main>%s</main></body></html>\n", html.EscapeString(title), style, body)
}

// refuse shows why a request is not redirected.
func (p *IdP) refuse(w http.ResponseWriter, text string) {
	page(w, http.StatusBadRequest, "Sign-in refused", "<h1>Sign-in refused</h1><p role=\"alert\">"+html.EscapeString(text)+"</p>", "")
}

// loginPage lists the users. Its form answers to the same URL, so that nothing is kept between the two.
func (p *IdP) loginPage(w http.ResponseWriter, r *http.Request, req *authRequest) {
	p.mu.Lock()
	users := slices.Clone(p.users)
	p.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, `<hgroup><p>Stand-in for %s</p><h1>Who are you?</h1></hgroup><p>Sign in to <strong>%s</strong> as anybody.</p>`,
		html.EscapeString(p.nameOf(req.grant.shape)), html.EscapeString(p.appName(req.grant)))
	action := html.EscapeString(r.URL.RequestURI())
	fmt.Fprintf(&b, `<form method="post" action="%s">`, action)
	for _, u := range users {
		fmt.Fprintf(&b, `<button class="person" name="user" value="%s">%s<small>%s</small></button>`,
			html.EscapeString(u.Subject), html.EscapeString(u.label()), html.EscapeString(u.Email))
	}
	b.WriteString(`</form><h2>Somebody else</h2>`)
	email := ""
	if _, ok := typedUser(req.loginHint, ""); ok {
		email = req.loginHint
	}
	fmt.Fprintf(&b, `<form method="post" action="%s"><label for="email">Email address</label>`+
		`<input id="email" name="email" type="email" autocomplete="off" autocapitalize="none" spellcheck="false" required maxlength="254" value="%s">`+
		`<label for="name">Name (optional)</label><input id="name" name="name" autocomplete="off" maxlength="200">`+
		`<button>Sign in</button></form>`, action, html.EscapeString(email))
	fmt.Fprintf(&b, `<form method="post" action="%s"><button class="plain" name="deny" value="1">Cancel</button></form>`, action)
	fmt.Fprintf(&b, `<p class="hint">This page stands in for %s on this machine. It checks nothing, and nothing is sent to anybody.</p>`, html.EscapeString(p.nameOf(req.grant.shape)))
	page(w, http.StatusOK, "Sign in", b.String(), "")
}

// appName is the name of the application that a person signs in to.
func (p *IdP) appName(g grant) string {
	p.mu.Lock()
	name := p.clients[g.client].Name
	p.mu.Unlock()
	if u, err := url.Parse(g.redirectURI); err == nil && name == "" {
		name = u.Host
	}
	return cmp.Or(name, g.client)
}

// frontPage explains the provider to a person who opens the URL of the issuer.
func (p *IdP) frontPage(w http.ResponseWriter) {
	page(w, http.StatusOK, "Stand-in", fmt.Sprintf(`<hgroup><p>Stand-in for %s</p><h1>Nothing to do here</h1></hgroup><p>An application sends you here to sign in. Start there.</p>`+
		`<p class="hint">Metadata: <a href="%s">openid-configuration</a></p>`,
		html.EscapeString(p.nameOf(openID)), html.EscapeString(p.base+"/.well-known/openid-configuration")), "")
}

// nameOf is the name of the original of a shape.
func (p *IdP) nameOf(s shape) string {
	switch {
	case s.isVendor():
		return vendorOf(s).name
	case s == gitHub:
		return "GitHub"
	case s == twitch:
		return "Twitch"
	}
	return cmp.Or(p.config.Name, "an OpenID provider")
}

func (u User) label() string {
	for _, s := range []string{u.Name, u.Login, u.Email} {
		if s != "" {
			return s
		}
	}
	return u.Subject
}

// formPostPage is the answer of OAuth 2.0 Form Post Response Mode: the browser carries it in a cross-site POST.
func (p *IdP) formPostPage(w http.ResponseWriter, to string, answer url.Values) {
	var b strings.Builder
	fmt.Fprintf(&b, `<h1>One moment</h1><form method="post" action="%s">`, html.EscapeString(to))
	for _, name := range []string{"code", "error", "error_description", "state", "iss", "user"} {
		for _, v := range answer[name] {
			fmt.Fprintf(&b, `<input type="hidden" name="%s" value="%s">`, name, html.EscapeString(v))
		}
	}
	b.WriteString(`<noscript><button>Continue</button></noscript></form>`)
	page(w, http.StatusOK, "One moment", b.String(), submitScript)
}

package fakeidp

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const style = `:root{color-scheme:light dark;--line:#8886;--soft:#8882;--accent:#2456c9}
*{box-sizing:border-box}
body{font:1rem/1.5 system-ui,sans-serif;margin:0;padding:1.5rem 1rem;display:flex;justify-content:center}
main{width:100%;max-width:26rem}
h1{font-size:1.4rem;margin:0 0 .25rem}h2{font-size:1rem;margin:2rem 0 .5rem}
p{margin:.25rem 0 1rem}.note{opacity:.75;font-size:.9rem}
button,input{font:inherit;min-height:2.75rem;border-radius:.5rem;border:1px solid var(--line);padding:.5rem .75rem;width:100%}
button{cursor:pointer;text-align:left;background:var(--soft);color:inherit;margin:.25rem 0}
button:hover{border-color:currentColor}button small{display:block;opacity:.75}
button.main{background:var(--accent);color:#fff;border-color:transparent;text-align:center;margin-top:1rem}
button.plain{background:none;text-align:center}
label{display:block;margin:.75rem 0 .25rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}`

// submitScript sends the form of a form_post answer.
const submitScript = `document.forms[0].submit()`

func sourceHash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page writes an HTML page; body must be escaped.
func page(w http.ResponseWriter, status int, title, body, script string) {
	// There is no form-action: Chrome applies it to every redirect after the form, and those lead to the client.
	policy := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src " + sourceHash(style)
	if script != "" {
		policy += "; script-src " + sourceHash(script)
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
	name := map[shape]string{openID: "OpenID", gitHub: "GitHub", twitch: "Twitch"}[req.grant.shape]
	if req.grant.shape.isVendor() {
		name = vendorOf(req.grant.shape).name
	}

	var b strings.Builder
	fmt.Fprintf(&b, `<h1>Who are you?</h1><p class="note">A local stand-in for a provider (%s). Nothing here is checked and nothing leaves this machine.</p>`, name)
	fmt.Fprintf(&b, `<p>Sign in to <strong>%s</strong></p>`, html.EscapeString(req.grant.client))
	action := html.EscapeString(r.URL.RequestURI())
	fmt.Fprintf(&b, `<form method="post" action="%s">`, action)
	for _, u := range users {
		fmt.Fprintf(&b, `<button name="user" value="%s">%s<small>%s</small></button>`,
			html.EscapeString(u.Subject), html.EscapeString(u.label()), html.EscapeString(u.Email))
	}
	b.WriteString(`</form><h2>Somebody else</h2>`)
	email := ""
	if _, ok := typedUser(req.loginHint, ""); ok {
		email = req.loginHint
	}
	fmt.Fprintf(&b, `<form method="post" action="%s"><label for="email">E-mail</label>`+
		`<input id="email" name="email" type="email" autocomplete="off" autocapitalize="none" spellcheck="false" required maxlength="254" value="%s">`+
		`<label for="name">Name (optional)</label><input id="name" name="name" autocomplete="off" maxlength="200">`+
		`<button class="main">Sign in</button></form>`, action, html.EscapeString(email))
	fmt.Fprintf(&b, `<form method="post" action="%s"><button class="plain" name="deny" value="1">Refuse</button></form>`, action)
	page(w, http.StatusOK, "Sign in", b.String(), "")
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
	b.WriteString(`<noscript><button class="main">Continue</button></noscript></form>`)
	page(w, http.StatusOK, "One moment", b.String(), submitScript)
}

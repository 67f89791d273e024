package fakeidp

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An authRequest is a checked authentication request.
type authRequest struct {
	grant     grant // all but the person
	state     string
	formPost  bool
	prompt    []string
	maxAge    time.Duration // negative: not asked for
	loginHint string
}

// An authError goes to the client at its redirect URI (RFC 6749 section 4.1.2.1).
type authError struct{ code, text string }

// serveAuthorize shows the login page, and takes its answer.
func (p *IdP) serveAuthorize(w http.ResponseWriter, r *http.Request, s shape, f Faults) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		p.refuse(w, "The request cannot be read: its query is malformed.")
		return
	}
	if p.config.Observe != nil && r.Method != http.MethodPost {
		p.config.Observe(Authorize, query)
	}
	// Nothing is redirected before client and redirect URI are known to be right (RFC 9700 section 4.11.2).
	req, refusal := p.target(query, s)
	if refusal != "" {
		p.refuse(w, refusal)
		return
	}
	req.grant.tenant = tenantOf(s, r.URL.Path)
	if e := p.check(query, s, req); e != nil {
		p.fail(w, r, req, f, *e)
		return
	}
	if f.Deny {
		p.fail(w, r, req, f, denied(s))
		return
	}
	if f.Error != "" {
		p.fail(w, r, req, f, authError{f.Error, f.ErrorDescription})
		return
	}
	if r.Method == http.MethodPost {
		if err := p.cross.Check(r); err != nil {
			http.Error(w, "the form was sent from another site", http.StatusForbidden)
			return
		}
		p.choose(w, r, req, f)
		return
	}
	p.ask(w, r, req, f)
}

// target finds client and redirect URI. The text is for the person, who sees it on a page.
func (p *IdP) target(q url.Values, s shape) (*authRequest, string) {
	for name, values := range q {
		if len(values) > 1 {
			return nil, fmt.Sprintf("The parameter %q is there more than once (RFC 6749 section 3.1).", name)
		}
	}
	p.mu.Lock()
	client, ok := p.clients[q.Get("client_id")]
	p.mu.Unlock()
	if !ok {
		return nil, "This client_id is not registered here."
	}
	uri := q.Get("redirect_uri")
	req := &authRequest{state: q.Get("state"), maxAge: -1}
	req.grant = grant{shape: s, client: client.ID, redirectURI: uri}
	if s == gitHub && len(client.RedirectURIs) > 0 && !slices.Contains(client.RedirectURIs, uri) {
		req.grant.redirectURI = client.RedirectURIs[0] // GitHub answers there, with an error unless none was named
		return req, ""
	}
	if !slices.Contains(client.RedirectURIs, uri) {
		return nil, "This redirect_uri is not registered for the client. It is compared character for character."
	}
	return req, ""
}

// check reads the rest of the request.
func (p *IdP) check(q url.Values, s shape, req *authRequest) *authError {
	if uri := q.Get("redirect_uri"); s == gitHub && uri != "" && uri != req.grant.redirectURI {
		return &authError{"redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application."}
	}
	if t := q.Get("response_type"); t != "code" && (s != gitHub || t != "") {
		return &authError{"unsupported_response_type", "only response_type=code is offered"}
	}
	switch mode := q.Get("response_mode"); {
	case mode == "" || mode == "query":
	case mode == "form_post" && (s == openID || s == apple):
		req.formPost = true
	default:
		return &authError{"invalid_request", "this response_mode is not offered"}
	}
	if q.Has("request") || q.Has("request_uri") {
		return &authError{"request_not_supported", "request objects are not offered"}
	}
	challenge := q.Get("code_challenge")
	if vendorOf(s).refusesPKCE != "" {
		challenge = ""
	} else if raw, err := b64.DecodeString(challenge); err != nil || len(raw) != sha256.Size || q.Get("code_challenge_method") != "S256" {
		return &authError{"invalid_request", "PKCE is required: code_challenge with code_challenge_method=S256"}
	}
	req.grant.challenge = challenge
	req.grant.nonce = q.Get("nonce")
	req.loginHint = q.Get("login_hint")
	req.grant.scopes = words(q.Get("scope"))
	if s == gitHub {
		req.loginHint = q.Get("login")
		req.grant.scopes = words(strings.ReplaceAll(q.Get("scope"), ",", " "))
	}
	req.grant.offline = s == twitch || q.Get("access_type") == "offline" || req.grant.has("offline_access")
	req.prompt = words(q.Get("prompt"))
	if slices.Contains(req.prompt, "none") && len(req.prompt) > 1 {
		return &authError{"invalid_request", "prompt=none stands alone"}
	}
	if v := q.Get("max_age"); v != "" {
		seconds, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return &authError{"invalid_request", "max_age is a number of seconds"}
		}
		req.maxAge = time.Duration(seconds) * time.Second
	}
	if v := q.Get("claims"); v != "" && s == twitch {
		var ask struct {
			IDToken  map[string]any `json:"id_token"`
			UserInfo map[string]any `json:"userinfo"`
		}
		if json.Unmarshal([]byte(v), &ask) != nil {
			return &authError{"invalid_request", "claims is not a JSON object"}
		}
		req.grant.idClaims, req.grant.infoClaims = members(ask.IDToken), members(ask.UserInfo)
	}
	return nil
}

func members(m map[string]any) map[string]bool {
	set := map[string]bool{}
	for name := range m {
		set[name] = true
	}
	return set
}

// ask finds out who it is: at once with Auto or prompt=none, else by the login page.
func (p *IdP) ask(w http.ResponseWriter, r *http.Request, req *authRequest, f Faults) {
	if p.config.Auto {
		user, ok := p.findUser(req.loginHint)
		if !ok {
			p.fail(w, r, req, f, authError{"login_required", "no user has this login_hint"})
			return
		}
		p.finish(w, r, req, f, user, p.config.Now())
		return
	}
	if !slices.Contains(req.prompt, "none") {
		p.loginPage(w, r, req)
		return
	}
	last, ok := p.login(r)
	if !ok || req.maxAge >= 0 && p.config.Now().Sub(last.at) > req.maxAge {
		p.fail(w, r, req, f, authError{"login_required", "nobody is signed in, or too long ago"})
		return
	}
	p.finish(w, r, req, f, last.user, last.at)
}

// choose takes the answer of the login page.
func (p *IdP) choose(w http.ResponseWriter, r *http.Request, req *authRequest, f Faults) {
	form := r.PostForm
	if form.Has("deny") {
		p.fail(w, r, req, f, denied(req.grant.shape))
		return
	}
	user, ok := p.findUser(form.Get("user"))
	if form.Get("user") == "" {
		user, ok = typedUser(form.Get("email"), form.Get("name"))
	}
	if !ok {
		p.loginPage(w, r, req)
		return
	}
	now := p.config.Now()
	p.remember(w, user, now)
	p.finish(w, r, req, f, user, now)
}

// typedUser is somebody typed into the form: the same address is the same person, every time.
func typedUser(email, name string) (User, bool) {
	email, name = strings.TrimSpace(email), strings.TrimSpace(name)
	local, domain, ok := strings.Cut(email, "@")
	if !ok || local == "" || domain == "" || len(email) > 254 || len(name) > 200 {
		return User{}, false
	}
	if name == "" {
		name = local
	}
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	return User{Subject: b64.EncodeToString(sum[:12]), Email: email, EmailVerified: true, Name: name, Login: local}, true
}

func denied(s shape) authError {
	if s == gitHub {
		return authError{"access_denied", "The user has denied your application access."}
	}
	return authError{"access_denied", "The person refused."}
}

// finish answers with a code.
func (p *IdP) finish(w http.ResponseWriter, r *http.Request, req *authRequest, f Faults, user User, at time.Time) {
	g := req.grant
	g.user, g.authTime, g.ended = user, at, new(bool)
	answer := url.Values{"code": {p.newCode(&g)}}
	if g.shape == apple {
		if first := p.appleUser(g); first != "" {
			answer.Set("user", first)
		}
	}
	if f.DuplicateCode {
		answer.Add("code", p.newCode(&g))
	}
	p.answer(w, r, req, f, answer)
}

// fail answers with an error.
func (p *IdP) fail(w http.ResponseWriter, r *http.Request, req *authRequest, f Faults, e authError) {
	p.answer(w, r, req, f, url.Values{"error": {e.code}, "error_description": {e.text}})
}

// answer goes back to the client.
func (p *IdP) answer(w http.ResponseWriter, r *http.Request, req *authRequest, f Faults, answer url.Values) {
	if req.state != "" {
		answer.Set("state", req.state)
	}
	if f.WrongState {
		answer.Set("state", p.random())
	}
	if s := req.grant.shape; (s == openID || vendorOf(s).sendsIss) && !f.NoIss { // most do not send iss (RFC 9207)
		answer.Set("iss", p.issuer(s))
		if f.WrongIss {
			answer.Set("iss", "https://other.example")
		}
	}
	if req.formPost {
		p.formPostPage(w, req.grant.redirectURI, answer)
		return
	}
	to, err := url.Parse(req.grant.redirectURI)
	if err != nil {
		p.refuse(w, "The registered redirect_uri is not a URL.")
		return
	}
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += answer.Encode()
	w.Header().Set("Referrer-Policy", "no-referrer")
	// 303 turns the POST of the login page into a GET (RFC 9700 section 4.12).
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

const loginCookie = "fakeidp-login"

// remember keeps who signed in with this browser.
func (p *IdP) remember(w http.ResponseWriter, user User, at time.Time) {
	p.mu.Lock()
	for id, l := range p.logins {
		if at.After(l.expires) {
			delete(p.logins, id)
		}
	}
	id := p.random()
	p.logins[id] = login{user: user, at: at, expires: at.Add(loginLife)}
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: loginCookie, Value: id, Path: p.base + "/", MaxAge: int(loginLife.Seconds()), HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(p.config.Issuer, "https:"),
	})
}

// login says who signed in with this browser before.
func (p *IdP) login(r *http.Request) (login, bool) {
	c, err := r.Cookie(loginCookie)
	if err != nil {
		return login{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.logins[c.Value]
	return l, ok && p.config.Now().Before(l.expires)
}

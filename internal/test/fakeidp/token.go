package fakeidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// A tokenError is a refusal of the token endpoint (RFC 6749 section 5.2).
type tokenError struct {
	code string
	text string
}

// serveToken turns a code or a refresh token into tokens.
func (p *IdP) serveToken(w http.ResponseWriter, r *http.Request, s shape, f Faults) {
	if p.config.Observe != nil {
		p.config.Observe(Token, r.PostForm)
	}
	t, e := p.exchange(r, s)
	if f.TokenError != "" {
		e = &tokenError{f.TokenError, "as the test asked"}
	}
	if e != nil {
		refuseToken(w, r, s, *e)
		return
	}
	idToken := ""
	if t.grant.has("openid") && s != gitHub && !f.NoIDToken {
		var err error
		if idToken, err = p.idToken(t, f); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	if s == gitHub {
		answerGitHub(w, r, url.Values{"access_token": {t.access}, "scope": {strings.Join(t.grant.scopes, ",")}, "token_type": {"bearer"}})
		return
	}
	answer := map[string]any{
		"access_token": t.access, "token_type": "Bearer", "expires_in": int(accessLife.Seconds()), "scope": strings.Join(t.grant.scopes, " "),
	}
	if s == twitch {
		answer["token_type"], answer["scope"] = "bearer", t.grant.scopes // a JSON array, against RFC 6749 section 5.1
	}
	if s == slack {
		answer["ok"] = true
	}
	if t.refresh != "" {
		answer["refresh_token"] = t.refresh
	}
	if idToken != "" {
		answer["id_token"] = idToken
	}
	writeJSON(w, http.StatusOK, answer)
}

// exchange checks the request in the order of RFC 6749 section 4.1.3: client, code, redirect URI, verifier.
func (p *IdP) exchange(r *http.Request, s shape) (tokens, *tokenError) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return tokens{}, &tokenError{"invalid_request", "the body must be application/x-www-form-urlencoded"}
	}
	form := r.PostForm
	for _, values := range form {
		if len(values) > 1 {
			return tokens{}, &tokenError{"invalid_request", "a parameter is there more than once"}
		}
	}
	if r.URL.RawQuery != "" {
		return tokens{}, &tokenError{"invalid_request", "parameters belong into the body"}
	}
	client, e := p.authenticate(r, s)
	if e != nil {
		return tokens{}, e
	}
	kind := form.Get("grant_type")
	if kind == "" && s == gitHub {
		kind = "authorization_code" // GitHub does not ask for it
	}
	switch kind {
	case "authorization_code":
		g, ok := p.redeem(s, client, form.Get("code"))
		if !ok {
			return tokens{}, &tokenError{"invalid_grant", "the code is unknown, used or expired"}
		}
		if uri := form.Get("redirect_uri"); uri != g.redirectURI && (s != gitHub || uri != "") {
			return tokens{}, &tokenError{"invalid_grant", "redirect_uri differs from that of the authorization request"}
		}
		if code := vendorOf(s).refusesPKCE; code != "" {
			if form.Has("code_verifier") {
				return tokens{}, &tokenError{code, "code_verifier is not taken"}
			}
			return p.issue(g), nil
		}
		if !verifies(form.Get("code_verifier"), g.challenge) {
			return tokens{}, &tokenError{"invalid_grant", "code_verifier does not fit code_challenge"}
		}
		return p.issue(g), nil
	case "refresh_token":
		g, ok := p.takeRefresh(s, client, form.Get("refresh_token"))
		if !ok {
			return tokens{}, &tokenError{"invalid_grant", "the refresh token is unknown, used or expired"}
		}
		g.nonce = "" // OpenID Connect Core section 12.2
		return p.issue(g), nil
	}
	return tokens{}, &tokenError{"unsupported_grant_type", "only authorization_code and refresh_token are offered"}
}

// verifies checks PKCE (RFC 7636 section 4.6).
func verifies(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(b64.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// authenticate finds the client by client_secret_basic or client_secret_post, never by both (RFC 6749 section 2.3).
func (p *IdP) authenticate(r *http.Request, s shape) (string, *tokenError) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, pass, basic := r.BasicAuth(); basic {
		if s == twitch || vendorOf(s).secret == "post" {
			return "", &tokenError{"invalid_client", "missing client id"} // Twitch reads the body only
		}
		if secret != "" {
			return "", &tokenError{"invalid_request", "two ways of client authentication at once"}
		}
		// Both halves are form-encoded before they are put together (RFC 6749 section 2.3.1).
		u, err1 := url.QueryUnescape(user)
		v, err2 := url.QueryUnescape(pass)
		if err1 != nil || err2 != nil || id != "" && id != u {
			return "", &tokenError{"invalid_client", "the Authorization header is malformed"}
		}
		id, secret = u, v
	} else if vendorOf(s).secret == "basic" {
		return "", &tokenError{"invalid_client", "the Authorization header is missing"}
	}
	p.mu.Lock()
	client, ok := p.clients[id]
	p.mu.Unlock()
	if ok && s == apple {
		if !p.appleSecret(client, secret) {
			return "", &tokenError{"invalid_client", "the client secret is not what was registered"}
		}
		return id, nil
	}
	if !ok || subtle.ConstantTimeCompare([]byte(client.Secret), []byte(secret)) != 1 {
		return "", &tokenError{"invalid_client", "unknown client or wrong secret"}
	}
	return id, nil
}

// refuseToken answers with an error in the manner of the shape.
func refuseToken(w http.ResponseWriter, r *http.Request, s shape, e tokenError) {
	if refuseVendorToken(w, s, e) {
		return
	}
	switch s {
	case gitHub:
		refuseGitHub(w, r, e)
	case twitch:
		status := http.StatusBadRequest
		if e.code == "invalid_client" {
			status = http.StatusForbidden
		}
		writeJSON(w, status, map[string]any{"status": status, "message": e.text})
	default:
		status := http.StatusBadRequest
		if e.code == "invalid_client" {
			status = http.StatusUnauthorized
			w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		}
		writeJSON(w, status, map[string]string{"error": e.code, "error_description": e.text})
	}
}

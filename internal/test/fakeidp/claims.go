package fakeidp

import (
	"net/http"
	"time"
)

// idToken makes the ID token (OpenID Connect Core section 2), as wrong as the faults say.
func (p *IdP) idToken(t tokens, f Faults) (string, error) {
	g := t.grant
	now := p.config.Now()
	claims := map[string]any{
		"iss": p.issuer(g.shape), "sub": g.user.Subject, "aud": g.client, "azp": g.client,
		"iat": now.Unix(), "exp": now.Add(idLife).Unix(),
	}
	if g.shape == openID {
		claims["auth_time"] = g.authTime.Unix()
		claims["at_hash"] = halfHash(t.access)
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	profile(claims, g, g.idClaims, f)
	if g.shape.isVendor() {
		p.vendorClaims(claims, g, f)
	}

	if f.WrongIssuer {
		claims["iss"] = "https://other.example"
	}
	if f.WrongAudience {
		claims["aud"], claims["azp"] = "another-client", "another-client"
	}
	if f.MoreAudiences {
		claims["aud"] = []string{g.client, "another-client"}
		delete(claims, "azp")
	}
	if f.WrongNonce {
		claims["nonce"] = p.random()
	}
	for name, drop := range map[string]bool{"nonce": f.NoNonce, "sub": f.NoSubject, "iat": f.NoIssuedAt} {
		if drop {
			delete(claims, name)
		}
	}
	if f.Expired {
		past := now.Add(-2 * time.Hour).Unix()
		claims["iat"], claims["exp"] = past, past
	}
	if f.AuthAge > 0 {
		claims["auth_time"] = now.Add(-f.AuthAge).Unix()
	}
	if f.IDToken != nil {
		f.IDToken(claims)
	}
	return p.sign(claims, vendorOf(g.shape), f)
}

// profile adds what the scopes allow (OpenID Connect Core section 5.4). Twitch sends only what the claims parameter
// asks for.
func profile(claims map[string]any, g grant, asked map[string]bool, f Faults) {
	u := g.user
	add := func(name string, value any, scope string, empty bool) {
		if g.shape == twitch && !asked[name] || empty || !g.has(scope) {
			return
		}
		claims[name] = value
	}
	mail, names := "email", "profile"
	if g.shape == twitch {
		mail, names = "user:read:email", "openid"
	}
	add("email", u.Email, mail, u.Email == "" || f.NoEmail)
	switch {
	case f.EmailVerifiedText:
		add("email_verified", "true", mail, u.Email == "" || f.NoEmail)
	case !f.NoEmailVerified:
		add("email_verified", u.EmailVerified && !f.EmailUnverified, mail, u.Email == "" || f.NoEmail)
	}
	add("name", u.Name, names, u.Name == "" || g.shape == twitch)
	add("picture", u.Picture, names, u.Picture == "")
	add("preferred_username", u.login(), names, u.login() == "")
	if u.HostedDomain != "" && g.shape == openID {
		claims["hd"] = u.HostedDomain
	}
}

// serveUserInfo answers for the access token (OpenID Connect Core section 5.3).
func (p *IdP) serveUserInfo(w http.ResponseWriter, r *http.Request, s shape, f Faults) {
	g, ok := p.bearer(r, s)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	claims := map[string]any{"sub": g.user.Subject}
	if f.OtherSubject {
		claims["sub"] = "somebody-else"
	}
	if s == twitch {
		now := p.config.Now()
		claims["iss"], claims["aud"] = p.issuer(s), g.client
		claims["iat"], claims["exp"] = now.Unix(), now.Add(idLife).Unix()
	}
	profile(claims, *g, g.infoClaims, f)
	writeJSON(w, http.StatusOK, claims)
}

// serveDiscovery answers with the metadata (OpenID Connect Discovery section 3).
func (p *IdP) serveDiscovery(w http.ResponseWriter, _ *http.Request, s shape, f Faults) {
	issuer := p.issuer(s)
	m := map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + "/authorize",
		"token_endpoint":                        issuer + "/token",
		"userinfo_endpoint":                     issuer + "/userinfo",
		"jwks_uri":                              issuer + "/jwks",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": p.algorithms(),
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"code_challenge_methods_supported":      []string{"S256"},
	}
	if s == twitch {
		m["jwks_uri"] = issuer + "/keys"
		m["scopes_supported"] = []string{"openid", "user:read:email"}
		m["claims_parameter_supported"] = true
	} else {
		m["scopes_supported"] = []string{"openid", "email", "profile", "offline_access"}
		m["response_modes_supported"] = []string{"query", "form_post"}
		m["grant_types_supported"] = []string{"authorization_code", "refresh_token"}
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic", "client_secret_post", "none"}
		m["authorization_response_iss_parameter_supported"] = !f.NoIssAnnounced
	}
	if f.WrongDiscoveryIssuer {
		m["issuer"] = "https://other.example"
	}
	writeJSON(w, http.StatusOK, m)
}

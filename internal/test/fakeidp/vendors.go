package fakeidp

import (
	"net/http"
	"strings"
)

// The shapes of vendors. Each lives below its own path, under the paths it has at home: see vendorOf.
const (
	facebook shape = iota + 100
	spotify
	discord
	xTwitter
	microsoft
	apple
	slack
	linkedIn
	cognito
	gitLab
	keycloak
	yahoo
)

// What the shapes of vendors have fixed.
const (
	// HomeTenant is the Microsoft directory of everybody here; ConsumerTenant that of personal accounts.
	HomeTenant     = "11111111-2222-4333-8444-555555555555"
	ConsumerTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	// SlackTeam is the workspace of everybody here.
	SlackTeam = "T0123456789"
	// CognitoPool is the one user pool, KeycloakRealm the one realm.
	CognitoPool   = "eu-central-1_AbCdEf123"
	KeycloakRealm = "main"
)

// A vendor is where a shape is and what is its own.
type vendor struct {
	name string // first element of the path
	root string // below it, what the issuer adds; "{tenant}" is any directory of Microsoft
	// Paths below name: the authorization, token, profile and key endpoints. An OpenID provider has keys.
	auth, token, info, keys string

	noDiscovery bool
	secret      string // where the client secret is taken: "basic", "post", or "" for either
	refusesPKCE string // the error for a code_verifier; empty: PKCE is required
	alg         string // of ID tokens; empty: as configured
	zip         string // a header of ID tokens that has no meaning
	sendsIss    bool   // at the callback
}

func vendorOf(s shape) vendor {
	switch s {
	case facebook:
		return vendor{name: "facebook", auth: "/dialog/oauth", token: "/oauth/access_token", info: "/me", secret: "post"}
	case spotify:
		return vendor{name: "spotify", auth: "/authorize", token: "/api/token", info: "/v1/me", secret: "basic"}
	case discord:
		return vendor{name: "discord", auth: "/oauth2/authorize", token: "/api/v10/oauth2/token", info: "/api/v10/users/@me"}
	case xTwitter:
		return vendor{name: "x", auth: "/i/oauth2/authorize", token: "/2/oauth2/token", info: "/2/users/me", secret: "basic"}
	case microsoft:
		return vendor{
			name: "microsoft", root: "/{tenant}/v2.0", auth: "/{tenant}/oauth2/v2.0/authorize", token: "/{tenant}/oauth2/v2.0/token",
			info: "/oidc/userinfo", keys: "/{tenant}/discovery/v2.0/keys",
		}
	case apple:
		return vendor{name: "apple", auth: "/auth/authorize", token: "/auth/token", keys: "/auth/keys", noDiscovery: true, secret: "post"}
	case slack:
		return vendor{
			name: "slack", auth: "/openid/connect/authorize", token: "/api/openid.connect.token", info: "/api/openid.connect.userInfo",
			keys: "/openid/connect/keys", refusesPKCE: "internal_error",
		}
	case linkedIn:
		return vendor{
			name: "linkedin", root: "/oauth", auth: "/oauth/v2/authorization", token: "/oauth/v2/accessToken", info: "/v2/userinfo",
			keys: "/oauth/openid/jwks", secret: "post", refusesPKCE: "invalid_client", zip: "RS256",
		}
	case cognito:
		return vendor{
			name: "cognito", root: "/" + CognitoPool, auth: "/oauth2/authorize", token: "/oauth2/token", info: "/oauth2/userInfo",
			keys: "/" + CognitoPool + "/.well-known/jwks.json",
		}
	case gitLab:
		return vendor{name: "gitlab", auth: "/oauth/authorize", token: "/oauth/token", info: "/oauth/userinfo", keys: "/oauth/discovery/keys"}
	case keycloak:
		const realm, flow = "/realms/" + KeycloakRealm, "/realms/" + KeycloakRealm + "/protocol/openid-connect"
		return vendor{name: "keycloak", root: realm, auth: flow + "/auth", token: flow + "/token", info: flow + "/userinfo", keys: flow + "/certs", sendsIss: true}
	case yahoo:
		return vendor{
			name: "yahoo", auth: "/oauth2/request_auth", token: "/oauth2/get_token", info: "/openid/v1/userinfo", keys: "/openid/v1/certs", alg: "ES256",
		}
	}
	return vendor{}
}

// isVendor reports whether a shape is one of this file.
func (s shape) isVendor() bool { return s >= facebook }

// vendorRoute finds what a path below the issuer's is for.
func vendorRoute(path string) (route, bool) {
	for s := facebook; s <= yahoo; s++ {
		v := vendorOf(s)
		rest, ok := strings.CutPrefix(path, "/"+v.name+"/")
		if !ok {
			continue
		}
		rest = "/" + rest
		if tenant := tenantOf(s, path); tenant != "" {
			rest = strings.Replace(rest, "/"+tenant+"/", "/{tenant}/", 1)
		}
		get := []string{http.MethodGet, http.MethodHead}
		switch rest {
		case v.root + "/.well-known/openid-configuration":
			return route{Discovery, s, get, (*IdP).serveVendorDiscovery}, v.keys != "" && !v.noDiscovery
		case v.auth:
			return route{Authorize, s, []string{http.MethodGet, http.MethodPost}, (*IdP).serveAuthorize}, true
		case v.token:
			return route{Token, s, []string{http.MethodPost}, (*IdP).serveToken}, true
		case v.keys:
			return route{JWKS, s, get, (*IdP).serveJWKS}, v.keys != ""
		case v.info:
			return route{UserInfo, s, get, (*IdP).serveVendorProfile}, v.info != ""
		}
	}
	return route{}, false
}

// tenantOf is the directory that a path of Microsoft names.
func tenantOf(s shape, path string) string {
	_, rest, ok := strings.Cut(path, "/microsoft/")
	tenant, _, more := strings.Cut(rest, "/")
	if s != microsoft || !ok || !more || tenant == "oidc" {
		return ""
	}
	return tenant
}

// tid is the directory of the people who come through a tenant: their own, if it is the id of one.
func tid(tenant string) string {
	switch {
	case tenant == "consumers":
		return ConsumerTenant
	case len(tenant) == len(HomeTenant) && strings.Count(tenant, "-") == 4:
		return strings.ToLower(tenant)
	}
	return HomeTenant // common, organizations, a domain name
}

// vendorURL is where a vendor's paths are.
func (p *IdP) vendorURL(s shape) string { return p.config.Issuer + "/" + vendorOf(s).name }

// vendorIssuer is iss of the ID tokens of a vendor for those who came through a tenant.
func (p *IdP) vendorIssuer(s shape, tenant string) string {
	return p.vendorURL(s) + strings.Replace(vendorOf(s).root, "{tenant}", tid(tenant), 1)
}

// serveVendorDiscovery answers with the metadata, as far as they matter.
func (p *IdP) serveVendorDiscovery(w http.ResponseWriter, r *http.Request, s shape, f Faults) {
	v, tenant := vendorOf(s), tenantOf(s, r.URL.Path)
	at := func(path string) string { return p.vendorURL(s) + strings.Replace(path, "{tenant}", tenant, 1) }
	m := map[string]any{
		"issuer":                                p.vendorIssuer(s, tenant),
		"authorization_endpoint":                at(v.auth),
		"token_endpoint":                        at(v.token),
		"userinfo_endpoint":                     at(v.info),
		"jwks_uri":                              at(v.keys),
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": p.algorithms(),
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
	}
	switch v.secret {
	case "post":
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	case "basic":
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
	}
	if v.sendsIss {
		m["authorization_response_iss_parameter_supported"] = !f.NoIssAnnounced
	}
	if s == microsoft && (tenant == "common" || tenant == "organizations") {
		m["issuer"] = at("/{tenantid}/v2.0") // as it stands: a template
	}
	if f.WrongDiscoveryIssuer {
		m["issuer"] = "https://other.example"
	}
	writeJSON(w, http.StatusOK, m)
}

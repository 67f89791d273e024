package oidc

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
)

// Keycloak signs in with an account of a realm of a Keycloak server, such as ("https://login.example.com", "staff").
// Before version 17 the URL of a server ends in /auth.
//
// Config needs ClientID, and ClientSecret if the client has "client authentication". AllowPrivate lets the server be
// inside a company. Forward "kc_idp_hint" leads people straight to a provider of the realm.
//
// An address is Verified if email_verified is the boolean true. That is the realm's word: it is true after Keycloak has
// mailed a link, but administrators may set it, and for people of a federated provider it is true if that provider is
// set to "Trust Email".
// Source: https://www.keycloak.org/securing-apps/oidc-layers.
func Keycloak(server, realm string, c Config) *Provider {
	var q quirks
	if realm == "" || strings.Contains(realm, "/") {
		q.err = errors.New("oidc: Keycloak: realm must be the name of a realm, without a slash")
	}
	c.Issuer = cmp.Or(c.Issuer, strings.TrimSuffix(server, "/")+"/realms/"+url.PathEscape(realm))
	return build(c, q)
}

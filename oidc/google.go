package oidc

import "cmp"

// Google signs in with a Google account.
//
// Config needs ClientID and ClientSecret. Prompt "select_account" lets people choose among their accounts. HostedDomain
// lets in the accounts of one Workspace only. For a refresh token set AuthParams to {"access_type": "offline"}, and
// Prompt to "consent" to get another one later.
//
// An address is Verified if Google says so with the boolean true. Google owns the proof where the address ends in
// @gmail.com or the account is of a Workspace (claim hd in Identity.Raw); any other address was proven by a mail when
// the account was made, and may have a new owner since
// (https://developers.google.com/identity/openid-connect/openid-connect).
//
// Its ways: iss of an ID token may be accounts.google.com, without https:// (OpenID Connect Core section 15.6.2).
// Identity.Issuer is https://accounts.google.com either way.
func Google(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "google")
	c.Issuer = cmp.Or(c.Issuer, "https://accounts.google.com")
	return build(c, quirks{bareIssuer: true, noAuthTime: true, noLogin: true})
}

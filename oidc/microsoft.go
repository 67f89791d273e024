package oidc

import (
	"cmp"
	"errors"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// consumers is the tenant of personal Microsoft accounts.
const consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"

// Microsoft signs in with an account of Microsoft Entra ID, or a personal Microsoft account. tenant chooses the
// accounts:
//
//   - the id of a directory, or a domain name of it: accounts of that directory only
//   - "organizations": work and school accounts of any directory
//   - "consumers": personal accounts
//   - "common": all of these
//
// Config needs ClientID and ClientSecret. Prompt "select_account" lets people choose among their accounts; Forward
// "login_hint" and "domain_hint" save them a page. A national cloud is named by Issuer, which must end in
// /{tenant}/v2.0: "https://login.microsoftonline.us/common/v2.0".
//
// Identity.Issuer is that of the person's own directory, https://login.microsoftonline.com/{tenant id}/v2.0, and
// Subject is sub, which differs from one application to the next. The ids that all applications of a directory see are
// oid and tid in Identity.Raw. With several directories let in, the owner of each decides about the people in it:
// check the Issuer where only some are customers.
//
// An address is Verified only if the claim xms_edov is true: then Microsoft knows the owner of its domain. Add
// xms_edov and email to the ID token, under "Token configuration" of the app registration. The claim email alone
// proves nothing: it comes from a directory, in which an administrator of any tenant can write any address. An
// application that links accounts by it lets strangers take them over ("nOAuth"). email_verified and
// preferred_username prove nothing either.
//
// Its ways: the metadata of common and organizations name a template for the issuer, and the claim tid says what to put
// into it; iss must be the result, and that of a directory which tenant lets in. xms_edov is documented as a boolean,
// and is seen as "1" as well.
// Sources: https://learn.microsoft.com/entra/identity-platform/access-tokens,
// https://learn.microsoft.com/entra/identity-platform/optional-claims-reference,
// https://learn.microsoft.com/entra/identity-platform/migrate-off-email-claim-authorization.
func Microsoft(tenant string, c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "microsoft")
	c.Issuer = cmp.Or(c.Issuer, "https://login.microsoftonline.com/"+tenant+"/v2.0")
	cloud, ok := strings.CutSuffix(c.Issuer, "/"+tenant+"/v2.0")
	m := directory{tenant: tenant, cloud: cloud}
	q := quirks{noAuthTime: true, issuerOK: m.documents, issuer: m.issuer, finish: edov}
	switch {
	case tenant == "" || strings.Trim(tenant, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != "":
		q.err = errors.New(`oidc: Microsoft: tenant must be "common", "organizations", "consumers", or the id or a domain name of a directory`)
	case !ok:
		q.err = errors.New("oidc: Microsoft: Config.Issuer must end in /" + tenant + "/v2.0")
	}
	return build(c, q)
}

// A directory is whose accounts are let in.
type directory struct{ tenant, cloud string }

const template = "{tenantid}"

func (m directory) url(tenant string) string { return m.cloud + "/" + tenant + "/v2.0" }

// documents reports whether a discovery document may name this issuer.
func (m directory) documents(issuer string) bool {
	switch m.tenant {
	case "common", "organizations":
		return issuer == m.url(template)
	case "consumers":
		return issuer == m.url(consumers) || issuer == m.url(template)
	}
	if isTenant(m.tenant) {
		return issuer == m.url(strings.ToLower(m.tenant))
	}
	id := strings.TrimSuffix(strings.TrimPrefix(issuer, m.cloud+"/"), "/v2.0")
	return isTenant(id) && issuer == m.url(id) // of a domain name only Microsoft knows the id
}

// issuer is what iss of an ID token must be.
func (m directory) issuer(documented string, c *idClaims) (string, error) {
	tid := c.text("tid")
	switch {
	case !isTenant(tid) || tid != strings.ToLower(tid): // in capitals it would be a second Issuer of the same directory
		return "", errors.New("claim tid is missing or no id of a directory in lower case")
	case m.tenant == "organizations" && tid == consumers:
		return "", errors.New("claim tid is that of personal accounts, and the tenant is organizations")
	case m.tenant == "consumers" && tid != consumers:
		return "", errors.New("claim tid is not that of personal accounts, and the tenant is consumers")
	case documented != m.url(template) && documented != m.url(tid):
		return "", errors.New("claim tid is that of another directory")
	}
	return m.url(tid), nil
}

// isTenant reports whether s is the id of a directory: a UUID.
func isTenant(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(strings.ToLower(s)) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

// edov makes an address Verified by the claim xms_edov, and by nothing else.
func edov(_ authcode.Login, c *idClaims, id *postern.Identity) error {
	owner := c.claim("xms_edov")
	proven := c.text("email") != "" && (owner == "true" || owner == `"1"`) // of this token's address, not of UserInfo's
	for i, a := range id.Addresses {
		id.Addresses[i].Verified = proven && a.Type == "email"
	}
	return nil
}

package oidc

import (
	"cmp"
	"strings"
)

// GitLab signs in with an account of gitlab.com, or of one's own GitLab: set Issuer to its URL, such as
// "https://gitlab.example.com".
//
// Config needs ClientID and ClientSecret; the application there needs the scopes openid, email and profile.
//
// The subject is the numeric id of the account. An address is the primary one, and Verified if email_verified is the
// boolean true: its owner has then opened a link in a mail of GitLab's. On an instance of one's own, administrators can
// confirm addresses as well. Older versions put the address into the UserInfo answer only, which is asked then.
// Source: https://docs.gitlab.com/integration/openid_connect_provider/.
func GitLab(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "gitlab")
	c.Issuer = strings.TrimSuffix(cmp.Or(c.Issuer, "https://gitlab.com"), "/")
	return New(c)
}

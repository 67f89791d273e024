package oidc

import (
	"cmp"
	"errors"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// Slack signs in with an account of a Slack workspace ("Sign in with Slack").
//
// Config needs ClientID and ClientSecret. AuthParams {"team": "T0123456789"} proposes one workspace, but does not
// enforce it. If only one workspace may sign in, check the claim https://slack.com/team_id in Identity.Raw.
//
// Subject is "{team id}/{user id}", such as "T0123456789/U0123456789": the user id alone, which is Slack's sub, is only
// unique within its workspace. So one person in two workspaces is two.
//
// An address is Verified if email_verified is the boolean true. The owners of a workspace decide who may write
// addresses in it, so trust an address only as far as you trust the workspace.
//
// Its ways: no PKCE, which Slack answers with an error for applications that have it enabled; the nonce, which is
// checked, takes its place (RFC 9700 section 2.1.1). Errors of the token endpoint come with status 200.
// Sources: https://docs.slack.dev/authentication/sign-in-with-slack,
// https://docs.slack.dev/reference/methods/openid.connect.token, https://api.slack.com/types/user; for PKCE, which they
// do not mention here, reports of other clients (https://github.com/paradigmxyz/centaur/pull/1101).
func Slack(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "slack")
	c.Issuer = cmp.Or(c.Issuer, "https://slack.com")
	return build(c, quirks{noPKCE: true, noAuthTime: true, finish: slackTeam})
}

func slackTeam(_ authcode.Login, c *idClaims, id *postern.Identity) error {
	team := c.text("https://slack.com/team_id")
	if team == "" || len(team) > 64 {
		return errors.New("claim https://slack.com/team_id is missing")
	}
	id.Subject = team + "/" + c.Subject
	return nil
}

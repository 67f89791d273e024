package postern

import (
	"context"

	"github.com/posternauth/postern/session"
)

// AAL2 is a Config.RequireFactor for authenticator assurance level 2 of NIST SP 800-63B-4: every sign-in shows two
// factors, and no remembered browser stands in for one. Use it with session.AAL2 for the life of sessions.
// docs/assurance.md says what else the level demands.
func AAL2(context.Context, Person, session.Authentication) (Requirement, error) {
	return Requirement{Factor: true, NotRemembered: true}, nil
}

package passkey_test

import (
	"context"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// Where the policy demands a second factor, a password alone is no step-up, though the person never asked for the
// passkey each time.
func TestS11_APasswordIsNoStepUpWherePolicyDemandsAFactor(t *testing.T) {
	on := false
	w := newWorld(t, func(o *options) {
		o.config = func(c *postern.Config) {
			c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
				return postern.Requirement{Factor: on}, nil
			}
		}
	})
	owner, d := w.browser(), newDevice()
	owner.signUpPassword("ada@example.com")
	owner.enroll(d).want(200, "passkey.added")
	on = true
	b := w.browser()
	page := b.signInPassword("ada@example.com").want(200, "passkey.verify")
	b.fill(page, d.show(t, page.form("").Data)).want(200, "https://app.example.com/")
	w.Advance(11 * 60 * 1e9)
	b.get("/passkey/enroll").want(401, "insufficient_user_authentication")
	b.get("/step-up/password").want(404, "not_found")
	page = b.get("/step-up/passkey").want(200, "passkey.confirm")
	b.fill(page, d.show(t, page.form("").Data)).want(200, "https://app.example.com/")
	b.get("/passkey/enroll").want(200, "passkey.enroll")
}

// A remembered browser is no proof for a change of the account, though policy alone makes the factor due.
func TestM11_ARememberedBrowserChangesNoAccount(t *testing.T) {
	on := false
	w := newWorld(t, func(o *options) {
		o.config = func(c *postern.Config) {
			c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
				return postern.Requirement{Factor: on}, nil
			}
		}
	})
	owner, d := w.browser(), newDevice()
	owner.signUpPassword("ada@example.com")
	owner.enroll(d).want(200, "passkey.added")
	on = true
	b := w.browser()
	page := b.signInPassword("ada@example.com").want(200, "passkey.verify")
	b.fill(page, d.show(t, page.form("").Data), "remember", "yes").want(200, "https://app.example.com/")
	b.signInPassword("ada@example.com").want(200, "https://app.example.com/")
	b.get("/passkey/enroll").want(401, "insufficient_user_authentication")
}

// The person sees in the history of the account that a passkey came or went.
func TestHistory_HasPasskeys(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	b.signUpPassword("ada@example.com")
	b.enroll(d).want(200, "passkey.added")
	list := b.get("/passkey/list")
	b.post("/passkey/remove", "id", strings.TrimPrefix(list.page.Lines[0].Link.URL, issuer+"/passkey/edit?id=")).want(200, "passkey.removed")
	for _, event := range []string{"passkey_added", "passkey_removed"} {
		if got := b.get("/account/history").Body.String(); !strings.Contains(got, event) {
			t.Errorf("no %s in %s", event, got)
		}
	}
}

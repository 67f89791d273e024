package postern

import (
	"context"
	"net/http"
	"strings"
)

// An Applicant asks for an account. What an Applicant has is verified, except at the door of a form: there the address
// is typed, and verified later.
type Applicant struct {
	Identity Identity // zero at the door of a form
	Address  string   // canonical mail address; empty if the provider has verified none
	Username string   // empty for all who have an address
	Form     bool     // the address or the username was typed into a form, or proven by mail alone
	Invited  bool     // with a valid invitation, to this address
}

// An Admit decides who may sign up. It returns nil to let the applicant in, [Deny] to refuse, and any other error if it
// cannot decide (503). It is asked at every door: forms, JSON, providers and invitations.
type Admit func(ctx context.Context, a Applicant) error

var errClosed = &Error{Status: http.StatusForbidden, Code: "sign_up_closed", Text: "New accounts cannot be opened here by yourself. " +
	"If you have an account, sign in the way you did before. Otherwise ask the people who run this site for an invitation."}

// Open lets everybody sign up.
func Open(context.Context, Applicant) error { return nil }

// Closed lets nobody sign up. Users come from Users.Create, from an import, and from the administration.
func Closed(context.Context, Applicant) error { return errClosed }

// Invited lets those sign up who have an invitation to their address.
func Invited(_ context.Context, a Applicant) error {
	if a.Invited {
		return nil
	}
	return errClosed
}

// Domains lets those sign up whose verified mail address is at one of the domains, or who are invited. A domain does
// not include its subdomains. Who can get a mailbox at the domain can sign up.
func Domains(domains ...string) Admit {
	return func(_ context.Context, a Applicant) error {
		if a.Invited {
			return nil
		}
		_, domain, ok := strings.Cut(a.Address, "@")
		for _, d := range domains {
			if ok && strings.EqualFold(d, domain) {
				return nil
			}
		}
		return errClosed
	}
}

// closedForms is the default: a provider's identity makes a user, and a form does not.
func closedForms(_ context.Context, a Applicant) error {
	if a.Form && !a.Invited {
		return errClosed
	}
	return nil
}

// admitted asks Config.Admit.
func (a *Auth) admitted(ctx context.Context, who Applicant) error {
	err := a.admitNew(ctx, who)
	if err == nil {
		return nil
	}
	if e := refusal(err); e.Status < http.StatusInternalServerError {
		return e
	}
	return unavailable(err)
}
